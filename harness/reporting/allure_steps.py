"""Allure steps for the stack's public operations, which are wrapped only while a pytest run writes Allure results.

Robot's keywords are steps already.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from harness.core.clock import Clock
from harness.stack.applications import ApplicationHandle
from harness.stack.board import RecordedBoard
from harness.stack.boards import Boards
from harness.stack.credentials import Pki
from harness.stack.devices import DeviceHandle
from harness.stack.gateways import GatewayControl
from harness.stack.mock_board import MockBoard
from harness.stack.mock_link import MockEnd
from harness.stack.record import Record
from harness.stack.stack import Stack
from harness.stack.waiting import Watched

__all__ = ["OPERATIONS", "wrapped"]

OPERATIONS: dict[type, dict[str, str]] = {
    Stack: {"deploy": "deploy {module}", "mock_board": "mock board {name} connects", "judge": "every invariant holds"},
    Boards: {"power_on": "power on"},
    RecordedBoard: {
        "power_on": "power on {self.name}",
        "power_off": "power off {self.name}",
        "cut_power": "cut the power of {self.name}",
        "reset": "reset {self.name}",
        "cut_link": "cut the link of {self.name}",
        "restore_link": "restore the link of {self.name}",
        "pause": "pause {self.name}",
        "resume": "resume {self.name}",
    },
    Watched: {"until": "{self} until", "until_gone": "{self} until it is gone"},
    DeviceHandle: {"label": "label {self}"},
    ApplicationHandle: {
        "until_on": "{self} on {device} until",
        "stop": "stop {self}",
        "start": "start {self}",
        "redeploy": "redeploy {self}",
        "delete": "delete {self}",
    },
    GatewayControl: {
        "start": "start {self}",
        "stop": "stop {self}",
        "kill": "kill {self}",
        "restart": "restart {self}",
    },
    Record: {"until": "wait for {name}", "follows": "history follows {sequence}"},
    MockBoard: {"enroll": "mock board {self.name} enrolls"},
    MockEnd: {"until_closed": "{self.name} until its connection is closed"},
    Pki: {"pair": "allow {name} to pair", "revoke": "revoke a certificate"},
}
"""Titles of steps; they may use the operation's arguments and ``self``."""
LONGEST = 200

_inside: ContextVar[bool] = ContextVar("inside an operation", default=False)


@contextmanager
def wrapped(reporter: Any, clock: Clock) -> Iterator[None]:
    """Within the block, make every operation a step of the open item of ``reporter`` (an ``AllureReporter``).

    Operations inside an operation make no steps. Concurrent operations are steps side by side.
    """
    steps = _Steps(reporter, clock)
    originals = [(kind, name, vars(kind)[name]) for kind, names in OPERATIONS.items() for name in names]
    for kind, name, original in originals:
        setattr(kind, name, steps.wrap(original, OPERATIONS[kind][name]))
    try:
        yield
    finally:
        for kind, name, original in originals:
            setattr(kind, name, original)


class _Steps:
    def __init__(self, reporter: Any, clock: Clock) -> None:
        self._reporter, self._clock = reporter, clock

    def wrap(self, operation: Callable[..., Any], title: str) -> Callable[..., Any]:
        signature = inspect.signature(operation)

        @functools.wraps(operation)
        def plain(*args: Any, **kwargs: Any) -> Any:
            with self._step(title, signature, args, kwargs):
                return operation(*args, **kwargs)

        @functools.wraps(operation)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            with self._step(title, signature, args, kwargs):
                return await operation(*args, **kwargs)

        return awaited if inspect.iscoroutinefunction(operation) else plain

    def _now(self) -> int:
        return round(self._clock.now() * 1000)

    @contextmanager
    def _step(
        self, title: str, signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Iterator[None]:
        from allure_commons.model2 import ExecutableItem, Parameter, Status, StatusDetails, TestStepResult

        parent = None if _inside.get() else self._reporter.get_last_item(ExecutableItem)
        given = None if parent is None else _given(signature, args, kwargs)
        if parent is None or given is None:
            yield
            return
        arguments = {key: _text(value) for key, value in given.items() if key != "self"}
        step = TestStepResult(
            name=_title(title, signature, given),
            start=self._now(),
            parameters=[Parameter(name=key, value=value) for key, value in arguments.items()],
        )
        parent.steps.append(step)
        token = _inside.set(True)
        try:
            yield
            step.status = Status.PASSED
        except BaseException as error:
            step.status = Status.FAILED if isinstance(error, AssertionError) else Status.BROKEN
            step.statusDetails = StatusDetails(message=f"{type(error).__name__}: {error}")
            raise
        finally:
            step.stop = self._now()
            _inside.reset(token)


def _given(signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
    """The arguments by name, including ``**keywords``; None if they do not match: the call raises that error."""
    try:
        bound = signature.bind(*args, **kwargs).arguments
    except TypeError:
        return None
    rest = next((name for name, kind in signature.parameters.items() if kind.kind is kind.VAR_KEYWORD), "")
    return {**{key: value for key, value in bound.items() if key != rest}, **bound.get(rest, {})}


def _title(title: str, signature: inspect.Signature, given: Mapping[str, Any]) -> str:
    defaults = {name: parameter.default for name, parameter in signature.parameters.items()}
    values = {**defaults, **given}
    plain = {name: value if name == "self" else _text(value) for name, value in values.items()}
    text = title.format_map(plain)
    if title.endswith(" until"):
        text += " " + " ".join(f"{key}={_text(given[key])}" for key in given if key not in signature.parameters)
    return text.strip()


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    text = getattr(value, "__name__", None) if callable(value) else getattr(value, "device", None)
    text = text if isinstance(text, str) else str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
