"""Puts a defect into modules that are imported already: the code of its functions is replaced in place.

Every reference to a function sees its new code, so that one interpreter serves many defects: each is put into a copy
(``fork``) of it. A defect outside of the bodies of functions needs an import of its own, and is refused here.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

__all__ = ["can_swap", "swap"]


def can_swap(before: str, after: str) -> bool:
    """Whether two versions of a module differ only in the bodies of functions."""
    return _outside(before) == _outside(after)


def swap(root: Path, file: str, before: str, after: str | ast.Module) -> None:
    """Replace the code of the functions that differ. Raises LookupError where one of them cannot be found."""
    name = ".".join(Path(file).with_suffix("").parts).removesuffix(".__init__")
    module = importlib.import_module(name)
    path = str(root / file)
    old, new = (dict(_functions(compile(text, path, "exec", dont_inherit=True))) for text in (before, after))
    for qualified, code in new.items():
        if old.get(qualified) != code:
            function = _find(module, qualified)
            function.__code__ = code


def _outside(text: str) -> str:
    """The module without the bodies of its functions."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [ast.Pass()]
    return ast.dump(tree)


def _functions(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    """The functions of a module and of its classes; those inside a function are part of it."""
    for each in code.co_consts:
        if isinstance(each, CodeType):
            if each.co_flags & inspect.CO_OPTIMIZED:
                yield each.co_qualname, each
            else:
                yield from _functions(each)


def _find(module: Any, qualified: str) -> FunctionType:
    found = module
    for part in qualified.split("."):
        if part not in vars(found):
            raise LookupError(f"{module.__name__} has no {qualified}")
        found = vars(found)[part]
    while not isinstance(found, FunctionType) or hasattr(found, "__wrapped__"):
        if isinstance(found, property | cached_property):
            found = found.fget if isinstance(found, property) else found.func
        else:
            found = getattr(found, "__func__", None) or getattr(found, "__wrapped__", None)
        if found is None:
            raise LookupError(f"{module.__name__}.{qualified} is not a function")
    return found
