"""Runs ``async`` tests and fixtures on the event loop of their stack.

Other plugins run coroutines on their own loop (pytest-asyncio, anyio) or on another kind of loop (pytest-trio), where a
stack cannot run. So before they see them, async functions of a test with a stack are made ordinary functions.
"""

from __future__ import annotations

import asyncio
import inspect
import unittest
import warnings
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import CoroutineType, MethodType
from typing import TYPE_CHECKING, Any

import pytest

from harness.core.errors import UsageError
from harness.pytest_plugin.awaiting import watched

if TYPE_CHECKING:
    from harness.stack.hosted import HostedStack

__all__ = ["check_others", "claim", "fixture_on_stack", "is_asynchronous", "test_on_stack"]

Function = Callable[..., Any]


def check_others(request: pytest.FixtureRequest) -> None:
    """Raise UsageError for a test that another plugin would run on another event loop."""
    node = request.node
    with suppress(RuntimeError):
        asyncio.get_running_loop()
        raise UsageError(
            "another plugin runs this test on its own event loop, and a stack cannot start there",
            do="take stack as an argument of the test or of its fixture, not by request.getfixturevalue",
        )
    if request.cls is not None and issubclass(request.cls, unittest.IsolatedAsyncioTestCase):
        raise UsageError(
            f"unittest runs {request.cls.__name__} on its own event loop, where a stack cannot run",
            do="write the test as a function, or in a class that is not a TestCase",
        )
    if node.get_closest_marker("trio") is not None:
        raise UsageError(
            "a stack needs an asyncio event loop, but a trio marker asks pytest-trio to run this test on trio",
            do="remove the marker trio, or trio_mode, from tests with a stack",
        )
    if "anyio_backend" in request.fixturenames:
        backend = request.getfixturevalue("anyio_backend")
        name = backend if isinstance(backend, str) else backend[0]
        if name != "asyncio":
            raise UsageError(
                f"a stack needs an asyncio event loop, but anyio_backend asks anyio to run this test on {name}",
                do="remove the marker anyio, or let the fixture anyio_backend return 'asyncio'",
            )


def claim(item: pytest.Item) -> None:
    """Remove the xfail mark that pytest-asyncio (in automatic mode) or pytest before 8.4 puts on a test with a
    ``yield``: a test with a stack fails with an explanation instead."""
    if not isinstance(item, pytest.Function):
        return
    function = inspect.unwrap(item.function)
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        item.own_markers[:] = [marker for marker in item.own_markers if not _is_about_yield(marker)]


def _is_about_yield(marker: pytest.Mark) -> bool:
    reason = str(marker.kwargs.get("reason")).lower()
    return marker.name == "xfail" and marker.kwargs.get("run") is False and ("generator" in reason or "yield" in reason)


@contextmanager
def test_on_stack(item: pytest.Function, hosted: HostedStack) -> Iterator[None]:
    """Inside, the test is an ordinary function that runs on its stack's loop; its history is judged at the end.

    Raises UsageError for a test that would do nothing: one with a ``yield``, or with a forgotten ``await``.
    """
    __tracebackhide__ = True
    given = getattr(item.obj, "hypothesis", None)  # @given calls its inner_test for each example
    holder, name = (item, "obj") if given is None else (given, "inner_test")
    function = getattr(holder, name)
    hosted.begin()
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        # pytest-asyncio warns of async fixtures that it does not run in strict mode; the harness runs them.
        warnings.filterwarnings("ignore", message="asyncio test .* requested async @pytest.fixture")
        patch.setattr(holder, name, _ordinary(function, hosted))
        # Another plugin's item class would run the test on that plugin's loop.
        patch.setattr(item, "runtest", partial(pytest.Function.runtest, item), raising=False)
        try:
            yield
        except Exception as error:
            if not is_asynchronous(function):
                hosted.blame(error)
            hosted.accuse(error)
            raise
    if is_asynchronous(function):
        hosted.judge()


def is_asynchronous(function: Function) -> bool:
    """Whether a function is an ``async def``, with or without ``yield``."""
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _ordinary(function: Function, hosted: HostedStack) -> Function:
    def test(*arguments: Any, **named: Any) -> Any:
        __tracebackhide__ = True
        with watched():
            result = function(*arguments, **named)
            if isinstance(result, CoroutineType):
                return hosted.run(result)
        if inspect.isasyncgen(result) or inspect.isgenerator(result):
            raise _does_nothing(inspect.unwrap(function))
        return result

    test.__name__ = getattr(function, "__name__", "test")
    return test


def _does_nothing(function: Function) -> UsageError:
    yields = inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function)
    what = "contains a yield" if yields else "returns a generator"
    return UsageError(
        f"{function.__name__}() {what}, so calling it does nothing",
        where=f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}",
        do="remove the yield from the test; setup and teardown belong in a fixture",
    )


def fixture_on_stack(function: Function, instance: object | None, hosted: HostedStack) -> Function:
    """Make an ``async`` fixture ordinary. A generator's setup and end run in the same task of the stack's loop."""
    if instance is not None and isinstance(function, MethodType) and type(function.__self__) is type(instance):
        function = function.__func__.__get__(instance)

    def returns(**arguments: Any) -> Any:
        __tracebackhide__ = True
        return hosted.run(function(**arguments))

    def yields(**arguments: Any) -> Generator[Any, None, None]:
        __tracebackhide__ = True
        living = _Living(function.__name__, function(**arguments))
        yield hosted.run(living.enter())
        hosted.begin()  # the fixture's end has its own time limit, whatever the test used
        hosted.run(living.leave())

    return yields if inspect.isasyncgenfunction(function) else returns


class _Living:
    """An asynchronous generator that yields once, in its own task."""

    def __init__(self, name: str, generator: AsyncGenerator[Any, None]) -> None:
        self._name, self._generator = name, generator

    async def enter(self) -> Any:
        """Run it to its ``yield`` and return the value."""
        loop = asyncio.get_running_loop()
        self._value: asyncio.Future[Any] = loop.create_future()
        self._leaving: asyncio.Future[None] = loop.create_future()
        self._task = loop.create_task(self._live())
        try:
            await asyncio.wait([self._task, self._value], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:  # the time limit
            self._task.cancel()
            await asyncio.wait([self._task])
            raise
        if self._task.done():
            await self._task
        return self._value.result()

    async def leave(self) -> None:
        """Run it to its end."""
        self._leaving.set_result(None)
        await self._task

    async def _live(self) -> None:
        try:
            value = await anext(self._generator)
        except StopAsyncIteration:
            raise self._wrong("yields nothing") from None
        self._value.set_result(value)
        await self._leaving
        try:
            await anext(self._generator)
        except StopAsyncIteration:
            return
        await self._generator.aclose()
        raise self._wrong("yields more than once")

    def _wrong(self, what: str) -> UsageError:
        return UsageError(f"the fixture {self._name} {what}", do="let it yield exactly once on each path")
