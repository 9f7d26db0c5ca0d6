"""The one environment in which all rules are compiled, and an expression that has been."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_bindings, ext_optional

from harness.clusters.embedded.cel.library import functions
from harness.clusters.embedded.cel.strings import string_functions
from harness.clusters.embedded.cel.syntax import Tree, read_tree

__all__ = ["BadExpression", "EvaluationError", "compile_tree", "evaluate"]

EXPRESSION_LIMIT = 1 << 16
"""Characters of a rule."""
_STATUS = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
_NO_KEY = re.compile(r'Key not found in map : "?([^"]*)"?')
_CHAIN = re.compile(r"^ERROR: <input>:1:(\d+): undeclared reference to '(\w+\.[\w.]+)'")
_INDEX = re.compile(r"Index error: index=(-?\d+) size=(\d+)")


class BadExpression(ValueError):
    """An expression that cannot be compiled, in the library's words, which are those of cel-go."""


class EvaluationError(ValueError):
    """An expression that has no value for this object."""


@cache
def _environment() -> Any:
    extensions = [ext_optional.ExtOptional(), ext_bindings.ExtBindings()]
    dynamic = dict.fromkeys(("self", "oldSelf", "hasOldSelf"), cel.Type.DYN)
    return cel.NewEnv(variables=dynamic, extensions=extensions, functions=[*functions(), *string_functions()])


@lru_cache(maxsize=4096)
def _compiled(text: str) -> Any:
    if len(text) > EXPRESSION_LIMIT:
        raise BadExpression(f"the expression has more than {EXPRESSION_LIMIT} characters")
    try:
        return _environment().compile(text)
    except RuntimeError as error:
        raise BadExpression(_of_root(_STATUS.sub("", str(error)))) from error


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


def _of_root(error: str) -> str:
    """cel-go names the root of an unknown chain of names, where cel-cpp names the chain."""
    match = _CHAIN.search(error)
    if match is None:
        return error
    root, column = match[2].partition(".")[0], int(match[1])
    start = column - len(root)
    shown = re.sub(r"\n \| \.*\^", f"\n | {'.' * (start - 1)}^", error, count=1)
    return shown.replace(f":{column}: ", f":{start}: ", 1).replace(f"'{match[2]}'", f"'{root}'", 1)


def _in_go_words(error: str) -> str:
    error = _STATUS.sub("", error)
    if match := _NO_KEY.search(error):
        return f"no such key: {match[1]}"
    if match := _INDEX.search(error):
        return f"index out of bounds: {match[1]}"
    return "division by zero" if error == "divide by zero" else error
