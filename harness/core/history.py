"""The record of one test: what crossed which boundary, in order. Every judge reads only this.

On disk a history is JSON Lines: one event a line, written as it happens, so that a crash loses at most the line
it interrupted. In memory it is bounded: the newest events stay.
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

__all__ = ["MOST_EVENTS", "Event", "History", "Kind", "Tap", "read_history"]

MOST_EVENTS = 1_000_000
"""Events that a history keeps in memory by default: about 1 GiB."""

Tap = Callable[[str, str, str, Mapping[str, Any], str], object]
"""An observer on a boundary, called as ``tap(source, target, name, data, correlation)``: an event's own words.

One that shares its record with others has their :class:`~harness.core.order.Order` as ``order``: whoever tells it
something through that may keep a place free for what is still to come.
"""


class Kind(StrEnum):
    """What sort of thing happened."""

    MESSAGE = "message"
    """Something crossed a boundary: a frame on a link, a Kubernetes or HTTP request, a watch event."""
    STATE = "state"
    """A resource changed in the cluster; ``data`` holds what is new."""
    FAULT = "fault"
    """The harness made something go wrong, or saw it go wrong."""
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
        """One line of a history file, without the line feed. What JSON cannot hold is text; see ``plain_json``."""
        return compact({name: getattr(self, name) for name in self.__slots__})


class History:
    """An append-only list of events, of which the newest ``keep`` stay; optionally also a file that has all of them.

    Raises RigError when the file cannot be begun. One that cannot grow any more ends there (``lost`` says why), and
    the list goes on. A reader that needs every event asks :meth:`check_whole` first.
    """

    def __init__(self, clock: Clock, path: Path | None = None, *, keep: int = MOST_EVENTS) -> None:
        self._clock = clock
        self._events: deque[Event] = deque(maxlen=keep)
        self._recorded = 0
        self._listeners: list[Callable[[Event], object]] = []
        self._file: IO[str] | None = _begun(path) if path is not None else None
        self.path = path
        self.lost: str | None = None
        """Why the file ends early, if it does: the disk is full. The events themselves are all here."""

    def record(
        self,
        kind: Kind,
        source: str,
        target: str,
        name: str,
        data: Mapping[str, Any] | None = None,
        correlation: str = "",
    ) -> Event:
        """Append an event, now, and tell whoever listens."""
        event = Event(self._clock.now(), self._recorded, kind, source, target, name, dict(data or {}), correlation)
        self._recorded += 1
        self._events.append(event)
        self._write(event)
        for listener in tuple(self._listeners):
            listener(event)
        return event

    def note(self, name: str, correlation: str = "", **data: Any) -> Event:
        """Append a remark of the harness itself."""
        return self.record(Kind.NOTE, "Harness", "", name, data, correlation)

    def listen(self, listener: Callable[[Event], object]) -> Callable[[], None]:
        """Call ``listener`` with every further event; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def go_on_in(self, path: Path) -> None:
        """From now on write to another file, which begins with everything so far.

        Raises RigError when the file cannot be begun, or when not everything is in memory any more.
        """
        self.check_whole()
        self.close()
        self.path, self._file, self.lost = path, _begun(path), None
        for event in self._events:
            self._write(event)

    @property
    def recorded(self) -> int:
        """Events so far, those included that are not kept any more: the number of the next one."""
        return self._recorded

    def check_whole(self) -> None:
        """Raise RigError when the oldest events are not in memory any more, so that nothing is judged by a part."""
        dropped = self._recorded - len(self._events)
        if dropped:
            where = f"; all are in {self.path}" if self.path is not None and self.lost is None else ""
            raise RigError(
                f"{self._recorded} events happened and {len(self._events)} are kept{where}",
                where="history",
                do="record less in one test: fewer boards, a shorter time; or judge the file with wasmbed check",
            )

    def since(self, number: int) -> list[Event]:
        """The events from that number on, as far as they are kept."""
        found = list(takewhile(lambda event: event.n >= number, reversed(self._events)))
        return found[::-1]

    def __len__(self) -> int:
        """Events that are kept."""
        return len(self._events)

    def __iter__(self) -> Iterator[Event]:
        return iter(tuple(self._events))

    def __reversed__(self) -> Iterator[Event]:
        return iter(tuple(reversed(self._events)))

    def __getitem__(self, index: int) -> Event:
        """One of those that are kept, the oldest first."""
        return self._events[index]

    def close(self) -> None:
        """Close the file; events can still be read."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                self.lost = self.lost or reason(error)

    def _write(self, event: Event) -> None:
        """Add a line. Who is observed must not feel it when that is impossible: the file ends, the record goes on."""
        if self._file is None:
            return
        try:
            self._file.write(event.to_json() + "\n")
        except OSError as error:
            self.lost = reason(error)
            self.close()


def _private(path: str, flags: int) -> int:
    """Open a file that only its owner may read: a console may say what no redaction knows."""
    return os.open(path, flags, 0o600)


def _begun(path: Path) -> IO[str]:
    try:
        # A lone surrogate (a file name that is no UTF-8) becomes the \\udcXX that JSON has for it.
        return open(path, "w", encoding="utf-8", errors="backslashreplace", buffering=1, opener=_private)
    except OSError as error:
        raise RigError(
            f"cannot be written: {reason(error)}", where=str(path), do="free the disk, or name another folder"
        ) from error


_KINDS = frozenset(map(str, Kind))


def read_history(path: Path) -> tuple[list[Event], list[str]]:
    """Read a history file: its events, and what is wrong with it in words (a last line cut by a crash).

    Raises :class:`UsageError` naming the line and the key where the file is not a history at all.
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
