"""``wasmbed monitor``: gateways, devices and applications, live."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.cluster import asynchronous, cluster_options, connected
from harness.cli.ending import End
from harness.cli.resources import COLOURS, application_table, device_table, gateway_table

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from harness.core.clock import Clock, Timer
    from harness.wasmbed.resources.api import Object
    from harness.wasmbed.resources.informer import Informer

REDRAWN_AFTER = 0.2
"""Seconds that changes are collected for."""
FRAME = 9
"""Lines that headings and the line of numbers take."""


@click.command()
@cluster_options
@asynchronous
async def monitor(kubeconfig: Path | None, namespace: str) -> None:
    """Watch gateways, devices and applications until Ctrl-C.

    In a terminal a picture that changes, elsewhere a line for every change of a phase.
    """
    from rich.console import Console

    from harness.core.clock import SystemClock
    from harness.core.identifiers import Randomness
    from harness.wasmbed.resources.informer import Informer
    from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY

    end, clock, console = End(), SystemClock(), Console(highlight=False)
    async with AsyncExitStack() as ends:
        api = await ends.enter_async_context(connected(kubeconfig, namespace))
        informers = [Informer(api, resource, clock, Randomness()) for resource in (GATEWAY, DEVICE, APPLICATION)]
        for informer in informers:
            await api.list(informer.resource)  # whatever is wrong is said here; a watch would try again for ever
            ends.push_async_callback(informer.stop)
            if not console.is_terminal:
                informer.add_handler(_lines(informer.resource.kind.lower()))
        for informer in informers:
            await informer.start()
        if console.is_terminal:
            ends.enter_context(_Screen(console, clock, informers))
        await end.wanted


def _lines(kind: str) -> Callable[[Object | None, Object | None], None]:
    def changed(old: Object | None, new: Object | None) -> None:
        before, after = _phase(old), _phase(new) if new is not None else "deleted"
        if before != after:
            click.echo(f"{kind} {(new or old or {})['metadata']['name']}: {after}")

    return changed


def _phase(object: Object | None) -> str:
    return "" if object is None else str((object.get("status") or {}).get("phase", "Pending"))


class _Screen:
    """The picture, drawn anew when something has changed."""

    def __init__(self, console: Console, clock: Clock, informers: Iterable[Informer]) -> None:
        from rich.live import Live

        self._console, self._clock, self._informers = console, clock, tuple(informers)
        self._live = Live(console=console, screen=True, auto_refresh=False)
        self._due: Timer | None = None

    def __enter__(self) -> None:
        self._live.__enter__()
        for informer in self._informers:
            informer.add_handler(self._changed)
        self._draw()

    def __exit__(self, *exception: Any) -> None:
        if self._due is not None:
            self._due.cancel()
        self._live.__exit__(*exception)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if self._due is None:
            self._due = self._clock.call_later(REDRAWN_AFTER, self._draw)

    def _draw(self) -> None:
        self._due = None
        gateways, devices, applications = (informer.objects.values() for informer in self._informers)
        self._live.update(picture(gateways, devices, applications, self._console.height))
        self._live.refresh()


def picture(
    gateways: Iterable[Object], devices: Iterable[Object], applications: Iterable[Object], height: int
) -> RenderableType:
    """All in ``height`` lines: numbers, gateways, applications, and of the devices first those that are not well."""
    from rich.console import Group
    from rich.text import Text

    devices = sorted(devices, key=lambda device: (COLOURS.get(_phase(device)) == "green", device["metadata"]["name"]))
    gateways, applications = list(gateways), list(applications)
    room = max(height - FRAME - len(gateways), 4)
    shown = applications[: max(room // 2, room - len(devices))]
    rest = devices[: room - len(shown)]
    numbers = Text("devices: ")
    for phase, number in Counter(map(_phase, devices)).most_common():
        numbers.append(f"{number} {phase}  ", style=COLOURS.get(phase, ""))
    parts: list[RenderableType] = [gateway_table(gateways), numbers, application_table(shown), device_table(rest)]
    hidden = len(applications) - len(shown) + len(devices) - len(rest)
    return Group(*parts, Text(f"and {hidden} more", style="dim") if hidden else Text("Ctrl-C ends it", style="dim"))
