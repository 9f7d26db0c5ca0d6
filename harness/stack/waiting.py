"""Waiting for a resource to become what a test says it must, and explaining why it did not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Self, TypeVar

import yaml

from harness.core.clock import time_to_wait
from harness.core.errors import ProductFailure, RigError, UsageError, suggestion
from harness.core.history import Kind
from harness.stack.dead_ends import dead_end
from harness.stack.diagnostics import crashes, describe_crash, interventions, last_words, replays, summary
from harness.stack.record import Record, format_events, plain
from harness.wasmbed.resources.api import Object
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.views import Application, Device, Gateway, choices, field_names, part

__all__ = ["Conditions", "Unreachable", "Watched"]

FOLLOWED_WITHIN = 60.0
CRASHES = 3
"""Crashes that a verdict describes, the latest."""

View = TypeVar("View", Device, Application, Gateway)


class Conditions:
    """What a status must be: field names in Python's spelling, each with the value it must have or a function that
    judges it. ``statistics={"running": 3}`` asks only for the fields it names."""

    def __init__(self, status: type, wanted: Mapping[str, Any]) -> None:
        _check(status, wanted)
        self._status, self._wanted = status, wanted

    @property
    def phase(self) -> Any:
        """The phase that is asked for, if one is."""
        return self._wanted.get("phase")

    def hold(self, object: Object) -> bool:
        """Whether the object fulfils them all."""
        return self.fits(self._status(object.get("status") or {}))

    def fits(self, status: Any) -> bool:
        """Whether this status does."""
        return all(_fits(getattr(status, name), value) for name, value in self._wanted.items())

    def __str__(self) -> str:
        return " ".join(f"{name}={plain(value)}" for name, value in self._wanted.items()) or "existence"


def _check(view: type, wanted: Mapping[str, Any]) -> None:
    """Raise UsageError for what no status of this kind can ever be."""
    known = field_names(view)
    for name, value in wanted.items():
        if name not in known:
            raise _impossible(f"{view.__name__} has no {name}", name, known, "its fields")
        allowed = choices(view, name)
        if allowed is not None and isinstance(value, str) and value not in allowed:
            raise _impossible(f"{name} of {view.__name__} is never {value!r}", value, allowed, "it can be")
        inner = part(view, name)
        if inner is not None and isinstance(value, Mapping):
            _check(inner, value)


def _impossible(what: str, name: str, known: Sequence[str], there: str) -> UsageError:
    return UsageError(what, where="until", do=f"{suggestion(name, known)}{there}: {', '.join(known)}")


def _fits(found: Any, wanted: Any) -> bool:
    if callable(wanted):
        return bool(wanted(found))
    if isinstance(wanted, Mapping):
        return all(_fits(_item(found, key), value) for key, value in wanted.items())
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        return list(found or ()) == list(wanted)
    return bool(found == wanted)


def _item(found: Any, key: str) -> Any:
    if isinstance(found, Mapping):
        return found.get(key)
    return getattr(found, key)


class Unreachable(Exception):
    """The state that a test waits for cannot be reached any more; the message says why."""


class Watched(Generic[View]):
    """One resource, live, by its name; it need not exist yet."""

    view: type[View]
    status_view: type

    def __init__(self, name: str, informer: Informer, record: Record) -> None:
        self.name = name
        self._informer, self._record = informer, record

    @property
    def exists(self) -> bool:
        """Whether there is such a resource."""
        return self._informer.get(self.name) is not None

    @property
    def resource(self) -> View:
        """The resource as last seen. Raises ProductFailure when there is none."""
        object = self._informer.get(self.name)
        if object is None:
            raise ProductFailure("there is no such resource", where=str(self))
        return self.view(object)

    async def wrote(self, written: Object) -> None:
        """Go on when the record has come as far as a write of the test's own. Raises RigError where it does not."""
        try:
            await self._informer.follow(written, FOLLOWED_WITHIN)
        except TimeoutError:
            raise RigError(
                f"the cluster did not tell of what was written within {FOLLOWED_WITHIN:g} s",
                where=str(self),
                do="see the load of the machine and of the cluster",
            ) from None

    async def until(self, *, within: float = 10.0, **conditions: Any) -> Self:
        """Wait until the status is as asked, as in ``until(phase="Connected", within=5)``; returns this handle.

        Each keyword is a field of the status in Python's spelling, and the value it must have or a function that
        judges the value. Raises ProductFailure with what was there instead: at once when the phase that is asked for
        cannot come any more.
        """
        wanted = Conditions(self.status_view, conditions)

        def judge(object: Object | None) -> bool:
            if object is not None and wanted.hold(object):
                return True
            reason = dead_end(self._informer.resource, self.name, object, wanted.phase, self._record)
            if reason is not None:
                raise Unreachable(reason)
            return False

        await self.wait(judge, str(wanted), within)
        return self

    async def until_gone(self, *, within: float = 10.0) -> None:
        """Wait until the resource is deleted and its finalizers are done."""
        await self.wait(lambda object: object is None, "its end", within)

    async def wait(self, judge: Callable[[Object | None], bool], wanted: str, within: float) -> None:
        """Wait until ``judge`` is content. Raises ProductFailure with the crashes of its boards, what the test did to
        them, the status last seen, the last console lines and the last events."""
        try:
            await self._informer.wait_for(self.name, judge, time_to_wait(within))
        except TimeoutError:
            what = f"did not reach {wanted} within {within:g} s"
            raise ProductFailure(self._verdict(what), where=str(self)) from None
        except Unreachable as end:
            raise ProductFailure(self._verdict(f"cannot reach {wanted} any more", str(end)), where=str(self)) from None

    def _verdict(self, what: str, why: str | None = None) -> str:
        object, devices = self._informer.get(self.name), self.devices()
        crashed = crashes(self._record, devices, self._since())
        what = f"{what}; {summary(crashed) if crashed else why or _in_short(object)}"
        if crashed:
            devices = list(dict.fromkeys([event.data["device"] for event in reversed(crashed)] + devices))
        parts = [what]
        for event in crashed[-CRASHES:]:
            parts += describe_crash(self._record, event)
        parts += interventions(self._record, devices)
        parts.append(f"  status last seen:\n{_show(object)}")
        parts += last_words(self._record, devices)
        parts += replays(self._record, devices)
        parts.append(f"  events, the last:\n{format_events(self._record, self.name)}")
        return "\n".join(parts)

    def devices(self) -> list[str]:
        """The devices that it is about, those in trouble first."""
        return []

    def _since(self) -> int:
        """The number of the event from which on a crash has to do with it: here its creation."""
        kind, found = self._informer.resource.kind, 0
        for event in self._record.recall(kind, kind=Kind.STATE, change="added"):
            if event.data["name"] == self.name:
                found = event.n
        return found

    def __str__(self) -> str:
        return f"{self._informer.resource.kind} {self.name}"

    def __repr__(self) -> str:
        return f"<{self}>"


def _in_short(object: Object | None) -> str:
    """What it is instead, and why as far as it says so itself."""
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
