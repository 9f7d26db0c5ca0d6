"""The contract of every board, whatever it is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from harness.boards.bridge import Counters
from harness.boards.console import Console
from harness.boards.gdb import GdbStub
from harness.boards.usage import Usage, usage_of
from harness.boards.virtual_time import VirtualTime
from harness.core.clock import Clock
from harness.core.errors import UsageError
from harness.core.history import Tap
from harness.core.identifiers import Randomness
from harness.core.network import Endpoint, Network

__all__ = [
    "FEATURES",
    "LINKS",
    "NOT_RECORDED",
    "About",
    "Board",
    "BoardEnvironment",
    "BoardSettings",
    "Credentials",
    "Power",
    "Tier",
]

LINKS = frozenset({"ethernet", "plain-serial"})
"""The features that are links which a board may have instead of its own."""
NOT_RECORDED = frozenset({"reset", "pause", "debug", "ethernet"})
"""The features that a board lacks while it is recorded: only what comes over its serial lines is."""

FEATURES: Mapping[str, str] = {
    "tls": "it speaks TLS itself",
    "wasm": "it runs applications",
    "several-applications": "it runs more than one at once",
    "csr": "it enrolls by signing request",
    "ed25519": "its identity may be an Ed25519 one",
    "watchdog": "it resets itself when it hangs",
    "storage": "it keeps an issued certificate without power",
    "ethernet": "a link that it can have",
    "plain-serial": "a link that it can have",
    "reset": "it can be reset from outside",
    "pause": "its emulator can let it stand still",
    "debug": "its emulator can show its memory and registers",
    "record": "its emulator can record its runs, to replay them",
    "monitor": "its emulator takes commands",
}
"""What boards may be able to do, and what that means; a tier may have more of its own."""


class Power(StrEnum):
    OFF = "off"
    ON = "on"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a board holds to prove who it is and to know whom to trust; DER throughout.

    Pre-provisioned: ``certificate`` is set. Enrollment by signing request: it is None and ``pairing_token`` is set.
    """

    authority: bytes
    """The certificates of the authorities that sign gateways, one after the other (``ca-cert.der``)."""
    private_key: bytes = field(repr=False)
    """PKCS #8 (``device-key.der``)."""
    certificate: bytes | None = None
    """X.509 (``device-cert.der``)."""
    pairing_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class BoardSettings:
    """What a board is told from outside, never compiled in."""

    name: str
    credentials: Credentials
    gateway: Endpoint
    server_name: str
    device_type: str | None = None
    """What to claim at enrollment instead of the board's own value; likewise the next."""
    capabilities: tuple[str, ...] | None = None
    self_test: str | None = None
    """A fault for the firmware to provoke once, to see it reported: ``panic``, ``hard-fault``, ``stack-overflow``,
    ``heap-exhaustion`` or ``hang``; boards without firmware have none."""
    watchdog: float | None = None
    """Seconds without a sign of life after which the board resets itself, instead of the board's own value."""
    link: str | None = None
    """Another link than the board's own, for a board with the feature of that name. ``ethernet``: instead of the serial
    line, and much faster. ``plain-serial``: nothing is encrypted on the line, the bridge speaks TLS for the board, with
    the board's key; and its word for what it can do is that it can do TLS."""
    recording: Path | None = None
    """A folder to record the board's runs in, each in a folder of its own, so that they can be replayed; only for
    boards with the feature ``record``."""


@dataclass(frozen=True, slots=True)
class BoardEnvironment:
    """What every board of a stack shares."""

    clock: Clock
    network: Network
    randomness: Randomness
    tap: Tap | None = None
    """What goes over the links."""
    faults: Tap | None = None
    """What the boards themselves report of their failures: ``Crash``, and ``EmulatorEnded`` where nobody ended it."""


class Board(ABC):
    """One board. Not powered when made; :meth:`power_off` or :meth:`cut_power` before it is dropped."""

    kind: str
    """The platform: ``virtual``, ``mps2-an385``, ..."""
    features: frozenset[str]
    """What it can do and scenarios may ask for, by name: those of :data:`FEATURES`, or its tier's own."""

    name: str
    console: Console

    @property
    @abstractmethod
    def power(self) -> Power: ...

    @property
    def pid(self) -> int | None:
        """The process that the board is while it is on, to account for it; None for a board that has none."""
        return None

    @property
    def usage(self) -> Usage | None:
        """Memory and processor time that it takes: its process's, or its share of one; None where nobody tells."""
        return usage_of(self.pid) if self.pid is not None else None

    @property
    def counters(self) -> Counters | None:
        """What went over its link since it was last switched on; None for a board that does not count."""
        return None

    @property
    def recording(self) -> Path | None:
        """The folder of its present or last run's recording, if that is recorded."""
        return None

    @abstractmethod
    async def power_on(self) -> None:
        """Start it; returns when the firmware runs, not when it is connected. Raises RigError if it does not."""

    @abstractmethod
    async def power_off(self) -> None:
        """Clean stop: the link is closed in order. Nothing of the board is left."""

    @abstractmethod
    async def cut_power(self) -> None:
        """As if the plug was pulled: no goodbye on the link."""

    async def reset(self) -> None:
        """Restart the firmware; what is in flash (identity, issued certificate) stays. Raises UsageError without
        ``reset``."""
        raise self._lacks("reset")

    @abstractmethod
    async def cut_link(self) -> None:
        """Break the board's connection and keep it from coming back."""

    @abstractmethod
    async def restore_link(self) -> None:
        """Let the board connect again."""

    async def pause(self) -> None:
        """Let the processor stand still, and with it the board's time. Raises UsageError without ``pause``."""
        raise self._lacks("pause")

    async def resume(self) -> None:
        """Let a paused board go on."""
        raise self._lacks("pause")

    def debugger(self) -> AbstractAsyncContextManager[GdbStub]:
        """The board's memory and registers, while it stands still. Raises UsageError without ``debug``."""
        raise self._lacks("debug")

    async def execute(self, command: str) -> str:
        """Have the emulator's monitor carry out a command for this board; what it answers. Raises UsageError with the
        emulator's words if it refuses, and without ``monitor``."""
        raise self._lacks("monitor")

    def _check_self_test(self, settings: BoardSettings) -> None:
        """Raise UsageError for a self-test that nothing would end."""
        if settings.self_test == "hang" and "watchdog" not in self.features:
            raise UsageError(
                f"a {self.kind} has no watchdog to end a hang", where=self.name, do="ask for another self-test"
            )

    def _lacks(self, feature: str) -> UsageError:
        able = "ask for a board that has it: `wasmbed boards` lists what each can do"
        return UsageError(f"a {self.kind} lacks the feature {feature!r}", where=self.name, do=able)


@dataclass(frozen=True, slots=True)
class About:
    """What a kind of board is, for people: in words, what it cannot do, and why it is not to be had, with how to get it
    (None: it is)."""

    summary: str
    cannot: tuple[str, ...] = ()
    unavailable: str | None = None


class Tier(ABC):
    """A way of making boards: ``virtual``, ``qemu``, ``renode``, ``serial``."""

    name: ClassVar[str]

    @classmethod
    def unavailable(cls) -> str | None:
        """Why this tier cannot run here, in one line that says how to get it; None where it can."""
        return None

    @abstractmethod
    def kinds(self) -> tuple[str, ...]:
        """The board kinds it can make; the first is the default."""

    @property
    def virtual_time(self) -> VirtualTime | None:
        """The time of its boards, where the tier can hold it."""
        return None

    def features(self, kind: str | None = None) -> frozenset[str]:
        """The ``features`` of boards of ``kind``, by default the tier's default kind, without making one."""
        return frozenset()

    def memory(self, kind: str) -> int:
        """About how many bytes of memory a board of ``kind`` takes while it is on."""
        return 0

    def descriptors(self, kind: str) -> int:
        """How many file descriptors of this process a board of ``kind`` takes while it is connected to a gateway that
        is in this process too."""
        return 2

    @abstractmethod
    def about(self, kind: str) -> About:
        """What boards of ``kind`` are."""

    @abstractmethod
    def make(self, kind: str, settings: BoardSettings, environment: BoardEnvironment) -> Board:
        """A board, powered off. Raises UsageError for an unknown kind."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of what boards of this tier share."""
