"""Which defects a run could meet: a mark before what a defect changes is set when a run comes there.

A defect whose statements a run does not reach makes no difference to it, so that run need not be repeated with it.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path

from mutants.defect import Defect, mutated
from mutants.swap import swap

__all__ = ["REACHED", "mark"]

_NEVER = re.compile(r"(if|elif|case .+ if) False:|in list\[\w+\]\(\):")
"""A header with which what it lets happen never does: without that, the defect makes no difference."""
REACHED: set[str] = set()
"""The defects whose statements were reached, by name."""


def mark(root: Path, defects: Sequence[Defect]) -> None:
    """Put a mark before each statement that one of the defects changes; they are of modules of Python."""
    by_file = defaultdict[str, list[Defect]](list)
    for defect in defects:
        by_file[defect.file].append(defect)
    for file, own in by_file.items():
        text = (root / file).read_text("utf-8")
        tree = ast.parse(text)
        for defect in own:
            lines = _changed(text, mutated(root, defect))
            for body, at in _innermost(tree, lines):
                if _NEVER.search(defect.after):
                    body, at = _inside(body[at], lines)
                body.insert(at, _mark(defect.name, body[at]))
        swap(root, file, text, tree)


def _changed(before: str, after: str) -> set[int]:
    """The numbers of the lines that differ; of lines that are only added, those around them."""
    old, new = before.splitlines(), after.splitlines()
    found = set[int]()
    for kind, first, last, *_ in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            found.update(range(first + 1, max(last, first + 1) + 1))
    return found


def _innermost(tree: ast.Module, lines: set[int]) -> list[tuple[list[ast.stmt], int]]:
    """For each of the lines, the innermost statement of a function that has it: its body, and its place there. The last
    of a body comes first, so that nothing moves while marks are inserted."""
    found: dict[int, tuple[list[ast.stmt], int]] = {}
    for node in ast.walk(tree):  # from the outside to the inside
        for body in (value for _, value in ast.iter_fields(node) if isinstance(value, list)):
            for at, statement in enumerate(body):
                if isinstance(statement, ast.stmt) and not isinstance(statement, ast.ClassDef):
                    of_it = lines & set(range(statement.lineno, (statement.end_lineno or statement.lineno) + 1))
                    is_function = isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef)
                    found.update(dict.fromkeys(of_it, (body, at)) if not is_function else {})
    places = {(id(body), at): (body, at) for body, at in found.values()}
    return sorted(places.values(), key=lambda place: -place[1])


def _inside(statement: ast.stmt, lines: set[int]) -> tuple[list[ast.stmt], int]:
    """The beginning of what such a header lets happen."""
    if isinstance(statement, ast.Match):
        return next(case.body for case in statement.cases if case.pattern.lineno in lines), 0
    assert isinstance(statement, ast.If | ast.For)
    return statement.body, 0


def _mark(name: str, statement: ast.stmt) -> ast.stmt:
    text = f"__import__('mutants.reach').reach.REACHED.add({name!r})"
    expression = ast.parse(text).body[0]
    for node in ast.walk(expression):
        ast.copy_location(node, statement)
    return expression
