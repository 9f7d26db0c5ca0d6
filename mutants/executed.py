"""Which scenario executes which line of the product: measured, and kept as data.

Lines are counted from the first line of their function, so that the data stays right for a function that only moved.
Of a function that changed since, every scenario that ran it counts.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mutants.defect import Defect, mutated

__all__ = ["MEASURED", "Executed"]

MEASURED = ("harness/wasmbed", "harness/boards/virtual")


@dataclass(frozen=True, slots=True)
class _Function:
    name: str
    first: int
    last: int
    digest: str


class Executed:
    """The measurement. ``seconds`` of processor time by scenario, in the order in which they were collected."""

    def __init__(self, seconds: Mapping[str, float], functions: Mapping[str, dict[str, Any]]) -> None:
        self.seconds = seconds
        self._tests = list(seconds)
        self._functions = functions

    @classmethod
    def read(cls, path: Path) -> Executed:
        content = json.loads(path.read_text("utf-8"))
        return cls(content["seconds"], content["functions"])

    @classmethod
    def of(cls, root: Path, outcomes: Iterable[Mapping[str, Any]], before: Executed | None = None) -> Executed:
        """Make the data of the outcomes of :mod:`mutants.isolated`, in addition to those ``before``."""
        seconds = dict(before.seconds) if before is not None else {}
        lines: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for number, outcome in enumerate(sorted(outcomes, key=lambda each: each["test"]), len(seconds)):
            seconds[outcome["test"]] = outcome["seconds"]
            for file, executed in outcome["lines"].items():
                for line in executed:
                    lines[file][line] |= 1 << number
        functions: dict[str, dict[str, Any]] = dict(before._functions) if before is not None else {}
        for file, executed in sorted(lines.items()):
            for function in _functions((root / file).read_text("utf-8")):
                key = f"{file}:{function.name}"
                earlier = functions.get(key, {"lines": {}})["lines"]
                sets = {offset: int(tests, 16) for offset, tests in earlier.items()}
                # The line of the def itself is executed by the import.
                for at in _inside(function):
                    if executed.get(at):
                        offset = str(at - function.first)
                        sets[offset] = sets.get(offset, 0) | executed[at]
                if sets:
                    found = {offset: f"{tests:x}" for offset, tests in sets.items()}
                    functions[key] = {"digest": function.digest, "lines": found}
        return cls(seconds, functions)

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"seconds": self.seconds, "functions": self._functions}), "utf-8")

    def touched_by(self, root: Path, defect: Defect) -> list[set[str]]:
        """The scenarios that execute a line that the defect changes, and those that execute its function otherwise;
        all of them if the line is executed by the import, or if the file was not measured."""
        if not defect.file.startswith(MEASURED):
            return [set(self._tests)]
        text = (root / defect.file).read_text("utf-8")
        functions = list(_functions(text))
        exactly, around = 0, 0
        for line in _changed(text, mutated(root, defect)):
            inside = [function for function in functions if function.first <= line <= function.last]
            if not inside:
                return [set(self._tests)]
            function = max(inside, key=lambda each: each.first)
            known = self._functions.get(f"{defect.file}:{function.name}", {"lines": {}, "digest": ""})
            sets = {int(offset): int(tests, 16) for offset, tests in known["lines"].items()}
            # Of a statement of several lines, only the first counts as executed.
            before = [offset for offset in sets if offset <= line - function.first]
            if known["digest"] == function.digest and before:
                exactly |= sets[max(before)]
            for tests in sets.values():
                around |= tests
        return [self._named(exactly), self._named(around & ~exactly)]

    def _named(self, tests: int) -> set[str]:
        return {test for number, test in enumerate(self._tests) if tests >> number & 1}


def _inside(function: _Function) -> range:
    return range(function.first, function.last + 1)


def _functions(text: str) -> Iterator[_Function]:
    """Every function, with its first line of code after the signature, and its last line."""
    lines = text.splitlines()

    def walk(node: ast.AST, inside: str) -> Iterator[_Function]:
        for child in ast.iter_child_nodes(node):
            name = inside
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = f"{inside}.{child.name}".lstrip(".")
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                first, last = child.body[0].lineno, child.end_lineno or child.lineno
                body = "\n".join(lines[first - 1 : last])
                yield _Function(name, first, last, hashlib.sha256(body.encode()).hexdigest()[:8])
            yield from walk(child, name)

    return walk(ast.parse(text), "")


def _changed(before: str, after: str) -> Iterator[int]:
    """The lines that the defect replaces or removes; of what it only adds, the line before which it comes."""
    matcher = difflib.SequenceMatcher(None, before.splitlines(), after.splitlines(), autojunk=False)
    for kind, first, last, _, _ in matcher.get_opcodes():
        if kind in ("replace", "delete"):
            yield from range(first + 1, last + 1)
        elif kind == "insert":
            yield min(first + 1, len(before.splitlines()))
