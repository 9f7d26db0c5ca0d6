"""Server-sent events (WHATWG HTML, 9.2) that a client takes up again after a break: the latest events, with numbers,
and the subscribers that get the next ones.

A subscriber's events wait in a queue of its own until it reads them. One that does not keep up is ended: it comes back
with the id of the last event that it had, and gets what it missed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harness.core.clock import Clock

__all__ = ["RESET", "Event", "EventStream", "Subscription", "TooManySubscribers"]

RESET = "reset"
"""The kind of the event that says that events were missed."""
_WAITING = 1024
"""Events that wait for one subscriber."""
_KEEP_ALIVE = 15.0
"""Seconds after which an idle stream shows that it lives: proxies end silent ones after 30 to 60."""


class TooManySubscribers(Exception):
    """There is no place for another subscriber."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event. ``text`` is its data on one line, made once for all subscribers."""

    number: int
    kind: str
    text: bytes


class EventStream:
    """The latest ``kept`` events, and up to ``most`` subscribers. ``epoch`` tells the numbers of this run from those of
    another."""

    def __init__(self, clock: Clock, epoch: str, *, kept: int, most: int) -> None:
        self._clock, self._epoch, self._most = clock, epoch, most
        self._kept: deque[Event] = deque(maxlen=kept)
        self._number = 0
        self._subscriptions: dict[Subscription, None] = {}

    @property
    def kept(self) -> tuple[Event, ...]:
        """The latest events."""
        return tuple(self._kept)

    @property
    def last_id(self) -> str:
        """The id of the latest event: a stream behind it begins with the next one."""
        return f"{self._epoch}-{self._number}"

    def put(self, kind: str, text: bytes) -> int:
        """Add an event; returns how many subscribers get it."""
        self._number += 1
        event = Event(self._number, kind, text)
        self._kept.append(event)
        told = [each for each in self._subscriptions if each.wants(kind)]
        for each in told:
            each.put(event)
        return len(told)

    @contextmanager
    def subscribed(
        self, last_id: str, *, kinds: frozenset[str] | None = None, from_oldest: bool = False
    ) -> Iterator[Subscription]:
        """Follow the events of ``kinds``, of all by default, since the one with the id ``last_id``.

        Without an id it begins with the next event, or ``from_oldest`` with the oldest one that is kept; so it does
        also where the event ``reset`` had to say that events were missed. Raises :class:`TooManySubscribers`.
        """
        if len(self._subscriptions) >= self._most:
            raise TooManySubscribers(f"{self._most} subscribers are there already")
        subscription = Subscription(kinds, self._epoch, self._clock, self._missed(last_id, from_oldest))
        self._subscriptions[subscription] = None
        try:
            yield subscription
        finally:
            self._subscriptions.pop(subscription, None)

    def close(self) -> None:
        """End all subscriptions."""
        for each in self._subscriptions:
            each.end()

    def _missed(self, last_id: str, from_oldest: bool) -> list[Event]:
        everything = list(self._kept) if from_oldest else []
        if not last_id:
            return everything
        epoch, _, text = last_id.partition("-")
        oldest = self._kept[0].number if self._kept else self._number + 1
        number = int(text[:18]) if text.isascii() and text.isdecimal() else -1
        if epoch != self._epoch or not oldest - 1 <= number <= self._number:
            first = everything[0].number - 1 if everything else self._number
            return [Event(first, RESET, b'{"reason":"events were missed: read anew what they change"}'), *everything]
        return [event for event in self._kept if event.number > number]


class Subscription:
    """A subscriber's queue. ``missed`` comes first, and is bounded by what is kept."""

    def __init__(self, kinds: frozenset[str] | None, epoch: str, clock: Clock, missed: list[Event]) -> None:
        self._kinds, self._epoch, self._clock = kinds, epoch, clock
        self._missed = [each for each in missed if each.kind == RESET or self.wants(each.kind)]
        self._waiting: deque[Event] = deque()
        self._changed = asyncio.Event()
        self._ended = False

    def wants(self, kind: str) -> bool:
        """Whether events of this kind are wanted."""
        return self._kinds is None or kind in self._kinds

    def put(self, event: Event) -> None:
        """Queue an event. A queue that is full ends the subscription."""
        if len(self._waiting) >= _WAITING:
            self._ended = True
        else:
            self._waiting.append(event)
        self._changed.set()

    def end(self) -> None:
        """Let the stream end."""
        self._ended = True
        self._changed.set()

    async def batches(self) -> AsyncIterator[list[Event]]:
        """Yield what has come, an empty list after a while without anything. It ends when the subscription does."""
        missed, self._missed = self._missed, []
        if missed:
            yield missed
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

    def encode(self, events: list[Event]) -> bytes:
        """Return events as they are sent; a comment if there is none."""
        if not events:
            return b":\n\n"
        return b"".join(
            b"id: %s-%d\nevent: %s\ndata: %s\n\n" % (self._epoch.encode(), each.number, each.kind.encode(), each.text)
            for each in events
        )
