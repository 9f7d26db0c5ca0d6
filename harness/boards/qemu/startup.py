"""Whether the firmware of a board that was switched on runs, told by the first lines of its console."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Protocol

from harness.boards.console import Console
from harness.boards.platform import Platform
from harness.core.clock import Clock
from harness.core.errors import RigError

__all__ = ["Emulator", "Startup", "how_it_ended"]

_BOOT = re.compile(r"^BOOT board=(\S+)")
_RUNS = re.compile(r"\] identity: |^SELF-TEST ")
REPORTED = 5
"""Lines that a failure shows."""


class Emulator(Protocol):
    """What runs the board."""

    @property
    def exited(self) -> asyncio.Future[int] | None:
        """Its exit status, once it has ended."""

    @property
    def words(self) -> str:
        """What it said at its end."""


def how_it_ended(emulator: Emulator) -> str:
    """Its exit code, and the first line of what it said, once it has ended."""
    assert emulator.exited is not None
    said = emulator.words.splitlines() or ["without a word"]
    return f"the emulator ended with code {emulator.exited.result()} ({said[0]})"


class Startup:
    """Listens to a console from before the power comes until :meth:`end`."""

    def __init__(self, name: str, platform: Platform, console: Console) -> None:
        self._name, self._platform = name, platform
        self._lines: list[str] = []
        self._booted = False
        self._verdict: asyncio.Future[RigError | None] = asyncio.get_running_loop().create_future()
        self.end = console.listen(self._heard)

    async def wait(self, machine: Emulator, clock: Clock, within: float) -> None:
        """Return when the firmware runs. Raises RigError saying why it does not: the ``machine`` ended, the image is
        for another board or for none, the firmware halted, or nothing of that ``within`` seconds."""
        assert machine.exited is not None
        try:
            async with clock.deadline(within):
                either: set[asyncio.Future[Any]] = {machine.exited, self._verdict}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            raise self._trouble(f"the firmware did not come up within {within:g} s; it wrote") from None
        if not self._verdict.done():
            raise self._trouble(f"{how_it_ended(machine)}; the board wrote")
        if (error := self._verdict.result()) is not None:
            raise error

    def _heard(self, line: str) -> None:
        self._lines.append(line)
        if self._verdict.done():
            return
        if boot := _BOOT.match(line):
            self._booted = True
            if boot[1] != self._platform.name:
                self._verdict.set_result(self._trouble(f"{self._platform.image} is an image for {boot[1]}; it wrote"))
        elif line.startswith("HALT "):
            self._verdict.set_result(self._trouble(f"the firmware halted: {line.removeprefix('HALT ')}; it wrote"))
        elif self._booted and _RUNS.search(line):
            self._verdict.set_result(None)

    def _trouble(self, what: str) -> RigError:
        lines = "".join(f"\n    {line[:120]!r}" for line in self._lines[-REPORTED:]) or " nothing"
        return RigError(
            f"{what}{lines}",
            where=self._name,
            do=f"run `make firmware` for an image of {self._platform.name} that fits this harness",
        )
