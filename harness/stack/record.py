"""A stack's history, with the questions a test asks it while it grows."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from harness.core.clock import time_to_wait
from harness.core.errors import ProductFailure
from harness.core.history import Event, History, Kind

__all__ = ["Record", "format_events", "plain"]

TELLING = ("phase", "state", "ok", "cause", "code", "reason", "message", "error")
"""The fields of an event that a line about it shows."""
BAD_REQUEST = 400
"""From here on an HTTP code says that a request was refused."""


class Record(History):
    """Everything that happened, to look back at and to wait for."""

    def find(
        self,
        name: str | None = None,
        *,
        kind: Kind | None = None,
        source: str | None = None,
        target: str | None = None,
        about: str | None = None,
        **data: Any,
    ) -> list[Event]:
        """The events so far that match. ``about`` is a device or an application; each further keyword is a field of
        ``data`` and the value it must have, or a function that judges it.

        Raises RigError when there were more events than a history keeps (:data:`harness.core.history.MOST_EVENTS`).
        """
        self.check_whole()
        wanted = _Wanted(name, kind, source, target, about, data)
        return [event for event in self if wanted.fits(event)]

    def recall(
        self,
        name: str | None = None,
        *,
        kind: Kind | None = None,
        source: str | None = None,
        about: str | None = None,
        **data: Any,
    ) -> list[Event]:
        """As :meth:`find`, among the events that are kept: for what explains a failure, not for a verdict."""
        wanted = _Wanted(name, kind, source, None, about, data)
        return [event for event in self if wanted.fits(event)]

    async def until(
        self,
        name: str | None = None,
        *,
        within: float = 10.0,
        kind: Kind | None = None,
        source: str | None = None,
        target: str | None = None,
        about: str | None = None,
        after: Event | None = None,
        **data: Any,
    ) -> Event:
        """The first event that matches (see :meth:`find`) and came ``after`` another; waits for it.

        Raises ProductFailure with the last events when none comes ``within`` seconds.
        """
        wanted, within = _Wanted(name, kind, source, target, about, data), time_to_wait(within)
        start = 0 if after is None else after.n + 1
        if start < self.recorded - len(self):
            self.check_whole()
        for event in self.since(start):
            if wanted.fits(event):
                return event
        found: asyncio.Future[Event] = asyncio.get_running_loop().create_future()

        def look(event: Event) -> None:
            try:
                if not found.done() and wanted.fits(event):
                    found.set_result(event)
            except Exception as error:  # a test's own judge: not the failure of whoever is observed
                found.set_exception(error)

        stop = self.listen(look)
        try:
            async with self._clock.deadline(within):
                return await found
        except TimeoutError:
            raise ProductFailure(
                f"no event {wanted} within {within:g} s; the last events:\n{format_events(self, about)}",
                where="history",
            ) from None
        finally:
            stop()

    def phases(self, about: str) -> list[str]:
        """The phases that a device or an application has gone through, in order."""
        self.check_whole()
        return [
            event.data["status"]["phase"]
            for event in self
            if event.kind is Kind.STATE
            and event.data.get("name") == about
            and "phase" in (event.data.get("status") or {})
        ]

    def follows(self, sequence: str, only: Collection[str] = ()) -> None:
        """Judge this history by the executable sequence diagram of that name, for every device or application that
        has a part in it, or for those that ``only`` names.

        Leaves the verdict as a note, and as a picture beside the history's file. Raises ProductFailure saying what was
        missing, extra or misplaced.
        """
        self.check_whole()
        from harness.sequences import judge, verdict_picture

        verdict = judge(sequence, self, only)
        self.note("sequence judged", sequence=verdict.sequence.name, followed=verdict.ok)
        if self.path is not None:
            picture = self.path.with_name(f"{verdict.sequence.name}.svg")
            with suppress(OSError):  # a full disk changes no verdict
                picture.write_text(verdict_picture(verdict), encoding="utf-8")
        verdict.raise_on_failure()


class _Wanted:
    def __init__(
        self,
        name: str | None,
        kind: Kind | None,
        source: str | None,
        target: str | None,
        about: str | None,
        data: dict[str, Any],
    ) -> None:
        self._own = {
            key: value
            for key, value in {"name": name, "kind": kind, "source": source, "target": target}.items()
            if value is not None
        }
        self._about, self._data = about, data

    def fits(self, event: Event) -> bool:
        if any(getattr(event, key) != value for key, value in self._own.items()):
            return False
        if self._about is not None and self._about not in (event.correlation, event.data.get("device")):
            return False
        return all(
            value(event.data.get(key)) if callable(value) else event.data.get(key) == value
            for key, value in self._data.items()
        )

    def __str__(self) -> str:
        about = {} if self._about is None else {"about": self._about}
        wanted = {**self._own, **about, **self._data}
        return " ".join(f"{key}={plain(value)}" for key, value in wanted.items()) or "at all"


def plain(value: Any) -> str:
    """What a test asked for, as it wrote it: a function that judges by its name."""
    return getattr(value, "__name__", str(value)) if callable(value) else str(value)


def format_events(history: History, about: str | None = None, last: int = 12) -> str:
    """The last events, one a line, those of one device or application only if ``about`` names it. What watches hand
    on is left out: it repeats the change of the resource that stands before it."""
    start = history[0].at if len(history) else 0.0
    lines = [
        f"    {event.at - start:9.3f}  {_route(event)}{event.name}{_summary(event)}"
        for event in history
        if event.kind is not Kind.CONSOLE
        and not (event.source == "Kubernetes" and event.target)
        and (about is None or about in (event.correlation, event.data.get("device"), event.data.get("name")))
    ]
    return "\n".join(lines[-last:]) or "    (none)"


def _route(event: Event) -> str:
    return f"{event.source} -> {event.target}  " if event.target else f"{event.source}  "


def _summary(event: Event) -> str:
    data, status = event.data, event.data.get("status")
    if isinstance(status, Mapping):
        data = {**status, **data}
    telling = {key: data[key] for key in TELLING if data.get(key) not in (None, "")}
    if isinstance(code := telling.get("code"), int) and code < BAD_REQUEST:
        del telling["code"]
    parts = [f"{key}={value}" for key, value in telling.items()]
    return f"  ({', '.join(parts)})" if parts else ""
