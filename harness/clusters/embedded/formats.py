"""The string and number formats that a schema may name."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from uuid import UUID

__all__ = ["FORMATS"]

_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)\Z", re.ASCII)
_MICRO_TIME = re.compile(r".{19}\.\d{6}([Zz]|[+-]\d\d:\d\d)\Z", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_DURATION = re.compile(r"(\d+(\.\d+)?\s*(ns|us|µs|ms|s|m|h|d|w))+\Z", re.ASCII)


def _text(parse: Callable[[str], object]) -> Callable[[Any], bool]:
    def fits(value: Any) -> bool:
        if type(value) is not str:
            return True
        try:
            return parse(value) is not False
        except (ValueError, binascii.Error):
            return False

    return fits


def _date(value: str) -> bool:
    return _DATE.match(value) is not None and date.fromisoformat(value) is not None


def _date_time(value: str) -> bool:
    match = _DATE_TIME.match(value)
    if match is None:
        return False
    datetime.fromisoformat(value[:19].upper())
    return True


def _micro_time(value: str) -> bool:
    return _MICRO_TIME.match(value) is not None and _date_time(value)


def _between(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: type(value) not in (int, float) or low <= value <= high


FORMATS: dict[str, Callable[[Any], bool]] = {
    "byte": _text(lambda value: base64.b64decode(value, validate=True)),
    "cidr": _text(lambda value: ipaddress.ip_network(value, strict=False)),
    "date": _text(_date),
    "date-time": _text(_date_time),
    "duration": _text(lambda value: _DURATION.match(value) is not None),
    "int32": _between(-(2**31), 2**31 - 1),
    "int64": _between(-(2**63), 2**63 - 1),
    "micro-time": _text(_micro_time),
    "ipv4": _text(ipaddress.IPv4Address),
    "ipv6": _text(ipaddress.IPv6Address),
    "uuid": _text(UUID),
}
"""Whether a value fits; a value of another type does, since its type is judged elsewhere. Unknown formats are ignored,
as the API server does."""
