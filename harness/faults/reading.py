"""Reads schedules from TOML files.

::

    version = 1

    [[faults]]
    after = "device-enrollment: Gateway->>Kubernetes: POST Device"
    fault = "gateway.crash"
    lasts = 2.0

    [[faults]]
    at = 12.5
    where = "sim-1"
    fault = "board.power-cut"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError, suggestion
from harness.core.files import read_text
from harness.faults.fault import FAULTS, make_fault
from harness.faults.moments import Moment, Side, TimeMoment, crossing_of
from harness.faults.schedule import VERSION, Entry, Schedule

__all__ = ["parse_schedule", "read_schedule"]

_WHEN = ("at", *map(str, Side))
_OWN = (*_WHEN, "nth", "about", "where", "fault")
_LINE_OF_TOML = re.compile(r"\(at line (\d+), column \d+\)")


def read_schedule(path: Path) -> Schedule:
    """The schedule in a file. Raises UsageError naming the line and the key of what is wrong."""
    return parse_schedule(read_text(path, "name a TOML file with a schedule of faults"), str(path))


def parse_schedule(text: str, file: str) -> Schedule:
    """The schedule in a text; see :func:`read_schedule`."""
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        line = _LINE_OF_TOML.search(str(error))
        where = f"{file}:{line[1]}" if line else file
        raise UsageError(f"invalid TOML: {error}", where=where, do="correct it there") from error
    lines = _Lines(text, file)
    for key in table:
        if key not in ("version", "faults"):
            do = f"{suggestion(key, ('version', 'faults'))}a schedule has version and [[faults]]"
            raise UsageError(f"unknown key {key!r}", where=lines.of(0, key), do=do)
    if table.get("version") != VERSION or isinstance(table.get("version"), bool):
        found = f"version is {table['version']!r}" if "version" in table else "has no version"
        raise UsageError(
            found, where=lines.of(0, "version"), do=f"write version = {VERSION}: this harness reads no other"
        )
    faults = table.get("faults", [])
    if not isinstance(faults, list) or not all(isinstance(each, dict) for each in faults):
        raise UsageError(
            "faults is not a list of tables", where=lines.of(0, "faults"), do="write [[faults]] before each"
        )
    return Schedule(tuple(_entry(each, lines, number) for number, each in enumerate(faults, 1)), file)


class _Lines:
    """The lines of keys: ``tomllib`` tells none."""

    def __init__(self, text: str, file: str) -> None:
        self._file = file
        self._found: dict[tuple[int, str], int] = {}
        table = 0
        for number, line in enumerate(text.splitlines(), 1):
            if re.match(r"\s*\[\[\s*faults\s*\]\]", line):
                table += 1
                self._found[table, ""] = number
            elif key := re.match(r"""\s*\[?\s*["']?([\w-]+)["']?\s*[\].=]""", line):
                self._found.setdefault((table, key[1]), number)

    def of(self, table: int, key: str = "") -> str:
        """File and line of a key, or of the table's beginning; ``table`` counts from 1, 0 is the file's own."""
        line = self._found.get((table, key)) or self._found.get((table, ""))
        return f"{self._file}:{line}" if line else self._file


def _entry(table: Mapping[str, Any], lines: _Lines, number: int) -> Entry:
    try:
        name = _text(table, "fault")
        kind = FAULTS.get(name)
        known = (*_OWN, *(kind.parameters() if kind is not None else ()))
        fault = make_fault(name, {key: value for key, value in table.items() if key not in _OWN})
        entry = Entry(_moment(table), fault, _text(table, "where", ""), lines.of(number))
    except UsageError as error:
        key = error.where or ""
        where = lines.of(
            number, key if key in table else next((each for each in table if error.what.startswith(each)), key)
        )
        do = error.do
        if "has no parameter" in error.what:
            do = f"{suggestion(key, known)}the keys are {', '.join(known)}"
        raise UsageError(error.what, where=where, do=do) from error
    return entry


def _moment(table: Mapping[str, Any]) -> Moment:
    given = [name for name in _WHEN if name in table]
    if len(given) != 1:
        found = f"has {' and '.join(given)}" if given else "does not say when"
        raise UsageError(f"the fault {found}", where=given[-1] if given else "", do=f"write one of {', '.join(_WHEN)}")
    if given == ["at"]:
        for key in ("nth", "about"):
            if key in table:
                raise UsageError(f"{key} is for an arrow", where=key, do="leave it out beside at")
        return TimeMoment(table["at"])
    side = Side(given[0])
    return crossing_of(side, _text(table, side), nth=table.get("nth", 1), about=_text(table, "about", ""))


def _text(table: Mapping[str, Any], key: str, default: str | None = None) -> str:
    value = table.get(key, default)
    if not isinstance(value, str):
        what = f"{key} is {value!r}" if key in table else f"has no {key}"
        raise UsageError(what, where=key, do=f"write {key} as a text in quotation marks")
    return value
