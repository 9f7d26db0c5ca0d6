"""Operations on gateways. A gateway registers itself; here it is looked at, bounded, and forgotten."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from harness.wasmbed.api.copies import Copies
from harness.wasmbed.api.operation import Answer, Body, Call, NoBody, NoQuery, Operation, Right
from harness.wasmbed.api.paging import Page, PageQuery, page_of
from harness.wasmbed.api.shapes import GatewayShape, gateway_shape
from harness.wasmbed.api.writes import Done, delete, patch
from harness.wasmbed.resources.api import Object, ResourceApi
from harness.wasmbed.resources.kinds import GATEWAY
from harness.wasmbed.resources.phases import GatewayPhase

__all__ = ["Gateways"]


class GatewayQuery(PageQuery):
    """Which gateways."""

    status: Annotated[GatewayPhase | None, Field(description="Only gateways in this phase.")] = None


class GatewayList(Page):
    """Gateways, by name."""

    gateways: list[GatewayShape]


class GatewayChange(Body):
    """The changes that an operator may make."""

    capacity: Annotated[
        int | None, Field(ge=1, le=1_000_000, description="Devices that it is to have at most; null: no bound.")
    ]


class Gateways:
    """The operations."""

    def __init__(self, api: ResourceApi, copies: Copies) -> None:
        self._api, self._copies = api, copies

    def operations(self) -> list[Operation]:
        """Return them, for the router and the document."""
        one = "/api/v1/gateways/{id}"
        return [
            Operation(
                name="listGateways", method="GET", path="/api/v1/gateways", run=self._list, answer=GatewayList,
                query=GatewayQuery, right=Right("list", "gateways"), summary="The gateways, by name.",
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
                right=Right("delete", "gateways"), refusals=(404, 412),
                summary="Forget a gateway. One that runs registers again.",
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

    async def _get(self, call: Call[NoBody, NoQuery]) -> Answer:
        found = self._shape(self._copies.find(GATEWAY, call.names["id"]))
        return Answer(found, version=found["resourceVersion"])

    async def _change(self, call: Call[GatewayChange, NoQuery]) -> Answer:
        change: dict[str, Any] = {"spec": {"capacity": call.body.capacity}}
        written = await patch(self._api, self._copies, GATEWAY, call, change)
        return Answer(self._shape(written), version=written["metadata"]["resourceVersion"])

    async def _delete(self, call: Call[NoBody, NoQuery]) -> Answer:
        return await delete(self._api, self._copies, GATEWAY, call)
