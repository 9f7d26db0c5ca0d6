"""A board's place: a machine in a host, which is handed on to another board of its kind when its board is off."""

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
    """A board that has a place."""

    storage: bytes
    """What its flash keeps while it has no place."""

    @property
    def power(self) -> Power:
        """A board that is off can be asked to leave its place."""

    @property
    def is_live(self) -> bool:
        """Whether it has power and is not paused."""

    def detached(self, trouble: RigError | None) -> None:
        """It has no place any more; ``trouble`` says why, None if nobody is to blame."""

    def save_state(self) -> object:
        """What :meth:`load_state` wants to know later about the present moment."""

    async def load_state(self, state: object) -> None:
        """Its machine is as it was at :meth:`save_state`; its lines are new, and whatever was on them is lost."""


class Place:
    """A board's machine, in a host."""

    def __init__(self, host: MachineHost, kind: RenodePlatform, machine: ask.Machine, occupant: Occupant) -> None:
        self._host = host
        self.kind, self.machine, self.occupant = kind, machine, occupant

    @property
    def name(self) -> str:
        return self.machine.name

    async def ask(self, request: ask.Request) -> str:
        """Have the host carry it out. Raises as :meth:`HostProcess.ask` does."""
        return await self._host.process.ask(request)

    async def hand_over(self, occupant: Occupant) -> None:
        """Give it to another board of the same kind; the one before, which is off, keeps what was in its flash."""
        before, self.occupant = self.occupant, occupant
        before.detached(None)
        if (storage := self.kind.storage) is not None:
            before.storage = bytes.fromhex(await self.ask(ask.Read(self.name, storage.origin, storage.size)))
            await self.restore_storage()

    async def restore_storage(self) -> None:
        """Bring what the board kept."""
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
        """Its part of what the host has used: as much as every other machine's there."""
        found = [usage for pid in self.pids if (usage := usage_of(pid)) is not None]
        if not found:
            return None
        whole, count = sum(found[1:], start=found[0]), len(self._host.places)
        return Usage(whole.memory // count, whole.cpu / count)


class MachineHost:
    """A host process and its places. ``reserved``: machines that are being made."""

    def __init__(self, process: HostProcess) -> None:
        self.process = process
        self.spare: HostProcess | None = None
        """A fresh one, to load what was saved into."""
        self.places: list[Place] = []
        self.reserved = 0
        self.quantum = 1.0
        self.starting = asyncio.Lock()
        process.on_end = self.detach

    async def start(self, *, runs: bool) -> None:
        """Have its process, and let virtual time follow the real one if ``runs``. Raises RigError if it ended."""
        async with self.starting:
            if self.process.trouble is not None:
                raise self.process.trouble
            if self.process.pid is None:
                await self.process.start()
                if runs:
                    await self.process.ask(ask.Run())

    def detach(self, trouble: RigError | None) -> None:
        """Tell the boards that their machines are gone."""
        for place in self.places:
            place.occupant.detached(trouble)
        self.places.clear()

    async def kill(self) -> None:
        """End its processes."""
        processes = [process for process in (self.process, self.spare) if process is not None]
        await asyncio.gather(*(process.kill() for process in processes))
