"""The contract of a fault, and the table of all faults by name."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from harness.core.errors import UsageError, suggestion
from harness.faults.world import World

__all__ = [
    "DAY",
    "FAULTS",
    "RELAY",
    "VALUES",
    "Choice",
    "Fault",
    "Lasting",
    "NothingStruck",
    "Number",
    "Strikes",
    "Values",
    "Whole",
    "choice",
    "make_fault",
    "number",
    "seconds",
    "whole",
]


class Strikes(StrEnum):
    """The kinds of things that a fault strikes; its place is the name of one."""

    LINK = "link"
    """The links of the board of that name; without a name, of all boards."""
    BOARD = "board"
    GATEWAY = "gateway"
    CLUSTER = "cluster"
    """The requests of the client of that name (``Gateway``, ``DeviceController``, ...); without a name, of all."""
    CERTIFICATE = "certificate"
    """The certificate of the board of that name."""
    APPLICATION = "application"
    """The board of that name, which runs the application."""


VALUES = "values"
"""The key of a parameter's possible values among the metadata of its field."""
RELAY = "relay"
"""The need of a fault whose links have to pass the relay."""


class NothingStruck(UsageError):
    """The fault was in force, and nothing came that it could strike."""


@dataclass(frozen=True)
class Fault(ABC):
    """One thing that goes wrong. The fields are its parameters; a value that is not possible raises UsageError.

    The first line of a class's docstring says what happens, the next what a test may expect afterwards.
    """

    name: ClassVar[str]
    """``board.power-cut``: what it strikes, and what it is."""
    strikes: ClassVar[Strikes]
    needs: ClassVar[frozenset[str]] = frozenset()
    """The features of boards and gateways without which it cannot apply (those of the marker ``requires``), and
    ``relay``."""
    names_place: ClassVar[bool] = True
    """Whether it strikes one board or gateway, so that a place without a name is the one that its moment is about."""

    def __post_init__(self) -> None:
        for each in dataclasses.fields(self):
            values: Values = each.metadata[VALUES]
            if wrong := values.wrong(getattr(self, each.name)):
                what = f"{each.name} is {getattr(self, each.name)!r}: {wrong}"
                raise UsageError(what, where=self.name, do=f"give {each.name} {values.of}")

    @abstractmethod
    async def strike(self, world: World, place: str, begun: Callable[[], object]) -> None:
        """Let it happen at the ``place`` of that name, call ``begun`` when it is in force, and return at its end.

        Raises UsageError if it cannot strike now, for instance a gateway that is not running, and NothingStruck.
        """

    @classmethod
    def parameters(cls) -> Mapping[str, Any]:
        """Each parameter's name and default."""
        return {each.name: each.default for each in dataclasses.fields(cls)}

    def given(self) -> dict[str, Any]:
        """The parameters that differ from their defaults."""
        defaults = self.parameters()
        return {name: getattr(self, name) for name in defaults if getattr(self, name) != defaults[name]}

    def __str__(self) -> str:
        given = ", ".join(f"{name}={value}" for name, value in self.given().items())
        return f"{self.name} ({given})" if given else self.name

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "name" in cls.__dict__:
            FAULTS[cls.name] = cls


FAULTS: dict[str, type[Fault]] = {}
"""Every fault by its name."""

DAY = 86_400.0


@dataclass(frozen=True)
class Number:
    """The values of a parameter that is a number above ``least`` and at most ``most``; ``of`` says what it counts."""

    of: str
    least: float
    most: float

    def wrong(self, value: object) -> str:
        """Why the parameter cannot have this value; empty if it can."""
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            return "it is not a number"
        return "" if self.least < value <= self.most else f"it is not above {self.least:g} and at most {self.most:g}"


@dataclass(frozen=True)
class Whole:
    """The values of a parameter that is a whole number from ``least`` to ``most``."""

    of: str
    least: int
    most: int

    def wrong(self, value: object) -> str:
        """Why the parameter cannot have this value; empty if it can."""
        if not isinstance(value, int) or isinstance(value, bool):
            return "it is not a whole number"
        return "" if self.least <= value <= self.most else f"it is not from {self.least} to {self.most}"


@dataclass(frozen=True)
class Choice:
    """The few values of a parameter."""

    known: tuple[str | int, ...]

    @property
    def of(self) -> str:
        return f"one of {', '.join(map(str, self.known))}"

    def wrong(self, value: object) -> str:
        """Why the parameter cannot have this value; empty if it can."""
        return "" if any(value == each and type(value) is type(each) for each in self.known) else f"it is not {self.of}"


Values = Number | Whole | Choice


def number(default: float, of: str, *, least: float = 0.0, most: float = DAY) -> Any:
    """A parameter that is a number."""
    return field(default=default, metadata={VALUES: Number(of, least, most)})


def seconds(default: float) -> Any:
    """A parameter in seconds, at most a day."""
    return number(default, "in seconds")


def whole(default: int, of: str, *, least: int = 1, most: int = 1_000) -> Any:
    """A parameter that is a whole number."""
    return field(default=default, metadata={VALUES: Whole(of, least, most)})


def choice(default: str | int, *others: str | int) -> Any:
    """A parameter with a few possible values."""
    return field(default=default, metadata={VALUES: Choice((default, *others))})


@dataclass(frozen=True)
class Lasting(Fault):
    """A fault that lasts for some seconds."""

    lasts: float = seconds(5.0)


def make_fault(name: str, parameters: Mapping[str, Any] | None = None) -> Fault:
    """The fault of that name. Raises UsageError for an unknown name or parameter, and for an invalid value."""
    parameters = parameters or {}
    if name not in FAULTS:
        do = f"{suggestion(name, FAULTS)}the faults are {', '.join(sorted(FAULTS))}"
        raise UsageError(f"unknown fault {name!r}", where="fault", do=do)
    kind = FAULTS[name]
    known = kind.parameters()
    for given in parameters:
        if given not in known:
            do = f"{suggestion(given, known)}its parameters are: {', '.join(known) or 'none'}"
            raise UsageError(f"{name} has no parameter {given!r}", where=given, do=do)
    return kind(**parameters)
