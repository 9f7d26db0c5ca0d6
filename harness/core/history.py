"""The history of one test: what crossed which boundary, in order. Judges read nothing else.

On disk a history is JSON Lines, one event per line, written as it happens: a crash loses at most the line that it
interrupted. In memory a history is bounded and keeps the newest events.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import takewhile
from pathlib import Path
from typing import IO, Any

from harness.core.clock import Clock
from harness.core.errors import RigError, UsageError, reason
from harness.core.history_lines import read_fields, read_lines
from harness.core.plain_json import compact

__all__ = ["MOST_EVENTS", "SEEN_BY", "Event", "History", "Kind", "Tap", "read_history"]

MOST_EVENTS = 1_000_000
"""Events that a history keeps in memory by default: about 1 GiB."""

SEEN_BY = "seenBy"
"""The field of a message on a link that was not recorded at the gateway's side, but as another party has seen it."""
Tap = Callable[[str, str, str, Mapping[str, Any], str], object]
"""An observer on a boundary, called as ``tap(source, target, name, data, correlation)``: the fields of an event.

A tap that shares its history with others has their :class:`~harness.core.order.Order` as ``order``. A caller that uses
it can reserve a place for an event that it will learn of later.
"""


class Kind(StrEnum):
    """The kind of an event."""

    MESSAGE = "message"
    """Something crossed a boundary: a frame on a link, a Kubernetes or HTTP request, a watch event."""
    STATE = "state"
    """A resource changed in the cluster; ``data`` holds what is new."""
    FAULT = "fault"
    """The harness caused a failure, or saw one."""
    CONSOLE = "console"
    """A board wrote a line."""
    NOTE = "note"
    """A remark: a test's step, a board's power, a judge's verdict."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    ``at`` is seconds on the stack's clock and ``n`` the order of recording, from 0. ``source`` and ``target`` are
    participants (``Device``, ``Gateway``, ``Kubernetes``, ``DeviceController``, ...). ``correlation`` is the name
    of the device or the application that the event is about, or empty.
    """

    at: float
    n: int
    kind: Kind
    source: str
    target: str
    name: str
    data: Mapping[str, Any] = field(default_factory=dict)
    correlation: str = ""

    def to_json(self) -> str:
        """One line of a history file, without the line feed. Values that JSON lacks become text; see ``plain_json``."""
        return compact({name: getattr(self, name) for name in self.__slots__})


class History:
    """An append-only list of events that keeps the newest ``keep``, and optionally a file with all of them.

    Raises RigError if the file cannot be opened. If a later write fails, the file ends there (``lost`` says why) and
    the list continues. A reader that needs every event calls :meth:`check_whole` first.
    """

    def __init__(self, clock: Clock, path: Path | None = None, *, keep: int = MOST_EVENTS) -> None:
        self._clock = clock
        self._events: deque[Event] = deque(maxlen=keep)
        self._recorded = 0
        self._listeners: list[Callable[[Event], object]] = []
        self._file: IO[str] | None = _opened(path) if path is not None else None
        self.path = path
        self.lost: str | None = None
        """Why the file ends early, for instance a full disk; None if it does not. The list still has the events."""

    def record(
        self,
        kind: Kind,
        source: str,
        target: str,
        name: str,
        data: Mapping[str, Any] | None = None,
        correlation: str = "",
    ) -> Event:
        """Append an event with the present time and call the listeners."""
        event = Event(self._clock.now(), self._recorded, kind, source, target, name, dict(data or {}), correlation)
        if event.n == self._events.maxlen:
            self._is_full()
        self._recorded += 1
        self._events.append(event)
        self._write(event)
        for listener in tuple(self._listeners):
            listener(event)
        return event

    def _is_full(self) -> None:
        """Called once, before the oldest event leaves the memory and the next one is recorded."""

    def note(self, name: str, correlation: str = "", **data: Any) -> Event:
        """Append a remark of the harness."""
        return self.record(Kind.NOTE, "Harness", "", name, data, correlation)

    def listen(self, listener: Callable[[Event], object]) -> Callable[[], None]:
        """Call ``listener`` with every further event; returns a function that unsubscribes it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def go_on_in(self, path: Path) -> None:
        """Write to another file from now on. It starts with a copy of all events so far.

        Raises RigError if the file cannot be opened, or if the oldest events are no longer in memory.
        """
        self.check_whole()
        self.close()
        self.path, self._file, self.lost = path, _opened(path), None
        for event in self._events:
            self._write(event)

    @property
    def recorded(self) -> int:
        """The number of events so far, including those no longer kept; the next event gets this number."""
        return self._recorded

    def check_whole(self) -> None:
        """Raise RigError if the oldest events are no longer in memory, so that no verdict rests on a part."""
        dropped = self._recorded - len(self._events)
        if dropped:
            where = f"; all are in {self.path}" if self.path is not None and self.lost is None else ""
            raise RigError(
                f"{self._recorded} events happened and {len(self._events)} are kept{where}",
                where="history",
                do="record less in one test: fewer boards, a shorter time; or judge the file with wasmbed check",
            )

    def since(self, number: int) -> list[Event]:
        """The events from that number on, as far as they are still kept."""
        found = list(takewhile(lambda event: event.n >= number, reversed(self._events)))
        return found[::-1]

    def __len__(self) -> int:
        """The number of events that are kept."""
        return len(self._events)

    def __iter__(self) -> Iterator[Event]:
        return iter(tuple(self._events))

    def __reversed__(self) -> Iterator[Event]:
        return iter(tuple(reversed(self._events)))

    def __getitem__(self, index: int) -> Event:
        """One of the events that are kept, oldest first."""
        return self._events[index]

    def close(self) -> None:
        """Close the file. The events in memory stay readable."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                self.lost = self.lost or reason(error)

    def _write(self, event: Event) -> None:
        """Add a line. A write error must not affect the system under test: the file ends, the list continues."""
        if self._file is None:
            return
        try:
            self._file.write(event.to_json() + "\n")
        except OSError as error:
            self.lost = reason(error)
            self.close()


def _open_private(path: str, flags: int) -> int:
    """Open a file that only its owner may read: redaction cannot know every secret that a console prints."""
    return os.open(path, flags, 0o600)


def _opened(path: Path) -> IO[str]:
    try:
        # A lone surrogate (from a file name that is not UTF-8) is written as \\udcXX, as JSON does.
        return open(path, "w", encoding="utf-8", errors="backslashreplace", buffering=1, opener=_open_private)
    except OSError as error:
        raise RigError(
            f"cannot be written: {reason(error)}", where=str(path), do="free the disk, or name another folder"
        ) from error


_KINDS = frozenset(map(str, Kind))


def read_history(path: Path) -> tuple[list[Event], list[str]]:
    """Read a history file: its events, and texts about what is wrong with it (a last line cut off by a crash).

    Raises :class:`UsageError` with the line and the key if the file is not a history.
    """
    events: list[Event] = []
    for number, line in read_lines(path):
        try:
            events.append(_event(read_fields(line, _KINDS)))
        except ValueError as error:
            if not line.endswith(b"\n"):
                return events, [f"line {number} was cut off; everything before it was read"]
            raise UsageError(
                f"line {number} is not an event ({error})",
                where=str(path),
                do="correct the line, or name a history.jsonl as the harness wrote it",
            ) from error
    return events, []


def _event(raw: Mapping[str, Any]) -> Event:
    return Event(
        at=float(raw["at"]),
        n=raw["n"],
        kind=Kind(raw["kind"]),
        source=raw["source"],
        target=raw["target"],
        name=raw["name"],
        data=raw.get("data") or {},
        correlation=raw.get("correlation") or "",
    )
