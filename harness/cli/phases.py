"""The output of ``wasmbed up`` about its devices and its record while it runs."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from harness.cli.output import ReaderGone, say
from harness.core.errors import RigError

if TYPE_CHECKING:
    from harness.core.history import Event
    from harness.stack import Stack

__all__ = ["Phases", "tell"]

COLLECTED = 0.5
"""Seconds over which changes are collected."""


def tell(text: str, *, err: bool = False) -> None:
    """Print ``text`` if the output still exists: after a hangup the terminal is gone."""
    with suppress(ReaderGone, RigError):
        say(text, err=err)


class Phases:
    """Prints the number of devices in each phase after changes."""

    def __init__(self) -> None:
        self._phases: dict[str, str] = {}
        self._due: asyncio.Handle | None = None
        self._said = ""
        self._stack: Stack | None = None
        self._reported_lost = False

    def follow(self, stack: Stack) -> None:
        """Start to listen."""
        self._stack, self._stop = stack, stack.history.listen(self._heard)

    def end(self) -> None:
        """Stop listening."""
        if self._stack is not None:
            self._stop()
        if self._due is not None:
            self._due.cancel()

    def check_record(self) -> None:
        """Print, once, that the record on disk is incomplete."""
        history = self._stack.history if self._stack is not None else None
        if history is not None and history.lost and not self._reported_lost:
            self._reported_lost = True
            tell(
                f"warning: {history.path}: recording stopped: {history.lost}\n"
                "  -> the platform keeps running; free disk space and restart it for a complete record",
                err=True,
            )

    @property
    def boards(self) -> int:
        """The number of boards."""
        return len(getattr(self._stack, "boards", ()))

    def count(self, phases: set[str]) -> int:
        """The number of devices in these phases."""
        return sum(phase in phases for phase in self._phases.values())

    def _heard(self, event: Event) -> None:
        self.check_record()
        if event.kind != "state" or event.name != "Device":
            return
        if event.data["change"] == "deleted":
            self._phases.pop(event.correlation, None)
        elif phase := (event.data.get("status") or {}).get("phase"):
            self._phases[event.correlation] = phase
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(COLLECTED, self._say)

    def _say(self) -> None:
        self._due = None
        counted = ", ".join(f"{number} {phase}" for phase, number in Counter(self._phases.values()).most_common())
        if counted != self._said:
            self._said = counted
            tell(f"devices   {counted}")
