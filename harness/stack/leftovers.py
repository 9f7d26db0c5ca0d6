"""Finds leaks of a stack that has stopped: tasks and timers of the platform or of a board, open sockets, and errors
that nobody saw.

Each is something that a long run would feel. A task that was cancelled has some turns of the event loop to end.
"""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any, Self
from weakref import WeakKeyDictionary

from harness.core.clock import Clock, SystemClock, Timer
from harness.core.descriptors import count_sockets
from harness.core.errors import ProductFailure
from harness.invariants.invariant import Party

__all__ = ["Leftovers", "WatchedClock", "objects_of", "party_of_file"]

TURNS = 50
"""Turns of the loop in which what was closed ends."""
CLOSES_WITHIN = 10.0
"""Seconds that another program has to answer the end of TLS."""
OWN = Path(__file__).resolve().parents[1]
_PARTIES = (
    (OWN / "wasmbed" / "gateway", Party.GATEWAY),
    (OWN / "wasmbed" / "controllers", Party.APPLICATION_CONTROLLER),
    (OWN / "boards" / "virtual", Party.BOARD),
)


class WatchedClock(Clock):
    """A clock, by default the machine's, which knows the timers of the platform and of boards that are set: they keep
    what they would act on alive."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._timers: WeakKeyDictionary[asyncio.TimerHandle, CodeType] = WeakKeyDictionary()

    def now(self) -> float:
        return self._clock.now()

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        timer = asyncio.get_running_loop().call_later(seconds, callback)
        code: CodeType | None = getattr(callback, "__code__", None)  # of a lambda, a function or a method
        if code is not None and _party(code) is not None:
            self._timers[timer] = code
        return timer

    def left(self) -> Iterator[tuple[str, Party]]:
        """The timers that are to come, and whose they are."""
        now = asyncio.get_running_loop().time()
        for timer, code in list(self._timers.items()):
            party = _party(code)
            if party is not None and not timer.cancelled() and timer.when() > now:
                yield f"a timer behind: {code.co_qualname} ({Path(code.co_filename).name})", party


class Leftovers:
    """Compares the end of a stack with its beginning."""

    def __init__(self, open_sockets: Callable[[], int]) -> None:
        self._open_sockets, self._before = open_sockets, open_sockets()
        self._unseen: list[tuple[str, Party]] = []
        """Errors that the event loop reported because nobody awaited them."""

    @classmethod
    async def begin(cls, open_sockets: Callable[[], int] | None = None) -> Self:
        """Before the stack starts, on its loop, which has sockets of its own. ``open_sockets`` counts them, by default
        those of this process."""
        found = cls(open_sockets or count_sockets)
        asyncio.get_running_loop().set_exception_handler(found._note_unseen)
        return found

    async def check(self, clock: Clock) -> None:
        """Raise ProductFailure that names what is left, and whose it is."""
        gc.collect(1)  # an error that nobody saw is reported when it is freed; it may be part of a cycle
        for what, party in self._unseen:
            raise ProductFailure(f"nobody saw an error of the {party}: {what}", party=str(party))
        for _ in range(TURNS):
            left = [*_tasks(), *(clock.left() if isinstance(clock, WatchedClock) else ())]
            if not left and self._sockets() <= 0:
                return
            await clock.sleep(0)
        if not left:
            await self._closed(clock)
        if (sockets := self._sockets()) > 0:
            raise ProductFailure(f"{sockets} sockets are still open", where="the end of the stack")
        for what, party in left:
            raise ProductFailure(f"the {party} left {what}", where="the end of the stack", party=str(party))

    async def _closed(self, clock: Clock) -> None:
        """Wait for sockets that close: the end of TLS waits for the other end's answer, which is another program."""
        with suppress(TimeoutError):
            async with clock.deadline(CLOSES_WITHIN):
                while self._sockets() > 0:
                    await clock.sleep(0.01)

    def _sockets(self) -> int:
        """The sockets that are open and were not before."""
        return self._open_sockets() - self._before

    def _note_unseen(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if (party := _party_of_error(context)) is not None:
            self._unseen.append((f"{context.get('message')}: {context.get('exception')!r}", party))
        loop.default_exception_handler(context)


def objects_of(package: str) -> Counter[str]:
    """How many objects of each class of a package this process has: work that is done leaves none behind."""
    gc.collect()
    found: Counter[str] = Counter()
    for kind, count in Counter(map(type, gc.get_objects())).items():
        if str(kind.__module__).startswith(f"{package}."):
            found[kind.__qualname__] += count
    return found


def _party_of_error(context: dict[str, Any]) -> Party | None:
    """The party of an error that the event loop reports; None for one of the test's own code."""
    error: BaseException | None = context.get("exception")
    trace = error.__traceback__ if error is not None else None
    party: Party | None = None
    if error is not None and trace is None:
        return Party.PRODUCT
    while trace is not None:
        party, trace = party_of_file(trace.tb_frame.f_code.co_filename) or party, trace.tb_next
    coroutine = context["task"].get_coro() if "task" in context else None
    return party or _party(getattr(coroutine, "cr_code", None))


def _tasks() -> Iterator[tuple[str, Party]]:
    for task in asyncio.all_tasks():
        party = _party(getattr(task.get_coro(), "cr_code", None))
        if party is not None and not task.done():
            yield f"a task behind: {task.get_coro()}", party


def _party(code: CodeType | None) -> Party | None:
    return party_of_file(code.co_filename) if code is not None else None


@cache
def party_of_file(name: str) -> Party | None:
    """The party that a source file belongs to; None for one that is not of the platform or a board."""
    path = Path(name)
    return next((party for folder, party in _PARTIES if folder in path.parents), None)
