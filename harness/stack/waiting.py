"""Waits until a resource meets a test's conditions, and explains why it did not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Generic, Self, TypeVar

import yaml

from harness.core.clock import time_to_wait
from harness.core.errors import ProductFailure, RigError, UsageError, suggestion
from harness.core.history import Event, Kind
from harness.invariants.absence import Absence
from harness.invariants.invariant import Party
from harness.stack.authors import Author, author_of_field, mock_boards
from harness.stack.dead_ends import dead_end
from harness.stack.diagnostics import console_ends, crashes, describe_crash, interventions, replays, summary
from harness.stack.record import Record, format_events, plain
from harness.stack.system import not_in_system
from harness.wasmbed.resources.api import Object
from harness.wasmbed.resources.extent import Extent
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY
from harness.wasmbed.resources.view_fields import View as FieldView
from harness.wasmbed.resources.view_fields import camel_case, choices, field_names, part
from harness.wasmbed.resources.views import Application, Device, Gateway

__all__ = ["Conditions", "Unreachable", "Watched"]

FOLLOWED_WITHIN = 60.0
OWN_FIELDS = frozenset({"statistics", "retryCount", "observedGeneration"})
"""Fields that an author counts by itself."""
SHOWN = 120
"""Characters of a value that a verdict shows."""
CRASHES = 3
"""Crashes that a verdict describes, the latest."""

_FEATURES = {
    DEVICE.kind: ("device-phases", "device-fields"),
    APPLICATION.kind: ("applications", "applications"),
    GATEWAY.kind: ("gateway-fields", "gateway-fields"),
}
"""The features of a system that has every phase, and every field, of a kind."""

View = TypeVar("View", Device, Application, Gateway)


class Conditions:
    """Conditions on a status: field names in Python's spelling, each with the value it must have, or a predicate.
    ``statistics={"running": 3}`` checks only the fields it names."""

    def __init__(self, status: type, wanted: Mapping[str, Any]) -> None:
        _check(status, wanted)
        self._status, self._wanted = status, wanted

    @property
    def phase(self) -> Any:
        """The wanted phase; None if there is no such condition."""
        return self._wanted.get("phase")

    def check_extent(self, kind: str, extent: Extent) -> None:
        """Raise UsageError for a condition on what the system does not have."""
        if isinstance(self.phase, str) and not extent.has(f"{kind} {self.phase}"):
            raise not_in_system(f"phase {self.phase} of a {kind}", _FEATURES[kind][0])
        for name in self._wanted:
            if not extent.has(f"{kind} status.{camel_case(name)}"):
                raise not_in_system(f"field {camel_case(name)} of a {kind}", _FEATURES[kind][1])

    def hold(self, object: Object) -> bool:
        """Whether the object's status meets all conditions."""
        return self.fits(self._status(object.get("status") or {}))

    def fits(self, status: Any) -> bool:
        """Whether a status meets all conditions."""
        return all(_fits(getattr(status, name), value) for name, value in self._wanted.items())

    def unmet(self, status: Any) -> list[tuple[str, str]]:
        """The fields that do not meet their condition, as resources spell them, each with a sentence of what it is."""
        return [
            (camel_case(name), f"{name} is {_short(getattr(status, name))}, not {plain(value)}")
            for name, value in self._wanted.items()
            if not _fits(getattr(status, name), value)
        ]

    def __str__(self) -> str:
        return " ".join(f"{name}={plain(value)}" for name, value in self._wanted.items()) or "existence"


def _check(view: type, wanted: Mapping[str, Any]) -> None:
    """Raise UsageError for a condition that no status of this kind can meet."""
    known = field_names(view)
    for name, value in wanted.items():
        if name not in known:
            raise _impossible(f"{view.__name__} has no {name}", name, known, "its fields are")
        allowed = choices(view, name)
        if allowed is not None and isinstance(value, str) and value not in allowed:
            raise _impossible(f"{name} of {view.__name__} is never {value!r}", value, allowed, "it can be")
        inner = part(view, name)
        if inner is not None and isinstance(value, Mapping):
            _check(inner, value)


def _impossible(what: str, name: str, known: Sequence[str], heading: str) -> UsageError:
    return UsageError(what, where="until", do=f"{suggestion(name, known)}{heading}: {', '.join(known)}")


def _fits(found: Any, wanted: Any) -> bool:
    if callable(wanted):
        return bool(wanted(found))
    if isinstance(wanted, Mapping):
        return all(_fits(_item(found, key), value) for key, value in wanted.items())
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        return list(found or ()) == list(wanted)
    return bool(found == wanted)


def _short(found: Any) -> str:
    """A value of a status for a sentence."""
    text = repr(found.raw if isinstance(found, FieldView) else str(found) if isinstance(found, str) else found)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _item(found: Any, key: str) -> Any:
    if isinstance(found, Mapping):
        return found.get(key)
    return getattr(found, key)


class Unreachable(Exception):
    """The state that a test waits for can no longer be reached; the message says why."""


class Watched(Generic[View]):
    """A handle for one resource by name, kept up to date by an informer. The resource need not exist yet."""

    view: type[View]
    status_view: type

    def __init__(self, name: str, informer: Informer, record: Record) -> None:
        self.name = name
        self._informer, self._record = informer, record

    @property
    def exists(self) -> bool:
        """Whether the resource exists."""
        return self._informer.get(self.name) is not None

    @property
    def resource(self) -> View:
        """The resource as last seen. Raises ProductFailure if it does not exist, and UsageError if the system has no
        such resources."""
        object = self._informer.get(self.name)
        kind = self._informer.resource.kind
        if object is None and not self._record.extent.has(kind):
            raise not_in_system(f"{kind} resources", _FEATURES[kind][0])
        if object is None:
            raise ProductFailure("there is no such resource", where=str(self))
        return self.view(object)

    async def wrote(self, written: Object) -> None:
        """Wait until the history includes a write of the test. Raises RigError if it does not within 60 s."""
        try:
            await self._informer.follow(written, FOLLOWED_WITHIN)
        except TimeoutError:
            raise RigError(
                f"no watch event for a write within {FOLLOWED_WITHIN:g} s",
                where=str(self),
                do="check the load of the machine and of the cluster",
            ) from None

    async def until(self, *, within: float = 10.0, **conditions: Any) -> Self:
        """Wait until the status meets the conditions: ``until(phase="Connected", within=5)``. Returns this handle.

        Each keyword is a field of the status in Python's spelling, with the value it must have, or a predicate. Raises
        ProductFailure with the actual status after ``within`` seconds, or at once if the wanted phase can no longer be
        reached.
        """
        wanted = Conditions(self.status_view, conditions)
        wanted.check_extent(self._informer.resource.kind, self._record.extent)

        def judge(object: Object | None) -> bool:
            if object is not None and wanted.hold(object):
                return True
            reason = dead_end(self._informer.resource, self.name, object, wanted.phase, self._record)
            if reason is not None:
                raise Unreachable(reason)
            return False

        await self.wait(judge, str(wanted), within, lambda object: self._unmet(wanted, object))
        return self

    def _unmet(self, wanted: Conditions, object: Object | None) -> Author | None:
        """The author of the first field of the status that does not meet its condition."""
        if object is None:
            return None
        unmet = wanted.unmet(self.status_view(object.get("status") or {}))
        # A phase follows from what others do; the other fields are what their author made of it.
        of_others = "phase" in [field for field, _ in unmet] and wanted.phase not in ("Failed",)
        own = [each for each in unmet if each[0] in OWN_FIELDS]
        if not unmet:
            observed = (object.get("status") or {}).get("observedGeneration", 0)
            generation = object["metadata"].get("generation", 0)
            own = [("observedGeneration", f"observed_generation is {observed}, and the spec's is {generation}")]
            if observed >= generation:
                return None
        author = self._author(own or unmet, ())
        return replace(author, is_last_word=not of_others)

    def _author(self, unmet: Sequence[tuple[str, str]], inside: tuple[str, ...]) -> Author:
        """The author of the first of the fields ``inside`` a part of the status."""
        field, sentence = unmet[0]
        author = author_of_field(self._record, self._informer.resource.kind, self.name, (*inside, field))
        return replace(author, evidence=f"{sentence}; {author.evidence}")

    async def until_gone(self, *, within: float = 10.0) -> None:
        """Wait until the resource is deleted, including its finalizers."""
        await self.wait(lambda object: object is None, "deletion", within)

    async def wait(
        self,
        judge: Callable[[Object | None], bool],
        wanted: str,
        within: float,
        unmet: Callable[[Object | None], Author | None] = lambda object: None,
    ) -> None:
        """Wait until ``judge`` returns true. Raises ProductFailure with the crashes of its boards, the actions of the
        test on them, the last status, the last console lines, and the last events. ``unmet`` tells whose the value is
        that was not met."""
        try:
            await self._informer.wait_for(self.name, judge, time_to_wait(within))
        except TimeoutError:
            what = f"did not reach {wanted} within {within:g} s"
            raise self._failure(what, unmet) from None
        except Unreachable as end:
            raise self._failure(f"can no longer reach {wanted}", unmet, str(end)) from None

    def _failure(
        self, what: str, unmet: Callable[[Object | None], Author | None], why: str | None = None
    ) -> ProductFailure:
        """Build the failure; it names the convicted party: a crashed board, the party of the missing step, or the
        author of the value that was not met."""
        devices = self.devices()
        crashed = crashes(self._record, devices, self._since())
        missing = None if crashed or why else self._missing()
        author = unmet(self._informer.get(self.name))
        if missing is not None and missing.party is Party.BOARD and {missing.who} & mock_boards(self._record):
            missing = replace(missing, party=Party.PRODUCT, who="")  # the test's own turn
        if (
            author is not None
            and missing is not None
            and (missing.is_answered or not author.is_last_word)
            and missing.party is not Party.PRODUCT
        ):
            author = None
        if crashed:
            party = f"{Party.BOARD} {crashed[-1].data.get('device')}"
        else:
            party = author.party if author is not None else missing.convicts if missing is not None else ""
        return ProductFailure(self._verdict(what, crashed, devices, why, missing, author), where=str(self), party=party)

    def _missing(self) -> Absence | None:
        """Return the missing step, if the record shows it."""
        return None

    def _verdict(
        self,
        what: str,
        crashed: list[Event],
        devices: list[str],
        why: str | None,
        missing: Absence | None,
        author: Author | None,
    ) -> str:
        object = self._informer.get(self.name)
        what = f"{what}; {summary(crashed) if crashed else why or _brief(object)}"
        if missing is not None:
            what = f"{what}; {missing}"
        if author is not None and not crashed:
            what = f"{what}; {author}"
        if crashed:
            devices = list(dict.fromkeys([event.data["device"] for event in reversed(crashed)] + devices))
        parts = [what]
        for event in crashed[-CRASHES:]:
            parts += describe_crash(self._record, event)
        parts += interventions(self._record, devices)
        parts.append(f"  last status:\n{_show(object)}")
        parts += console_ends(self._record, devices)
        parts += replays(self._record, devices)
        parts.append(f"  last events:\n{format_events(self._record, self.name)}")
        return "\n".join(parts)

    def devices(self) -> list[str]:
        """The devices that the resource concerns, the ones in trouble first."""
        return []

    def _since(self) -> int:
        """The number of the first event that may concern this resource: its creation."""
        kind, found = self._informer.resource.kind, 0
        for event in self._record.recall(kind, kind=Kind.STATE, change="added"):
            if event.data["name"] == self.name:
                found = event.n
        return found

    def __str__(self) -> str:
        return f"{self._informer.resource.kind} {self.name}"

    def __repr__(self) -> str:
        return f"<{self}>"


def _brief(object: Object | None) -> str:
    """The actual phase, and the reason that the status gives for it."""
    if object is None:
        return "there is no such resource"
    status = object.get("status") or {}
    unmet = [condition["message"] for condition in status.get("conditions") or () if condition["status"] == "False"]
    reasons = [status["error"]] if status.get("error") else unmet
    return ": ".join(["it is " + (status.get("phase") or "without status"), *filter(None, reasons[:1])])


def _show(object: Object | None) -> str:
    if object is None:
        return "    (there is no such resource)"
    status = dict(object.get("status") or {})
    if conditions := status.get("conditions"):
        status["conditions"] = {condition["type"]: _condition(condition) for condition in conditions}
    text = yaml.safe_dump(status, sort_keys=False, width=100).rstrip()
    return "\n".join(f"    {line}" for line in text.splitlines())


def _condition(condition: Mapping[str, Any]) -> str:
    message = condition.get("message")
    return f"{condition['status']}, {condition['reason']}" + (f": {message}" if message else "")
