"""Operations on gateways. A gateway registers itself; here it is asked for, looked at, changed, and ended."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints
from typing_extensions import TypedDict

from harness.wasmbed.api.copies import Copies
from harness.wasmbed.api.fleet import GatewayFleet
from harness.wasmbed.api.operation import Answer, Body, Call, NoBody, NoQuery, Operation, Right
from harness.wasmbed.api.paging import Page, PageQuery, page_of
from harness.wasmbed.api.shapes import GatewayShape, gateway_shape
from harness.wasmbed.api.writes import Done, delete, patch
from harness.wasmbed.resources.api import Object, ResourceApi
from harness.wasmbed.resources.durations import DURATION
from harness.wasmbed.resources.kinds import GATEWAY
from harness.wasmbed.resources.phases import GatewayPhase

__all__ = ["RECENT", "Gateways"]

RECENT = ("region", "capabilities", "enabled", "config", "pairing")
"""Fields of the spec that earlier definitions of the type lack."""
_AT_ONCE = 10


class GatewayQuery(PageQuery):
    """Which gateways."""

    status: Annotated[GatewayPhase | None, Field(description="Only gateways in this phase.")] = None


class GatewayList(Page):
    """Gateways, by name."""

    gateways: list[GatewayShape]


class NewGateways(Body):
    """Gateways that are to run."""

    count: Annotated[int, Field(ge=1, le=_AT_ONCE)] = 1
    name: Annotated[
        str | None, Field(max_length=253, description="As the original's clients send it: the cluster chooses names.")
    ] = None
    description: Annotated[str | None, Field(max_length=4096, description="As the original's clients send it.")] = None
    basePort: Annotated[
        int | None, Field(ge=0, le=65535, description="As the original's clients send it: the cluster chooses ports.")
    ] = None


class AwaitedGateway(TypedDict):
    """A gateway that will register."""

    id: str
    name: str
    status: str
    endpoint: str | None


class AwaitedGateways(TypedDict):
    """Gateways that were asked for."""

    success: Literal[True]
    message: str
    gateways: list[AwaitedGateway]
    errors: list[str]


Duration = Annotated[
    str,
    StringConstraints(pattern=DURATION),
    Field(examples=["30s"]),
]


class Config(Body):
    """Times that the gateway takes on while it runs; null: its own."""

    heartbeatInterval: Annotated[Duration | None, Field(description="Between two heartbeats of a device.")] = None
    connectionTimeout: Annotated[Duration | None, Field(description="Without a heartbeat until a session ends.")] = None
    enrollmentTimeout: Annotated[Duration | None, Field(description="For an enrollment.")] = None


class GatewayChange(Body):
    """The changes of a gateway; what is left out stays. A gateway writes endpoint and capacity when it starts."""

    endpoint: Annotated[str | None, Field(min_length=3, max_length=262, description="host:port for devices.")] = None
    capacity: Annotated[
        int | None, Field(ge=0, le=1_000_000, description="Devices that it takes at most; null: as many as it can.")
    ] = None
    region: Annotated[str | None, Field(min_length=1, max_length=63)] = None
    capabilities: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=63)]] | None,
        Field(max_length=64, json_schema_extra={"uniqueItems": True}),
    ] = None
    enabled: Annotated[bool | None, Field(description="Whether it takes devices.")] = None
    config: Config | None = None

    def spec(self) -> dict[str, Any]:
        """Return the changes of the Gateway's spec."""
        given = self.model_dump(include=self.model_fields_set, exclude_unset=True)
        if self.endpoint is None:
            given.pop("endpoint", None)  # a Gateway has one
        if self.capabilities is not None:
            given["capabilities"] = list(dict.fromkeys(self.capabilities))
        return given


class Toggle(Body):
    """Whether a gateway takes devices; the other way than now if nothing is said."""

    enabled: bool | None = None


class Toggled(TypedDict):
    """A gateway that takes devices, or does not."""

    success: Literal[True]
    message: str
    status: Annotated[str, Field(description="The phase now.")]
    enabled: bool


class Gateways:
    """The operations."""

    def __init__(self, api: ResourceApi, copies: Copies, fleet: GatewayFleet) -> None:
        self._api, self._copies, self._fleet = api, copies, fleet

    def operations(self) -> list[Operation]:
        """Return them, for the router and the document."""
        one = "/api/v1/gateways/{id}"
        return [
            Operation(
                name="listGateways", method="GET", path="/api/v1/gateways", run=self._list, also="/api/gateways",
                answer=GatewayList,
                query=GatewayQuery, right=Right("list", "gateways"), summary="The gateways, by name.",
            ),
            Operation(
                name="createGateways", method="POST", path="/api/v1/gateways", run=self._create,
                answer=AwaitedGateways, body=NewGateways, status=201, right=Right("create", "gateways"),
                refusals=(409,), summary="Run more gateways, where the cluster runs gateways.",
            ),
            Operation(
                name="getGateway", method="GET", path=one, run=self._get, answer=GatewayShape,
                right=Right("get", "gateways"), refusals=(404,), summary="One gateway.",
            ),
            Operation(
                name="changeGateway", method="PATCH", path=one, run=self._change, answer=GatewayShape,
                body=GatewayChange, right=Right("patch", "gateways"), refusals=(404, 409, 412),
                summary="Change a gateway.",
            ),
            Operation(
                name="replaceGateway", method="PUT", path=one, run=self._change, answer=GatewayShape,
                body=GatewayChange, right=Right("patch", "gateways"), refusals=(404, 409, 412),
                summary="Change a gateway, as the original's clients do it. What is left out stays.",
            ),
            Operation(
                name="toggleGateway", method="POST", path=one + "/toggle", run=self._toggle, answer=Toggled,
                body=Toggle, right=Right("patch", "gateways"), refusals=(404, 409, 412),
                summary="Let a gateway take devices, or end its sessions and let it take none.",
            ),
            Operation(
                name="deleteGateway", method="DELETE", path=one, run=self._delete, answer=Done,
                right=Right("delete", "gateways"), refusals=(404, 409, 412),
                summary="End a gateway that the cluster runs, and forget it. Another that runs registers again.",
            ),
        ]  # fmt: skip

    def _shape(self, gateway: Object) -> GatewayShape:
        return gateway_shape(gateway, self._copies.served_by(gateway["metadata"]["name"]))

    async def _list(self, call: Call[NoBody, GatewayQuery]) -> Answer:
        wanted = call.query.status
        found, page = page_of(
            self._copies.of(GATEWAY),
            call.query,
            lambda each: wanted is None or (each.get("status") or {}).get("phase", "Pending") == wanted.value,
            self._shape,
        )
        return Answer({"gateways": found, **page})

    async def _create(self, call: Call[NewGateways, NoQuery]) -> Answer:
        names = await self._fleet.add(call.body.count)
        made: list[AwaitedGateway] = [
            {"id": name, "name": name, "status": GatewayPhase.PENDING.value, "endpoint": None} for name in names
        ]
        message = f"{', '.join(names)} will register"
        answer: AwaitedGateways = {"success": True, "message": message, "gateways": made, "errors": []}
        return Answer(answer, status=201)

    async def _get(self, call: Call[NoBody, NoQuery]) -> Answer:
        found = self._shape(self._copies.find(GATEWAY, call.names["id"]))
        return Answer(found, version=found["resourceVersion"])

    async def _change(self, call: Call[GatewayChange, NoQuery]) -> Answer:
        written = await patch(self._api, self._copies, GATEWAY, call, {"spec": call.body.spec()}, RECENT)
        return Answer(self._shape(written), version=written["metadata"]["resourceVersion"])

    async def _toggle(self, call: Call[Toggle, NoQuery]) -> Answer:
        name = call.names["id"]
        enabled = call.body.enabled
        if enabled is None:
            enabled = not self._shape(self._copies.find(GATEWAY, name))["enabled"]
        shape = self._shape(await patch(self._api, self._copies, GATEWAY, call, {"spec": {"enabled": enabled}}, RECENT))
        what = "takes devices" if enabled else "ends its sessions and takes no device"
        answer: Toggled = {
            "success": True, "message": f"gateway {name} {what}", "status": shape["status"], "enabled": enabled,
        }  # fmt: skip
        return Answer(answer, version=shape["resourceVersion"])

    async def _delete(self, call: Call[NoBody, NoQuery]) -> Answer:
        name = call.names["id"]
        found = self._copies.find(GATEWAY, name)
        if call.expected_version in (None, found["metadata"]["resourceVersion"]):
            await self._fleet.remove(name)
        return await delete(self._api, self._copies, GATEWAY, call)
