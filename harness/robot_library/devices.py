"""Keywords about devices, which are the platform's view of boards."""

from __future__ import annotations

from typing import Any

from harness.boards.board import Board
from harness.core.errors import ProductFailure
from harness.robot_library.arguments import USUAL, About, Duration, board_of, device_of, name_of, status_of
from harness.robot_library.async_keywords import StackKeywords, async_keyword
from harness.wasmbed.resources.phases import DevicePhase
from harness.wasmbed.resources.views import DeviceStatus

__all__ = ["DeviceKeywords"]


class DeviceKeywords(StackKeywords):
    """Keywords about devices. A device is given by its board, or by its own name."""

    @async_keyword("devices")
    async def device_should_reach_phase(
        self, device: Board | str, phase: DevicePhase, within: Duration = USUAL, **status: Any
    ) -> DeviceStatus:
        """Wait until a device is in ``phase``, and return its status. Further arguments are conditions on fields of the
        status, in Python's spelling.

        | Device Should Reach Phase    ${board}    Connected    within=5s
        | Device Should Reach Phase    ${board}    Disconnected    error=Connection lost    device_status=Stopped
        """
        found = await device_of(self.stack, device).until(within=within, phase=str(phase), **status_of(status))
        return found.status

    @async_keyword("devices")
    async def device_status_should_become(
        self, device: Board | str, within: Duration = USUAL, **status: Any
    ) -> DeviceStatus:
        """Wait until fields of a device's status, in Python's spelling, have these values, and return the status.

        | Device Status Should Become    ${board}    wasm_runtime=ready    health=healthy
        """
        return (await device_of(self.stack, device).until(within=within, **status_of(status))).status

    @async_keyword("devices")
    async def get_status_of_device(self, device: Board | str) -> DeviceStatus:
        """Return the present status of a device; its fields are in Python's spelling.

        | ${status}=    Get Status Of Device    ${board}
        | Should Be Equal    ${status.health}    healthy
        """
        return device_of(self.stack, device).status

    @async_keyword("devices")
    async def get_phases_of(self, name: About) -> list[str]:
        """Return the phases of a device, or of the application of that name, in order."""
        return self.stack.history.phases(name_of(self.stack, name))

    @async_keyword("devices")
    async def device_should_not_exist(self, device: Board | str) -> None:
        """Fail if the device's resource exists in Kubernetes."""
        handle = device_of(self.stack, device)
        if handle.exists:
            raise ProductFailure("the resource exists", where=str(handle))

    @async_keyword("devices")
    async def label_device(self, device: Board | str, **labels: str) -> None:
        """Set labels on a device's resource, by which applications can select it.

        | Label Device    ${board}    site=roof
        """
        await device_of(self.stack, device).label(**labels)

    @async_keyword("devices")
    async def delete_device(self, device: Board | str) -> None:
        """Delete a device's resource; see `Device Should Be Gone`. A board that is still on enrolls again."""
        await device_of(self.stack, device).delete()

    @async_keyword("devices")
    async def device_should_be_gone(self, device: Board | str, within: Duration = USUAL) -> None:
        """Wait until a deleted device is gone."""
        await device_of(self.stack, device).until_gone(within=within)

    @async_keyword("devices", "faults")
    async def revoke_certificate_of(self, board: Board | str) -> None:
        """Revoke a board's certificate; returns once the gateway has loaded the revocation list."""
        await self.stack.pki.revoke(self.stack.boards.credentials(board_of(self.stack, board)))
