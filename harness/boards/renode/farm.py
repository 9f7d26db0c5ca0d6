"""Distributes boards over host processes, and controls their virtual time.

Renode pauses all machines of an emulation together, and pyrenode3 has one emulation per process. So a fleet has several
hosts, and the methods that control time (:meth:`Farm.run_for`, :meth:`Farm.snapshot`) act on all of them.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from harness.boards.board import Power
from harness.boards.renode import requests as ask
from harness.boards.renode.driver import HostProcess
from harness.boards.renode.image import loadable
from harness.boards.renode.machines import MachineHost, Occupant, Place
from harness.boards.renode.platform import RenodePlatform
from harness.core.clock import Clock
from harness.core.errors import RigError, UsageError, reason

__all__ = ["MACHINES", "Farm", "FarmSnapshot"]

MACHINES = 8
"""The default number of machines per host."""

ROOM = 64 << 20
"""Bytes of disk space that have to be free before a host is saved; eight boards took 12 million."""


def check_room(folder: Path) -> None:
    """Raise RigError unless there is disk space for a saved host: Renode crashes when the disk is full."""
    free = shutil.disk_usage(folder).free
    if free < ROOM:
        raise RigError(
            f"{free >> 20} MiB are free, {ROOM >> 20} MiB are needed to save boards in Renode",
            where=str(folder),
            do="free disk space, or name another folder",
        )


class Farm:
    """All hosts of a tier, each with ``per_host`` machines at most."""

    def __init__(self, per_host: int = MACHINES, host: Callable[[str, Clock], HostProcess] = HostProcess) -> None:
        if per_host < 1:
            raise UsageError(f"{per_host} machines per host are too few", do="give at least 1")
        self._per_host, self._make = per_host, host
        self._hosts: list[MachineHost] = []
        self._numbers = 0
        self._moving = asyncio.Lock()
        self._folder: Path | None = None
        self._images: dict[Path, Path] = {}
        """The loadable copy of each image, in the folder."""
        self.stands = False
        """Whether virtual time is stopped, except during :meth:`run_for`."""

    @property
    def folder(self) -> Path:
        """The folder for terminals and blobs of all machines and for snapshots, deleted with the farm."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="wasmbed-renode-"))
        return self._folder

    @property
    def pids(self) -> list[int]:
        """Every process of every host."""
        return [pid for host in self._hosts for pid in host.process.pids]

    async def place(self, kind: RenodePlatform, occupant: Occupant, clock: Clock) -> Place:
        """Return a machine for a board, without power: an existing one of its kind whose board is off, or a new one, in
        a host that has room or in a new host.

        Raises RigError with Renode's message if the machine cannot be made.
        """
        async with self._moving:
            for place in (place for host in self._hosts for place in host.places):
                if place.kind == kind and place.occupant.power is Power.OFF:
                    await place.hand_over(occupant)
                    return place
        return await self._create(kind, occupant, self._reserve(clock))

    async def _create(self, kind: RenodePlatform, occupant: Occupant, host: MachineHost) -> Place:
        try:
            await host.start(runs=not self.stands)
            self._numbers += 1
            lines = (self.folder / f"{self._numbers}.{what}" for what in ("link", "console"))
            machine = kind.machine(f"{kind.platform.hardware}-{self._numbers}", self._loadable(kind), *lines)
            host.quantum = min(host.quantum, kind.quantum)
            await host.process.ask(ask.Create(machine, host.quantum))
            place = Place(host, kind, machine, occupant)
            if occupant.storage:
                await place.restore_storage()
        except BaseException:
            if not host.places and host.reserved == 1:
                # Renode cannot remove a machine that was made in part.
                self._hosts.remove(host)
                await host.process.kill()
            raise
        finally:
            host.reserved -= 1
        host.places.append(place)
        return place

    def _reserve(self, clock: Clock) -> MachineHost:
        for host in self._hosts:
            room = len(host.places) + host.reserved < self._per_host
            if room and host.process.failure is None:
                break
        else:
            host = MachineHost(self._make(f"host {len(self._hosts) + 1}", clock))
            self._hosts.append(host)
        host.reserved += 1
        return host

    def _loadable(self, kind: RenodePlatform) -> Path:
        image = kind.platform.image_path
        if image not in self._images:
            path = self.folder / f"image-{len(self._images)}"
            path.write_bytes(loadable(image))
            self._images[image] = path
        return self._images[image]

    # time

    async def run_for(self, seconds: float) -> None:
        """Let exactly ``seconds`` of virtual time pass for every machine with power; it is stopped before and after."""
        self.stands = True
        await self._all(ask.RunFor(seconds))

    async def run(self) -> None:
        """Let virtual time follow real time again."""
        self.stands = False
        await self._all(ask.Run())

    @asynccontextmanager
    async def paced(self, clock: Clock, step: float) -> AsyncIterator[None]:
        """Inside the block, the boards' time follows ``clock`` in steps of ``step`` seconds and is never ahead of
        it."""

        async def follow() -> None:
            while True:
                await clock.sleep(step)
                await self.run_for(step)

        self.stands = True
        await self._all(ask.Stand())
        task = asyncio.create_task(follow(), name="pace of Renode")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.run()

    async def _all(self, request: ask.Request) -> None:
        running = [host.process for host in self._hosts if host.process.pid is not None]
        await asyncio.gather(*(process.ask(request) for process in running))

    # snapshots

    async def snapshot(self, folder: Path | None = None) -> FarmSnapshot:
        """Save every host, in files below ``folder``. Raises RigError if that fails, for example for lack of disk
        space."""
        check_room(folder or self.folder)
        await self._all(ask.Stand())
        saved = []
        try:
            for host in self._hosts:
                if host.process.pid is not None:
                    self._numbers += 1
                    path = (folder or self.folder) / f"{self._numbers}.save"
                    await host.process.ask(ask.Save(str(path.resolve())))
                    saved.append(_Saved(host, path))
        finally:
            if not self.stands:
                await self._all(ask.Run())
        # A snapshot is made to be restored quickly, so the processes for that are started now.
        await asyncio.gather(*(self._prepare(each.host) for each in saved))
        return FarmSnapshot(self, saved)

    async def _prepare(self, host: MachineHost) -> HostProcess:
        if host.spare is None or host.spare.failure is not None:
            host.spare = self._make(host.process.name, host.process.clock)
            try:
                await host.spare.start()
            except BaseException:
                host.spare = None
                raise
        return host.spare

    async def load(self, saved: list[_Saved]) -> None:
        """Restore every host to its saved state, and end later hosts. Raises RigError, before anything changes, if a
        file is not as it was saved."""
        for each in saved:
            each.check()
        later = [host for host in self._hosts if all(each.host is not host for each in saved)]
        for host in later:
            self._hosts.remove(host)
            host.detach(None)
        await asyncio.gather(*(host.kill() for host in later), *(self._load(each) for each in saved))
        if not self.stands:
            await self._all(ask.Run())

    async def _load(self, saved: _Saved) -> None:
        host = saved.host
        fresh = await self._prepare(host)
        host.detach(None)
        host.places = [place for place, _, _ in saved.states]
        # Renode can load a state only into a new process: it crashes when its terminals end.
        await host.process.kill()
        _forget_lines(host.places)
        host.process, host.spare = fresh, None
        host.process.on_end = host.detach
        if host not in self._hosts:
            self._hosts.append(host)
        machines = tuple(place.machine for place in host.places)
        await host.process.ask(ask.Load(str(saved.path.resolve()), machines, saved.live))
        for place, occupant, state in saved.states:
            place.occupant = occupant
            await occupant.load_state(state)

    async def close(self) -> None:
        """End every host and delete their files."""
        hosts, self._hosts = self._hosts, []
        await asyncio.gather(*(host.kill() for host in hosts))
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
            self._images.clear()


def _forget_lines(places: Iterable[Place]) -> None:
    """Remove the terminals' paths of a killed host, which the next one needs."""
    for place in places:
        for wire in (place.machine.link, place.machine.console):
            Path(wire.path).unlink(missing_ok=True)


class _Saved:
    def __init__(self, host: MachineHost, path: Path) -> None:
        self.host, self.path = host, path
        self.states = [(place, place.occupant, place.occupant.save_state()) for place in host.places]
        self.live = tuple(place.name for place in host.places if place.occupant.is_live)
        self._digest = self._read()

    def check(self) -> None:
        """Raise RigError if the file has changed since it was saved."""
        if self._read() != self._digest:
            raise self._broken("is damaged: it is not what was saved")

    @property
    def size(self) -> int:
        """Size of the file, bytes. Raises RigError if it is missing."""
        try:
            return self.path.stat().st_size
        except OSError as error:
            raise self._broken(f"cannot be read: {reason(error)}") from error

    def _read(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").digest()
        except OSError as error:
            raise self._broken(f"cannot be read: {reason(error)}") from error

    def _broken(self, what: str) -> RigError:
        return RigError(f"the snapshot {what}", where=str(self.path), do="take another one: stack.boards.snapshot()")


class FarmSnapshot:
    """The saved state of all Renode boards of a stack."""

    def __init__(self, farm: Farm, saved: list[_Saved]) -> None:
        self._farm, self._saved = farm, saved

    @property
    def size(self) -> int:
        """Size in bytes."""
        return sum(each.size for each in self._saved)

    async def restore(self) -> None:
        """Restore the state of every board. Its connection is lost, so it connects again. Boards that were made later
        are off. Raises RigError if a file is damaged or missing."""
        await self._farm.load(self._saved)
