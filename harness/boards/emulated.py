"""The part that QEMU boards and Renode boards share."""

from __future__ import annotations

import asyncio
from typing import IO, ClassVar

from harness.boards.board import BoardEnvironment, BoardSettings
from harness.boards.bridged import BridgedBoard
from harness.boards.console import Console
from harness.boards.platform import Platform

__all__ = ["ConsoleLine", "EmulatedBoard"]


class EmulatedBoard(BridgedBoard):
    """A board of one of the kinds in ``platforms/`` that runs firmware in an emulator."""

    RUNS_WITHIN: ClassVar[float]
    """Seconds from power-on until the firmware has to run."""

    def __init__(
        self, platform: Platform, features: frozenset[str], settings: BoardSettings, environment: BoardEnvironment
    ) -> None:
        super().__init__(platform.name, platform.features | features, platform.image_path, settings, environment)
        self.platform = platform

    @property
    def _speaks_to_bridge(self) -> bool:
        return self.platform.foreign is None or self.platform.foreign.is_ours


class ConsoleLine(asyncio.Protocol):
    """The harness's end of a board's console line; ``copy`` gets every byte too."""

    def __init__(self, console: Console, copy: IO[bytes] | None = None) -> None:
        self._console, self._copy = console, copy

    def data_received(self, data: bytes) -> None:
        if self._copy is not None:
            self._copy.write(data)
        self._console.feed(data)
