"""When a fault begins: at a time, or at an arrow of a sequence: before it, after it, or in the middle of its bytes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.core.errors import UsageError, suggestion

if TYPE_CHECKING:
    from harness.sequences import Sequence
    from harness.sequences.behaviour import BoundArrow

__all__ = ["ArrowMoment", "Moment", "Side", "TimeMoment", "crossing_of"]

NOT_BEFORE = frozenset({"TlsConnected", "TlsRejected", "ConnectionClosed"})
"""Events of a link without bytes of their own: they are not messages."""
BAD_REQUEST = 400
_NUMBER = re.compile(r"[1-9]\d*")


class Side(StrEnum):
    """Where at an arrow: ``before`` it reaches its target, ``during``: after half of its bytes, ``after`` it."""

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


@dataclass(frozen=True)
class TimeMoment:
    """Seconds after the stack has started."""

    at: float

    def __post_init__(self) -> None:
        value: object = self.at
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < math.inf:
            raise UsageError(f"at is {value!r}", where="at", do="give the seconds after the stack's start")

    @property
    def needs(self) -> frozenset[str]:
        """The needs of a stack: none."""
        return frozenset()

    def given(self) -> dict[str, Any]:
        """The keys of a schedule's file that say it."""
        return {"at": self.at}

    def __str__(self) -> str:
        return f"at {self.at:g} s"


@dataclass(frozen=True)
class ArrowMoment:
    """The arrow number ``number`` (from 1, references expanded, as ``wasmbed sequences`` counts) of a sequence comes
    for the ``nth`` time, for the device or application ``about`` if that is given.

    An arrow comes with each event that its label describes, whatever came before it. Raises UsageError for a sequence
    or an arrow that is none, and for a side that the arrow does not have.
    """

    side: Side
    sequence: str
    number: int
    nth: int = 1
    about: str = ""

    def __post_init__(self) -> None:
        sequence, arrows = self._loaded, self._loaded.arrows
        if sequence.pending:
            raise UsageError(
                f"{self.sequence} cannot happen yet: {sequence.pending}", where=self.side, do="take another"
            )
        if not 1 <= self.number <= len(arrows):
            raise UsageError(
                f"the sequence {self.sequence} has no arrow {self.number}",
                where=self.side,
                do=f"it has {len(arrows)}: `wasmbed sequences list --arrows {self.sequence}` lists them",
            )
        if not isinstance(self.nth, int) or isinstance(self.nth, bool) or self.nth < 1:
            raise UsageError(f"nth is {self.nth!r}", where="nth", do="give a whole number from 1")
        if self.side not in (sides := sides_of(self.arrow)):
            raise UsageError(
                f"nothing can come {self.side} the arrow {self.arrow}",
                where=self.side,
                do=f"it has: {', '.join(sides)}",
            )

    @cached_property
    def _loaded(self) -> Sequence:
        return _load(self.sequence, self.side)

    @property
    def arrow(self) -> BoundArrow:
        """The arrow."""
        return self._loaded.arrows[self.number - 1]

    @property
    def needs(self) -> frozenset[str]:
        """The needs of a stack: a relay where it comes before a message of a link, or in the middle of it."""
        is_link = {self.arrow.event.source, self.arrow.event.target} == {"Device", "Gateway"}
        return frozenset({"relay"}) if is_link and self.side is not Side.AFTER else frozenset()

    def is_met(self, data: Mapping[str, Any], correlation: str) -> bool:
        """Whether an event of the arrow's type meets its label, and is about the wanted device or application."""
        if self.about and self.about not in (correlation, data.get("device"), *_devices(data)):
            return False
        conditions = self.arrow.label.conditions
        code = data.get("code")
        if isinstance(code, int) and code >= BAD_REQUEST and not self.arrow.label.asks_for("code"):
            return False
        devices = (
            (str(data.get("device") or ""), *_devices(data)) if any(each.per_device for each in conditions) else ("",)
        )
        return any(all(each.holds(data, device) for each in conditions) for device in devices)

    def device(self, data: Mapping[str, Any], correlation: str) -> str:
        """The device that an event at this arrow is about; empty if it names none."""
        if named := data.get("device") or next(_devices(data), ""):
            return str(named)
        subject = self.arrow.event.subject
        return correlation if subject is not None and subject.value == "device" else ""

    def given(self) -> dict[str, Any]:
        """The keys of a schedule's file that say it."""
        found: dict[str, Any] = {str(self.side): f"{self.sequence}: {self.number}"}
        if self.about:
            found["about"] = self.about
        return found | ({"nth": self.nth} if self.nth != 1 else {})

    def __str__(self) -> str:
        about = f" of {self.about}" if self.about else ""
        times = f", time {self.nth}" if self.nth != 1 else ""
        return f"{self.side} {self.sequence} {self.number} ({self.arrow}){about}{times}"


Moment = TimeMoment | ArrowMoment


def sides_of(arrow: BoundArrow) -> tuple[Side, ...]:
    """The sides that an arrow has."""
    event, ends = arrow.event, (arrow.event.source, arrow.event.target)
    if ends in (("Device", "Gateway"), ("Gateway", "Device")):
        return (Side.AFTER,) if event.name in NOT_BEFORE else tuple(Side)
    is_request = event.target == "Kubernetes" and not arrow.label.asks_for("code")
    is_delivery = event.source == "Kubernetes" and " " in event.name
    return (Side.BEFORE, Side.AFTER) if is_request or is_delivery else (Side.AFTER,)


def crossing_of(side: Side, text: str, *, nth: int = 1, about: str = "") -> ArrowMoment:
    """The moment at an arrow that is written as ``SEQUENCE: NUMBER``, or ``SEQUENCE: ARROW`` with the arrow's text.

    Raises UsageError."""
    name, colon, arrow = (part.strip() for part in text.partition(":"))
    if not colon or not name or not arrow:
        raise UsageError(f"{text!r} is not an arrow", where=side, do="write SEQUENCE: NUMBER, or SEQUENCE: ARROW")
    if _NUMBER.fullmatch(arrow):
        return ArrowMoment(side, name, int(arrow), nth, about)
    texts = [str(each) for each in _load(name, side).arrows]
    if arrow not in texts:
        do = f"{suggestion(arrow, texts)}`wasmbed sequences list --arrows {name}` lists its arrows"
        raise UsageError(f"the sequence {name} has no arrow {arrow!r}", where=side, do=do)
    return ArrowMoment(side, name, texts.index(arrow) + 1, nth, about)


def _load(name: str, side: Side) -> Sequence:
    from harness.sequences import load  # late: most stacks have no schedule

    try:
        return load(name)
    except UsageError as error:
        raise UsageError(error.what, where=error.where or side, do=error.do) from error


def _devices(data: Mapping[str, Any]) -> Iterator[str]:
    """The devices that a write of an application's status names."""
    status = data.get("status")
    devices = status.get("deviceStatuses") if isinstance(status, Mapping) else None
    return iter(map(str, devices)) if isinstance(devices, Mapping) else iter(())
