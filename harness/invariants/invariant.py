"""An invariant: a sentence that holds in every history, the source that says so, and the party that breaks it.

Each is a class. Its docstring's first paragraph is the sentence. Its methods marked with :func:`on` are called with the
events that they name, in order, and yield a :class:`Violation` at the event that breaks the sentence.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, TypeVar

from harness.core.history import Event, Kind
from harness.invariants.ledger import Ledger, Link

__all__ = ["EVERY", "Invariant", "Party", "Violation", "key_of", "on", "party_of"]

EVERY = "*"
"""The key of every event, for what has to happen in time."""
FAULT = "fault"


class Party(StrEnum):
    """A party that a violation convicts."""

    GATEWAY = "gateway"
    BOARD = "board"
    """The firmware of one board, or another device; the violation names it."""
    DEVICE_CONTROLLER = "device controller"
    APPLICATION_CONTROLLER = "application controller"
    GATEWAY_CONTROLLER = "gateway controller"
    MANAGER = "controller manager"
    """Runs the controllers while it holds their lease."""
    API = "API server"
    RIG = "rig"
    CALLER = "caller"
    PRODUCT = "product"
    """The platform or a board: the record cannot tell which."""


_SOURCES = {
    "Gateway": Party.GATEWAY,
    "DeviceController": Party.DEVICE_CONTROLLER,
    "ApplicationController": Party.APPLICATION_CONTROLLER,
    "GatewayController": Party.GATEWAY_CONTROLLER,
    "ControllerManager": Party.MANAGER,
    "Device": Party.BOARD,
    "User": Party.CALLER,
    "Harness": Party.RIG,
}


def party_of(source: str) -> Party:
    """The party that a participant of a history belongs to."""
    return _SOURCES.get(source, Party.PRODUCT)


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant, the event at which it was broken, and how."""

    rule: str
    event: Event
    message: str
    party: Party = Party.PRODUCT
    who: str = ""
    """The board, the gateway or the writer, by name, where there are several."""
    cause: Event | None = None
    """The earlier event that ``event`` contradicts."""
    against: str = ""
    """Evidence against the verdict."""
    link: Link | None = None
    waited: tuple[float, float] | None = None
    """Start and end of the time in which something had to happen; None if the violation is not about lateness."""

    @property
    def convicts(self) -> str:
        """The party in words."""
        return f"{self.party} {self.who}".rstrip()

    def __str__(self) -> str:
        cause = f", against event {self.cause.n}" if self.cause is not None else ""
        evidence = f"{self.rule}: {self.message} (event {self.event.n}{cause})"
        if self.party is Party.PRODUCT:
            verdict = f"convicts the product: the record does not show which part; {evidence}"
        else:
            verdict = f"convicts {self.convicts}: {evidence}"
        return f"{verdict}; against it: {self.against}" if self.against else verdict


Handler = Callable[[Event], Iterator[Violation]]
Method = TypeVar("Method", bound=Callable[..., Iterator[Violation]])


def on(*keys: str) -> Callable[[Method], Method]:
    """Mark a method to be called with events: messages by name, ``state Device`` for changes of a resource,
    ``note power on`` for remarks, ``fault`` for faults, and :data:`EVERY`."""

    def mark(method: Method) -> Method:
        method.__dict__["keys"] = keys
        return method

    return mark


def key_of(event: Event) -> str:
    """The key by which :func:`on` names such an event."""
    if event.kind is Kind.MESSAGE:
        return event.name
    if event.kind is Kind.STATE:
        return f"state {event.name}"
    if event.kind is Kind.NOTE:
        return f"note {event.name}"
    return FAULT if event.kind is Kind.FAULT else "console"


class Invariant:
    """One invariant at work on one history."""

    name: ClassVar[str]
    party: ClassVar[Party]
    """The party that a violation convicts, unless it says another."""
    source: ClassVar[str]
    """The document that requires it."""
    needs: ClassVar[frozenset[str]] = frozenset()
    """The kinds, phases, and fields (as of :class:`~harness.wasmbed.resources.extent.Extent`) without which it says
    nothing of a system."""

    holds_at_boards: ClassVar[bool] = False
    """Whether it is about one link alone, so that it holds of what the link's board has seen too."""

    _keys: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Each key, and the name of the method that is called with its events."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def __init_subclass__(cls) -> None:
        methods = inspect.getmembers(cls, inspect.isfunction)
        cls._keys = tuple((key, name) for name, method in methods for key in getattr(method, "keys", ()))

    def handlers(self) -> Iterator[tuple[str, Handler]]:
        """Its methods by the keys of the events that they are called with."""
        for key, name in self._keys:
            yield key, getattr(self, name)

    @classmethod
    def hears(cls, messages: Collection[str]) -> bool:
        """Whether it is about any of these messages."""
        return any(key in messages for key, _ in cls._keys)

    def finish(self, last: Event) -> Iterator[Violation]:
        """Yield violations that show only at the end."""
        yield from ()

    @classmethod
    def sentence(cls) -> str:
        """Return the rule as a sentence."""
        return " ".join((inspect.getdoc(cls) or "").partition("\n\n")[0].split()).replace("``", "`")

    def broken(
        self,
        event: Event,
        message: str,
        *,
        party: Party | None = None,
        who: str = "",
        cause: Event | None = None,
        against: str = "",
        link: Link | None = None,
        waited: Event | None = None,
    ) -> Violation:
        """The violation at ``event``. A board is named by its link where ``who`` does not. ``waited``: the event from
        which on something had to happen in time."""
        party = party or self.party
        if party is Party.BOARD and not who and link is not None:
            who = link.device
        time = (waited.at, self.ledger.now) if waited is not None else None
        return Violation(self.name, event, message, party, who, cause, against, link, time)
