"""The requests to a Renode host, and their encoding: one JSON object per line.

    -> {"id": 7, "request": "PowerOn", "name": "pump-1"}
    <- {"id": 7, "value": ""}                                   or {"id": 7, "failure": {...}}

The host's first line is ``{"event": "ready", ...}``. If Renode ends by itself, its last is ``{"event": "ended", ...}``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

__all__ = [
    "Create",
    "Execute",
    "HostError",
    "Load",
    "Machine",
    "Now",
    "Pause",
    "PowerOff",
    "PowerOn",
    "Read",
    "Request",
    "Reset",
    "Resume",
    "Run",
    "RunFor",
    "Save",
    "Stand",
    "Wire",
    "Write",
    "decode_request",
    "encode_request",
]


@dataclass(frozen=True, slots=True)
class Wire:
    """A UART of a machine, connected to the pseudo terminal at ``path``."""

    uart: str
    path: str


@dataclass(frozen=True, slots=True)
class Machine:
    """One board in Renode. ``memory``: address and size in bytes of each range that is cleared at power-on."""

    name: str
    description: str
    """The ``.repl`` file."""
    image: str
    cpu: str
    mips: int
    """Instructions per microsecond of virtual time."""
    link: Wire
    console: Wire
    memory: tuple[tuple[int, int], ...] = ()
    commands: tuple[str, ...] = ()
    """Monitor commands to execute after the description was loaded."""
    address: int | None = None
    """Where the image lies if it is a copy of memory; None for an ELF file."""


@dataclass(frozen=True, slots=True)
class Create:
    """Make a machine, without power. ``quantum``: seconds of virtual time between two synchronisations of this host's
    machines, from now on."""

    machine: Machine
    quantum: float


@dataclass(frozen=True, slots=True)
class PowerOn:
    """Power a machine on: clear its memory, and load the blob at that address, unless the path is empty."""

    name: str
    blob: str
    address: int


@dataclass(frozen=True, slots=True)
class PowerOff:
    """Power a machine off."""

    name: str


@dataclass(frozen=True, slots=True)
class Read:
    """Read ``size`` bytes at that address; the value is in hexadecimal digits."""

    name: str
    address: int
    size: int


@dataclass(frozen=True, slots=True)
class Write:
    """Load a file into memory at that address."""

    name: str
    path: str
    address: int


@dataclass(frozen=True, slots=True)
class Reset:
    """Reset a machine; memory keeps its contents."""

    name: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Halt the processor of one machine."""

    name: str


@dataclass(frozen=True, slots=True)
class Resume:
    """Let the processor of one machine continue."""

    name: str


@dataclass(frozen=True, slots=True)
class Run:
    """Let virtual time follow real time."""


@dataclass(frozen=True, slots=True)
class Stand:
    """Stop virtual time, for all machines."""


@dataclass(frozen=True, slots=True)
class RunFor:
    """Let ``seconds`` of virtual time pass, then stop it again; only while it is stopped."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Now:
    """Read the virtual time; the value is seconds as text."""


@dataclass(frozen=True, slots=True)
class Save:
    """Save the state of all machines to a file. Virtual time is stopped from now on."""

    path: str


@dataclass(frozen=True, slots=True)
class Load:
    """Restore the state from a file, and stop virtual time. ``machines`` are the host's machines at that moment,
    ``live`` the names of those that had power and were not paused."""

    path: str
    machines: tuple[Machine, ...]
    live: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Execute:
    """Execute a monitor command for one machine; the value is its output."""

    name: str
    command: str


Request = (
    Create
    | PowerOn
    | PowerOff
    | Read
    | Write
    | Reset
    | Pause
    | Resume
    | Run
    | Stand
    | RunFor
    | Now
    | Save
    | Load
    | Execute
)
_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in Request.__args__}


@dataclass(frozen=True, slots=True)
class HostError:
    """A command that failed: Renode's message, and the errors that it logged meanwhile."""

    command: str
    message: str
    log: tuple[str, ...] = ()


def encode_request(number: int, request: Request) -> bytes:
    """Encode a request as a line."""
    return json.dumps({"id": number, "request": type(request).__name__, **asdict(request)}).encode() + b"\n"


def decode_request(line: bytes) -> tuple[int, Request]:
    """Decode a line into number and request. Raises ValueError for an invalid line."""
    facts = json.loads(line)
    if not isinstance(facts, dict) or not isinstance(number := facts.pop("id", None), int):
        raise ValueError("not a request")
    kind = _KINDS.get(facts.pop("request", ""))
    if kind is None:
        raise ValueError("an unknown request")
    if facts.keys() != {field.name for field in fields(kind)}:
        raise ValueError(f"{kind.__name__} has other fields than {', '.join(sorted(facts)) or 'none'}")
    if "machine" in facts:
        facts["machine"] = _machine(facts["machine"])
    if "machines" in facts:
        facts["machines"] = tuple(_machine(each) for each in facts["machines"])
        facts["live"] = tuple(facts["live"])
    return number, kind(**facts)


def _machine(facts: dict[str, Any]) -> Machine:
    try:
        return Machine(
            **facts
            | {
                "link": Wire(**facts["link"]),
                "console": Wire(**facts["console"]),
                "memory": tuple((start, size) for start, size in facts["memory"]),
                "commands": tuple(facts["commands"]),
            }
        )
    except (TypeError, KeyError) as error:
        raise ValueError(f"not a machine: {error}") from error
