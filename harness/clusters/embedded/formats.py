"""The string and number formats that a schema may name, as go-openapi's ``strfmt`` judges them."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from datetime import date, datetime
from email.utils import parseaddr
from typing import Any

from harness.clusters.embedded.metadata import label_problem, subdomain_problem

__all__ = ["FORMATS"]

Judge = Callable[[str], object]
_MICRO_TIME = re.compile(r".{19}\.\d{6}([Zz]|[+-]\d\d:\d\d)\Z", re.ASCII)


def _pattern(text: str) -> Judge:
    compiled = re.compile(text, re.ASCII)
    return lambda value: compiled.fullmatch(value) is not None


def _text(parse: Judge) -> Callable[[Any], bool]:
    def fits(value: Any) -> bool:
        if type(value) is not str:
            return True
        try:
            return parse(value) not in (False, None)
        except (ValueError, binascii.Error):
            return False

    return fits


_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)\Z", re.ASCII)
_GO_DURATION = re.compile(r"[-+]?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)
_WORDY_DURATION = re.compile(r"\d+\s*([A-Za-zµ]+)", re.ASCII)
_UNITS = frozenset(("ns", "us", "µs", "ms", "s", "m", "h", "d", "w", "sec", "min", "hr"))
_LONG_UNITS = ("nano", "micro", "milli", "sec", "min", "hour", "day", "week")
_COLOR = r"\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*"
_CARD = re.compile(
    r"4\d{12}(?:\d{3})?|5[1-5]\d{14}|(?:222[1-9]|22[3-9]\d|2[3-6]\d{2}|27[01]\d|2720)\d{12}|6(?:011|5\d\d)\d{12}"
    r"|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|(?:2131|1800|35\d{3})\d{11}|6[27]\d{14}",
    re.ASCII,
)
_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"


def _date_time(value: str) -> bool:
    if _DATE_TIME.match(value) is None:
        return False
    datetime.fromisoformat(value[:19].upper())
    return True


def _duration(value: str) -> bool:
    if _GO_DURATION.fullmatch(value):
        return True
    units = [unit.lower() for unit in _WORDY_DURATION.findall(value)]
    return any(unit in _UNITS or unit.startswith(_LONG_UNITS) for unit in units)


def _base64(value: str) -> bool:
    return base64.b64decode(value, validate=True) is not None


def _without_zeros(value: str) -> str:
    """An IPv4 address without the leading zeros that older programs write."""
    return ".".join(part.lstrip("0") or "0" if part.isdigit() else part for part in value.split("."))


def _ipv4(value: str) -> object:
    return ipaddress.IPv4Address(_without_zeros(value))


def _ipv6(value: str) -> object:
    return "%" not in value and ipaddress.IPv6Address(value)


def _cidr(value: str) -> object:
    address, slash, length = value.partition("/")
    if not slash or not length.isdigit() or "%" in address:
        return False
    return ipaddress.ip_network(f"{address if ':' in address else _without_zeros(address)}/{length}", strict=False)


def _uri(value: str) -> bool:
    """Whether Go's ``url.ParseRequestURI`` takes it: an absolute URI, or an absolute path."""
    if re.search(r"[\x00-\x20\x7f]|%(?![0-9A-Fa-f]{2})", value):
        return False
    return value.startswith("/") or re.match(r"[A-Za-z][A-Za-z0-9+.-]*:[^:]", value) is not None


def _email(value: str) -> bool:
    address = parseaddr(value)[1]
    return re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", address) is not None


def _digits(value: str) -> str:
    return re.sub(r"[\s-]", "", value)


def _isbn10(value: str) -> bool:
    text = _digits(value)
    if not re.fullmatch(r"\d{9}[\dX]", text, re.ASCII):
        return False
    return sum((10 - place) * (10 if one == "X" else int(one)) for place, one in enumerate(text)) % 11 == 0


def _isbn13(value: str) -> bool:
    text = _digits(value)
    if not re.fullmatch(r"\d{13}", text, re.ASCII):
        return False
    return sum((3 if place % 2 else 1) * int(one) for place, one in enumerate(text)) % 10 == 0


def _card(value: str) -> bool:
    text = re.sub(r"\D", "", value, flags=re.ASCII)
    if not _CARD.fullmatch(text):
        return False
    doubled = (int(one) * 2 if place % 2 else int(one) for place, one in enumerate(reversed(text)))
    return sum(digit - 9 if digit > 9 else digit for digit in doubled) % 10 == 0


def _uuid(version: str = "[0-9a-f]", variant: str = "[0-9a-f]") -> Judge:
    return _pattern(
        rf"(?i)[0-9a-f]{{8}}-?[0-9a-f]{{4}}-?{version}[0-9a-f]{{3}}-?{variant}[0-9a-f]{{3}}-?[0-9a-f]{{12}}"
    )


def _micro_time(value: str) -> bool:
    return _MICRO_TIME.match(value) is not None and _date_time(value)


def _between(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: type(value) not in (int, float) or low <= value <= high


_JUDGES: dict[str, Judge] = {
    "bsonobjectid": _pattern("[0-9a-fA-F]{24}"),
    "byte": _base64,
    "cidr": _cidr,
    "creditcard": _card,
    "date": lambda value: re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII) and date.fromisoformat(value),
    "date-time": _date_time,
    "duration": _duration,
    "email": _email,
    "hexcolor": _pattern("#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "hostname": lambda value: len(value) <= 253 and re.fullmatch(rf"{_HOST}(\.{_HOST})*\.?", value),
    "ipv4": _ipv4,
    "ipv6": _ipv6,
    "isbn": lambda value: _isbn10(value) or _isbn13(value),
    "isbn10": _isbn10,
    "isbn13": _isbn13,
    "k8s-long-name": lambda value: subdomain_problem(value) is None,
    "k8s-short-name": lambda value: label_problem(value) is None,
    "mac": _pattern(
        r"(?i)(?:[0-9a-f]{2}(?P<s>[:-])(?:[0-9a-f]{2}(?P=s)){4}[0-9a-f]{2}(?:(?P=s)[0-9a-f]{2}){0,2}"
        r"|(?:[0-9a-f]{4}\.){2,3}[0-9a-f]{4})"
    ),
    "rgbcolor": _pattern(rf"rgb\({_COLOR},{_COLOR},{_COLOR}\)"),
    "ssn": _pattern(r"\d{3}[- ]?\d{2}[- ]?\d{4}"),
    "uri": _uri,
    "uuid": _uuid(),
    "uuid3": _uuid("3"),
    "uuid4": _uuid("4", "[89ab]"),
    "uuid5": _uuid("5", "[89ab]"),
}
FORMATS: dict[str, Callable[[Any], bool]] = {
    **{name: _text(judge) for name, judge in _JUDGES.items()},
    "int32": _between(-(2**31), 2**31 - 1),
    "int64": _between(-(2**63), 2**63 - 1),
    "micro-time": _text(_micro_time),
}
"""Whether a value fits; a value of another type does, since its type is judged elsewhere. Unknown formats are ignored,
as the API server does."""
