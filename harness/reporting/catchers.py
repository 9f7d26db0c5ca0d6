"""Which judge has failed a test, and the party that it blames, read from a run's ``junit.xml``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

__all__ = ["Catch", "catches"]

_CATCHERS = (
    ("invariant", r"what must always hold|^invariants?\b"),
    ("wire", r"wasmbed\.cddl|wire conformance"),
    ("sequence", r"\bsequence [a-z-]+: \d+ of"),
    ("mock", r"^[\w-]+: the (gateway|board) (sent|did not|ended|broke|replied)"),
    ("mock", r"the board (did not )?connect|no handshake failed"),
    ("until", r"did not reach|can no longer reach|cannot reach|no event |unreachable"),
)


@dataclass(frozen=True, slots=True)
class Catch:
    """A failed test: its id, the kind of judge, the party that the judge blames, and its first line."""

    test: str
    judge: str
    blamed: str
    words: str


def catches(run: Path) -> Iterator[Catch]:
    """Yield the failed tests of a run, and those that did not run because the rig failed; ``run`` is its folder."""
    for case in ET.parse(run / "junit.xml").iter("testcase"):
        verdict = next((child for child in case if child.tag in ("failure", "error", "skipped")), None)
        if verdict is not None and (verdict.tag != "skipped" or verdict.get("type") == "rig"):
            yield _read(case, verdict)


def _read(case: ET.Element, verdict: ET.Element) -> Catch:
    words = verdict.get("message") or verdict.text or ""
    whole = f"{words}\n{verdict.text or ''}"
    judge = next((name for name, pattern in _CATCHERS if re.search(pattern, whole, re.MULTILINE)), "assert")
    if verdict.get("type") == "rig":
        judge = "rig"
    said = {item.get("name"): item.get("value") for item in case.iter("property")}
    blamed = said.get("party") or said.get("blame") or verdict.get("type") or ""
    test = "{}.py::{}".format((case.get("classname") or "").replace(".", "/"), case.get("name"))
    return Catch(test, judge, blamed, words.strip().splitlines()[0] if words.strip() else "")
