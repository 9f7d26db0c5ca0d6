"""``--watch``: a line, or a document, for each change of resources, when the API server sends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.cluster import asynchronous, connected
from harness.cli.ending import End
from harness.cli.forms import show_change
from harness.cli.output import say
from harness.cli.tables import Cell, Table
from harness.core.clock import SystemClock
from harness.core.errors import RigError
from harness.core.identifiers import Randomness
from harness.wasmbed.resources.informer import Informer

if TYPE_CHECKING:
    from harness.wasmbed.resources.api import Object, Resource

__all__ = ["Changes", "watch_all", "watch_changes", "watch_each"]

Change = Callable[["Object | None", "Object | None"], object]
DELETED = ("Deleted", "yellow")


class Changes:
    """Prints each change of objects of one kind, as a row of ``table`` or in another ``form``.

    A change that is not seen in the row, or that only a heartbeat made (``lastHeartbeat``), is not shown.
    """

    def __init__(
        self,
        form: str,
        kind: str,
        table: Table,
        cells: Callable[[Any], Sequence[Cell]],
        row: Callable[[Object], Any],
    ) -> None:
        self._form, self._kind, self._table, self._cells, self._row = form, kind, table, cells, row

    def listed(self, objects: Mapping[str, Object]) -> None:
        """Show what is there at the start."""
        for item in objects.values():
            row = self._row(item)
            if not self._other("ADDED", row):
                self._table.add(*self._cells(row))
        if self._form in ("table", "wide"):
            for line in self._table.lines():
                say(line)

    def changed(self, old: Object | None, new: Object | None) -> None:
        """Show a change."""
        before, after = (None if item is None else self._row(item) for item in (old, new))
        if before is not None and after is not None and self._shown(before) == self._shown(after):
            return
        row = after or before
        kind = "DELETED" if after is None else "MODIFIED" if before is not None else "ADDED"
        if not self._other(kind, row):
            cells = list(self._cells(row))
            if after is None:
                cells[1] = DELETED
            self._table.say_row(*cells)

    def _shown(self, row: Mapping[str, Any]) -> object:
        """The part of a row whose change is shown."""
        steady = {**row, "lastHeartbeat": None}
        return self._cells(steady) if self._form in ("table", "wide") else steady

    def _other(self, kind: str, row: Any) -> bool:
        return self._form not in ("table", "wide") and show_change(
            self._form, {"type": kind, "object": row}, [f"{self._kind}/{row['name']}"]
        )


def watch_each(kind: Resource, changes: Changes, kubeconfig: Path | None, namespace: str) -> None:
    """Show the objects of a kind, and each change of them until a signal. Raises RigError if the connection is lost."""

    async def work(informers: Mapping[str, Informer], watched: Callable[[Change], None]) -> None:
        changes.listed(informers[kind.kind].objects)
        watched(changes.changed)

    asynchronous(_until_a_signal)([kind], work, kubeconfig, namespace)


def watch_changes(kind: Resource, change: Change, kubeconfig: Path | None, namespace: str) -> None:
    """Call ``change`` for each object of a kind that is there, and for each change until a signal. Raises RigError if
    the connection is lost."""

    async def work(informers: Mapping[str, Informer], watched: Callable[[Change], None]) -> None:
        for item in informers[kind.kind].objects.values():
            change(None, item)
        watched(change)

    asynchronous(_until_a_signal)([kind], work, kubeconfig, namespace)


def watch_all(
    kinds: Sequence[Resource],
    show: Callable[[dict[str, list[Object]]], None],
    kubeconfig: Path | None,
    namespace: str,
) -> None:
    """Call ``show`` with all objects by kind at first, and after each change of a phase until a signal. Raises RigError
    if the connection is lost."""

    async def work(informers: Mapping[str, Informer], watched: Callable[[Change], None]) -> None:
        def show_all() -> None:
            show({kind: list(informer.objects.values()) for kind, informer in informers.items()})

        def changed(old: Object | None, new: Object | None) -> None:
            if old is None or new is None or _phase(old) != _phase(new):
                show_all()

        show_all()
        watched(changed)

    asynchronous(_until_a_signal)(kinds, work, kubeconfig, namespace)


def _phase(item: Object) -> object:
    return (item.get("status") or {}).get("phase")


async def _until_a_signal(kinds: Sequence[Resource], work: Any, kubeconfig: Path | None, namespace: str) -> None:
    end = End()
    end.watch_reader()
    await end.unless(_watch(kinds, work, kubeconfig, namespace))


async def _watch(kinds: Sequence[Resource], work: Any, kubeconfig: Path | None, namespace: str) -> None:
    lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def lose(why: str) -> None:
        fail(RigError(f"the connection to the cluster was lost: {why}", do="see wasmbed status, and watch again"))

    def fail(error: BaseException) -> None:
        if not lost.done():
            lost.set_exception(error)

    def shielded(change: Change) -> Change:
        """An informer would only log what a handler raises."""

        def changed(old: Object | None, new: Object | None) -> None:
            try:
                change(old, new)
            except Exception as error:
                fail(error)

        return changed

    async with AsyncExitStack() as ends:
        api = await ends.enter_async_context(connected(kubeconfig, namespace))
        clock = SystemClock()
        informers = {kind.kind: Informer(api, kind, clock, Randomness(), lost=lose) for kind in kinds}
        for kind, informer in zip(kinds, informers.values(), strict=True):
            await api.list(kind)  # raises errors; an informer would try for ever
            ends.push_async_callback(informer.stop)
            started = asyncio.ensure_future(informer.start())
            ends.callback(started.cancel)
            await asyncio.wait([started, lost], return_when=asyncio.FIRST_COMPLETED)
            if lost.done():
                await lost

        def watched(change: Change) -> None:
            for informer in informers.values():
                informer.add_handler(shielded(change))

        await work(informers, watched)
        await lost
