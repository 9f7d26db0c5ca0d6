"""An API server that a test makes fail: for one client or all, for some requests or every one, until it says otherwise.

The fault is made in front of the client, so it works on every kind of cluster. What fails never reaches the server,
unless only its answer is lost.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TypeVar, cast

from harness.core.ahead import Ahead
from harness.core.clock import Clock
from harness.core.errors import ProductFailure
from harness.invariants.invariant import party_of
from harness.wasmbed.resources.api import ApiError, Object, Resource, api_error
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE

__all__ = ["GONE", "ApiFault", "ApiFaults", "error_of"]

T = TypeVar("T")
GONE = 410
_EVENTS = ("ADDED", "MODIFIED", "DELETED")
KEPT = 100
"""Pauses that a fault remembers."""
MOST_KEPT = 10_000
"""Answers that a fault of stale reads keeps."""
MOST_TRIES = 200
"""Tries of one request within a second, from which on it is repeated without a pause."""
READS = frozenset(("get", "list"))
REASONS = {
    409: "Conflict",
    GONE: "Expired",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


@dataclass(eq=False)
class ApiFault:
    """Requests that fail. None and empty match everything; ``left`` is how many more fail (None: all). ``after``: the
    server does them, and only their answers are lost."""

    client: str | None
    verbs: frozenset[str]
    kind: str | None
    name: str | None
    code: int | None
    left: int | None
    clock: Clock
    after: bool = False
    slower: float = 0.0
    """Seconds by which each request is late, which then goes on."""
    loses: bool = False
    """Whether watch events are lost: watches hear nothing more, and end with 410 when the fault is over."""
    kept: dict[object, object] | None = None
    """The answers that clients get again, of reads that are stale; None: they get new ones."""
    hit: int = 0
    """Requests that failed, or were held back, so far."""
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the first request has met the fault."""
    released: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when requests that are held back may go on."""
    pauses: list[float] = field(default_factory=list)
    """Seconds between the latest requests that met the fault."""
    unpaused: str = ""
    """A request that was repeated without a pause; empty if none was."""
    _latest: float | None = None
    _second: float = -math.inf
    _tries: Counter[str] = field(default_factory=Counter)
    _met: asyncio.Event = field(default_factory=asyncio.Event)

    async def met(self, times: int, *, within: float = 60.0) -> None:
        """Wait until that number of requests has met the fault. Raises ProductFailure naming who should have asked."""
        try:
            async with self.clock.deadline(within):
                while self.hit < times:
                    self._met.clear()
                    await self._met.wait()
        except TimeoutError:
            who = party_of(self.client or "")
            what = f"{who} asked {self.hit} times within {within:g} s, not {times} times"
            raise ProductFailure(what, where="the API's fault", party=str(who)) from None

    def matches(self, client: str, verb: str, resource: Resource, name: str) -> bool:
        return (
            self.left != 0
            and self.client in (None, client)
            and (not self.verbs or verb in self.verbs)
            and self.kind in (None, resource.kind)
            and self.name in (None, name)
        )

    def stale(self, answer: T, key: object) -> T:
        """The first answer with that key; at most :data:`MOST_KEPT` are kept, and others are given as they come."""
        assert self.kept is not None, "only of reads that are stale"
        if key in self.kept:
            self.hit += 1
            self.reached.set()
            return deepcopy(cast(T, self.kept[key]))
        if len(self.kept) < MOST_KEPT:
            self.kept[key] = deepcopy(answer)
        return answer

    async def slow_down(self, request: str) -> None:
        """Let time go on for a request that is repeated without a pause: simulated time would stand still for ever."""
        now = self.clock.now()
        if now - self._second >= 1:
            self._second = now
            self._tries.clear()
        self._tries[request] += 1
        if self._tries[request] > MOST_TRIES:
            self.unpaused = request
            await self.clock.sleep(1.0)

    async def apply(self, verb: str, resource: Resource, name: str) -> None:
        """Fail, or wait until requests may go on. Raises ApiError, or ConnectionRefusedError for no code."""
        self.hit += 1
        self.reached.set()
        self._met.set()
        now = self.clock.now()
        if self._latest is not None:
            self.pauses = [*self.pauses[1 - KEPT :], now - self._latest]
        self._latest = now
        if self.left is not None:
            self.left -= 1
        if self.slower:
            await self.clock.sleep(self.slower)
            return
        if not (self.loses or self.code == 0):
            await self.slow_down(f"{verb} {resource.kind} {name}")
        if self.loses:
            await self.released.wait()
            raise error_of(GONE, "the watch")
        if self.code == 0:
            await self.released.wait()
            return
        if self.code is None and self.after:
            raise ConnectionResetError("the connection ended in the middle of an answer: the test says so")
        if self.code is None:
            raise ConnectionRefusedError("the API server cannot be reached: the test says so")
        raise error_of(self.code, f"{resource.kind} {name}")


@dataclass(eq=False, slots=True)
class _Watch:
    """An open watch. ``ends_with``: None while it goes on; 0 or an HTTP code when it has to end."""

    client: str
    kind: str
    ends_with: int | None = None


class ApiFaults:
    """The faults of one stack's API server. ``note`` records that one begins or ends."""

    def __init__(self, note: Callable[..., object], clock: Clock) -> None:
        self._note, self._clock = note, clock
        self.ahead: Ahead | None = None
        """Asked before each request that changes something, and before each watch event."""
        self._active: list[ApiFault] = []
        self._watches: set[_Watch] = set()

    def failing(
        self,
        *verbs: str,
        client: str | None = None,
        kind: str | None = None,
        name: str | None = None,
        code: int | None = None,
        times: int | None = None,
    ) -> AbstractContextManager[ApiFault]:
        """Inside, requests fail: with that HTTP ``code``, or without one as if the server was not there.

        ``verbs`` are methods of :class:`~harness.wasmbed.resources.api.ResourceApi`: ``get``, ``patch_status``,
        ``watch``, ... ``client`` is who asks (``Gateway``, ``DeviceController``), ``kind`` and ``name`` are the
        object's, and ``times`` is how many requests fail.
        """
        fault = ApiFault(client, frozenset(verbs), kind, name, code, times, self._clock)
        return self._while(fault, f"API fails with {code}" if code else "API outage", **_asked(fault), times=times)

    def losing_answers(
        self,
        *verbs: str,
        client: str | None = None,
        kind: str | None = None,
        name: str | None = None,
        code: int | None = None,
        times: int | None = None,
    ) -> AbstractContextManager[ApiFault]:
        """Inside, the server does what it is asked, and the client does not learn it: it gets that HTTP ``code`` (504,
        say), or without one its connection is cut. Otherwise as :meth:`failing`; watches lose nothing."""
        fault = ApiFault(client, frozenset(verbs), kind, name, code, times, self._clock, after=True)
        return self._while(fault, "API loses answers", **_asked(fault), times=times)

    def holding(
        self,
        *verbs: str,
        client: str | None = None,
        kind: str | None = None,
        name: str | None = None,
        times: int | None = None,
    ) -> AbstractContextManager[ApiFault]:
        """Inside, requests wait before they are sent, until the block ends or ``released`` is set; only the first
        ``times`` of them if given. The verb ``event`` is the delivery of a watch event: those behind it wait too."""
        fault = ApiFault(client, frozenset(verbs), kind, name, 0, times, self._clock)
        return self._while(fault, "API requests held", **_asked(fault))

    def slowed(
        self,
        *verbs: str,
        seconds: float,
        client: str | None = None,
        kind: str | None = None,
        name: str | None = None,
    ) -> AbstractContextManager[ApiFault]:
        """Inside, requests are sent ``seconds`` later; otherwise as :meth:`failing`."""
        fault = ApiFault(client, frozenset(verbs), kind, name, None, None, self._clock, slower=seconds)
        return self._while(fault, "API is slow", **_asked(fault), seconds=seconds)

    def losing_events(self, *, client: str | None = None, kind: str | None = None) -> AbstractContextManager[ApiFault]:
        """Inside, watch events are lost. At the end the watches that lost some end with 410, so that their clients list
        everything again."""
        fault = ApiFault(client, frozenset(("event",)), kind, None, None, None, self._clock, loses=True)
        return self._while(fault, "API loses watch events", client=client, resource=kind)

    def stale(
        self, *, client: str | None = None, kind: str | None = None, name: str | None = None
    ) -> AbstractContextManager[ApiFault]:
        """Inside, a client that reads an object or a list again gets the answer that it got the first time."""
        fault = ApiFault(client, READS, kind, name, None, None, self._clock, kept={})
        return self._while(fault, "API reads are stale", client=client, resource=kind, named=name)

    @contextmanager
    def _while(self, fault: ApiFault, what: str, **details: object) -> Iterator[ApiFault]:
        """Inside, requests meet the fault. The record says so with these details."""
        self._note(what, "Kubernetes", **details)
        self._active.append(fault)
        try:
            yield fault
        finally:
            self._active.remove(fault)
            fault.released.set()
            self._note("API restored", "Kubernetes")

    def break_watches(self, *, client: str | None = None, kind: str | None = None, code: int = 0) -> int:
        """End the watches that are open now, each before its next event; returns how many.

        With a ``code`` they end with that error: 410 for a version that the server no longer keeps.
        """
        chosen = [each for each in self._watches if client in (None, each.client) and kind in (None, each.kind)]
        for watch in chosen:
            watch.ends_with = code
        self._note(f"watches end with {code}" if code else "watches end", "Kubernetes", client=client, resource=kind)
        return len(chosen)

    async def foreseen(self, client: str, change: str, resource: Resource, name: str, body: Object) -> None:
        """Wait if a fault is to come first: before a client's request (``POST``, ``PATCH``, ...), or before a watch
        event (``ADDED``, ...) reaches it. ``body`` is the request's, or the object."""
        if self.ahead is None:
            return
        ends = ("Kubernetes", client) if change in _EVENTS else (client, "Kubernetes")
        if self.ahead.expects(*ends):
            data: Object = {
                "name": name,
                **{part: body[part] for part in ("metadata", "spec", "status") if part in body},
            }
            correlation = name if resource in (DEVICE, APPLICATION) else ""
            if (held := self.ahead(*ends, f"{change} {resource.kind}", data, correlation)) is not None:
                await held.until

    async def enter(self, client: str, verb: str, resource: Resource, name: str) -> None:
        """Apply the faults that a request meets."""
        await self._apply(client, verb, resource, name, after=False)

    async def leave(self, client: str, verb: str, resource: Resource, name: str) -> None:
        """Apply the faults that the answer to a request meets."""
        await self._apply(client, verb, resource, name, after=True)

    async def _apply(self, client: str, verb: str, resource: Resource, name: str, *, after: bool) -> None:
        for fault in tuple(self._active):
            if not fault.matches(client, verb, resource, name):
                continue
            if fault.kept is not None:
                if after:
                    await fault.slow_down(f"{verb} {resource.kind} {name}")
            elif fault.after is after:
                await fault.apply(verb, resource, name)

    def answered(self, client: str, verb: str, resource: Resource, name: str, query: str, answer: T) -> T:
        """The answer that a client gets to a read: ``answer``, or an earlier one if reads are stale. ``query`` tells
        lists apart."""
        for fault in self._active:
            if fault.kept is not None and fault.matches(client, verb, resource, name):
                return fault.stale(answer, (client, verb, resource, name, query))
        return answer

    async def event(self, client: str, change: str, resource: Resource, name: str, stored: Object) -> None:
        """Return when a watch event may reach a client. Raises ApiError if the watch has to end."""
        await self.foreseen(client, change, resource, name, stored)
        await self.enter(client, "event", resource, name)

    @contextmanager
    def watching(self, client: str, resource: Resource) -> Iterator[_Watch]:
        """Inside, a watch is open."""
        watch = _Watch(client, resource.kind)
        self._watches.add(watch)
        try:
            yield watch
        finally:
            self._watches.discard(watch)


def error_of(code: int, what: str) -> ApiError:
    return api_error({"code": code, "reason": REASONS.get(code, ""), "message": f"{what}: the test makes this fail"})


def _asked(fault: ApiFault) -> Object:
    """The requests that meet a fault, as the record names them."""
    return {"verbs": sorted(fault.verbs), "client": fault.client, "resource": fault.kind, "named": fault.name}
