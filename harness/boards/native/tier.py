"""The tier of native boards: makes them, and says how to get the library that they need."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import ClassVar

from harness.boards.board import About, Board, BoardEnvironment, BoardSettings, Tier
from harness.boards.native.board import SELF_TESTS, NativeBoard
from harness.boards.native.library import missing_library
from harness.core.errors import UsageError

__all__ = ["NativeTier"]

MEMORY = 1 << 20
"""The most memory of a board that is connected, beside the gateway's session, bytes."""


class NativeTier(Tier):
    """Boards with the firmware's own code in this process."""

    name: ClassVar[str] = "native"
    board: ClassVar[type[NativeBoard]] = NativeBoard
    """The class of its boards."""

    def __init__(self) -> None:
        self._boards: list[NativeBoard] = []
        self._made: Counter[str] = Counter()

    @classmethod
    def unavailable(cls) -> str | None:
        return missing_library()

    def kinds(self) -> tuple[str, ...]:
        return (self.board.KIND,)

    def features(self, kind: str | None = None) -> frozenset[str]:
        return self.board.FEATURES

    def memory(self, kind: str) -> int:
        return MEMORY

    def about(self, kind: str) -> About:
        cannot = (
            "Ed25519 for its own identity: the key is P-256",
            "end a firmware that never sleeps: it stops this process",
            "survive an overflow of the firmware's stack: it ends this process",
            f"self-tests except {' and '.join(SELF_TESTS)}",
        )
        return About("the firmware's own code in this process, without an emulator", cannot, missing_library())

    def make(self, kind: str, settings: BoardSettings, environment: BoardEnvironment) -> Board:
        if kind not in self.kinds():
            raise UsageError(
                f"no board kind {kind!r}", where=f"{self.name} tier", do=f"the kinds are {', '.join(self.kinds())}"
            )
        if settings.link is not None or settings.recording is not None:
            what = "be recorded" if settings.link is None else f"have the link {settings.link!r}"
            raise UsageError(f"a native board cannot {what}", where=settings.name, do="ask for a board in QEMU")
        # Boards with the same identity are separate boards: their nonces differ, also under a seed.
        self._made[settings.name] += 1
        randomness = environment.randomness.fork(f"{settings.name} {self._made[settings.name]}")
        board = self.board(settings, dataclasses.replace(environment, randomness=randomness))
        self._boards.append(board)
        return board

    async def close(self) -> None:
        for board in self._boards:
            await board.cut_power()
            board.close()
        self._boards.clear()
