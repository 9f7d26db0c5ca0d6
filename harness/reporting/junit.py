"""A run as JUnit XML, which most CI servers read; the same for every front door."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from xml.etree import ElementTree as ET

from harness.reporting.runs import TestRecord, cluster_seconds
from harness.reporting.summary import TOLD, plain

__all__ = ["junit_xml", "properties_of"]

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(run: str, tests: Iterable[TestRecord], *, ended: datetime) -> bytes:
    """The document: one suite, a case for each test with its properties.

    For pytest it has the cases, names and outcomes of ``pytest --junitxml``: a failure in setup, in teardown or of a
    worker is an ``error``, and a teardown that fails after a failed test is a second case. A test with subtests is one
    case with the test's outcome. For Robot a caller's mistake is an ``error``. A test that the rig could not run is
    ``skipped``. The element's ``type`` is the blame, ``pytest.xfail`` or ``skip``.
    """
    suite = ET.Element("testsuite", name=_text(run), timestamp=ended.isoformat(timespec="seconds"))
    counts: Counter[str] = Counter()
    total = 0.0
    for test in tests:
        total += test.duration
        for case in _cases(test):
            suite.append(case)
            counts.update(["tests", *(child.tag for child in case if child.tag != "properties")])
    for attribute, tag in (("tests", "tests"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(counts[tag]))
    suite.set("time", f"{total:.3f}")
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def properties_of(test: TestRecord) -> Iterator[tuple[str, str]]:
    """The properties of a test: blame, boards, cluster, seed, times, and the command to run it again."""
    details = test.details
    options: dict[str, Any] = details.get("options") or {}
    parts: dict[str, Any] = details.get("parts") or {}
    properties: dict[str, Any] = {
        "outcome": test.outcome if test.outcome in ("expected failure", "unexpected pass") else None,
        "blame": test.blame,
        "party": details.get("party"),
        "tier": options.get("boards"),
        "cluster": options.get("cluster"),
        "fleet": options.get("fleet"),
        "seed": details.get("seed"),
        "severity": details.get("severity"),
        **{f"duration.{part}": f"{seconds:.3f}" for part, seconds in parts.items()},
        "duration.cluster": f"{seconds:.3f}" if (seconds := cluster_seconds(test)) >= TOLD else None,
        "rerun": test.rerun,
        "worker": details.get("worker"),
        "report": test.folder,
    }
    yield from ((name, _text(str(value))) for name, value in properties.items() if value not in (None, ""))
    yield from (("link", _text(str(link.get("url")))) for link in details.get("links") or ())


def _cases(test: TestRecord) -> list[ET.Element]:
    phases = _reported(test)
    case = _case(test, test.duration)
    cases = [case]
    for phase in phases:
        element = _element(test, phase)
        if phase.get("when") == "teardown" and element.tag == "error" and case.find("failure") is not None:
            cases.append(_case(test, 0.0))
        cases[-1].append(element)
    return cases


def _reported(test: TestRecord) -> list[Mapping[str, Any]]:
    """The phases that get an XML element."""
    phases = [phase for phase in test.details.get("phases") or () if isinstance(phase, Mapping)]
    if not phases:
        phases = [{"outcome": test.outcome, "blame": test.blame, "message": test.message or "; ".join(test.trouble)}]
    whole = [phase for phase in phases if phase.get("when") != "subtest"]
    failed = [phase for phase in phases if phase.get("when") == "subtest" and phase.get("outcome") == "failed"]
    if failed and not any(phase.get("outcome") == "failed" and phase.get("when") == "call" for phase in whole):
        whole.insert(0, {**failed[0], "when": "call"})
    return [phase for phase in whole if phase.get("outcome") not in ("passed", "unexpected pass")]


def _element(test: TestRecord, phase: Mapping[str, Any]) -> ET.Element:
    outcome, blame, when = phase.get("outcome"), phase.get("blame"), phase.get("when")
    message = _text(plain(str(phase.get("message") or "")))
    first = message.partition("\n")[0]
    if outcome == "failed":
        error = blame == "usage" if when in (None, "test") else when != "call"
        tag, kind = "error" if error else "failure", blame or "unknown"
    else:
        tag, kind = "skipped", {"skipped": "skip", "expected failure": "pytest.xfail"}.get(outcome or "") or blame
    summary = f"not run: {first}" if outcome == "not run" else first
    element = ET.Element(tag, type=_text(str(kind or "unknown")), message=summary)
    element.text = message
    return element


def _case(test: TestRecord, seconds: float) -> ET.Element:
    suite, name = test.details.get("case") or _split(test.name)
    case = ET.Element("testcase", classname=_text(str(suite)), name=_text(str(name)))
    case.set("time", f"{seconds:.3f}")
    for key in ("file", "line"):
        if test.details.get(key):
            case.set(key, _text(str(test.details[key])))
    properties = ET.SubElement(case, "properties")
    for key, value in properties_of(test):
        ET.SubElement(properties, "property", name=key, value=value)
    return case


def _split(name: str) -> tuple[str, str]:
    """The class and the name of a test, from its full name."""
    path, _, name = name.rpartition("::" if "::" in name else ".")
    return path.replace("/", ".").removesuffix(".py"), name


def _text(text: str) -> str:
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)
