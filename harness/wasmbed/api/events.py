"""Changes as they happen: server-sent events (WHATWG HTML, 9.2), which a browser takes up again after a break, and a
WebSocket with the same content.

A subscriber's changes wait in a queue of its own until it reads them. One that does not keep up is ended: it comes
back, and asks for what it missed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from pydantic import Field

from harness.core.clock import Clock
from harness.core.history import Tap
from harness.wasmbed.api.copies import KINDS, Copies
from harness.wasmbed.api.operation import Body
from harness.wasmbed.api.problems import Problem
from harness.wasmbed.resources.api import Object, Resource
from harness.wasmbed.resources.kinds import GATEWAY

__all__ = ["ALL_KINDS", "Changes", "EventQuery", "Subscription", "read_kinds"]

_WAITING = 1024
"""Changes that wait for one subscriber."""
_KEEP_ALIVE = 15.0
"""Seconds after which an idle stream shows that it lives: proxies end silent ones after 30 to 60."""


class EventQuery(Body):
    """Which changes."""

    kinds: Annotated[str, Field(max_length=64, description="Of device, application, gateway; with commas between.")] = (
        "device,application,gateway"
    )


ALL_KINDS = frozenset(kind.kind.lower() for kind in KINDS)


def read_kinds(text: str) -> frozenset[str]:
    """Return the kinds of a query. Raises :class:`Problem` 422 for one that is none."""
    wanted = frozenset(filter(None, text.split(",")))
    if unknown := wanted - ALL_KINDS:
        there = ", ".join(sorted(ALL_KINDS))
        raise Problem(422, f"unknown kinds {', '.join(sorted(unknown))}: there are {there}")
    return wanted


@dataclass(frozen=True, slots=True)
class Change:
    """One change. ``text`` is its JSON, made once for all subscribers."""

    number: int
    kind: str
    text: bytes


class Changes:
    """The latest changes, and the subscribers that get the next ones."""

    def __init__(
        self,
        copies: Copies,
        clock: Clock,
        shapes: Mapping[Resource, Callable[[Object], Any]],
        kept: int,
        subscribers: int,
        epoch: str,
        tap: Tap | None = None,
    ) -> None:
        """``epoch`` tells the numbers of this run from those of another. ``tap`` records what subscribers get."""
        self._clock, self._shapes, self._epoch, self._tap = clock, shapes, epoch, tap
        self._kept: deque[Change] = deque(maxlen=kept)
        self._number = 0
        self._most = subscribers
        self._subscriptions: dict[Subscription, None] = {}
        for kind in KINDS:
            copies.informers[kind].add_handler(self._noting(kind))

    @contextmanager
    def subscribed(self, kinds: frozenset[str], last_id: str) -> Iterator[Subscription]:
        """Follow the changes of ``kinds`` since ``last_id``, an id that a subscriber had last, or from now on.

        Raises :class:`Problem` 503 if there are too many subscribers.
        """
        if len(self._subscriptions) >= self._most:
            raise Problem(503, f"{self._most} subscribers are there already", headers={"Retry-After": "5"})
        subscription = Subscription(kinds, self._epoch, self._clock)
        self._catch_up(subscription, last_id)
        self._subscriptions[subscription] = None
        try:
            yield subscription
        finally:
            self._subscriptions.pop(subscription, None)

    def close(self) -> None:
        """End all subscriptions."""
        for each in self._subscriptions:
            each.end()

    def _catch_up(self, subscription: Subscription, last_id: str) -> None:
        """Put what the subscriber missed into its queue. If that is not known any more, the event
        ``reset`` asks it to read anew."""
        if not last_id:
            return
        epoch, _, number = last_id.partition("-")
        oldest = self._kept[0].number if self._kept else self._number + 1
        if epoch != self._epoch or not number.isascii() or not number.isdecimal() or int(number[:18]) + 1 < oldest:
            subscription.put(Change(self._number, "reset", b'{"reason":"changes were missed: read the lists again"}'))
            return
        for change in self._kept:
            if change.number > int(number[:18]) and subscription.wants(change):
                subscription.put(change)

    def _noting(self, kind: Resource) -> Callable[[Object | None, Object | None], None]:
        shape, name = self._shapes[kind], kind.kind.lower()

        def note(old: Object | None, new: Object | None) -> None:
            what = "added" if old is None else "deleted" if new is None else "modified"
            self._number += 1
            text = orjson.dumps({"change": what, "kind": name, "object": shape(new if new is not None else old or {})})
            change = Change(self._number, name, text)
            self._kept.append(change)
            told = [each for each in self._subscriptions if each.wants(change)]
            for each in told:
                each.put(change)
            if told and self._tap is not None:
                self._record(kind, what, new if new is not None else old or {}, len(told))

        return note

    def _record(self, kind: Resource, what: str, object: Object, subscribers: int) -> None:
        """Record that subscribers get a change: one message, however many they are."""
        assert self._tap is not None
        name, phase = object["metadata"]["name"], (object.get("status") or {}).get("phase")
        data = {"name": name, "status": {"phase": phase}, "subscribers": subscribers}
        self._tap("ApiServer", "User", f"{what.upper()} {kind.kind}", data, "" if kind == GATEWAY else name)


class Subscription:
    """A subscriber's queue."""

    def __init__(self, kinds: frozenset[str], epoch: str, clock: Clock) -> None:
        self.kinds, self.epoch, self._clock = kinds, epoch, clock
        self._waiting: deque[Change] = deque()
        self._changed = asyncio.Event()
        self._ended = False

    def wants(self, change: Change) -> bool:
        """Whether the change is of a wanted kind."""
        return change.kind in self.kinds

    def put(self, change: Change) -> None:
        """Queue a change. A queue that is full ends the subscription."""
        if len(self._waiting) >= _WAITING:
            self._ended = True
        else:
            self._waiting.append(change)
        self._changed.set()

    def end(self) -> None:
        """Let the stream end."""
        self._ended = True
        self._changed.set()

    async def batches(self) -> AsyncIterator[list[Change]]:
        """Yield what has come, an empty list after a while without anything. It ends when the subscription does."""
        while not self._ended:
            try:
                async with self._clock.deadline(_KEEP_ALIVE):
                    await self._changed.wait()
            except TimeoutError:
                yield []
                continue
            self._changed.clear()
            batch = list(self._waiting)
            self._waiting.clear()
            yield batch

    def encode(self, changes: list[Change]) -> bytes:
        """Return changes as server-sent events; a comment if there is none."""
        if not changes:
            return b":\n\n"
        return b"".join(
            b"id: %s-%d\nevent: %s\ndata: %s\n\n" % (self.epoch.encode(), each.number, each.kind.encode(), each.text)
            for each in changes
        )
