"""The checks of one value by itself: lengths, bounds, patterns, formats, enumerations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sized
from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.budget import Budget
from harness.clusters.embedded.demands import Check, demanded
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.formats import FORMATS
from harness.clusters.embedded.patterns import compile_pattern
from harness.clusters.embedded.values import identity

__all__ = ["DEMANDS", "checks_of", "in_body"]

DEMANDS = "x-go-demands"
"""The keyword of built-in kinds for what Go's validation demands, in the words of the ``.fields`` files."""

_BYTES_A_STEP = 100
"""How many instructions of a pattern's program, each on one byte, take as long as one step of the budget."""


def in_body(path: str) -> str:
    """A path as messages name it."""
    return f"{path} in body"


def checks_of(raw: Mapping[str, Any]) -> tuple[Check, ...]:
    """A schema's checks, in the order in which the API server applies them."""
    checks: list[Check] = []

    def limit(kinds: tuple[type, ...], fails: Callable[[Any], bool], detail: str) -> None:
        def check(value: Any, path: str, budget: Budget) -> Cause | None:
            if type(value) in kinds and fails(value):
                return errors.invalid_value(path, value, f"{in_body(path)} {detail}")
            return None

        checks.append(check)

    numbers = (int, float)
    if (low := raw.get("minLength")) is not None:
        limit((str,), lambda value: len(value) < low, f"should be at least {low} chars long")
    if (longest := raw.get("maxLength")) is not None:
        checks.append(_no_longer_than(longest))
    if pattern := raw.get("pattern"):
        checks.append(_matching(pattern))
    if (fits := FORMATS.get(raw.get("format", ""))) is not None:
        checks.append(_format(raw["format"], fits))
    if (least := raw.get("minimum")) is not None:
        if raw.get("exclusiveMinimum"):
            limit(numbers, lambda value: value <= least, f"should be greater than {least}")
        else:
            limit(numbers, lambda value: value < least, f"should be greater than or equal to {least}")
    if (most := raw.get("maximum")) is not None:
        if raw.get("exclusiveMaximum"):
            limit(numbers, lambda value: value >= most, f"should be less than {most}")
        else:
            limit(numbers, lambda value: value > most, f"should be less than or equal to {most}")
    if factor := raw.get("multipleOf"):
        checks.append(_multiple_of(factor))
    if (fewest := raw.get("minItems")) is not None:
        checks.append(_at_least(list, fewest, "items"))
    if (at_least := raw.get("minProperties")) is not None:
        checks.append(_at_least(dict, at_least, "properties"))
    if (most_items := raw.get("maxItems")) is not None:
        checks.append(_at_most(list, most_items))
    if (most_members := raw.get("maxProperties")) is not None:
        checks.append(_at_most(dict, most_members))
    if (allowed := raw.get("enum")) is not None:
        checks.append(_enumeration(allowed))
    checks.extend(check for text in raw.get(DEMANDS, ()) for check in demanded(text))
    return tuple(checks)


def _multiple_of(factor: float) -> Check:
    """kube-openapi cuts the fraction of the factor off where the value is whole: 0.5 refuses every whole number."""
    whole = int(factor)

    def check(value: Any, path: str, budget: Budget) -> Cause | None:
        if type(value) is int and whole <= 0:
            detail = f"factor MultipleOf declared for {path} must be positive: {whole}"
            return errors.invalid_value(path, whole, detail)
        if type(value) in (int, float) and value % (whole if type(value) is int else factor) != 0:
            return errors.invalid_value(path, value, f"{in_body(path)} should be a multiple of {factor}")
        return None

    return check


def _no_longer_than(limit: int) -> Check:
    def check(value: Any, path: str, budget: Budget) -> Cause | None:
        return errors.too_long(path, limit) if type(value) is str and len(value) > limit else None

    return check


def _matching(pattern: str) -> Check:
    compiled = compile_pattern(pattern)

    def check(value: Any, path: str, budget: Budget) -> Cause | None:
        if type(value) is not str:
            return None
        budget.spend(len(value) * compiled.size // _BYTES_A_STEP, path)
        if compiled.found_in(value):
            return None
        return errors.invalid_value(path, value, f"{in_body(path)} should match '{pattern}'")

    return check


def _format(name: str, fits: Callable[[Any], bool]) -> Check:
    def check(value: Any, path: str, budget: Budget) -> Cause | None:
        if fits(value):
            return None
        if type(value) in (int, float):
            return errors.invalid_value(
                "<nil>", "", f"Checked value must be of type integer with format {name} in {path}"
            )
        text = f': "{value}"' if type(value) is str else ""
        return errors.type_invalid(path, value, f"{in_body(path)} must be of type {name}{text}")

    return check


def _at_least(kind: type[Sized], limit: int, what: str) -> Check:
    def check(value: Any, path: str, budget: Budget) -> Cause | None:
        if not isinstance(value, kind) or len(value) >= limit:
            return None
        return errors.invalid_value(path, len(value), f"{in_body(path)} should have at least {limit} {what}")

    return check


def _at_most(kind: type[Sized], limit: int) -> Check:
    def check(value: Any, path: str, budget: Budget) -> Cause | None:
        count = len(value) if isinstance(value, kind) else 0
        return errors.too_many(path, count, limit) if count > limit else None

    return check


def _enumeration(allowed: list[Any]) -> Check:
    known = {identity(item) for item in allowed}

    def check(value: Any, path: str, budget: Budget) -> Cause | None:
        return None if identity(value) in known else errors.unsupported_value(path, value, allowed)

    return check
