"""What the harness can ask of a Renode host, and how it goes over the pipe: one JSON object a line.

    -> {"id": 7, "request": "PowerOn", "name": "pump-1"}
    <- {"id": 7, "value": ""}                                   or {"id": 7, "trouble": {...}}

The host speaks first, ``{"event": "ready", ...}``, and last, ``{"event": "ended", ...}``, if Renode goes by itself.
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
    """A UART of a machine, led to the pseudo terminal that appears at ``path``."""

    uart: str
    path: str


@dataclass(frozen=True, slots=True)
class Machine:
    """One board in Renode. Addresses and sizes in bytes; ``memory``: what is zero when power comes."""

    name: str
    description: str
    """The ``.repl`` file."""
    image: str
    cpu: str
    mips: int
    """Instructions that the processor does in a microsecond of its own time."""
    link: Wire
    console: Wire
    memory: tuple[tuple[int, int], ...] = ()
    commands: tuple[str, ...] = ()
    """Further monitor commands, after the description was loaded."""


@dataclass(frozen=True, slots=True)
class Create:
    """Make a machine; it is there, without power. ``quantum``: the most seconds of virtual time that the machines of
    this host run between two looks at each other, from now on."""

    machine: Machine
    quantum: float


@dataclass(frozen=True, slots=True)
class PowerOn:
    """Power for a machine that has none: empty memory, and the blob at that address."""

    name: str
    blob: str
    address: int


@dataclass(frozen=True, slots=True)
class PowerOff:
    """Take the power away."""

    name: str


@dataclass(frozen=True, slots=True)
class Read:
    """The value is what lies at that address, in hexadecimal digits; ``size`` in bytes."""

    name: str
    address: int
    size: int


@dataclass(frozen=True, slots=True)
class Write:
    """Put what is in a file into memory at that address."""

    name: str
    path: str
    address: int


@dataclass(frozen=True, slots=True)
class Reset:
    """The reset button: memory stays."""

    name: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Hold the processor of one machine."""

    name: str


@dataclass(frozen=True, slots=True)
class Resume:
    """Let the processor of one machine go on."""

    name: str


@dataclass(frozen=True, slots=True)
class Run:
    """Let virtual time follow the real one."""


@dataclass(frozen=True, slots=True)
class Stand:
    """Let virtual time stand still, for all machines."""


@dataclass(frozen=True, slots=True)
class RunFor:
    """So many seconds of virtual time, then stand still again; not while it runs."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Now:
    """The virtual time, seconds, as text."""


@dataclass(frozen=True, slots=True)
class Save:
    """Write everything to a file. Virtual time stands still from now on."""

    path: str


@dataclass(frozen=True, slots=True)
class Load:
    """Go back to what a file holds, and stand still; ``machines`` are those of the host when it was saved, ``live``
    the names of those that had power and were not paused."""

    path: str
    machines: tuple[Machine, ...]
    live: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Execute:
    """A monitor command of the caller's own, for one machine; the value is what Renode answers."""

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
    """What Renode had against a command: its words, and the errors that it logged meanwhile."""

    command: str
    words: str
    log: tuple[str, ...] = ()


def encode_request(number: int, request: Request) -> bytes:
    """The line for a request."""
    return json.dumps({"id": number, "request": type(request).__name__, **asdict(request)}).encode() + b"\n"


def decode_request(line: bytes) -> tuple[int, Request]:
    """Number and request of a line. Raises ValueError for anything else."""
    facts = json.loads(line)
    if not isinstance(facts, dict) or not isinstance(number := facts.pop("id", None), int):
        raise ValueError("no request")
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
        raise ValueError(f"no machine: {error}") from error
