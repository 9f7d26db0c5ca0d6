"""A finished run as it lies in its folder: one folder per test with ``result.json`` and ``history.jsonl``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from harness.core.errors import UsageError, reason
from harness.core.history import Event, read_history

__all__ = ["Outcome", "TestRecord", "iterate_run", "read_run"]

Outcome = str
"""``passed``, ``failed``, ``not run`` or ``skipped``."""


@dataclass(frozen=True, slots=True)
class TestRecord:
    """One test: how it ended, who is to blame, what was recorded, and pictures of its verdicts.

    ``details`` is what else ``result.json`` says: the seed, the options. ``trouble`` is what the record lacks.
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


_KINDS: dict[str, type[Any]] = {"options": dict, "parts": dict, "links": list, "attempts": list}
"""What else is in a result, where it is."""
_OWN = {"test", "title", "outcome", "blame", "message", "duration", "rerun"}


def read_run(folder: Path) -> list[TestRecord]:
    """Every test of the run in ``folder``; see :func:`iterate_run`."""
    return list(iterate_run(folder))


def iterate_run(folder: Path, *, histories: bool = True) -> Iterator[TestRecord]:
    """Every test of the run in ``folder``, in the order of their names, read one at a time.

    Without ``histories`` only the results are read: no events, no pictures.

    A test whose result was never written - the run was killed - is there as ``not run``, with what it recorded.
    Raises UsageError when the folder holds no test at all.
    """
    tests = sorted({path.parent for pattern in ("result.json", "history.jsonl") for path in folder.rglob(pattern)})
    if not tests:
        raise UsageError("holds no test of a run", where=str(folder), do="name a folder like reports/<run>")
    return (_read_test(test, str(test.relative_to(folder)), histories) for test in tests)


def _read_test(folder: Path, fallback: str, histories: bool) -> TestRecord:
    trouble: list[str] = []
    result = _read_result(folder / "result.json", trouble)
    if result.get("lost"):
        trouble.append(f"the record ends early: {result['lost']}")
    events: list[Event] = []
    history = folder / "history.jsonl"
    if histories and history.exists():
        try:
            events, cut = read_history(history)
            trouble += cut
        except UsageError as error:
            trouble.append(error.what)
    return TestRecord(
        name=str(result.get("test") or fallback),
        title=str(result.get("title") or ""),
        outcome=str(result.get("outcome") or "not run"),
        blame=result.get("blame"),
        message=str(result.get("message") or ""),
        duration=_seconds(result.get("duration")),
        rerun=str(result.get("rerun") or ""),
        details={key: value for key, value in result.items() if key not in _OWN},
        events=events,
        trouble=trouble,
        pictures={path.stem: path.read_text("utf-8", "replace") for path in _pictures(folder, histories)},
        folder=folder,
    )


def _odd(result: dict[str, Any]) -> str | None:
    return next((key for key, kind in _KINDS.items() if not isinstance(result.get(key) or kind(), kind)), None)


def _seconds(value: Any) -> float:
    return float(value) if isinstance(value, float) or (isinstance(value, int) and abs(value) < 1 << 63) else 0.0


def _pictures(folder: Path, wanted: bool) -> list[Path]:
    return sorted(folder.glob("*.svg")) if wanted else []


def _read_result(path: Path, trouble: list[str]) -> dict[str, Any]:
    try:
        result = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        trouble.append("the test left no result: the run was cut short")
    except (OSError, ValueError) as error:
        trouble.append(f"result.json is not readable ({reason(error)})")
    else:
        odd = "it" if not isinstance(result, dict) else _odd(result)
        if odd is None:
            return dict(result)
        trouble.append(
            f"result.json is not readable ({odd} is no {_KINDS.get(odd, dict).__name__.replace('dict', 'object')})"
        )
    return {}
