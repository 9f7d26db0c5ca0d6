"""The public names are those of ``public_api.txt``: a change of a name or a parameter is a change of that file.

``python tests/test_public_api.py > tests/public_api.txt`` writes it. A name that goes or changes its parameters needs a
line in ``CHANGELOG.md``.
"""

from __future__ import annotations

import difflib
import enum
import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, is_typeddict

from _pytest.fixtures import FixtureFunctionDefinition

from harness import pytest_plugin
from harness.pytest_plugin.settings import MARKERS
from harness.robot_library.reference import document
from harness.stack.options import StackOptions, flag

PINNED = Path(__file__).with_name("public_api.txt")
MODULES = (
    "harness.core.errors",
    "harness.core.history",
    "harness.stack",
    "harness.stack.applications",
    "harness.stack.board",
    "harness.stack.board_options",
    "harness.stack.boards",
    "harness.stack.credentials",
    "harness.stack.devices",
    "harness.stack.gateways",
    "harness.stack.mock_board",
    "harness.stack.mock_gateway",
    "harness.stack.modules",
    "harness.stack.options",
    "harness.stack.record",
    "harness.stack.stack",
    "harness.stack.virtual_time",
    "harness.stack.waiting",
    "harness.boards.board",
    "harness.boards.fleet",
    "harness.boards.virtual_time",
    "harness.clusters.cluster",
    "harness.testing.board",
    "harness.testing.cluster",
    "harness.testing.compare",
    "harness.sequences",
    "harness.faults",
    "harness.faults.strategies",
)
INHERITED = (object, Exception, str, int, float, tuple, dict)
"""Bases whose members are Python's own."""


def public_names() -> Iterator[str]:
    """Each public name on a line, functions and methods with their parameters."""
    for name in MODULES:
        module = importlib.import_module(name)
        yield f"[{name}]"
        for exported in sorted(module.__all__):
            yield from _lines(exported, getattr(module, exported))
        yield ""
    yield "[pytest]"
    fixtures = [name for name, value in vars(pytest_plugin).items() if isinstance(value, FixtureFunctionDefinition)]
    yield from (f"fixture {name}" for name in sorted(fixtures))
    yield from (f"marker {marker.partition(':')[0]}" for marker in MARKERS)
    yield from (f"option --{flag(name)}" for name in [*StackOptions.names(), "live"])
    yield ""
    yield "[robot]"
    for keyword in sorted(document().keywords, key=lambda keyword: keyword.name):
        yield f"{keyword.name}    {'    '.join(argument.name or '*' for argument in keyword.args)}".rstrip()


def _lines(name: str, value: Any) -> Iterator[str]:
    if not inspect.isclass(value):
        yield name + (_parameters(value) if inspect.isfunction(value) else "")
        return
    made_by_name = issubclass(value, enum.Enum) or not inspect.isfunction(value.__init__)
    yield f"class {name}" + ("" if made_by_name else _parameters(value.__init__))
    options = value.__annotations__ if is_typeddict(value) else ()
    yield from (f"    {option}" for option in options)
    members = value.__members__ if issubclass(value, enum.Enum) else {}
    yield from (f"    {member}" for member in members)
    inherited = {attribute for base in INHERITED if issubclass(value, base) for attribute in dir(base)}
    for attribute in sorted(set(dir(value)) - inherited - set(members)):
        if not attribute.startswith("_"):
            member = inspect.getattr_static(value, attribute)
            function = getattr(member, "__func__", member)
            yield f"    {attribute}" + (_parameters(function) if inspect.isfunction(function) else "")


def _parameters(function: Any) -> str:
    signature = inspect.signature(function)
    names = [
        parameter.replace(annotation=inspect.Parameter.empty, default=inspect.Parameter.empty)
        for name, parameter in signature.parameters.items()
        if name not in ("self", "cls")
    ]
    return str(inspect.Signature(names))


def test_the_public_names_are_the_pinned_ones() -> None:
    pinned, found = PINNED.read_text("utf-8").splitlines(), [*public_names()]
    assert found == pinned, "\n".join(difflib.unified_diff(pinned, found, "tests/public_api.txt", "the code", n=1))


if __name__ == "__main__":
    sys.stdout.write("\n".join(public_names()) + "\n")
