"""Schedules of CronJobs: five fields, or a word such as ``@daily``, with the messages of the parser in Go."""

from __future__ import annotations

import re
import zoneinfo

__all__ = ["schedule_problem", "zone_problem"]

_MONTHS = {
    name: place
    for place, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1
    )
}
_DAYS = {name: place for place, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, _MONTHS),
    (0, 6, _DAYS),
)
"""The lowest and the highest number of each field, and the names of numbers."""
_WORDS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_EVERY = "@every "
_DURATION = re.compile(r"[+-]?(0|(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)\Z", re.ASCII)
_NUMBER = re.compile(r"[+-]?[0-9]+\Z", re.ASCII)
_LARGEST = 1 << 63


def schedule_problem(schedule: str) -> str | None:
    """The first fault of a schedule; None if it has none."""
    if schedule.startswith(("TZ=", "CRON_TZ=")):
        schedule = schedule.partition(" ")[2].strip()
    if schedule.startswith("@"):
        return _word_problem(schedule)
    parts = schedule.split()
    if len(parts) != len(_FIELDS):
        return f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]"
    try:
        for part, (low, high, names) in zip(parts, _FIELDS, strict=True):
            for expression in filter(None, part.split(",")):
                _check(expression, low, high, names)
    except ValueError as fault:
        return str(fault)
    return None


def _word_problem(word: str) -> str | None:
    if word.startswith(_EVERY):
        duration = word.removeprefix(_EVERY)
        if _DURATION.match(duration):
            return None
        return f'failed to parse duration {word}: time: invalid duration "{duration}"'
    return None if word in _WORDS else f"unrecognized descriptor: {word}"


def _check(expression: str, low: int, high: int, names: dict[str, int]) -> None:
    """Raise the fault of a range: ``*``, ``5``, ``1-5``, any of them with ``/`` and a step."""
    span, *steps = expression.split("/")
    first, *rest = span.split("-")
    if first in ("*", "?"):
        start, end = low, high
    else:
        start = _number(first, names)
        if len(rest) > 1:
            raise ValueError(f"too many hyphens: {expression}")
        end = _number(rest[0], names) if rest else start
    if len(steps) > 1:
        raise ValueError(f"too many slashes: {expression}")
    step = _number(steps[0], {}) if steps else 1
    if steps and not rest:
        end = high
    if start < low:
        raise ValueError(f"beginning of range ({start}) below minimum ({low}): {expression}")
    if end > high:
        raise ValueError(f"end of range ({end}) above maximum ({high}): {expression}")
    if start > end:
        raise ValueError(f"beginning of range ({start}) beyond end of range ({end}): {expression}")
    if step == 0:
        raise ValueError(f"step of range should be a positive number: {expression}")


def _number(text: str, names: dict[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if not _NUMBER.match(text):
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    if len(text) > len(str(_LARGEST)) or abs(int(text)) >= _LARGEST:
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": value out of range')
    if int(text) < 0:
        raise ValueError(f"negative number ({int(text)}) not allowed: {text}")
    return int(text)


def zone_problem(zone: str) -> str | None:
    """The fault of a time zone's name. Where this machine has no table of zones, every name is taken."""
    if not zone:
        return "timeZone must be nil or non-empty string"
    if zone.lower() == "local":
        return "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return f"unknown time zone {zone}" if zone != "UTC" and zoneinfo.available_timezones() else None
    return None
