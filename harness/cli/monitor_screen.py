"""The live screen of ``wasmbed monitor``, and its keys, which act on devices."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.asking import asked
from harness.cli.cluster import opened
from harness.cli.console import KEYS as ACTS
from harness.cli.keys import DOWN, END, ESCAPE, HOME, LEAVE, PAGE_DOWN, PAGE_UP, UP, keys
from harness.cli.logs import WantedLines, board_lines
from harness.cli.monitor_picture import KEPT, Chosen, ordered, picture
from harness.core.errors import HarnessError

if TYPE_CHECKING:
    from rich.console import Console

    from harness.cli.monitor import Seen
    from harness.core.clock import Clock, Timer
    from harness.wasmbed.resources.api import Object

__all__ = ["Screen"]

REDRAWN_AFTER = 0.2
"""Seconds over which changes are collected."""
AGED_AFTER = 1.0
"""Seconds between updates of the age that is shown."""
KINDS = ("Gateway", "Device", "Application")


class Screen:
    """Redrawn after changes, and every second for its age."""

    def __init__(self, output: Console, clock: Clock) -> None:
        from rich.live import Live

        self._output, self._clock = output, clock
        self._live = Live(console=output, screen=True, auto_refresh=False)
        self._timers: dict[str, Timer] = {}
        self._seen: Seen | None = None
        self._chosen = Chosen()
        self._reading: asyncio.Task[None] | None = None

    def __enter__(self) -> Screen:
        self._live.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._live.__exit__(*exception)

    def show(self, seen: Seen) -> None:
        """Begin to show it."""
        self._seen = seen
        self._age()

    def changed(self, kind: str, name: str, old: Object | None, new: Object | None) -> None:
        """Show a change, soon."""
        if "due" not in self._timers:
            self._timers["due"] = self._clock.call_later(REDRAWN_AFTER, self._draw)

    def notice(self, text: str) -> None:
        """The connection is lost, or there again: the picture says it."""
        self._draw()

    async def obey(self, kubeconfig: Path | None, namespace: str) -> None:
        """Do what keys ask for, until one of them leaves."""
        try:
            with keys() as typed:
                while (key := await typed.get()) not in LEAVE or self._chosen.types or self._chosen.console:
                    await self._do(key, kubeconfig, namespace)
                    self._draw()
        finally:
            await self._stop_reading()

    async def _do(self, key: str, kubeconfig: Path | None, namespace: str) -> None:
        chosen = self._chosen
        if chosen.types:
            self._type(key)
        elif chosen.console:
            if key in (*LEAVE, ESCAPE, "l"):
                await self._stop_reading()
                chosen.console = ""
        elif key in (UP, DOWN, PAGE_UP, PAGE_DOWN, HOME, END, "k", "j"):
            self._move(key)
        elif key == "/":
            chosen.types, chosen.filter = True, ""
        elif key == ESCAPE:
            chosen.filter = ""
        elif key == "l" and self._device():
            chosen.console = self._device()
            chosen.lines.clear()
            self._reading = asyncio.create_task(self._read(chosen.console, kubeconfig, namespace))
        elif key in ACTS and self._device():
            await self._act(*ACTS[key], kubeconfig)

    def _type(self, key: str) -> None:
        chosen = self._chosen
        if key in ("\r", "\n", ESCAPE):
            chosen.types = False
            chosen.filter = chosen.filter if key != ESCAPE else ""
        elif key in ("\x7f", "\b"):
            chosen.filter = chosen.filter[:-1]
        elif key.isprintable():
            chosen.filter += key

    def _move(self, key: str) -> None:
        names = [each["metadata"]["name"] for each in self._devices()]
        if not names:
            return
        at = names.index(self._device())
        page = max(self._output.height // 2, 1)
        steps = {UP: -1, "k": -1, DOWN: 1, "j": 1, PAGE_UP: -page, PAGE_DOWN: page, HOME: -len(names), END: len(names)}
        self._chosen.device = names[min(max(at + steps[key], 0), len(names) - 1)]

    def _devices(self) -> list[Object]:
        found = self._seen.objects["Device"].values() if self._seen is not None else ()
        return ordered(found, self._chosen.filter)

    def _device(self) -> str:
        """The device under the cursor; empty if there is none."""
        names = [each["metadata"]["name"] for each in self._devices()]
        return self._chosen.device if self._chosen.device in names else (names or [""])[0]

    async def _act(self, do: str, act: str, kubeconfig: Path | None) -> None:
        try:
            async for answer in asked(kubeconfig, do, act=act, boards=[self._device()]):
                self._chosen.notice = f"{answer['name']}: {answer['is']}"
        except HarnessError as error:
            self._chosen.notice = error.what

    async def _read(self, device: str, kubeconfig: Path | None, namespace: str) -> None:
        try:
            async with (
                opened(kubeconfig, namespace) as api,
                aclosing(board_lines(api, device, WantedLines(follow=True, tail=KEPT))) as lines,
            ):
                async for _, line in lines:
                    self._chosen.lines.append(line)
                    self.changed("", device, None, None)
        except HarnessError as error:
            self._chosen.lines.append(f"({error.what})")
            self._draw()

    async def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
            self._reading = None

    def _age(self) -> None:
        self._timers["age"] = self._clock.call_later(AGED_AFTER, self._age)
        self._draw()

    def _draw(self) -> None:
        if (due := self._timers.pop("due", None)) is not None:
            due.cancel()
        if self._seen is not None:
            gateways, devices, applications = (self._seen.objects[kind].values() for kind in KINDS)
            size = self._output.size
            age, lost = _connection(self._seen, self._clock.now())
            shown = picture(gateways, devices, applications, size.width, size.height, self._chosen, age, lost)
            self._live.update(shown)
            self._live.refresh()


def _connection(seen: Seen, now: float) -> tuple[str, str]:
    """Texts for the age of the screen, and for a lost connection."""
    age = f"last change {now - seen.news:.0f} s ago" if seen.answered else "connecting"
    lost = f"connection lost {now - seen.since:.0f} s ago: {seen.lost}; reconnecting" if seen.lost else ""
    return age, lost
