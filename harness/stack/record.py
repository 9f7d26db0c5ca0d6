"""A stack's history with queries, for use while it grows."""

from __future__ import annotations

import ast
import asyncio
import linecache
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from harness.core.clock import time_to_wait
from harness.core.errors import ProductFailure, UsageError
from harness.core.history import SEEN_BY, Event, History, Kind
from harness.invariants.absence import Absence, missing_from_application, missing_from_device
from harness.invariants.invariant import Party, party_of
from harness.invariants.judgement import Judgement
from harness.stack.authors import (
    ORDERS,
    Author,
    author_of_event,
    author_of_field,
    author_of_message,
    author_of_order,
)
from harness.wasmbed.resources.extent import WHOLE, Extent

if TYPE_CHECKING:
    from harness.sequences import SequenceVerdict

__all__ = ["Record", "format_events", "plain"]

SHOWN = ("phase", "state", "ok", "cause", "code", "reason", "message", "error")
"""The fields of an event that a line about it shows."""
BAD_REQUEST = 400
"""HTTP codes from here on report a failed request."""


_ANSWERS = frozenset({"HeartbeatAcknowledgment", "Error", "ConnectionClosed"})
_ANSWERED_WITHIN = 5.0
"""Seconds, as parts/beating has it."""


class Record(History):
    """The history of a stack, to search and to wait for.

    With ``is_judged``, the invariants judge each event as it comes once the oldest leave the memory: they lose none.
    """

    is_judged = False
    _judgement: Judgement | None = None

    def judgement(self) -> Judgement:
        """The invariants' judgement on all events so far. Raises RigError if the oldest were not judged in time."""
        if self._judgement is not None:
            return self._judgement
        self.check_whole()
        judgement = Judgement()
        for event in self:
            judgement.see(event)
        return judgement

    def _is_full(self) -> None:
        if self.is_judged:
            self._judgement = self.judgement()
            self.listen(self._judgement.see)

    extent: Extent = WHOLE
    """The resource types, phases, and fields that the system under test has."""

    def find(
        self,
        name: str | None = None,
        *,
        kind: Kind | None = None,
        source: str | None = None,
        target: str | None = None,
        about: str | None = None,
        after: Event | None = None,
        **data: Any,
    ) -> list[Event]:
        """The events so far that match, ``after`` another one. ``about`` is a device or an application. Each further
        keyword is a field of ``data`` with the value it must have, or a predicate.

        Raises RigError if there were more events than a history keeps (:data:`harness.core.history.MOST_EVENTS`).
        """
        self.check_whole()
        wanted = _Wanted(name, kind, source, target, about, data)
        return [event for event in self.since(0 if after is None else after.n + 1) if wanted.fits(event)]

    def recall(
        self,
        name: str | None = None,
        *,
        kind: Kind | None = None,
        source: str | None = None,
        about: str | None = None,
        **data: Any,
    ) -> list[Event]:
        """As :meth:`find`, but only among the events that are kept: to explain a failure, not for a verdict."""
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
        """Wait for the first event that matches (see :meth:`find`) and comes ``after`` another; return it.

        Raises ProductFailure with the last events if none comes within ``within`` seconds.
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
            except Exception as error:  # the test's own predicate failed: not the fault of the system under test
                found.set_exception(error)

        unsubscribe = self.listen(look)
        try:
            async with self._clock.deadline(within):
                return await found
        except TimeoutError:
            author = self._author(name, about or "", source or "", data) if name else None
            convicts = f"; {author}" if author is not None else ""
            raise ProductFailure(
                f"no event {wanted} within {within:g} s{convicts}; the last events:\n{format_events(self, about)}",
                where="history",
                party=author.party if author is not None else "",
            ) from None
        finally:
            unsubscribe()

    def _author(self, name: str, about: str, source: str, data: Mapping[str, Any]) -> Author | None:
        """The party that had to act for an event that did not come."""
        of_application = [event for event in self if event.correlation == about and "applicationId" in event.data]
        device = data.get("device") or (of_application[-1].data.get("device") if of_application else about)
        if name in ORDERS and isinstance(device, str):
            return author_of_order(self, name, device)
        if name == "DeploymentResult" and about and isinstance(device, str):
            if data.get("ok") and (refused := self._refused(about, device)) is not None:
                return author_of_event(self, refused)
            if (missing := self._missing_from(about, device)) is not None:
                return Author(missing.convicts, missing.message)
            if not self._is_deploying(about, device):
                return author_of_order(self, "Deploy", device)
        return author_of_message(self, name, device if isinstance(device, str) else "", source)

    def _missing_from(self, application: str, device: str) -> Absence | None:
        """The step that is missing before a device is connected and answers a deployment, if one party has to make
        it."""
        for missing in (missing_from_device(self, device), missing_from_application(self, application, [device])):
            if missing is not None and missing.party is not Party.PRODUCT:
                return missing
        return None

    def _refused(self, application: str, device: str) -> Event | None:
        """The answer by which a device failed its latest deployment of the application; None if it has it, or had it
        already and is to be sent it again."""
        answers = (event for event in reversed(self) if event.name == "DeploymentResult")
        last = next(
            (event for event in answers if (event.correlation, event.data.get("device")) == (application, device)), None
        )
        if last is None or last.data.get("ok") or last.data.get("code") == "ALREADY_DEPLOYED":
            return None
        return last

    def _is_deploying(self, application: str, device: str) -> bool:
        """Whether the device was sent the application, and has not answered that yet."""
        latest = [
            event.name
            for event in self
            if event.name in ("Deploy", "DeploymentResult")
            and (event.correlation, event.data.get("device")) == (application, device)
        ]
        return latest[-1:] == ["Deploy"]

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
        """Judge this history by the sequence of that name, for each device or application in it, or for those that
        ``only`` names.

        Records the verdict as a note, and draws it beside the history's file. Raises ProductFailure naming the events
        that are missing, extra, or misplaced.
        """
        self.check_whole()
        if any(SEEN_BY in event.data for event in self):
            raise UsageError(
                "the links are recorded as their boards have seen them, and a sequence has the gateway's order",
                where=sequence,
                do="give [gateways.NAME] the authority of its devices (device_ca), or leave the sequence out",
            )
        from harness.sequences import judge, verdict_picture

        verdict = judge(sequence, _without_beats_under_way(list(self)), only)
        self.note("sequence judged", sequence=verdict.sequence.name, followed=verdict.ok)
        if self.path is not None:
            picture = self.path.with_name(f"{verdict.sequence.name}.svg")
            with suppress(OSError):  # a full disk must not change the verdict
                picture.write_text(verdict_picture(verdict), encoding="utf-8")
        verdict.raise_on_failure("" if verdict.ok else self._convicted(verdict))

    def _convicted(self, verdict: SequenceVerdict) -> str:
        """The party to convict for a history that does not follow a sequence: the one that an invariant names; else
        whose the arrow is that is missing, or out of place."""
        named = (each.convicts for each in self.judgement().violations() if each.party is not Party.PRODUCT)
        source, device = verdict.suspect()
        party = party_of(source)
        if party is Party.GATEWAY and (field := verdict.differing_field()):
            author = author_of_field(self, "Device", device, [field]).party
            return next(named, author if author.startswith(Party.BOARD) else str(party))
        who = f" {device}" if party is Party.BOARD and device else ""
        return next(named, "" if party is Party.PRODUCT else f"{party}{who}")


def _without_beats_under_way(events: list[Event]) -> list[Event]:
    """The events without the last heartbeat of a link whose answer is still to come where the history ends.

    A gateway in another process answers later than a test can look. A heartbeat before that one has to be answered.
    """
    beats: dict[str, Event] = {}
    for event in events:
        if event.name == "Heartbeat":
            beats[str(event.data.get("link"))] = event
        elif event.name in _ANSWERS:
            beats.pop(str(event.data.get("link")), None)
    under_way = {event.n for event in beats.values() if events[-1].at - event.at < _ANSWERED_WITHIN}
    return [event for event in events if event.n not in under_way] if under_way else events


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
        self._name = name
        self._own = {
            key: value for key, value in {"kind": kind, "source": source, "target": target}.items() if value is not None
        }
        self._about, self._data = about, data

    def fits(self, event: Event) -> bool:
        if self._name is not None and event.name != self._name:  # as of nearly all
            return False
        if any(getattr(event, key) != value for key, value in self._own.items()):
            return False
        if self._about is not None and self._about not in (event.correlation, event.data.get("device")):
            return False
        return all(
            value(event.data.get(key)) if callable(value) else event.data.get(key) == value
            for key, value in self._data.items()
        )

    def __str__(self) -> str:
        name = {} if self._name is None else {"name": self._name}
        about = {} if self._about is None else {"about": self._about}
        wanted = {**name, **self._own, **about, **self._data}
        return " ".join(f"{key}={plain(value)}" for key, value in wanted.items()) or "at all"


def plain(value: Any) -> str:
    """A wanted value as the test wrote it; a predicate by its name, a nameless one by its expression."""
    if not callable(value):
        return str(value)
    name = str(getattr(value, "__name__", value))
    return _expression(value) if name == "<lambda>" else name


def _expression(predicate: Callable[..., Any]) -> str:
    """The expression of a ``lambda``, from the file that has it."""
    code = predicate.__code__
    found = _lambdas("".join(linecache.getlines(code.co_filename))).get(code.co_firstlineno, ())
    own = list(code.co_varnames[: code.co_argcount])
    bodies = {ast.unparse(node.body) for node in found if [each.arg for each in node.args.args] == own}
    return f"({bodies.pop()})" if len(bodies) == 1 else "a condition of the test"


@lru_cache(maxsize=8)
def _lambdas(text: str) -> Mapping[int, Sequence[ast.Lambda]]:
    """The expressions ``lambda`` of a module by their lines: one failure asks for several."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return {}
    found: dict[int, list[ast.Lambda]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda):
            found.setdefault(node.lineno, []).append(node)
    return found


def format_events(history: History, about: str | None = None, last: int = 12) -> str:
    """The last events, one per line; if ``about`` is given, only those of that device or application. Watch events are
    left out: they repeat the change of the resource before them."""
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
    shown = {key: data[key] for key in SHOWN if data.get(key) not in (None, "")}
    if isinstance(code := shown.get("code"), int) and code < BAD_REQUEST:
        del shown["code"]
    parts = [f"{key}={value}" for key, value in shown.items()]
    return f"  ({', '.join(parts)})" if parts else ""
