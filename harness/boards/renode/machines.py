"""A machine in a host, and the board that occupies it. A machine whose board is off can go to another board."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

from harness.boards.board import Power
from harness.boards.renode import requests as ask
from harness.boards.renode.driver import HostProcess
from harness.boards.renode.platform import RenodePlatform
from harness.boards.usage import Usage, usage_of
from harness.core.errors import RigError

__all__ = ["MachineHost", "Occupant", "Place"]


class Occupant(Protocol):
    """A board that occupies a place."""

    storage: bytes
    """The contents of its flash while it has no place."""

    @property
    def power(self) -> Power:
        """A board that is off can lose its place."""

    @property
    def is_live(self) -> bool:
        """Whether it has power and is not paused."""

    def detached(self, error: RigError | None) -> None:
        """Called when the board has lost its place; ``error`` is the failure that caused it, if there was one."""

    def save_state(self) -> object:
        """Return the board's present state, for :meth:`load_state`."""

    async def load_state(self, state: object) -> None:
        """Restore the state of :meth:`save_state`. The machine was restored; its lines are new and empty."""


class Place:
    """A machine in a host, with its board."""

    def __init__(self, host: MachineHost, kind: RenodePlatform, machine: ask.Machine, occupant: Occupant) -> None:
        self._host = host
        self.kind, self.machine, self.occupant = kind, machine, occupant

    @property
    def name(self) -> str:
        return self.machine.name

    async def ask(self, request: ask.Request) -> str:
        """Send the host a request. Raises like :meth:`HostProcess.ask`."""
        return await self._host.process.ask(request)

    async def hand_over(self, occupant: Occupant) -> None:
        """Give the machine to another board of the same kind. The previous one, which is off, keeps its flash."""
        before, self.occupant = self.occupant, occupant
        before.detached(None)
        if (storage := self.kind.storage) is not None:
            before.storage = bytes.fromhex(await self.ask(ask.Read(self.name, storage.origin, storage.size)))
            await self.restore_storage()

    async def restore_storage(self) -> None:
        """Write the board's flash contents into the machine."""
        if (storage := self.kind.storage) is not None:
            file = Path(self.machine.link.path).with_suffix(".storage")
            file.write_bytes(self.occupant.storage or bytes(storage.size))
            try:
                await self.ask(ask.Write(self.name, str(file), storage.origin))
            finally:
                file.unlink()

    @property
    def pids(self) -> list[int]:
        """The processes of its host."""
        return self._host.process.pids

    @property
    def share(self) -> Usage | None:
        """The host's usage divided by its number of machines; None if unknown."""
        found = [usage for pid in self.pids if (usage := usage_of(pid)) is not None]
        if not found:
            return None
        whole, count = sum(found[1:], start=found[0]), len(self._host.places)
        return Usage(whole.memory // count, whole.cpu / count)


class MachineHost:
    """A host process and its places. ``reserved`` is the number of machines that are being made."""

    def __init__(self, process: HostProcess) -> None:
        self.process = process
        self.spare: HostProcess | None = None
        """A new process to load a snapshot into."""
        self.places: list[Place] = []
        self.reserved = 0
        self.quantum = 1.0
        self.starting = asyncio.Lock()
        process.on_end = self.detach

    async def start(self, *, runs: bool) -> None:
        """Start its process unless it runs, and let virtual time follow real time if ``runs``. Raises RigError if the
        process has ended."""
        async with self.starting:
            if self.process.failure is not None:
                raise self.process.failure
            if self.process.pid is None:
                await self.process.start()
                if runs:
                    await self.process.ask(ask.Run())

    def detach(self, error: RigError | None) -> None:
        """Take the machines from their boards; ``error`` is the failure that caused it, if there was one."""
        for place in self.places:
            place.occupant.detached(error)
        self.places.clear()

    async def kill(self) -> None:
        """Kill its processes."""
        processes = [process for process in (self.process, self.spare) if process is not None]
        await asyncio.gather(*(process.kill() for process in processes))
