"""``wasmbed monitor``: gateways, devices and applications, live."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from harness.cli.cluster import asynchronous, cluster_options, connected, has_applications, has_gateways
from harness.cli.ending import End
from harness.cli.logs import together
from harness.cli.output import ReaderGone, console, say
from harness.core.errors import HarnessError

if TYPE_CHECKING:
    from harness.core.clock import Clock
    from harness.wasmbed.resources.api import Object
    from harness.wasmbed.resources.informer import Informer

AGAIN_AFTER = 1.0
"""Seconds between two attempts to connect again."""
KINDS = ("Gateway", "Device", "Application")


@click.command()
@cluster_options
@asynchronous
async def monitor(kubeconfig: Path | None, namespace: str) -> None:
    """Watch gateways, devices and applications until Ctrl-C or q.

    A terminal shows a live screen, the worst first: arrows choose a device, / filters, l shows its console, and o, f, x
    and r are the keys of its power on a platform of wasmbed up. A file or pipe gets a line for each change of a phase.
    After a lost connection the monitor connects again.
    """
    await follow(kubeconfig, namespace)


async def follow(kubeconfig: Path | None, namespace: str) -> None:
    """Show what changes in a cluster until Ctrl-C. Raises the error of the first connection."""
    from harness.core.clock import SystemClock

    end, clock, output = End(), SystemClock(), console()
    end.watch_reader()
    if not output.is_terminal:
        await end.unless(_follow(Seen(clock, _Lines()), clock, kubeconfig, namespace))
        return
    from harness.cli.monitor_screen import Screen

    with Screen(output, clock) as screen:
        works = [_follow(Seen(clock, screen), clock, kubeconfig, namespace)]
        if sys.stdin.isatty():
            works.append(screen.obey(kubeconfig, namespace))
        await end.unless(together(*works, first=True))


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


class View(Protocol):
    """The place where it is shown."""

    def show(self, seen: Seen) -> None:
        """Begin to show it."""

    def changed(self, kind: str, name: str, old: Object | None, new: Object | None) -> None:
        """Show a change of an object; None: it is not there."""

    def notice(self, text: str) -> None:
        """Show what became of the connection."""


class Seen:
    """The objects that were seen last, and the state of the connection."""

    def __init__(self, clock: Clock, view: View) -> None:
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
        before, after = phase_of(old) if old is not None else "", phase_of(new) if new is not None else "deleted"
        if before != after:
            say(f"{kind.lower()} {name}: {after}")

    def notice(self, text: str) -> None:
        say(text)


def phase_of(object: Object) -> str:
    """Its phase; Pending before there is one."""
    return str((object.get("status") or {}).get("phase", "Pending"))
