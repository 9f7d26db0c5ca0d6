"""An emulator manager: its lease, its view of the others, and the controller of boards, which runs while it holds the
lease."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from harness.boards.catalogue import Catalogue
from harness.core.clock import Clock
from harness.core.errors import reason
from harness.core.identifiers import Randomness
from harness.core.logs import get_log
from harness.core.network import Network
from harness.emulators.consoles import Consoles
from harness.emulators.controller import BoardController
from harness.emulators.identities import Identities
from harness.emulators.members import Members, lease_name
from harness.emulators.workshop import GatewayAccess, Workshop
from harness.wasmbed.controllers.lease import LeaderLease
from harness.wasmbed.resources.api import ApiError, ResourceApi
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import DEVICE

__all__ = ["EmulatorManager", "EmulatorSettings"]

log = get_log(__name__)


@dataclass(frozen=True, slots=True)
class EmulatorSettings:
    """``identity`` names the manager among the others, and stays the same when it starts again. Times in seconds."""

    identity: str
    gateway: GatewayAccess
    lease_duration: float = 15.0
    """The time that other managers wait for a silent one before they take its boards."""
    resync: float = 300.0
    """Every board is reconciled this often, even if nothing has changed."""


class EmulatorManager:
    """Runs from :meth:`start` to :meth:`stop` or :meth:`kill`, once. ``identities`` are those of the boards."""

    def __init__(
        self,
        settings: EmulatorSettings,
        api: ResourceApi,
        identities: Identities,
        catalogue: Catalogue,
        clock: Clock,
        network: Network,
        randomness: Randomness,
    ) -> None:
        self._devices = Informer(api, DEVICE, clock, randomness)
        self._members = Members(api, settings.identity, clock, randomness)
        workshop = Workshop(catalogue, identities, settings.gateway, clock, network, randomness)
        self.consoles = Consoles(api, settings.identity, clock, randomness)
        self.controller = BoardController(
            api,
            self._devices,
            self._members,
            workshop,
            self.consoles,
            settings.identity,
            clock,
            randomness,
            resync=settings.resync,
        )
        self._lease = LeaderLease(
            api,
            lease_name(settings.identity),
            settings.identity,
            clock,
            randomness,
            duration=settings.lease_duration,
        )
        self._task: asyncio.Task[None] | None = None
        self._finishing = False

    @property
    def controllers(self) -> tuple[BoardController]:
        """Its one controller, for the metrics."""
        return (self.controller,)

    @property
    def leading(self) -> bool:
        """Whether it holds its own lease, and so runs boards."""
        return self._lease.leading

    @property
    def synced(self) -> bool:
        """Whether the local copies are complete: from :meth:`start` to the end."""
        return self._task is not None and not self._finishing

    @property
    def healthy(self) -> bool:
        """False once it ended by an error: only a new start helps."""
        return not (self._task is not None and self._task.done())

    async def start(self) -> None:
        """Read the cluster, and begin to claim boards. Returns when the local copies are complete."""
        await asyncio.gather(self._devices.start(), self._members.start())
        self._task = asyncio.create_task(self._lease.run(self._act), name="emulators")

    async def wait(self) -> None:
        """Wait until it ends by itself, which it does only by an error; raises that."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def stop(self) -> None:
        """Stop the boards in order and let other managers have them, then give the lease back."""
        self._finishing = True
        self.controller.finish()
        if self._lease.leading:
            await self.controller.release()
            await self._withdraw()
        await self._end()

    async def kill(self) -> None:
        """End at once, as a process that is killed does: the lease and the claims stay."""
        self._lease.abandon()
        await self._end()

    async def _withdraw(self) -> None:
        try:
            await self.consoles.withdraw()
        except (OSError, ApiError) as error:
            log.warning("the Secret of this manager's API stays: %s", reason(error))

    async def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        await self.controller.close()
        await asyncio.gather(self._devices.stop(), self._members.stop())

    async def _act(self) -> None:
        """Run the controller; when the lease is lost, cut the power of every board."""
        try:
            await self.controller.run()
            await asyncio.Event().wait()  # it finishes: the lease is kept until the boards are off
        finally:
            await self.controller.close()
