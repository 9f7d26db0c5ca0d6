"""Operations on the pairing mode: while a gateway's is on, devices without certificate and token may enroll."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from typing_extensions import TypedDict

from harness.core.clock import Clock
from harness.wasmbed.api.copies import Copies
from harness.wasmbed.api.gateways import RECENT
from harness.wasmbed.api.operation import Answer, Body, Call, NoBody, NoQuery, Operation, Right
from harness.wasmbed.api.problems import Problem
from harness.wasmbed.api.shapes import PairingShape, pairing_shape
from harness.wasmbed.api.writes import Done, patch
from harness.wasmbed.resources.api import NotFound, ResourceApi
from harness.wasmbed.resources.kinds import GATEWAY
from harness.wasmbed.resources.timestamps import format_timestamp

__all__ = ["PairingModes"]

DEFAULT_SECONDS = 300
_LONGEST = 86_400


def _not_truth(value: Any) -> Any:
    """Refuse true, which pydantic takes for 1."""
    if isinstance(value, bool):
        raise ValueError("it is not a number")
    return value


Seconds = Annotated[
    int,
    Field(ge=1, le=_LONGEST, description="How long it stays on: devices that nobody knows may enroll meanwhile."),
    BeforeValidator(_not_truth),
]


class PairingMode(Body):
    """Whether a gateway pairs devices without a token."""

    mode: Literal["on", "off"]
    seconds: Seconds = DEFAULT_SECONDS


class Period(Body):
    """How long gateways pair devices without a token."""

    seconds: Seconds = DEFAULT_SECONDS


class Pairings(TypedDict):
    """The mode of each gateway, by name."""

    gateways: dict[str, PairingShape]


class PairingModes:
    """The operations."""

    def __init__(self, api: ResourceApi, copies: Copies, clock: Clock) -> None:
        self._api, self._copies, self._clock = api, copies, clock

    def operations(self) -> list[Operation]:
        """Return them, for the router and the document."""
        one = "/api/v1/gateways/{id}/pairing"
        change = Right("patch", "gateways")
        return [
            Operation(
                name="listPairing", method="GET", path="/api/v1/pairing", run=self._list, answer=Pairings,
                right=Right("list", "gateways"), summary="The pairing mode of each gateway.",
            ),
            Operation(
                name="getPairing", method="GET", path=one, run=self._get, answer=PairingShape,
                right=Right("get", "gateways"), refusals=(404,), summary="The pairing mode of a gateway.",
            ),
            Operation(
                name="setPairing", method="PUT", path=one, run=self._set, answer=PairingShape, body=PairingMode,
                right=change, refusals=(404, 409, 412),
                summary="Let devices enroll at a gateway without a token, for a time, or end that.",
            ),
            Operation(
                name="enablePairing", method="POST", path="/api/pairing/enable", run=self._enable, answer=Done,
                body=Period, right=change, refusals=(409,),
                summary="Let devices enroll at all gateways without a token, for a time.",
            ),
            Operation(
                name="disablePairing", method="POST", path="/api/pairing/disable", run=self._disable, answer=Done,
                body=NoBody, right=change, refusals=(409,), summary="Let no device enroll without a token.",
            ),
        ]  # fmt: skip

    async def _list(self, call: Call[NoBody, NoQuery]) -> Answer:
        answer: Pairings = {
            "gateways": {name: pairing_shape(each) for name, each in sorted(self._copies.of(GATEWAY).items())}
        }
        return Answer(answer)

    async def _get(self, call: Call[NoBody, NoQuery]) -> Answer:
        found = self._copies.find(GATEWAY, call.names["id"])
        return Answer(pairing_shape(found), version=found["metadata"]["resourceVersion"])

    async def _set(self, call: Call[PairingMode, NoQuery]) -> Answer:
        wanted = self._on(call.body.seconds) if call.body.mode == "on" else _OFF
        written = await patch(self._api, self._copies, GATEWAY, call, {"spec": {"pairing": wanted}}, RECENT)
        return Answer(pairing_shape(written), version=written["metadata"]["resourceVersion"])

    async def _enable(self, call: Call[Period, NoQuery]) -> Answer:
        wanted = self._on(call.body.seconds)
        names = await self._set_all(call, wanted)
        done: Done = {"success": True, "message": f"{names} let devices enroll until {wanted['until']}"}
        return Answer(done)

    async def _disable(self, call: Call[NoBody, NoQuery]) -> Answer:
        done: Done = {"success": True, "message": f"{await self._set_all(call, _OFF)} let only devices with a token in"}
        return Answer(done)

    def _on(self, seconds: int) -> dict[str, Any]:
        return {"mode": "on", "until": format_timestamp(self._clock.now() + seconds)}

    async def _set_all(self, call: Call[Any, NoQuery], wanted: dict[str, Any]) -> str:
        """Write the mode of each gateway; returns their names. Raises :class:`Problem` 409 if there is none."""
        written = []
        for name in sorted(self._copies.of(GATEWAY)):
            try:
                await patch(self._api, self._copies, GATEWAY, call, {"spec": {"pairing": wanted}}, RECENT, name)
            except NotFound:  # deleted meanwhile
                continue
            except Problem as problem:
                if problem.status != HTTPStatus.NOT_FOUND:
                    raise
                continue
            written.append(name)
        if not written:
            raise Problem(409, "there is no gateway yet at which devices could enroll")
        return ", ".join(written)


_OFF: dict[str, Any] = {"mode": "off", "until": None}
