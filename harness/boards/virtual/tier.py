"""The tier of virtual boards: makes them, and holds the runtime and TLS contexts that they share."""

from __future__ import annotations

import dataclasses
import ssl
from collections import Counter
from typing import ClassVar

from harness.boards.board import About, Board, BoardEnvironment, BoardSettings, Tier
from harness.boards.virtual.board import VirtualBoard
from harness.boards.virtual.runtime import Runtime
from harness.boards.virtual.uplink import RECONNECT
from harness.core.backoff import Backoff
from harness.core.clock import Clock
from harness.core.errors import UsageError
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.tls import client_context
from harness.wasmbed.runtime.interface import LogLevel

__all__ = ["VirtualTier"]


class VirtualTier(Tier):
    """Boards in this process. ``level`` is the most detailed log level that they write to their consoles."""

    name: ClassVar[str] = "virtual"
    board: ClassVar[type[VirtualBoard]] = VirtualBoard
    """The class of its boards."""

    def __init__(self, *, backoff: Backoff | None = None, level: LogLevel = LogLevel.INFO) -> None:
        self._backoff = backoff or RECONNECT
        self._level = level
        self._runtime = self._make_runtime()
        self._made: Counter[str] = Counter()
        self._uncertified: dict[tuple[bytes, int], ssl.SSLContext] = {}

    def _make_runtime(self) -> Runtime:
        return Runtime()

    def kinds(self) -> tuple[str, ...]:
        return (self.board.kind,)

    def features(self, kind: str | None = None) -> frozenset[str]:
        return self.board.features

    def about(self, kind: str) -> About:
        return About("a task in this process that speaks the protocol and runs modules in wasmtime")

    def make(self, kind: str, settings: BoardSettings, environment: BoardEnvironment) -> Board:
        if kind not in self.kinds():
            raise UsageError(
                f"no board kind {kind!r}", where=f"{self.name} tier", do=f"the kinds are {', '.join(self.kinds())}"
            )
        # Boards with the same identity are separate boards: their nonces differ, also under a seed.
        self._made[settings.name] += 1
        randomness = environment.randomness.fork(f"{settings.name} {self._made[settings.name]}")
        own = dataclasses.replace(environment, randomness=randomness)

        def make_context(authority: bytes, identity: Identity | None, clock: Clock) -> ssl.SSLContext:
            return self._context(authority, identity, environment.clock if identity is None else clock)

        return self.board(settings, own, self._runtime, make_context, self._backoff, self._level)

    async def close(self) -> None:
        await self._runtime.close()
        self._uncertified.clear()

    def _context(self, authority: bytes, identity: Identity | None, clock: Clock) -> ssl.SSLContext:
        """Return a TLS context. Boards without a certificate share one; a board keeps that of its certificate
        itself, with its own clock."""
        if identity is not None:
            return client_context(authority, identity, clock)
        key = (authority, id(clock))
        if key not in self._uncertified:
            self._uncertified[key] = client_context(authority, None, clock)
        return self._uncertified[key]
