"""The file ``trend.jsonl``: runs append rows concurrently, a row is complete or absent, damaged rows are skipped."""

from __future__ import annotations

import fcntl
import math
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from harness.core.errors import UsageError, reason
from harness.core.plain_json import encode

__all__ = ["RUNS", "append", "read_trend"]

RUNS = 200
"""The default number of rows that are read."""
_LIMIT = 64 * 1024 * 1024

Row = dict[str, Any]


def read_trend(path: Path, *, last: int = RUNS) -> tuple[list[Row], list[str]]:
    """The ``last`` rows, oldest first, and messages about damaged rows. Without a file both are empty.

    Raises UsageError if the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > _LIMIT:
                file.seek(size - _LIMIT)
                file.readline()
            return _parsed(file.read(), last)
    except FileNotFoundError:
        return [], []
    except OSError as error:
        raise UsageError(
            f"cannot be read: {reason(error)}", where=str(path), do="name the trend.jsonl of a reports folder"
        ) from error


def append(path: Path, make: Callable[[list[Row]], Row], *, last: int = RUNS) -> list[Row]:
    """Append the row that ``make`` returns for the earlier rows; return all rows.

    A lock keeps other runs from appending meanwhile. Raises UsageError if the file cannot be written and is unchanged.
    """
    try:
        with _locked(path) as descriptor:
            earlier, _ = read_trend(path, last=last)
            row = make(earlier)
            _write(descriptor, encode(row) + b"\n")
    except OSError as error:
        raise UsageError(
            f"this run is not in the trend: {reason(error)}",
            where=str(path),
            do="free disk space, or name another folder with --reports",
        ) from error
    return [*earlier, row]


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _write(descriptor: int, line: bytes) -> None:
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":  # a crash cut the last row: end its line
        line = b"\n" + line
    try:
        written = 0
        while written < len(line):
            written += os.write(descriptor, line[written:])
    except OSError:
        os.ftruncate(descriptor, size)
        raise


def _is_row(row: Row) -> bool:
    """Whether the fields that are read have the types that a run writes."""
    numbers = ("passed", "failed", "not_run", "flaky", "duration")
    figures = row.get("figures") or {}
    return (
        isinstance(row.get("run"), str)
        and all(_is_number(row.get(name) or 0) for name in numbers)
        and all(isinstance(row.get(name) or [], list) for name in ("boards", "flaky_tests"))
        and isinstance(figures, dict)
        and all(figure is None or _is_number(figure) for figure in figures.values())
        and _are_outcomes(row.get("tests") or {})
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _are_outcomes(tests: Any) -> bool:
    """Whether ``tests`` maps options to outcomes to lists of test names."""
    if not isinstance(tests, dict) or not all(isinstance(outcomes, dict) for outcomes in tests.values()):
        return False
    named = [names for outcomes in tests.values() for names in outcomes.values()]
    return all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in named)


def _parsed(content: bytes, last: int) -> tuple[list[Row], list[str]]:
    rows: deque[Row] = deque(maxlen=max(last, 1))
    broken = []
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except ValueError:
            row = None
        if isinstance(row, dict) and _is_row(row):
            rows.append(row)
        else:
            broken.append(str(number))
    if not broken:
        return list(rows), []
    lines = f"lines {', '.join(broken[:10])} are" if len(broken) > 1 else f"line {broken[0]} is"
    return list(rows), [f"{lines} invalid and skipped"]
