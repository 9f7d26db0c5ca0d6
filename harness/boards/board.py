"""The contract that every board keeps: virtual, emulated or real."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from harness.boards.bridge import Counters
from harness.boards.console import Console
from harness.boards.foreign import ForeignImage
from harness.boards.gdb import DebugTarget, GdbStub
from harness.boards.sensors import CHANNELS, Sensor
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
    "NOT_ON_ETHERNET",
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
"""The features that are other links than the board's own."""
NOT_RECORDED = frozenset({"reset", "pause", "debug", "ethernet", "sensors"})
"""The features that a board lacks while it is recorded: a recording holds only the bytes of its serial lines."""
NOT_ON_ETHERNET = frozenset({"reassign"})
"""The features that a board lacks while Ethernet is its link: in an emulator's network it reaches the bridge, and no
gateway by the address that this computer knows."""

FEATURES: Mapping[str, str] = {
    "tls": "speaks TLS itself",
    "wasm": "runs applications",
    "several-applications": "runs several applications at the same time",
    "csr": "enrolls by signing request",
    "ed25519": "can have an Ed25519 identity",
    "dates": "knows the time, and refuses a gateway whose certificate has expired",
    "watchdog": "resets itself when it hangs",
    "storage": "keeps an issued certificate without power",
    "ethernet": "can have an Ethernet link beside its serial line",
    "plain-serial": "can have a serial link without TLS, for which the bridge speaks TLS",
    "claims": "claims another device type, and other capabilities, than its own, where a test says so",
    "reset": "can be reset from outside",
    "provision": "can be given other credentials",
    "clock-faults": "its clock can be made wrong from outside",
    "memory-faults": "its memory can be exhausted from outside",
    "flash-faults": "its flash can be made to refuse a write, or to lose the power in the middle of one",
    "pause": "can be paused by its emulator",
    "debug": "shows memory and registers through its emulator",
    "record": "can be recorded by its emulator, to replay its runs",
    "reassign": "goes to the gateway that another one assigns it to",
    "dialects": "can speak the dialects of the original Wasmbed",
    "monitor": "takes commands of its emulator's monitor",
    "sensors": "takes the values of its sensors from outside, and shows its output pins",
}
"""The features of boards, each with its meaning. A tier may have further ones."""


class Power(StrEnum):
    OFF = "off"
    ON = "on"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A board's identity and the authorities that it trusts, all in DER.

    Pre-provisioned: ``certificate`` is set. Enrollment by signing request: ``certificate`` is None and
    ``pairing_token`` is set.
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
    """A board's settings; they are provisioned, never compiled in."""

    name: str
    credentials: Credentials
    gateway: Endpoint
    server_name: str
    device_type: str | None = None
    """The device type that the board claims at enrollment instead of its own."""
    capabilities: tuple[str, ...] | None = None
    """The capabilities that it claims instead of its own."""
    self_test: str | None = None
    """A fault that the firmware provokes once, to test its report: ``panic``, ``hard-fault``, ``stack-overflow``,
    ``heap-exhaustion`` or ``hang``. Virtual boards ignore it."""
    watchdog: float | None = None
    """Seconds without a sign of life after which the board resets itself; None: the board's own value."""
    link: str | None = None
    """Another link than the board's own, for a board with the feature of that name. ``ethernet`` replaces the serial
    line and is much faster. ``plain-serial``: the line is not encrypted, and the bridge speaks TLS for the board, with
    the board's key; the board then claims the capability ``tls``."""
    wire: str = "1"
    """Protocol version 1, or a dialect of the original, ``u`` or ``r``, for a board with the feature
    ``dialects``."""
    recording: Path | None = None
    """The folder for recordings of the board's runs, one folder each, so that they can be replayed; only for boards
    with the feature ``record``."""


@dataclass(frozen=True, slots=True)
class BoardEnvironment:
    """The clock, network, randomness and taps that all boards of a stack share."""

    clock: Clock
    network: Network
    randomness: Randomness
    tap: Tap | None = None
    """Records the events of links."""
    faults: Tap | None = None
    """Records failures of the boards themselves: ``Crash``, and ``EmulatorEnded`` if the harness did not end it."""
    links: Tap | None = None
    """Records what crosses the links of boards that can show it, as these see it; None where the gateway's side is
    recorded."""
    gateways: Callable[[], Collection[Endpoint]] = tuple
    """The gateways to which a bridge connects a board that one of them assigned to another."""


class Board(ABC):
    """One board, without power when made. Call :meth:`power_off` or :meth:`cut_power` before it is dropped."""

    kind: str
    """The kind of board: ``virtual``, ``mps2-an385``, ..."""
    features: frozenset[str]
    """The features that scenarios can ask for: of :data:`FEATURES`, or of its tier."""

    name: str
    console: Console

    @property
    @abstractmethod
    def power(self) -> Power: ...

    @property
    def pid(self) -> int | None:
        """The process of a board that is on, for accounting; None for a board without its own process."""
        return None

    @property
    def usage(self) -> Usage | None:
        """Memory and processor time of its process, or its share of a process; None if unknown."""
        return usage_of(self.pid) if self.pid is not None else None

    @property
    def counters(self) -> Counters | None:
        """Bytes and connections of its link since the last power-on; None for a board that does not count."""
        return None

    @property
    def recording(self) -> Path | None:
        """The folder with the recording of its present or last run; None if that was not recorded."""
        return None

    async def expect(self, pattern: str, *, within: float = 5.0) -> re.Match[str]:
        """Wait for the next match of a regular expression on its console, as :meth:`Console.expect` does."""
        return await self.console.expect(pattern, within)

    @abstractmethod
    async def power_on(self) -> None:
        """Start it. Returns when the firmware runs, before it has connected. Raises RigError if it does not run."""

    @abstractmethod
    async def power_off(self) -> None:
        """Stop it in order: the firmware closes its link, and the board leaves no process and no task."""

    @abstractmethod
    async def cut_power(self) -> None:
        """Cut the power without a warning: the firmware cannot close its link."""

    async def reset(self) -> None:
        """Restart the firmware; flash (identity, issued certificate) keeps its contents. Raises UsageError without the
        feature ``reset``."""
        raise self._lacks("reset")

    def provision(self, credentials: Credentials) -> None:
        """Give it other credentials, from the next power-on on. Raises UsageError without the feature
        ``provision``."""
        raise self._lacks("provision")

    @abstractmethod
    async def cut_link(self) -> None:
        """Break the board's connection and prevent another one."""

    @abstractmethod
    async def restore_link(self) -> None:
        """Let the board connect again."""

    async def pause(self) -> None:
        """Stop the processor, and with it the board's time. Raises UsageError without the feature ``pause``."""
        raise self._lacks("pause")

    async def resume(self) -> None:
        """Let a paused board continue."""
        raise self._lacks("pause")

    async def disturb_clock(self, *, ahead: float = 0.0, rate: float = 1.0) -> None:
        """Move its clock ahead by some seconds, and let it run ``rate`` times as fast from now on. Raises UsageError
        without the feature ``clock-faults``."""
        raise self._lacks("clock-faults")

    async def exhaust_memory(self) -> None:
        """Leave it no memory for another application. Raises UsageError without the feature ``memory-faults``."""
        raise self._lacks("memory-faults")

    async def release_memory(self) -> None:
        """End what :meth:`exhaust_memory` began."""
        raise self._lacks("memory-faults")

    async def wear_flash(self) -> None:
        """Let its flash refuse each write. Raises UsageError without the feature ``flash-faults``."""
        raise self._lacks("flash-faults")

    async def renew_flash(self) -> None:
        """End what :meth:`wear_flash` began."""
        raise self._lacks("flash-faults")

    async def tear_write(self) -> None:
        """Wait for the next write to its flash, and return in the middle of it. From then on the board stands still,
        until its power is cut. Raises UsageError without the feature ``flash-faults``."""
        raise self._lacks("flash-faults")

    def sensor(self, channel: int) -> Sensor:
        """A sensor of the board, 0 to 7: ``await board.sensor(0).set(21.5)``. Raises UsageError for another number."""
        if not 0 <= channel < CHANNELS:
            do = f"name a channel from 0 to {CHANNELS - 1}"
            raise UsageError(f"there is no sensor {channel}", where=self.name, do=do)
        return Sensor(self, channel)

    async def set_sensor(self, channel: int, value: int | None) -> None:
        """Let readings of a channel be ``value``, in thousandths of its unit; None: the board makes them. Raises
        UsageError without the feature ``sensors``."""
        raise self._lacks("sensors")

    async def pins(self) -> frozenset[int]:
        """The output pins, 0 to 31, that applications have set high. Raises UsageError without the feature
        ``sensors``."""
        raise self._lacks("sensors")

    def debugger(self) -> AbstractAsyncContextManager[GdbStub]:
        """Access the board's memory and registers while it is stopped. Raises UsageError without the feature
        ``debug``."""
        raise self._lacks("debug")

    def debug_target(self) -> AbstractAsyncContextManager[DebugTarget]:
        """Wait for a debugger while the board runs; one that attaches stops the processor. At the end it runs on.

        Raises UsageError without the feature ``debug``, and while another debugger may attach."""
        raise self._lacks("debug")

    async def execute(self, command: str) -> str:
        """Execute a command of the emulator's monitor for this board; returns its output. Raises UsageError with the
        emulator's message if it refuses, and without the feature ``monitor``."""
        raise self._lacks("monitor")

    def _check_self_test(self, settings: BoardSettings) -> None:
        """Raise UsageError for a self-test that would never end."""
        if settings.self_test == "hang" and "watchdog" not in self.features:
            raise UsageError(
                f"a {self.kind} has no watchdog to end a hang", where=self.name, do="ask for another self-test"
            )

    def _lacks(self, feature: str) -> UsageError:
        do = "ask for a board that has it: `wasmbed boards` lists the features of each"
        return UsageError(f"a {self.kind} lacks the feature {feature!r}", where=self.name, do=do)


@dataclass(frozen=True, slots=True)
class About:
    """A kind of board, described for people: a summary, its limitations, and why it is unavailable, with how to get it
    (None: it is available)."""

    summary: str
    cannot: tuple[str, ...] = ()
    unavailable: str | None = None


class Tier(ABC):
    """A way of making boards: ``virtual``, ``qemu``, ``renode``, ``serial``."""

    name: ClassVar[str]

    @classmethod
    def unavailable(cls) -> str | None:
        """Return why this tier cannot run here and how to get it, in one line; None if it can."""
        return None

    @classmethod
    def unavailable_for_images(cls) -> str | None:
        """Return the same for boards with an image of another project."""
        return cls.unavailable()

    @abstractmethod
    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of boards that it can make; the first is the default."""

    def add(self, name: str, image: ForeignImage) -> None:
        """Add a kind: boards of ``image.kind`` with that image. Raises UsageError if these take no image."""
        raise UsageError(
            f"boards of kind {image.kind} take no image",
            where=image.at("kind"),
            do="choose a kind of the tiers qemu or renode: `wasmbed boards` lists them",
        )

    @property
    def virtual_time(self) -> VirtualTime | None:
        """The time of its boards; None if the tier cannot control it."""
        return None

    def features(self, kind: str | None = None) -> frozenset[str]:
        """Return the features of boards of ``kind``, by default the tier's default kind, without making one."""
        return frozenset()

    def memory(self, kind: str) -> int:
        """Estimate the memory of a board of ``kind`` that is on, in bytes."""
        return 0

    def descriptors(self, kind: str) -> int:
        """Return the number of this process's file descriptors that a board of ``kind`` takes while it is connected to
        a gateway in the same process."""
        return 2

    @abstractmethod
    def about(self, kind: str) -> About:
        """Describe boards of ``kind``."""

    def check(self, kind: str) -> None:  # noqa: B027, most boards need nothing
        """Raise RigError, or UsageError for another project's image, if a board of ``kind`` could not be switched on
        for want of a file, or because of one."""

    @abstractmethod
    def make(self, kind: str, settings: BoardSettings, environment: BoardEnvironment) -> Board:
        """Make a board, without power. Raises UsageError for an unknown kind."""

    @abstractmethod
    async def close(self) -> None:
        """Release the resources that boards of this tier share."""
