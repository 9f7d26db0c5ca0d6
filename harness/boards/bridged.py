"""The part that boards behind a bridge share, so that all behave alike: console, crashes, link, and the orderly end of
a session. A tier adds what runs the firmware."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from pathlib import Path
from typing import Any, ClassVar

from harness.boards.board import Board, BoardEnvironment, BoardSettings, Credentials
from harness.boards.bridge import Bridge, Counters
from harness.boards.console import Console
from harness.boards.crash import CrashReader
from harness.core.errors import HarnessError, UsageError

__all__ = ["BridgedBoard"]


class BridgedBoard(Board):
    """A board whose firmware connects through a :class:`Bridge`. ``image`` has the symbols of its crash reports."""

    CLOSES_WITHIN: ClassVar[float]
    """Seconds that the firmware has to close its session before the power is cut."""

    def __init__(
        self, kind: str, features: frozenset[str], image: Path, settings: BoardSettings, environment: BoardEnvironment
    ) -> None:
        self.kind = kind
        self.features = features
        self.name = settings.name
        self.console = Console(settings.name, environment.clock)
        self._settings, self._environment = settings, environment
        self._crashes = CrashReader(image)
        self.console.listen(self._report_crash)
        self._bridge: Bridge | None = None
        self._link_is_cut = False

    @property
    def counters(self) -> Counters:
        return self._bridge.counters if self._bridge is not None else Counters()

    @property
    def _speaks_to_bridge(self) -> bool:
        """Whether its firmware uses our bridge protocol."""
        return True

    def provision(self, credentials: Credentials) -> None:
        self._settings = dataclasses.replace(self._settings, credentials=credentials)

    async def cut_link(self) -> None:
        self._link_is_cut = True
        if self._bridge is not None:
            self._bridge.cut()

    async def restore_link(self) -> None:
        self._link_is_cut = False
        if self._bridge is not None:
            self._bridge.restore()

    def _attach(self, bridge: Bridge) -> None:
        """Make ``bridge`` the board's link; it starts cut if the link is cut."""
        bridge.is_cut = self._link_is_cut
        self._bridge = bridge

    async def _close_session(self) -> None:
        """Ask the firmware to close its session, and wait until it has or :attr:`CLOSES_WITHIN` is over. A cut link
        cannot carry the request, and only firmware with our bridge protocol understands it."""
        if self._bridge is None or self._bridge.is_cut or not self._speaks_to_bridge:
            return
        closed = asyncio.create_task(self.console.until_next(r"\] power: off$", self.CLOSES_WITHIN))
        self._bridge.shut_down()
        with contextlib.suppress(HarnessError):
            await closed

    def _report_crash(self, line: str) -> None:
        if (crash := self._crashes.read(line)) is not None:
            self._report("Crash", crash)

    def _report(self, fault: str, facts: dict[str, Any]) -> None:
        """Record a failure of the board itself."""
        if self._environment.faults is not None:
            self._environment.faults("Device", "", fault, {"device": self.name} | facts, self.name)

    def _is_off(self) -> UsageError:
        return UsageError("the board is off", where=self.name, do="power it on first")
