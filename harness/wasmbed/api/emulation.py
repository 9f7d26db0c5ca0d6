"""Operations on the boards that devices ask for. An emulator manager (``wasmbed emulators``) carries them out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from harness.core.clock import Clock
from harness.wasmbed.api.copies import Copies
from harness.wasmbed.api.forms import BOARD_KIND
from harness.wasmbed.api.operation import Answer, Body, Call, NoBody, NoQuery, Operation, Right
from harness.wasmbed.api.problems import Problem
from harness.wasmbed.api.shapes import DeviceShape, device_shape
from harness.wasmbed.api.writes import Done, patch
from harness.wasmbed.resources.api import Conflict, ResourceApi
from harness.wasmbed.resources.kinds import DEVICE
from harness.wasmbed.resources.manifests import device_with_board
from harness.wasmbed.resources.timestamps import format_timestamp
from harness.wasmbed.resources.views import Device

__all__ = ["Emulation"]


class NewBoard(Body):
    """A board for a device that does not exist yet."""

    kind: Annotated[str, Field(pattern=BOARD_KIND, max_length=63, description="As `wasmbed boards` lists them.")]
    restartPolicy: Literal["Always", "OnFailure", "Never"] = "Always"
    running: bool = True


class Emulation:
    """The operations."""

    def __init__(self, api: ResourceApi, copies: Copies, clock: Clock) -> None:
        self._api, self._copies, self._clock = api, copies, clock

    def operations(self) -> list[Operation]:
        """Return them, for the router and the document. The original's paths begin and end emulation in Renode."""
        one = "/api/v1/devices/{id}"
        acts = {
            ("startBoard", f"{one}/emulation/start"): ("run", {"running": True}, "Start a device's board."),
            ("stopBoard", f"{one}/emulation/stop"): ("stop", {"running": False}, "Stop a device's board."),
            ("restartBoard", f"{one}/emulation/restart"): ("restart", None, "Restart a device's board."),
            ("startRenode", f"{one}/renode/start"): ("run", {"running": True}, "The same as emulation/start."),
            ("stopRenode", f"{one}/renode/stop"): ("stop", {"running": False}, "The same as emulation/stop."),
        }
        return [
            Operation(
                name="createBoard", method="POST", path=f"{one}/emulation", run=self._create, answer=DeviceShape,
                body=NewBoard, status=201, right=Right("create", "devices"), refusals=(409,),
                summary="Make a device with a board, which enrolls under its name.",
            ),
            *(
                Operation(
                    name=name, method="POST", path=path, run=self._act(verb, board), answer=Done, body=NoBody,
                    right=Right("patch", "devices"), refusals=(404, 409, 412), summary=summary,
                )
                for (name, path), (verb, board, summary) in acts.items()
            ),
        ]  # fmt: skip

    async def _create(self, call: Call[NewBoard, NoQuery]) -> Answer:
        name, wanted = call.names["id"], call.body
        manifest = device_with_board(name, wanted.kind, running=wanted.running, restart_policy=wanted.restartPolicy)
        try:
            made = await self._api.create(DEVICE, manifest)
        except Conflict as error:
            raise Problem(409, f"there is a device {name} already: choose another name, or delete it first") from error
        self._copies.remember(DEVICE, made)
        return Answer(device_shape(made), status=201, version=made["metadata"]["resourceVersion"])

    def _act(self, verb: str, board: dict[str, Any] | None) -> Any:
        async def act(call: Call[NoBody, NoQuery]) -> Answer:
            name = call.names["id"]
            if not Device(self._copies.device(name)).spec.board.kind:
                raise Problem(
                    409, f"device {name} has no board that could be started or stopped here: it was not made with one"
                )
            change = board or {"running": True, "restartedAt": format_timestamp(self._clock.now())}
            await patch(self._api, self._copies, DEVICE, call, {"spec": {"board": change}})
            done: Done = {
                "success": True,
                "message": f"the board of {name} is to {verb}; its status says how far it is",
            }
            return Answer(done)

        return act
