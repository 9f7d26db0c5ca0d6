"""Reading a run's folder.

A test with a stack has its own folder with ``result.json`` and ``history.jsonl``; tests without a stack are lines of
``verdicts.jsonl``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError, reason
from harness.core.history import Event, read_history
from harness.core.plain_json import plain

__all__ = ["VERDICTS", "Outcome", "TestRecord", "cluster_seconds", "iterate_run", "read_run", "read_test"]

VERDICTS = "verdicts.jsonl"
"""The file in a run's folder with a line, like a ``result.json``, for each test without a folder."""

Outcome = str
"""``passed``, ``unexpected pass``, ``expected failure``, ``skipped``, ``not run`` or ``failed``."""


@dataclass(frozen=True, slots=True)
class TestRecord:
    """One test: outcome, blame, recorded events, and pictures of its verdicts.

    ``name`` is unique in its run. ``details`` has the other fields of ``result.json``: the seed, the options.
    ``trouble`` describes missing or damaged parts of the record. ``folder`` is None for a test without a stack.
    """

    __test__ = False

    name: str
    title: str
    outcome: Outcome
    blame: str | None
    message: str
    duration: float
    rerun: str
    details: dict[str, Any] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    pictures: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None


_KINDS: dict[str, type[Any]] = {"options": dict, "parts": dict, "links": list, "attempts": list, "phases": list}
"""The types of optional fields of a result."""
_OWN = {"test", "title", "outcome", "blame", "message", "duration", "rerun"}


def read_run(folder: Path) -> list[TestRecord]:
    """Every test of the run in ``folder``; see :func:`iterate_run`."""
    return list(iterate_run(folder))


def iterate_run(folder: Path, *, histories: bool = True) -> Iterator[TestRecord]:
    """Read the tests of the run in ``folder`` one at a time: tests with a folder in the order of their names, then the
    others.

    Without ``histories`` only the results are read: no events, no pictures.

    A test without a result, because the run was killed, is ``not run``, with the events that it recorded.
    Raises UsageError if the folder has no test.
    """
    tests = sorted({path.parent for pattern in ("result.json", "history.jsonl") for path in folder.rglob(pattern)})
    if not tests and not (folder / VERDICTS).exists():
        raise UsageError("no test of a run in this folder", where=str(folder), do="name a folder like reports/<run>")
    return _records(folder, tests, histories)


def read_test(folder: Path, *, name: str | None = None, histories: bool = True) -> TestRecord:
    """Read the test in ``folder``, which may be incomplete. ``name`` is used if the result has none."""
    trouble: list[str] = []
    result = _read_result(folder / "result.json", trouble)
    events: list[Event] = []
    history = folder / "history.jsonl"
    if histories and history.exists():
        try:
            events, cut = read_history(history)
            trouble += cut
        except UsageError as error:
            trouble.append(error.what)
        except (ValueError, RecursionError, MemoryError) as error:
            trouble.append(f"history.jsonl is not readable ({type(error).__name__})")
    pictures = _read_pictures(folder, trouble) if histories else {}
    return _record(result, name or folder.name, trouble, events, pictures, folder)


def _records(folder: Path, tests: list[Path], histories: bool) -> Iterator[TestRecord]:
    for test in tests:
        yield read_test(test, name=str(test.relative_to(folder)), histories=histories)
    path = folder / VERDICTS
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            trouble: list[str] = []
            result = _parse(line, f"line {number} of {path.name}", trouble)
            yield _record(result, f"{path.name}:{number}", trouble, [], {}, None)


def _record(
    result: dict[str, Any],
    name: str,
    trouble: list[str],
    events: list[Event],
    pictures: dict[str, str],
    folder: Path | None,
) -> TestRecord:
    if result.get("lost"):
        trouble.append(f"the record ends early: {result['lost']}")
    return TestRecord(
        name=str(result.get("test") or name),
        title=str(result.get("title") or ""),
        outcome=str(result.get("outcome") or "not run"),
        blame=str(result["blame"]) if result.get("blame") else None,
        message=str(result.get("message") or ""),
        duration=_seconds(result.get("duration")),
        rerun=str(result.get("rerun") or ""),
        details={key: value for key, value in result.items() if key not in _OWN},
        events=events,
        trouble=trouble,
        pictures=pictures,
        folder=folder,
    )


def _odd(result: dict[str, Any]) -> str | None:
    return next((key for key, kind in _KINDS.items() if not isinstance(result.get(key) or kind(), kind)), None)


def cluster_seconds(test: TestRecord) -> float:
    """The seconds of a test in which its cluster started and stopped."""
    return _seconds(test.details.get("cluster_seconds"))


def _seconds(value: Any) -> float:
    return float(value) if isinstance(value, float) or (isinstance(value, int) and abs(value) < 1 << 63) else 0.0


def _read_pictures(folder: Path, trouble: list[str]) -> dict[str, str]:
    pictures = {}
    for path in sorted(folder.glob("*.svg")):
        try:
            pictures[path.stem] = path.read_text("utf-8", "replace")
        except OSError as error:
            trouble.append(f"{path.name} cannot be read: {reason(error)}")
    return pictures


def _read_result(path: Path, trouble: list[str]) -> dict[str, Any]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        trouble.append("the test has no result: the run was interrupted")
        return {}
    except OSError as error:
        trouble.append(f"{path.name} cannot be read: {reason(error)}")
        return {}
    return _parse(content, path.name, trouble)


def _parse(content: bytes, name: str, trouble: list[str]) -> dict[str, Any]:
    try:
        result = plain(json.loads(content))
    except (ValueError, RecursionError) as error:
        trouble.append(f"{name} is not readable ({reason(error)})")
        return {}
    odd = "it" if not isinstance(result, dict) else _odd(result)
    if odd is None:
        return dict(result)
    kind = _KINDS.get(odd, dict).__name__.replace("dict", "object")
    article = "an" if kind == "object" else "a"
    trouble.append(f"{name} is not readable ({odd} is not {article} {kind})")
    return {}
