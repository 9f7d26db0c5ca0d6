"""Runs a board of the library in real time: it sleeps until its wake-up time, and bytes wake it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from harness.boards.native.library import NEVER, Node
from harness.core.clock import Clock, Timer

__all__ = ["Processor"]


class Processor(asyncio.Transport):
    """The serial line of a board that is on, for ``protocol``; its other end is the board itself. ``console`` gets what
    the board writes.

    After :meth:`boot`, a step runs in its own turn of the event loop, never inside a call of the protocol: what arrives
    meanwhile waits. A step that does not end in sleep is followed by the next one ``busy`` seconds later. ``began`` is
    when the node's time began, by the clock: it must not go back when the board loses its power.
    """

    def __init__(
        self,
        node: Node,
        clock: Clock,
        protocol: asyncio.Protocol,
        console: Callable[[bytes], object],
        busy: float = 0.0,
        *,
        began: float,
    ) -> None:
        super().__init__()
        self._node, self._clock, self._protocol, self._console = node, clock, protocol, console
        self._loop, self._busy = asyncio.get_running_loop(), busy
        self._began = began
        self._paused_at: float | None = None
        self._arrived = bytearray()
        self._is_held = self._is_full = self._is_closed = False
        self._next: asyncio.Handle | None = None
        self._alarm: Timer | None = None
        self._alarm_at = 0
        protocol.connection_made(self)

    # the processor

    def boot(self) -> None:
        """Let the board run for the first time; returns when it sleeps."""
        self._step()

    def run(self) -> None:
        """Let the board run in the next turn of the event loop."""
        if self._next is None and not self._is_closed and self._paused_at is None:
            self._next = self._loop.call_soon(self._step)

    def pause(self) -> None:
        """Stop the processor, and with it the board's time."""
        if self._paused_at is None:
            self._paused_at = self._clock.now()
            self._stop()

    def resume(self) -> None:
        """Let a paused board continue."""
        if self._paused_at is not None:
            self._began += self._clock.now() - self._paused_at
            self._paused_at = None
            self.run()

    def _stop(self) -> None:
        if self._next is not None:
            self._next.cancel()
        if self._alarm is not None:
            self._alarm.cancel()
        self._next = self._alarm = None

    def _wake(self) -> None:
        self._alarm = None
        self._step(self._alarm_at)

    def _step(self, at_least: int = 0) -> None:
        self._stop()
        now = max(int((self._clock.now() - self._began) * 1000), at_least)
        arrived = bytes(self._arrived)
        self._arrived.clear()
        step = self._node.step(now, arrived, is_held=self._is_held)
        if step.written:
            self._console(step.written)
        if step.sent:
            self._protocol.data_received(step.sent)
        if self._is_closed:
            return
        if self._is_full and not step.unread and not self._arrived:
            self._is_full = False
            self._protocol.resume_writing()
        if step.wake <= now and not self._busy:
            self.run()
        elif step.wake != NEVER and self._next is None and self._paused_at is None:
            self._alarm_at = step.wake
            delay = self._began + step.wake / 1000 - self._clock.now()
            self._alarm = self._clock.call_later(max(delay, self._busy), self._wake)

    # the serial line

    def write(self, data: bytes | bytearray | memoryview[int]) -> None:
        if self._is_closed or not data:
            return
        self._arrived += data
        self.run()
        if not self._is_full:
            self._is_full = True
            self._protocol.pause_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing: the line is full from the first byte on, until the board has read all."""

    def pause_reading(self) -> None:
        self._is_held = True

    def resume_reading(self) -> None:
        if self._is_held:
            self._is_held = False
            self.run()

    def is_closing(self) -> bool:
        return self._is_closed

    def close(self) -> None:
        """End the line; the board does not run any more."""
        if not self._is_closed:
            self._is_closed = True
            self._stop()
            self._protocol.connection_lost(None)

    abort = close
