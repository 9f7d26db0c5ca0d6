"""Operations on gateways. A gateway registers itself; here it is asked for, looked at, changed, and ended."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypedDict

from harness.wasmbed.api.copies import Copies
from harness.wasmbed.api.fleet import GatewayFleet
from harness.wasmbed.api.operation import Answer, Body, Call, NoBody, NoQuery, Operation, Right
from harness.wasmbed.api.paging import Page, PageQuery, page_of
from harness.wasmbed.api.shapes import GatewayShape, gateway_shape
from harness.wasmbed.api.writes import Done, delete, patch
from harness.wasmbed.resources.api import Object, ResourceApi
from harness.wasmbed.resources.kinds import GATEWAY
from harness.wasmbed.resources.phases import GatewayPhase

__all__ = ["Gateways"]

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


class GatewayChange(Body):
    """The changes that an operator may make."""

    capacity: Annotated[
        int | None, Field(ge=1, le=1_000_000, description="Devices that it is to have at most; null: no bound.")
    ]


class Gateways:
    """The operations."""

    def __init__(self, api: ResourceApi, copies: Copies, fleet: GatewayFleet) -> None:
        self._api, self._copies, self._fleet = api, copies, fleet

    def operations(self) -> list[Operation]:
        """Return them, for the router and the document."""
        one = "/api/v1/gateways/{id}"
        return [
            Operation(
                name="listGateways", method="GET", path="/api/v1/gateways", run=self._list, answer=GatewayList,
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
                summary="Change a gateway's bound.",
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
        change: dict[str, Any] = {"spec": {"capacity": call.body.capacity}}
        written = await patch(self._api, self._copies, GATEWAY, call, change)
        return Answer(self._shape(written), version=written["metadata"]["resourceVersion"])

    async def _delete(self, call: Call[NoBody, NoQuery]) -> Answer:
        name = call.names["id"]
        found = self._copies.find(GATEWAY, name)
        if call.expected_version in (None, found["metadata"]["resourceVersion"]):
            await self._fleet.remove(name)
        return await delete(self._api, self._copies, GATEWAY, call)
