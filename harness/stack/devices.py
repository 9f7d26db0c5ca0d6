"""A device as a test sees it: its resource, live, and the way to wait for what it must become."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.core.errors import ProductFailure
from harness.core.history import Kind
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
        """Give the resource these labels."""
        await self.wrote(await self._api.patch(DEVICE, self.name, {"metadata": {"labels": labels}}))

    async def delete(self) -> None:
        """Delete the resource. The gateway sends the device away, and it may enroll again, as a new Device."""
        await self._api.delete(DEVICE, self.name)

    def console(self) -> Sequence[str]:
        """What the boards of this device wrote."""
        return self._boards.console(self.name)

    def devices(self) -> list[str]:
        return [self.name]

    def _since(self) -> int:
        """A device is about its boards, from when one was last switched on."""
        powered = self._record.recall("power on", kind=Kind.NOTE, about=self.name)
        return powered[-1].n if powered else 0

    async def wait(self, judge: Callable[[Object | None], bool], wanted: str, within: float) -> None:
        """As for every resource; raises RigError instead when a board of this device went off by itself."""
        try:
            await super().wait(judge, wanted, within)
        except ProductFailure:
            self._boards.check_alive(self.name)
            raise
