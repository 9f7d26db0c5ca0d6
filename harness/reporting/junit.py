"""A run as JUnit XML, the same from every front door: what most CI servers read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from xml.etree import ElementTree as ET

from harness.reporting.runs import TestRecord
from harness.reporting.summary import plain

__all__ = ["junit_xml", "properties_of"]

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(run: str, tests: Iterable[TestRecord], *, ended: datetime) -> bytes:
    """The document: one suite, a case for each test with its properties.

    What the rig could not judge is ``skipped``, what the caller did wrong an ``error``, the rest ``failure``; the
    element's ``type`` is the blame.
    """
    suite = ET.Element("testsuite", name=_text(run), timestamp=ended.isoformat(timespec="seconds"))
    counts: Counter[str] = Counter()
    total = 0.0
    for test in tests:
        case = _case(test)
        suite.append(case)
        total += test.duration
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
    """What there is to say about a test beside its outcome: who is to blame, what it ran on, how to run it again."""
    details = test.details
    options: dict[str, Any] = details.get("options") or {}
    parts: dict[str, Any] = details.get("parts") or {}
    said: dict[str, Any] = {
        "blame": test.blame,
        "tier": options.get("boards"),
        "cluster": options.get("cluster"),
        "fleet": options.get("fleet"),
        "seed": details.get("seed"),
        "severity": details.get("severity"),
        **{f"duration.{part}": f"{seconds:.3f}" for part, seconds in parts.items()},
        "rerun": test.rerun,
        "report": test.folder,
    }
    yield from ((name, _text(str(value))) for name, value in said.items() if value not in (None, ""))
    yield from (("link", _text(str(link.get("url")))) for link in details.get("links") or ())


def _case(test: TestRecord) -> ET.Element:
    path, _, name = test.name.rpartition("::" if "::" in test.name else ".")
    case = ET.Element("testcase", classname=_text(path.replace("/", ".").removesuffix(".py")), name=_text(name))
    case.set("time", f"{test.duration:.3f}")
    for key in ("file", "line"):
        if test.details.get(key):
            case.set(key, _text(str(test.details[key])))
    properties = ET.SubElement(case, "properties")
    for key, value in properties_of(test):
        ET.SubElement(properties, "property", name=key, value=value)
    message = _text(plain(test.message)) or "; ".join(test.trouble)
    if test.outcome != "passed":
        tag = {"failed": "error" if test.blame == "usage" else "failure"}.get(test.outcome, "skipped")
        kind = test.blame or ("skip" if test.outcome == "skipped" else "unknown")
        first = message.partition("\n")[0]
        told = f"not run: {first}" if test.outcome == "not run" else first
        ET.SubElement(case, tag, type=kind, message=told).text = message
    return case


def _text(text: str) -> str:
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)
