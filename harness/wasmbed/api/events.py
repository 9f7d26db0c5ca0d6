"""Changes as they happen: server-sent events, and a WebSocket with the same content."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import orjson
from pydantic import Field

from harness.core.clock import Clock
from harness.core.event_stream import EventStream, Subscription, TooManySubscribers
from harness.core.history import Tap
from harness.wasmbed.api.copies import KINDS, Copies
from harness.wasmbed.api.operation import Body
from harness.wasmbed.api.problems import Problem
from harness.wasmbed.resources.api import Object, Resource
from harness.wasmbed.resources.kinds import GATEWAY

__all__ = ["ALL_KINDS", "Changes", "EventQuery", "read_kinds"]


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
        self._shapes, self._tap = shapes, tap
        self._stream = EventStream(clock, epoch, kept=kept, most=subscribers)
        for kind in KINDS:
            copies.informers[kind].add_handler(self._noting(kind))

    @contextmanager
    def subscribed(self, kinds: frozenset[str], last_id: str) -> Iterator[Subscription]:
        """Follow the changes of ``kinds`` since ``last_id``, an id that a subscriber had last, or from now on.

        Raises :class:`Problem` 503 if there are too many subscribers.
        """
        try:
            with self._stream.subscribed(last_id, kinds=kinds) as subscription:
                yield subscription
        except TooManySubscribers as error:
            raise Problem(503, str(error), headers={"Retry-After": "5"}) from error

    def close(self) -> None:
        """End all subscriptions."""
        self._stream.close()

    def _noting(self, kind: Resource) -> Callable[[Object | None, Object | None], None]:
        shape, name = self._shapes[kind], kind.kind.lower()

        def note(old: Object | None, new: Object | None) -> None:
            what = "added" if old is None else "deleted" if new is None else "modified"
            object = new if new is not None else old or {}
            told = self._stream.put(name, orjson.dumps({"change": what, "kind": name, "object": shape(object)}))
            if told and self._tap is not None:
                self._record(kind, what, object, told)

        return note

    def _record(self, kind: Resource, what: str, object: Object, subscribers: int) -> None:
        """Record that subscribers get a change: one message, however many they are."""
        assert self._tap is not None
        name, phase = object["metadata"]["name"], (object.get("status") or {}).get("phase")
        data = {"name": name, "status": {"phase": phase}, "subscribers": subscribers}
        self._tap("ApiServer", "User", f"{what.upper()} {kind.kind}", data, "" if kind == GATEWAY else name)
