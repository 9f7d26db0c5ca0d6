"""Names the party that a failed plain assertion of a test is about, by what the assertion reads.

``assert device.status.health == "degraded"`` reads a field of a status, ``assert reply.code == 7`` a message: the party
that wrote the one, or sent the other, is convicted if no judge of the record names another. The assertion's expression
is read in the source of the test; its names have the values that they had in the frame that failed. A name without a
telling value is followed to the expression that it was assigned from.
"""

from __future__ import annotations

import ast
import linecache
import re
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Any

from harness.core.errors import ProductFailure
from harness.core.history import Event, History
from harness.invariants.invariant import Party, party_of
from harness.stack.api_faults import ApiFault
from harness.stack.authors import (
    ORDERS,
    Author,
    author_of_event,
    author_of_field,
    author_of_message,
    author_of_order,
    author_of_spec,
    last_words,
)
from harness.stack.board import RecordedBoard
from harness.stack.mock_board import MockBoard
from harness.stack.mock_gateway import BoardConnection, MockGateway
from harness.stack.record import Record
from harness.stack.waiting import Watched
from harness.wasmbed.controllers import ControllerManager
from harness.wasmbed.protocol.messages import Envelope
from harness.wasmbed.resources.view_fields import camel_case

if TYPE_CHECKING:
    from harness.stack.stack import Stack

__all__ = ["order_missing", "subject_of"]

STEPS = 4
"""Assignments that a name is followed through."""
OWN = "harness."
ASKED = frozenset({"sessions", "metric", "ask", "objects"})
"""Methods that ask a gateway about itself."""


def subject_of(error: AssertionError | KeyError, stack: Stack) -> Author | None:
    """The party that the assertion is about; None where its expression does not tell."""
    found = _assertion(error)
    if found is None:
        return None
    frame, expression, line = found
    reader = _Reader(stack, frame, line)
    author = reader.author(_unequal(expression, error), STEPS) or reader.author_of_last_wait()
    return replace(author, evidence=f"{author.evidence}; asserted: {ast.unparse(expression)}") if author else None


def order_missing(error: ProductFailure, history: History) -> Author | None:
    """The party to convict if a mock board waited for an order that did not come: a gateway sends one on request."""
    found = re.match(r"the gateway did not send (\w+) within", error.what)
    if found is None or found[1] not in ORDERS or not error.where:
        return None
    return author_of_order(history, found[1], error.where)


def _assertion(error: AssertionError | KeyError) -> tuple[FrameType, ast.expr, int] | None:
    """The frame of the test that raised the error, the expression of its statement, and the statement's line."""
    frames = [
        (frame, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if not str(frame.f_globals.get("__name__", "")).startswith(OWN)
    ]
    if not frames:
        return None
    frame, line = frames[-1]
    source = "".join(linecache.getlines(frame.f_code.co_filename, frame.f_globals))
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert) and node.lineno <= line <= (node.end_lineno or node.lineno):
            return frame, node.test, node.lineno
    return None


def _unequal(expression: ast.expr, error: AssertionError | KeyError) -> ast.expr:
    """Of two tuples that were compared, the first part that differs, as pytest tells their values; else all of it."""
    if not (isinstance(expression, ast.Compare) and isinstance(expression.left, ast.Tuple)):
        return expression
    found = re.match(r"(?:AssertionError: )?assert (\(.*\)) == (\(.*\))$", str(error).partition("\n")[0])
    try:
        left, right = (ast.literal_eval(each) for each in found.groups()) if found else ((), ())
    except (SyntaxError, ValueError):
        return expression
    parts = zip(expression.left.elts, left, right, strict=False)
    return next((part for part, one, other in parts if one != other), expression)


class _Reader:
    """Reads expressions of one frame."""

    def __init__(self, stack: Stack, frame: FrameType, line: int) -> None:
        self._stack, self._record = stack, stack.history
        self._frame, self._line = frame, line

    def author(self, expression: ast.expr, steps: int) -> Author | None:
        """The author of the first part of the expression that tells one."""
        for chain in _chains(expression):
            if (found := self._of_chain(chain)) is not None:
                return found
        if not steps:
            return None
        for node in ast.walk(expression):
            assigned = self._assigned(node.id) if isinstance(node, ast.Name) else None
            if assigned is not None and (found := self.author(assigned, steps - 1)) is not None:
                return found
        return None

    def author_of_last_wait(self) -> Author | None:
        """The author of what the test waited for last, above the assertion: for one that reads nothing but times."""
        waits = [
            node
            for node in ast.walk(self._source())
            if isinstance(node, ast.Await) and self._frame.f_code.co_firstlineno <= node.lineno < self._line
        ]
        latest = max(waits, key=lambda node: node.lineno, default=None)
        return self.author(latest, 0) if latest is not None else None

    def _of_chain(self, chain: Sequence[ast.expr]) -> Author | None:
        """The author by a chain as ``device.status.phase``, from its first name on."""
        root = chain[0]
        if not isinstance(root, ast.Name):
            return None
        value = self._value(root)
        steps = [_step(node) for node in chain[1:]]
        if value is self._stack:
            value, steps = self._of_stack(chain, steps)
        return self._of_value(value, steps, chain)

    def _of_stack(self, chain: Sequence[ast.expr], steps: list[str]) -> tuple[Any, list[str]]:
        """The value of ``stack.device("pump-1")``, ``stack.history`` and the like, and the rest of the chain."""
        first = steps[0] if steps else ""
        call = chain[2] if len(chain) > 2 and isinstance(chain[2], ast.Call) else None
        if first in ("device", "application") and call is not None and call.args:
            named = self._value(call.args[0])
            if named is not None:
                return getattr(self._stack, first)(named), steps[2:]
        return getattr(self._stack, first, None) if first else None, steps[1:]

    def _of_value(self, value: Any, steps: list[str], chain: Sequence[ast.expr]) -> Author | None:
        if isinstance(value, list | tuple) and value:
            value = value[0]
        if isinstance(value, Envelope):
            value = value.message
        if isinstance(value, Mapping) and isinstance(value.get("metadata"), Mapping):
            return author_of_field(self._record, str(value.get("kind")), str(value["metadata"].get("name")), ())
        if isinstance(value, ApiFault):
            return Author(str(party_of(value.client or "")), "it is what it asked the API for")
        if isinstance(value, ControllerManager):
            return Author(str(Party.MANAGER), f"it is what the manager {value.identity} did")
        if isinstance(value, Watched):
            return self._of_resource(value, steps, chain)
        if isinstance(value, Record):
            return self._of_query(chain)
        if isinstance(value, MockBoard):
            return Author(str(Party.GATEWAY), f"it is what {value.name} got from the gateway{self._said(value.name)}")
        if isinstance(value, BoardConnection | MockGateway):
            return self._of_board()
        if isinstance(value, RecordedBoard):
            return Author(f"{Party.BOARD} {value.device}", "it is what the board did" + self._said(value.device))
        if isinstance(value, Event):
            return author_of_event(self._record, value)
        return author_of_message(self._record, type(value).__name__) if value is not None else None

    def _of_resource(self, value: Watched[Any], steps: list[str], chain: Sequence[ast.expr]) -> Author | None:
        kind = value.view.__name__
        if kind == "Gateway" and ASKED & set(steps):
            return Author(str(Party.GATEWAY), f"it is what gateway {value.name} says of itself")
        path: list[str] = []
        if "status" in steps:
            after = [step for step in steps[steps.index("status") + 1 :] if step]
            path = [camel_case(after[0])] if after else []
        elif {"on", "output"} & set(steps):
            path = self._entry(chain)
        elif "spec" in steps and kind == "Device":
            after = [step for step in steps[steps.index("spec") + 1 :] if step]
            return author_of_spec(self._record, value.name, camel_case(after[0]) if after else "")
        return author_of_field(self._record, kind, value.name, path)

    def _entry(self, chain: Sequence[ast.expr]) -> list[str]:
        """The path of what ``application.on("pump-1").state`` or ``application.output("pump-1")`` reads."""
        for place, node in enumerate(chain):
            if isinstance(node, ast.Call) and _step(node.func) in ("on", "output") and node.args:
                device = self._value(node.args[0])
                field = "output" if _step(node.func) == "output" else next(map(_step, chain[place + 1 :]), "")
                return ["deviceStatuses", str(device), *([camel_case(field)] if field else [])]
        return ["deviceStatuses"]

    def _of_query(self, chain: Sequence[ast.expr]) -> Author | None:
        """The author of the events that a query of the history is about."""
        call = next((node for node in chain if isinstance(node, ast.Call)), None)
        if call is None:
            return None
        query = {word.arg: self._value(word.value) for word in call.keywords if word.arg}
        name = self._value(call.args[0]) if call.args else query.get("name")
        about = query.get("about")
        if isinstance(call.func, ast.Attribute) and call.func.attr == "phases":
            return self._of_phases(str(name))
        device = about if isinstance(about, str) else ""
        return author_of_message(self._record, name, device, str(query.get("source") or "")) if name else None

    def _of_phases(self, name: str) -> Author | None:
        kinds = [event.name for event in self._record if event.data.get("name") == name and "change" in event.data]
        return author_of_field(self._record, kinds[-1], name, ["phase"]) if kinds else None

    def _of_board(self) -> Author:
        """The board that spoke last to a mock gateway."""
        said = next((event for event in reversed(self._record) if event.source == "Device" and event.target), None)
        name = str(said.data.get("device") or said.correlation) if said is not None else ""
        return Author(f"{Party.BOARD} {name}".rstrip(), f"it is what the board did{self._said(name)}")

    def _said(self, device: str) -> str:
        return last_words(self._record, device)

    def _value(self, node: ast.expr) -> Any:
        """The value of a constant, a name, or an attribute of a name; None for anything else."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return self._frame.f_locals.get(node.id, self._frame.f_globals.get(node.id))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return getattr(self._value(node.value), node.attr, None)
        return None

    def _source(self) -> ast.Module:
        return ast.parse("".join(linecache.getlines(self._frame.f_code.co_filename, self._frame.f_globals)))

    def _assigned(self, name: str) -> ast.expr | None:
        """The expression that a local name was last assigned from, above the assertion."""
        first, found = self._frame.f_code.co_firstlineno, None
        for node in ast.walk(self._source()):
            if not first <= getattr(node, "lineno", 0) < self._line:
                continue
            for target, value in _bindings(node):
                if any(isinstance(each, ast.Name) and each.id == name for each in ast.walk(target)):
                    found = value if found is None or value.lineno >= found.lineno else found
        return found


def _bindings(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    if isinstance(node, ast.Assign):
        yield from ((target, node.value) for target in node.targets)
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
        yield node.target, node.value
    elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        yield node.target, node.iter


def _chains(expression: ast.expr) -> Iterator[list[ast.expr]]:
    """Each chain of attributes, calls and items in an expression, from its first name on; the longest of each."""
    inside: set[int] = set()
    for node in ast.walk(expression):
        if id(node) in inside or not isinstance(node, ast.Attribute | ast.Call | ast.Subscript | ast.Await | ast.Name):
            continue
        chain: list[ast.expr] = []
        present: ast.expr = node
        while True:
            chain.append(present)
            inside.add(id(present))
            if isinstance(present, ast.Attribute | ast.Subscript | ast.Await):
                present = present.value
            elif isinstance(present, ast.Call):
                present = present.func
            else:
                break
        yield chain[::-1]


def _step(node: ast.expr) -> str:
    """The attribute's name; empty for a call, an item, or an ``await``."""
    return node.attr if isinstance(node, ast.Attribute) else ""
