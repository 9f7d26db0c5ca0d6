"""``wasmbed monitor``: gateways, devices and applications, live."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.cluster import asynchronous, cluster_options, connected, has_applications, has_gateways
from harness.cli.ending import End
from harness.cli.output import ReaderGone, cell, console, say
from harness.cli.resources import COLOURS, application_table, device_table, gateway_table
from harness.core.errors import HarnessError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from harness.core.clock import Clock, Timer
    from harness.wasmbed.resources.api import Object
    from harness.wasmbed.resources.informer import Informer

REDRAWN_AFTER = 0.2
"""Seconds over which changes are collected."""
AGED_AFTER = 1.0
"""Seconds between updates of the age that is shown."""
AGAIN_AFTER = 1.0
"""Seconds between two attempts to connect again."""
FRAME = 11
"""Lines for headings, counts, and the connection."""
KINDS = ("Gateway", "Device", "Application")
ENDS = "press Ctrl-C to stop"


@click.command()
@cluster_options
@asynchronous
async def monitor(kubeconfig: Path | None, namespace: str) -> None:
    """Watch gateways, devices and applications until Ctrl-C.

    A terminal shows a live screen; a file or pipe gets a line for each change of a phase. After a lost connection the
    monitor connects again.
    """
    await follow(kubeconfig, namespace)


async def follow(kubeconfig: Path | None, namespace: str) -> None:
    """Show what changes in a cluster until Ctrl-C. Raises the error of the first connection."""
    from harness.core.clock import SystemClock

    end, clock, output = End(), SystemClock(), console()
    end.watch_reader()
    with ExitStack() as ends:
        seen = Seen(clock, ends.enter_context(_Screen(output, clock)) if output.is_terminal else _Lines())
        await end.unless(_follow(seen, clock, kubeconfig, namespace))


async def _follow(seen: Seen, clock: Clock, kubeconfig: Path | None, namespace: str) -> None:
    """Watch for ever, and connect again after a loss. Raises the error of the first connection."""
    while True:
        try:
            seen.lose(await _watch(seen, clock, kubeconfig, namespace))
        except HarnessError as error:
            if not seen.answered:
                raise
            seen.lose(error.what)
        await clock.sleep(AGAIN_AFTER)


async def _watch(seen: Seen, clock: Clock, kubeconfig: Path | None, namespace: str) -> str:
    """Watch over one connection until it is lost; return the reason."""
    from harness.core.identifiers import Randomness
    from harness.wasmbed.resources.informer import Informer
    from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY

    lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def lose(why: str) -> None:
        if not lost.done():
            lost.set_result(why)

    def changed(kind: str) -> Callable[[Object | None, Object | None], None]:
        def change(old: Object | None, new: Object | None) -> None:
            try:
                seen.change(kind, (new or old or {})["metadata"]["name"], new)
            except (ReaderGone, HarnessError) as error:  # an informer would only log it
                if not lost.done():
                    lost.set_exception(error)

        return change

    async with AsyncExitStack() as ends:
        api = await ends.enter_async_context(connected(kubeconfig, namespace))
        absent = {GATEWAY: not has_gateways(), APPLICATION: not has_applications()}
        kinds = [kind for kind in (GATEWAY, DEVICE, APPLICATION) if not absent.get(kind)]
        informers = [Informer(api, kind, clock, Randomness(), lost=lose) for kind in kinds]
        for informer in informers:
            await api.list(informer.resource)  # raises errors; a watch would retry for ever
            ends.push_async_callback(informer.stop)
            informer.add_handler(changed(informer.resource.kind))
        seen.answered = True
        listed = asyncio.create_task(_started(informers))
        ends.push_async_callback(_ended, listed)
        either: list[asyncio.Future[Any]] = [listed, lost]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if listed.done():
            seen.connect({informer.resource.kind: set(informer.objects) for informer in informers})
        return await lost


async def _started(informers: Iterable[Informer]) -> None:
    for informer in informers:
        await informer.start()


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


class Seen:
    """The objects that were seen last, and the state of the connection."""

    def __init__(self, clock: Clock, view: _Screen | _Lines) -> None:
        self._clock, self._view = clock, view
        self.objects: dict[str, dict[str, Object]] = {kind: {} for kind in KINDS}
        self.lost = ""
        """The reason of the lost connection; empty while connected."""
        self.since = self.news = clock.now()
        """The times of the loss and of the last change, in seconds on the clock."""
        self.answered = False
        """Whether the cluster has answered once; after that a lost connection is opened again."""
        view.show(self)

    def change(self, kind: str, name: str, new: Object | None) -> None:
        """Set an object to ``new``, or remove it."""
        self.news = self._clock.now()
        old = self.objects[kind].pop(name, None)
        if new is not None:
            self.objects[kind][name] = new
        self._view.changed(kind, name, old, new)

    def connect(self, existing: dict[str, set[str]]) -> None:
        """Note a connection and the objects that exist."""
        for kind, names in existing.items():
            for name in set(self.objects[kind]) - names:
                self.change(kind, name, None)
        was_lost, self.lost = self.lost, ""
        if was_lost:
            self._view.notice("connected again")

    def lose(self, why: str) -> None:
        """Note that the connection is lost, or still lost."""
        if not self.lost:
            self.since = self._clock.now()
            self._view.notice(f"connection lost: {why}; reconnecting")
        self.lost = why


class _Lines:
    """Prints a line for each change of a phase."""

    def show(self, seen: Seen) -> None:
        """Print nothing before a change."""

    def changed(self, kind: str, name: str, old: Object | None, new: Object | None) -> None:
        before, after = _phase(old) if old is not None else "", _phase(new) if new is not None else "deleted"
        if before != after:
            say(f"{kind.lower()} {name}: {after}")

    def notice(self, text: str) -> None:
        say(text)


def _phase(object: Object) -> str:
    return str((object.get("status") or {}).get("phase", "Pending"))


class _Screen:
    """A live screen, redrawn after changes, and every second for its age."""

    def __init__(self, output: Console, clock: Clock) -> None:
        from rich.live import Live

        self._output, self._clock = output, clock
        self._live = Live(console=output, screen=True, auto_refresh=False)
        self._due: Timer | None = None
        self._aging: Timer | None = None
        self._seen: Seen | None = None

    def __enter__(self) -> _Screen:
        self._live.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        for timer in (self._due, self._aging):
            if timer is not None:
                timer.cancel()
        self._live.__exit__(*exception)

    def show(self, seen: Seen) -> None:
        self._seen = seen
        self._age()

    def changed(self, kind: str, name: str, old: Object | None, new: Object | None) -> None:
        if self._due is None:
            self._due = self._clock.call_later(REDRAWN_AFTER, self._draw)

    def notice(self, text: str) -> None:
        self._draw()

    def _age(self) -> None:
        self._aging = self._clock.call_later(AGED_AFTER, self._age)
        self._draw()

    def _draw(self) -> None:
        self._due = None
        if self._seen is not None:
            gateways, devices, applications = (self._seen.objects[kind].values() for kind in KINDS)
            shown = picture(
                gateways, devices, applications, self._output.height, *_connection(self._seen, self._clock.now())
            )
            self._live.update(shown)
            self._live.refresh()


def _connection(seen: Seen, now: float) -> tuple[str, str]:
    """Texts for the age of the screen, and for a lost connection."""
    age = f"last change {now - seen.news:.0f} s ago" if seen.answered else "connecting"
    lost = f"connection lost {now - seen.since:.0f} s ago: {seen.lost}; reconnecting" if seen.lost else ""
    return f"{age}; {ENDS}", lost


def picture(
    gateways: Iterable[Object],
    devices: Iterable[Object],
    applications: Iterable[Object],
    height: int,
    age: str = ENDS,
    lost: str = "",
) -> RenderableType:
    """The screen in ``height`` lines: a ``lost`` connection, gateways, counts, applications, devices, and the ``age``.

    Devices with problems come first.
    """
    from rich.console import Group
    from rich.text import Text

    devices = sorted(devices, key=lambda device: (COLOURS.get(_phase(device)) == "green", device["metadata"]["name"]))
    gateways, applications = list(gateways), list(applications)
    room = max(height - FRAME - len(gateways), 4)
    shown = applications[: max(room // 2, room - len(devices))]
    rest = devices[: room - len(shown)]
    numbers = Text("devices: ")
    for phase, number in Counter(map(_phase, devices)).most_common():
        numbers.append_text(cell(f"{number} {phase}  ", COLOURS.get(phase, "")))
    parts: list[RenderableType] = [cell(lost, "bold red")] if lost else []
    parts += [gateway_table(gateways), numbers, application_table(shown), device_table(rest)]
    hidden = len(applications) - len(shown) + len(devices) - len(rest)
    if hidden:
        parts.append(Text(f"and {hidden} more", style="dim"))
    return Group(*parts, cell(age, "dim"))
