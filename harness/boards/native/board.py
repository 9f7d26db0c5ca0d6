"""One native board: its node, the bridge on its serial line, and its console."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import ClassVar

from harness.boards.board import BoardEnvironment, BoardSettings, Power
from harness.boards.bridge import Bridge
from harness.boards.bridged import BridgedBoard
from harness.boards.native.library import Node, library_path
from harness.boards.native.processor import Processor
from harness.boards.own_clock import OwnClock
from harness.boards.provisioning import provisioning_blob
from harness.core.errors import RigError, UsageError

__all__ = ["NativeBoard"]

HALT = "HALT "
"""The start of the console line of a firmware that cannot run."""
SELF_TESTS = ("panic", "heap-exhaustion")
"""The faults of the firmware that end a board and not this process."""


class NativeBoard(BridgedBoard):
    """While it is on, it takes one connection, and no task and no thread."""

    KIND: ClassVar[str] = "native"
    FEATURES: ClassVar[frozenset[str]] = frozenset(
        {"tls", "wasm", "several-applications", "csr", "dates", "storage", "claims", "provision", "reset", "pause"}
        | {"clock-faults", "memory-faults", "flash-faults", "reassign", "sensors"}
    )
    CLOSES_WITHIN: ClassVar[float] = 2.0
    BUSY: ClassVar[float] = 0.0
    """Seconds for a step of the firmware that does not end in sleep; in real time it takes what it takes."""

    def __init__(self, settings: BoardSettings, environment: BoardEnvironment) -> None:
        super().__init__(self.KIND, self.FEATURES, library_path(), settings, environment)
        self._clock = OwnClock(environment.clock)
        self._environment = dataclasses.replace(environment, clock=self._clock.wall)
        self._node: Node | None = None
        self._began = 0.0
        """When the node was made: its time goes on without power."""
        self._processor: Processor | None = None

    @property
    def power(self) -> Power:
        return Power.OFF if self._processor is None else Power.ON

    async def power_on(self) -> None:
        """Boot, unless it is on already. Raises RigError if the firmware halts, UsageError for a self-test that
        would not end the board alone."""
        if self._processor is not None:
            return
        if self._settings.self_test is not None and self._settings.self_test not in SELF_TESTS:
            raise UsageError(
                f"the self-test {self._settings.self_test!r} would end or stop this process",
                where=self.name,
                do=f"ask for {' or '.join(SELF_TESTS)}, or for a board in QEMU",
            )
        node, environment, settings = self._made(), self._environment, self._settings
        seed = int.from_bytes(environment.randomness.bytes(8), "big")
        node.power_on(provisioning_blob(settings, environment), seed)
        bridge = Bridge(
            self.name, settings.gateway, environment.network, environment.tap, assignable=environment.gateways
        )
        self._attach(bridge)
        self._processor = Processor(node, self._clock.wall, bridge, self.console.feed, self.BUSY, began=self._began)
        self._processor.boot()
        if (halted := self.console.lines[-1:]) and halted[0].startswith(HALT):
            await self.cut_power()
            raise RigError(
                f"the firmware halted: {halted[0].removeprefix(HALT)}", where=self.name, do="give it other credentials"
            )

    async def power_off(self) -> None:
        if self._processor is not None:
            await self._close_session()
            await self.cut_power()

    async def cut_power(self) -> None:
        processor, self._processor = self._processor, None
        if processor is None:
            return
        processor.close()
        assert self._node is not None
        assert self._bridge is not None
        self._node.cut_power()
        self.console.end()
        await self._bridge.close()

    async def reset(self) -> None:
        """Restart the firmware; a board that is off stays off."""
        if self._processor is not None and self._node is not None:
            self._node.reset()
            self._processor.run()

    async def pause(self) -> None:
        self._running().pause()

    async def resume(self) -> None:
        self._running().resume()

    async def disturb_clock(self, *, ahead: float = 0.0, rate: float = 1.0) -> None:
        self._clock.disturb(ahead, rate)
        if self._processor is not None:
            self._processor.run()

    async def exhaust_memory(self) -> None:
        self._made().exhaust_memory(True)

    async def release_memory(self) -> None:
        self._made().exhaust_memory(False)

    async def wear_flash(self) -> None:
        self._made().wear_flash(True)

    async def renew_flash(self) -> None:
        self._made().wear_flash(False)

    async def tear_write(self) -> None:
        node, torn = self._made(), asyncio.Event()
        node.tear_write(torn.set)
        try:
            await torn.wait()
        finally:
            node.tear_write(None)

    async def set_sensor(self, channel: int, value: int | None) -> None:
        self._made().set_sensor(channel, value)

    async def pins(self) -> frozenset[int]:
        pins = self._made().pins()
        return frozenset(pin for pin in range(32) if pins >> pin & 1)

    def _made(self) -> Node:
        """The node, which is made when it is needed first."""
        if self._node is None:
            self._node, self._began = Node(), self._clock.wall.now()
        return self._node

    def close(self) -> None:
        """Drop the board, with what its flash kept."""
        if self._node is not None:
            self._node.close()
            self._node = None

    def _running(self) -> Processor:
        if self._processor is None:
            raise self._is_off()
        return self._processor
