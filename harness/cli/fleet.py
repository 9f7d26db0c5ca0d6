"""The boards of ``wasmbed up``: checked before anything starts, switched on, and as ``wasmbed.yaml`` describes them
labelled and with applications."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.applications import check_module, read_valid_module
from harness.cli.compile import compile_file
from harness.cli.phases import tell
from harness.core.errors import HarnessError, RigError, reason
from harness.core.history import Event, Kind
from harness.core.loop import give_way
from harness.stack.applications import parse_targets
from harness.wasmbed.resources.api import ApiError

if TYPE_CHECKING:
    from harness.boards.catalogue import Catalogue
    from harness.cli.fleet_file import FleetApplication, FleetFile
    from harness.stack import Stack

__all__ = ["DescribedFleet", "SelectedFleet"]

SOURCES = {".c", ".rs", ".ts"}
"""Suffixes of files that are compiled."""


class SelectedFleet:
    """The boards of ``--boards``, without applications. Raises UsageError or RigError for one that cannot run here."""

    def __init__(self, boards: str, catalogue: Catalogue) -> None:
        self._selections = catalogue.parse(boards)
        for selection in self._selections:
            catalogue.check(selection.kind)

    async def build(self) -> None:
        """There is nothing to build."""

    async def watch(self, stack: Stack) -> None:
        """There is nothing to watch."""

    async def start(self, stack: Stack) -> None:
        """Switch the boards on."""
        for selection in self._selections:
            await stack.boards.power_on(selection.kind, count=selection.count, link=selection.link)


class DescribedFleet:
    """The boards and applications of a file. Raises UsageError or RigError, with the place in the file, for a board
    that cannot run here."""

    def __init__(self, file: FleetFile, catalogue: Catalogue) -> None:
        self._file = file
        for name, board in file.fleet.boards.items():
            try:
                catalogue.find(board.kind, board.link)
                catalogue.check(board.kind)
            except HarnessError as error:
                raise file.blamed(error, "boards", name, "link" if board.link else "kind") from error
        self._modules: dict[str, bytes] = {}

    async def build(self) -> None:
        """Read the modules; source texts are compiled. Raises UsageError for one that no device would accept."""
        for name, application in self._file.fleet.applications.items():
            try:
                self._modules[name] = await self._built(application)
            except HarnessError as error:
                raise self._file.blamed(error, "applications", name, "module") from error

    async def start(self, stack: Stack) -> None:
        """Switch the boards on, and create the applications. Devices get their labels when they appear."""
        labels = _Labels(stack, {name: board.labels for name, board in self._file.boards()})
        stack.history.listen(labels.heard)
        for name, board in self._file.fleet.boards.items():
            if board.count is None:
                await stack.boards.power_on(board.kind, name=name, link=board.link)
            else:
                await stack.boards.power_on(board.kind, name=name, link=board.link, count=board.count)
        for name, application in self._file.fleet.applications.items():
            await stack.deploy(
                self._modules[name],
                name=name,
                to=_targets(application),
                memory=application.memory,
                fuel=application.fuel,
                time_limit=application.timeLimit,
                entry=application.entry,
                args=application.args,
                env=application.env,
            )

    async def watch(self, stack: Stack) -> None:
        """Build an application again when its file changes, and deploy it; for ever. A build that fails is shown, and
        what was deployed goes on."""
        from watchfiles import awatch

        files = {name: self._absolute(each) for name, each in self._file.fleet.applications.items()}
        folders = {path.parent for path in files.values()}  # a watch of a file would end when an editor replaces it
        changes = awatch(*folders, recursive=False)
        next_changes = asyncio.ensure_future(anext(changes))
        try:
            await give_way()  # the files are watched now: whatever changed before is found by a look at all of them
            for name in files:
                await self._rebuild(stack, name)
            while True:
                changed = {Path(path) for _, path in await next_changes}
                next_changes = asyncio.ensure_future(anext(changes))
                for name in [name for name, path in files.items() if path in changed]:
                    await self._rebuild(stack, name)
        except OSError as error:
            do = "raise the limit of inotify (fs.inotify.max_user_watches), or omit --watch"
            raise RigError(f"the files cannot be watched: {reason(error)}", where="--watch", do=do) from error
        finally:
            next_changes.cancel()
            await asyncio.wait([next_changes])
            await changes.aclose()

    def _absolute(self, application: FleetApplication) -> Path:
        return self._file.placed(application.module).resolve()

    async def _rebuild(self, stack: Stack, name: str) -> None:
        try:
            module = await self._built(self._file.fleet.applications[name])
            if module == self._modules[name]:
                return
            await stack.application(name).redeploy(module)
        except (HarnessError, ApiError, OSError) as error:
            tell(f"application {name} was not deployed again: {error}", err=True)
        else:
            self._modules[name] = module
            tell(f"application {name} deployed again: {len(module):,} bytes")

    async def _built(self, application: FleetApplication) -> bytes:
        path = self._file.placed(application.module)
        if path.suffix not in SOURCES:
            return read_valid_module(path, _config(application))
        binary = (await compile_file(path)).module or b""
        check_module(binary, _config(application), str(path))
        return binary


def _config(application: FleetApplication) -> dict[str, Any]:
    given = {
        "memoryLimit": application.memory,
        "fuel": application.fuel,
        "timeLimit": application.timeLimit,
        "entry": application.entry,
    }
    return {key: value for key, value in given.items() if value is not None}


def _targets(application: FleetApplication) -> Any:
    chosen = parse_targets(application.to)
    return chosen.get("match_labels") or chosen.get("device_names") or "all"


class _Labels:
    """Labels each Device when it appears, also when it was deleted and has enrolled again."""

    def __init__(self, stack: Stack, wanted: dict[str, dict[str, str]]) -> None:
        self._stack, self._wanted = stack, wanted
        self._tasks: set[asyncio.Task[None]] = set()

    def heard(self, event: Event) -> None:
        """Listen to the record."""
        is_new = event.kind == Kind.STATE and event.name == "Device" and event.data["change"] == "added"
        if is_new and (labels := self._wanted.get(event.correlation)):
            task = asyncio.create_task(self._label(event.correlation, labels))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _label(self, device: str, labels: dict[str, str]) -> None:
        try:
            await self._stack.device(device).label(**labels)
        except (ApiError, OSError) as error:
            tell(f"device {device} has no labels: {reason(error)}", err=True)
