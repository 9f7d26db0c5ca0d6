"""A handle for a device: its resource, live, and ways to wait for its status."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.core.errors import ProductFailure
from harness.core.history import Kind
from harness.invariants.absence import Absence, missing_from_device
from harness.stack.authors import Author
from harness.stack.boards import Boards
from harness.stack.record import Record
from harness.stack.waiting import Watched
from harness.wasmbed.resources.api import Object, ResourceApi
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import DEVICE
from harness.wasmbed.resources.views import Device, DeviceSpec, DeviceStatus

__all__ = ["DeviceHandle"]


class DeviceHandle(Watched[Device]):
    """One device, by name."""

    view = Device
    status_view = DeviceStatus

    def __init__(self, name: str, informer: Informer, record: Record, boards: Boards, api: ResourceApi) -> None:
        super().__init__(name, informer, record)
        self._boards, self._api = boards, api

    @property
    def spec(self) -> DeviceSpec:
        return self.resource.spec

    @property
    def status(self) -> DeviceStatus:
        return self.resource.status

    async def label(self, **labels: str) -> None:
        """Set these labels on the resource."""
        await self.wrote(await self._api.patch(DEVICE, self.name, {"metadata": {"labels": labels}}))

    async def delete(self) -> None:
        """Delete the resource. The gateway disconnects the device, which may enroll again as a new Device."""
        await self._api.delete(DEVICE, self.name)

    def console(self) -> Sequence[str]:
        """The console lines of the boards of this device."""
        return self._boards.console(self.name)

    def _missing(self) -> Absence | None:
        return missing_from_device(self._record, self.name)

    def devices(self) -> list[str]:
        return [self.name]

    def _since(self) -> int:
        """A crash counts if it came after one of the device's boards was last switched on."""
        powered = self._record.recall("power on", kind=Kind.NOTE, about=self.name)
        return powered[-1].n if powered else 0

    async def wait(
        self,
        judge: Callable[[Object | None], bool],
        wanted: str,
        within: float,
        unmet: Callable[[Object | None], Author | None] = lambda object: None,
    ) -> None:
        """As for every resource. Raises RigError instead if a board of this device went off by itself."""
        try:
            await super().wait(judge, wanted, within, unmet)
        except ProductFailure:
            self._boards.check_alive(self.name)
            raise
