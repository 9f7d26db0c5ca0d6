"""Quantities in the one form in which the API server writes each: ``1000m`` is ``1``, ``1024Mi`` is ``1Gi``.

A number is read as an integer and a power of ten, however it is written, and so never loses a digit. Like
``k8s.io/apimachinery/pkg/api/resource``, a text that is in that form already stays as it is.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

import orjson

from harness.clusters.embedded.kinds.notation import GO_TYPE
from harness.clusters.embedded.types import ResourceType
from harness.clusters.embedded.values import Object

__all__ = ["amount", "canonical", "write_quantities"]

_FORM = re.compile(r"([+-]?)0*([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)", re.ASCII)
_WRONG = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_BACK = {power: suffix for suffix, power in _DECIMAL.items()}
_BINARY_BACK = {0: "", **{power: suffix for suffix, power in _BINARY.items()}}
_NANO, _MILLI = -9, -3
_LARGEST = (1 << 63) - 1
"""The largest quantity with a binary suffix."""
_EXACT_DIGITS = 18
"""Digits of a number that Go keeps as an integer of 64 bits."""
_EXPONENT_LIMIT = 1 << 31
_DIGITS_LIMIT = 1000
_ONE, _AMOUNTS, _MEMBERS, _ITEMS, _VALUES = range(5)
"""Forms of a schema that leads to quantities: one, a map of them, an object, a list, or a map of others."""

Plan = tuple[int, Any]


class _Quantity:
    """``number`` times ten to the power of ``scale``."""

    def __init__(self, text: str) -> None:
        found = _FORM.fullmatch(text)
        if not text or found is None:
            raise ValueError(_WRONG)
        sign, whole, part, suffix = found[1], found[2], found[3] or "", found[4]
        self.binary, self.by_exponent, power = suffix in _BINARY, False, 0
        if self.binary:
            power = _BINARY[suffix]
        elif suffix in _DECIMAL:
            power = _DECIMAL[suffix]
        elif suffix[0] in "eE" and suffix[1:].lstrip("+-").isdigit() and abs(int(suffix[1:])) < _EXPONENT_LIMIT:
            self.by_exponent, power = True, int(suffix[1:])
        else:
            raise ValueError("unable to parse quantity's suffix")
        digits = (whole or "0") + part
        if len(digits) > _DIGITS_LIMIT:
            raise ValueError("unable to parse numeric part of quantity")
        number = int(digits)
        self.text = text if self._is_canonical(digits, part, number, power) else ""
        self.scale = -len(part) if self.binary else power - len(part)
        self.number = -number if sign == "-" else number
        if self.binary:
            self.number <<= power
        self.round_up(_NANO)
        if self.binary:
            self._bound()

    def _is_canonical(self, digits: str, part: str, number: int, power: int) -> bool:
        """Whether Go keeps the text: not of zeros that another power would hold."""
        if self.binary:
            room = 15 - len(digits) - int(power * 3 / 10) - 1
            return not part and room >= 0 and number & 7 != 0
        scale = power - len(part)
        fits = len(digits) <= _EXACT_DIGITS and scale >= _NANO
        return fits and scale % 3 == 0 and not digits.endswith("000") and digits[0] != "0"

    def round_up(self, scale: int) -> None:
        """Leave no digit below a power of ten, away from zero."""
        if self.scale >= scale:
            return
        size, places = abs(self.number), scale - self.scale
        whole, rest = (0, size) if places > len(str(size)) else divmod(size, 10**places)
        self.number, self.scale = (whole + (rest > 0)) * (1 if self.number >= 0 else -1), scale
        self.text = ""

    def _bound(self) -> None:
        size = abs(self.number)
        if size > _LARGEST * 10**-self.scale:
            self.number, self.scale = _LARGEST if self.number > 0 else -_LARGEST, 0

    def __str__(self) -> str:
        if self.number == 0:
            return self.text or "0"
        if self.text:
            return self.text
        number, scale = self.number, self.scale
        while number % 10 == 0:
            number, scale = number // 10, scale + 1
        if self.binary and scale >= 0 and abs(whole := number * 10**scale) >= 1024:
            power = 0
            while whole % 1024 == 0:
                whole, power = whole // 1024, power + 10
            return f"{whole}{_BINARY_BACK[power]}"
        power = scale // 3 * 3
        number *= 10 ** (scale - power)
        if self.by_exponent:
            return f"{number}e{power}" if power else str(number)
        return f"{number}{_DECIMAL_BACK.get(power, '')}"


@lru_cache(1024)
def canonical(text: str, *, milli: bool = False) -> str:
    """The form in which a quantity is written. ``milli``: in thousandths at the smallest, as amounts of resources are.

    Raises :class:`ValueError` with Kubernetes' message for what is not a quantity.
    """
    quantity = _Quantity(text.strip())
    if milli:
        quantity.round_up(_MILLI)
    return str(quantity)


def amount(text: str) -> Decimal:
    """A quantity as a number, to compare it by."""
    quantity = _Quantity(text.strip())
    return Decimal(f"{quantity.number}e{quantity.scale}")


def write_quantities(served: ResourceType, new: Object, old: Any) -> None:
    """Give every quantity of an object its canonical form, in place, except in what is part of ``old``.

    Raises :class:`ValueError` with Kubernetes' message.
    """
    plan = _plan_of(served)
    if plan is not None:
        _write(plan, new, old)


@cache
def _plan_of(served: ResourceType) -> Plan | None:
    return _plan(dict(served.schema.raw))


def _plan(schema: Object) -> Plan | None:
    if schema.get(GO_TYPE) == "resource.Quantity":
        return _ONE, None
    if "properties" in schema:
        members = {name: plan for name, item in schema["properties"].items() if (plan := _plan(item)) is not None}
        return (_MEMBERS, members) if members else None
    inside = schema.get("items") or schema.get("additionalProperties")
    if not isinstance(inside, dict) or (plan := _plan(inside)) is None:
        return None
    if "items" in schema:
        return _ITEMS, plan
    return (_AMOUNTS, None) if plan[0] == _ONE else (_VALUES, plan)


def _write(plan: Plan, value: Any, old: Any) -> None:
    kind, inside = plan
    if value is old:
        return
    if kind == _ITEMS and type(value) is list:
        known = old if type(old) is list else []
        for index, item in enumerate(value):
            _write(inside, item, known[index] if index < len(known) else None)
    elif kind == _AMOUNTS and type(value) is dict:
        for name, item in value.items():
            value[name] = canonical(_text(item), milli=True)
    elif type(value) is dict and kind in (_MEMBERS, _VALUES):
        earlier = old if type(old) is dict else {}
        for name, item in value.items():
            below = inside.get(name) if kind == _MEMBERS else inside
            if below is None or item is None:
                continue
            if below[0] == _ONE:
                value[name] = canonical(_text(item))
            else:
                _write(below, item, earlier.get(name))


def _text(item: Any) -> str:
    """A quantity's text; a number may stand for it, and null is none of anything."""
    if item is None:
        return "0"
    return item if type(item) is str else orjson.dumps(item).decode()
