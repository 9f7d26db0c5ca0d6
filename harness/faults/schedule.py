"""Schedules: faults with their moments, as Python values and as a TOML file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from harness.core.errors import UsageError
from harness.faults.fault import Fault
from harness.faults.moments import ArrowMoment, Moment

__all__ = ["VERSION", "Entry", "Schedule"]

VERSION = 1
MOST = 1_000
"""Entries of a schedule."""


@dataclass(frozen=True)
class Entry:
    """A fault that begins at ``when`` and strikes ``where``: a board, a gateway, or a client of the cluster, by name.

    Without a name, a fault of a board or its links strikes the one that the moment is about, a fault of a gateway the
    first one, and one of the cluster each client of the platform. ``line`` is where a file has it.
    """

    when: Moment
    fault: Fault
    where: str = ""
    line: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        needs_name = self.fault.strikes.value in ("board", "link", "certificate", "application")
        if needs_name and self.fault.names_place and not self.where and not isinstance(self.when, ArrowMoment):
            raise UsageError(
                f"{self.fault.name} at a time strikes no board",
                where=self.line or "where",
                do="name the board as where, or let the fault begin at an arrow",
            )

    @property
    def needs(self) -> frozenset[str]:
        """The features of boards and gateways that it needs, and ``relay``."""
        return self.fault.needs | self.when.needs

    def __str__(self) -> str:
        return f"{self.fault}{f' on {self.where}' if self.where else ''} {self.when}"


@dataclass(frozen=True)
class Schedule:
    """Faults, in any order."""

    entries: tuple[Entry, ...] = ()
    file: str = ""
    """The file that it was read from."""

    def __post_init__(self) -> None:
        if len(self.entries) > MOST:
            do = f"a schedule has at most {MOST}"
            raise UsageError(f"{len(self.entries)} faults", where=self.file or "schedule", do=do)

    @classmethod
    def of(cls, *entries: Entry) -> Schedule:
        """A schedule of these."""
        return cls(tuple(entries))

    @property
    def needs_relay(self) -> bool:
        """Whether links have to pass the relay."""
        return any("relay" in entry.needs for entry in self.entries)

    def to_toml(self) -> str:
        """The text of a file with this schedule."""
        return "\n".join([f"version = {VERSION}", *(line for each in self.entries for line in _written(each))]) + "\n"

    def __str__(self) -> str:
        return "; ".join(map(str, self.entries)) or "no faults"


def _written(entry: Entry) -> Iterable[str]:
    given: dict[str, Any] = {**entry.when.given(), "fault": entry.fault.name}
    if entry.where:
        given["where"] = entry.where
    yield ""
    if isinstance(entry.when, ArrowMoment):
        yield f"# {entry.when.arrow}"
    yield "[[faults]]"
    for name, value in (given | entry.fault.given()).items():
        yield f"{name} = {json.dumps(value, ensure_ascii=False)}"  # a string, number or boolean, as in TOML
