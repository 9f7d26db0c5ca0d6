"""A device as a test sees it: its resource, live, and the way to wait for what it must become."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from harness.core.errors import ProductFailure
from harness.stack.record import Record
from harness.stack.waiting import Conditions, wait_for
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.views import Device, DeviceSpec, DeviceStatus

__all__ = ["DeviceHandle"]


class DeviceHandle:
    """One device, by name. The resource need not exist yet."""

    def __init__(
        self,
        name: str,
        informer: Informer,
        record: Record,
        console: Callable[[], Sequence[str]],
        rig: Callable[[str], None],
    ) -> None:
        self.name = name
        self._informer, self._record, self._console, self._rig = informer, record, console, rig

    @property
    def exists(self) -> bool:
        """Whether there is a Device resource of that name."""
        return self._informer.get(self.name) is not None

    @property
    def resource(self) -> Device:
        """The resource as last seen. Raises ProductFailure when there is none."""
        object = self._informer.get(self.name)
        if object is None:
            raise ProductFailure("there is no such resource", where=f"Device {self.name}")
        return Device(object)

    @property
    def spec(self) -> DeviceSpec:
        return self.resource.spec

    @property
    def status(self) -> DeviceStatus:
        return self.resource.status

    async def until(self, *, within: float = 10.0, **conditions: Any) -> DeviceHandle:
        """Wait until the status is as asked, as in ``until(phase="Connected", within=5)``; returns this handle.

        Each keyword is a field of :class:`DeviceStatus` and the value it must have, or a function that judges the
        value. Raises ProductFailure with what was there instead, RigError when the board itself is gone.
        """
        wanted = Conditions(DeviceStatus, conditions)
        try:
            await wait_for(
                self._informer,
                self.name,
                wanted.hold,
                wanted=str(wanted),
                within=within,
                record=self._record,
                console=self._console,
            )
        except ProductFailure:
            self._rig(self.name)
            raise
        return self

    def __repr__(self) -> str:
        return f"<device {self.name}>"
