"""Demands of Go's validation on one value of a built-in kind; messages do not repeat the path."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.budget import Budget
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.metadata import label_causes, qualified_problem
from harness.clusters.embedded.problems import (
    ip_problems,
    label_problems,
    path_problems,
    port_name_problems,
    subdomain_problems,
)

__all__ = ["Check", "amount_causes", "demanded", "requirement_cause"]

Check = Callable[[Any, str, Budget], "Cause | None"]
"""From a value, its path and what the request may still cost, to what is wrong with it."""

Problems = Callable[[str], Sequence[str]]

_PERCENT = re.compile(r"[0-9]+%\Z", re.ASCII)
_PERCENT_MESSAGE = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
    "validation is '[0-9]+%')"
)
_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
_MOST_PROBLEMS = 3
"""Of one text."""


def demanded(text: str) -> tuple[Check, ...]:
    """The checks that a word of a ``.fields`` file stands for."""
    word, _, rest = text.partition(" ")
    if word == "in":
        return (partial(_one_of, tuple(rest.split("|"))),)
    if word == "is" and rest in _TEXTS:
        checks: list[Check] = [partial(_fault, _TEXTS[rest], place) for place in range(_MOST_PROBLEMS)]
        return (*checks, _target_port) if rest == "target-port" else tuple(checks)
    if word == "is":
        return (_VALUES[rest],)
    if word == "full":
        return (_full,)
    return (_bounds(word),)


def _bounds(word: str) -> Check:
    low, dots, high = word.partition("..")
    if word == "port":
        return _within(1, 65535, "must be between 1 and 65535, inclusive")
    if word == "positive":
        return _within(1, 1 << 63, "must be greater than zero")
    if dots:
        return _within(int(low), int(high), f"must be between {low} and {high}, inclusive")
    if word.startswith(">="):
        return _within(int(word[2:]), 1 << 63, f"must be greater than or equal to {word[2:]}")
    if word.startswith("<="):
        return _within(-1 << 63, int(word[2:]), f"must be less than or equal to {word[2:]}")
    return _within(int(word[1:]) + 1, 1 << 63, f"must be greater than {word[1:]}")


def _within(least: int, most: int, detail: str) -> Check:
    def check(value: Any, path: str, budget: Budget) -> Cause | None:
        outside = type(value) is int and not least <= value <= most
        return errors.invalid_value(path, value, detail) if outside else None

    return check


def _one_of(words: tuple[str, ...], value: Any, path: str, budget: Budget) -> Cause | None:
    return None if value in words or value == "" else errors.unsupported_value(path, value, words)


def _full(value: Any, path: str, budget: Budget) -> Cause | None:
    return errors.required(path) if value in ("", []) else None


def _fault(problems: Problems, place: int, value: Any, path: str, budget: Budget) -> Cause | None:
    """The fault at a place among those of a text; an empty one has none."""
    found = problems(value) if type(value) is str and value else ()
    return errors.invalid_value(path, value, found[place]) if place < len(found) else None


def _target_port(value: Any, path: str, budget: Budget) -> Cause | None:
    """The fault of a port's number; a name is judged as a text."""
    outside = type(value) is int and not 0 < value < 1 << 16
    return errors.invalid_value(path, value, "must be between 1 and 65535, inclusive") if outside else None


def _labels(value: Any, path: str, budget: Budget) -> Cause | None:
    if type(value) is not dict:
        return None
    texts = {key: item for key, item in value.items() if type(item) is str}
    return next(iter(label_causes(texts, path)), None)


def requirement_cause(value: Any, path: str) -> Cause | None:
    """The fault of a requirement of a label selector."""
    operator, values = value.get("operator", ""), value.get("values")
    if operator not in _OPERATORS:
        return errors.invalid_value(f"{path}.operator", operator, "not a valid selector operator")
    if operator in ("In", "NotIn") and not values:
        return errors.required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    if operator in ("Exists", "DoesNotExist") and values:
        detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        return errors.forbidden_field(f"{path}.values", detail)
    return None


def _selected(value: Any, path: str, budget: Budget) -> Cause | None:
    return requirement_cause(value, path) if type(value) is dict else None


def amount_causes(value: Any, path: str) -> list[Cause]:
    """The faults of a number, or of a share of a hundred, of pods."""
    if type(value) is int and value < 0:
        return [errors.invalid_value(path, value, "must be greater than or equal to 0")]
    if type(value) is str and not _PERCENT.match(value):
        return [errors.invalid_value(path, value, _PERCENT_MESSAGE)]
    if type(value) is str and int(value[:-1][:9]) > 100:
        return [errors.invalid_value(path, value, "must not be greater than 100%")]
    return []


def _amount(value: Any, path: str, budget: Budget) -> Cause | None:
    return next(iter(amount_causes(value, path)), None)


def _qualified(text: str) -> Sequence[str]:
    problem = qualified_problem(text)
    return (problem,) if problem else ()


_TEXTS: dict[str, Problems] = {
    "label": label_problems,
    "subdomain": subdomain_problems,
    "qualified": _qualified,
    "port-name": port_name_problems,
    "target-port": port_name_problems,
    "path": path_problems,
    "ip": ip_problems,
}
_VALUES: dict[str, Check] = {"labels": _labels, "requirement": _selected, "amount": _amount}
