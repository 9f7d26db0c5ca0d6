"""Decide from the first console lines whether the firmware of a board that was just powered on runs."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Protocol

from harness.boards.console import Console
from harness.boards.platform import Platform
from harness.core.clock import Clock
from harness.core.errors import RigError

__all__ = ["Emulator", "Startup", "describe_end"]

_BOOT = re.compile(r"^BOOT board=(\S+)")
_RUNS = re.compile(r"\] identity: |^SELF-TEST ")
REPORTED = 5
"""Console lines that an error shows."""


class Emulator(Protocol):
    """The program that runs the board's firmware."""

    @property
    def exited(self) -> asyncio.Future[int] | None:
        """Its exit status once it has ended; None before it was started."""

    @property
    def error_text(self) -> str:
        """Its error output, once it has ended."""


def describe_end(emulator: Emulator) -> str:
    """Exit code and first line of error output of an emulator that has ended."""
    assert emulator.exited is not None
    lines = emulator.error_text.splitlines() or ["no error output"]
    return f"the emulator ended with code {emulator.exited.result()} ({lines[0]})"


class Startup:
    """Reads a console from before power-on until :meth:`end`."""

    def __init__(self, name: str, platform: Platform, console: Console) -> None:
        self._name, self._platform = name, platform
        self._lines: list[str] = []
        self._booted = False
        self._outcome: asyncio.Future[RigError | None] = asyncio.get_running_loop().create_future()
        foreign = platform.foreign
        self._ready = foreign.ready if foreign is not None else None
        if foreign is not None and not foreign.is_ours and self._ready is None:
            self._outcome.set_result(None)  # nothing tells when it runs
        self.end = console.listen(self._read)

    async def wait(self, emulator: Emulator, clock: Clock, within: float) -> None:
        """Return when the firmware runs.

        Raises RigError if the ``emulator`` ended, the image is for another board, the firmware halted, or none of this
        happened ``within`` seconds.
        """
        assert emulator.exited is not None
        try:
            async with clock.deadline(within):
                either: set[asyncio.Future[Any]] = {emulator.exited, self._outcome}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            raise self._failure(f"the firmware did not come up within {within:g} s; it wrote") from None
        if not self._outcome.done():
            raise self._failure(f"{describe_end(emulator)}; the board wrote")
        if (error := self._outcome.result()) is not None:
            raise error

    def _read(self, line: str) -> None:
        self._lines.append(line)
        if self._outcome.done():
            return
        if self._ready is not None:
            if re.search(self._ready, line):
                self._outcome.set_result(None)
        elif boot := _BOOT.match(line):
            self._booted = True
            if boot[1] != self._platform.hardware:
                self._outcome.set_result(self._failure(f"{self._platform.image} is an image for {boot[1]}; it wrote"))
        elif line.startswith("HALT "):
            self._outcome.set_result(self._failure(f"the firmware halted: {line.removeprefix('HALT ')}; it wrote"))
        elif self._booted and _RUNS.search(line):
            self._outcome.set_result(None)

    def _failure(self, what: str) -> RigError:
        lines = "".join(f"\n    {line[:120]!r}" for line in self._lines[-REPORTED:]) or " nothing"
        do = f"run `make firmware` for an image of {self._platform.name} that fits this harness"
        if (foreign := self._platform.foreign) is not None:
            do = f"check the image {foreign.path}"
            if foreign.ready is not None:
                do += f", and the line that tells that it runs ({foreign.at('ready')})"
        return RigError(f"{what}{lines}", where=self._name, do=do)
