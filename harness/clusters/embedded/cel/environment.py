"""The one environment in which all rules are compiled, and an expression that has been."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_optional

from harness.clusters.embedded.cel.library import functions
from harness.clusters.embedded.cel.pairs import expanded
from harness.clusters.embedded.cel.strings import string_functions
from harness.clusters.embedded.cel.syntax import Tree, read_tree

__all__ = ["BadExpression", "EvaluationError", "UnreadablePattern", "compile_tree", "evaluate"]

EXPRESSION_LIMIT = 1 << 16
"""Characters of a rule."""
_STATUS = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
_NO_KEY = re.compile(r'Key not found in map : "?([^"]*)"?')
_CHAIN = re.compile(r"^ERROR: <input>:1:(\d+): undeclared reference to '(\w+\.[\w.]+)'")
_OVERLOAD = re.compile(r"^ERROR: <input>:1:(\d+): found no matching overload for '(\w+)' applied to '\((.*)\)'")
_PLACE = re.compile(r"ERROR: <input>:(\d+):(\d+)")
_INDEX = re.compile(r"Index error: index=(-?\d+) size=(\d+)")


class BadExpression(ValueError):
    """An expression that cannot be compiled, in the library's words, which are those of cel-go."""


class UnreadablePattern(BadExpression):
    """A pattern that is written out in an expression is not RE2's; in Go's words."""


class EvaluationError(ValueError):
    """An expression that has no value for this object."""


@cache
def _environment() -> Any:
    extensions = [ext_optional.ExtOptional()]
    dynamic = dict.fromkeys(("self", "oldSelf", "hasOldSelf"), cel.Type.DYN)
    return cel.NewEnv(variables=dynamic, extensions=extensions, functions=[*functions(), *string_functions()])


@lru_cache(maxsize=4096)
def _compiled(text: str) -> Any:
    if len(text) > EXPRESSION_LIMIT:
        raise BadExpression(f"the expression has more than {EXPRESSION_LIMIT} characters")
    try:
        return _environment().compile(expanded(text))
    except RuntimeError as error:
        raise BadExpression(_in_order(_STATUS.sub("", str(error)), text)) from error


def compile_tree(text: str) -> Tree:
    """The tree of an expression. Raises :class:`BadExpression`."""
    return read_tree(_compiled(text).serialize())


def evaluate(text: str, data: dict[str, Any]) -> Any:
    """The value of an expression. Raises :class:`EvaluationError`, and :class:`BadExpression`."""
    try:
        result = _compiled(text).eval(data=data)
        value = result.value()
    except RuntimeError as error:
        if "Iteration budget exceeded" in str(error):
            raise EvaluationError("call cost exceeds limit") from error
        raise EvaluationError(_STATUS.sub("", str(error))) from error
    if result.type().name() == "ERROR":
        raise EvaluationError(_in_go_words(str(value)))
    return value


def _in_order(error: str, text: str) -> str:
    """The faults of an expression as cel-go lists and words them."""
    faults = [fault for fault in re.split(r"(?:^|\n)(?=ERROR: <input>)", error) if fault]
    return "\n".join(sorted((_reworded(fault, text) for fault in faults), key=_place))


def _place(fault: str) -> tuple[int, int]:
    found = _PLACE.match(fault)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _reworded(fault: str, text: str) -> str:
    """cel-go names the root of an unknown chain of names, where cel-cpp names the chain; and writes targets apart."""
    if match := _CHAIN.search(fault):
        root, column = match[2].partition(".")[0], int(match[1])
        start = column - len(root)
        shown = re.sub(r"\n \| \.*\^", f"\n | {'.' * (start - 1)}^", fault, count=1)
        return shown.replace(f":{column}: ", f":{start}: ", 1).replace(f"'{match[2]}'", f"'{root}'", 1)
    if (match := _OVERLOAD.search(fault)) and text[: int(match[1]) - 1].endswith(f".{match[2]}"):
        target, rest = _first_type(match[3])
        return fault.replace(f"'({match[3]})'", f"'{target}.({rest})'", 1)
    return fault


def _first_type(types: str) -> tuple[str, str]:
    """The first of several types, such as ``map(string, int), string``; and the others."""
    depth = 0
    for place, character in enumerate(types):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            return types[:place], types[place + 2 :]
    return types, ""


def _in_go_words(error: str) -> str:
    error = _STATUS.sub("", error)
    if match := _NO_KEY.search(error):
        return f"no such key: {match[1]}"
    if match := _INDEX.search(error):
        return f"index out of bounds: {match[1]}"
    return "division by zero" if error == "divide by zero" else error
