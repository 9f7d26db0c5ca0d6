"""Operations on devices. A device is registered by its gateway; here it is let in, changed and removed."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypedDict

from harness.core.identifiers import Randomness
from harness.wasmbed.api.copies import Copies
from harness.wasmbed.api.operation import Answer, Body, Call, NoBody, NoQuery, Operation, Right
from harness.wasmbed.api.paging import Page, PageQuery, page_of
from harness.wasmbed.api.problems import Problem, of_api_error
from harness.wasmbed.api.shapes import DeviceShape, Time, device_shape
from harness.wasmbed.api.texts import Texts
from harness.wasmbed.api.writes import ONLY_THESE, Done, LabelKey, LabelValue, Name, changed, delete, patch
from harness.wasmbed.resources.api import ApiError, Conflict, NotFound, Object, ResourceApi
from harness.wasmbed.resources.kinds import DEVICE, SECRET
from harness.wasmbed.resources.names import PURPOSE_LABEL, PURPOSE_PAIRING, TOKEN_KEY, pairing_secret
from harness.wasmbed.resources.phases import DevicePhase

__all__ = ["Devices"]

_TOKEN_BYTES = 24
_AT_ONCE = 100
_TOLD = "As the original's clients send it: the device says it itself when it enrolls."


class DeviceQuery(PageQuery):
    """Which devices."""

    status: Annotated[DevicePhase | None, Field(description="Only devices in this phase.")] = None
    gateway: Annotated[str | None, Field(max_length=253, description="Only devices that this gateway served last.")] = (
        None
    )


class DeviceList(Page):
    """Devices, by name."""

    devices: list[DeviceShape]


class NewDevices(Body):
    """Devices that are to enroll."""

    name: Annotated[Name | None, Field(description="The device's name; with a count, NAME-1 to NAME-count.")] = None
    count: Annotated[int, Field(ge=1, le=_AT_ONCE)] = 1
    type: Annotated[Literal["MCU"] | None, Field(description=_TOLD)] = None
    architecture: Annotated[str | None, Field(max_length=63, description=_TOLD)] = None
    mcuType: Annotated[str | None, Field(max_length=63, description=_TOLD)] = None
    gatewayId: Annotated[str | None, Field(max_length=253, description=_TOLD)] = None
    qemuEnabled: Annotated[bool | None, Field(description=_TOLD)] = None


class DeviceChange(Body):
    """The changes that an operator may make; the rest is the device's own word."""

    preferredGateway: Annotated[Name | None, Field(description="Null takes the preference away.")] = None
    labels: Annotated[
        dict[LabelKey, LabelValue | None],
        Field(
            default_factory=dict, max_length=64, json_schema_extra=ONLY_THESE, description="Null takes a label away."
        ),
    ]


class AwaitedDevice(TypedDict):
    """A device that is let in."""

    id: str
    name: str
    status: Literal["Pending"]
    pairingToken: Annotated[str, Field(description="Shown once: the device enrolls with it, once.")]


class AwaitedDevices(TypedDict):
    """Devices that are let in, and why others are not."""

    success: bool
    message: str
    devices: list[AwaitedDevice]
    errors: list[str]


class Session(TypedDict):
    """The result of a request to connect or disconnect a device."""

    success: Literal[True]
    message: str
    status: Annotated[str, Field(description="The phase now.")]
    lastHeartbeat: Time | None
    suspended: bool


class Pairing(TypedDict):
    """A device that may enroll."""

    success: Literal[True]
    message: str
    pairingToken: Annotated[str, Field(description="Shown once: the device enrolls with it, once.")]


class Devices:
    """The operations."""

    def __init__(self, api: ResourceApi, copies: Copies, randomness: Randomness) -> None:
        self._api, self._copies, self._randomness = api, copies, randomness
        self._texts = Texts(copies.informers[DEVICE], device_shape)

    def operations(self) -> list[Operation]:
        """Return them, for the router and the document."""
        one = "/api/v1/devices/{id}"
        return [
            Operation(
                name="listDevices", method="GET", path="/api/v1/devices", run=self._list, also="/api/devices",
                answer=DeviceList,
                query=DeviceQuery, right=Right("list", "devices"), summary="The devices, by name.",
            ),
            Operation(
                name="createDevices", method="POST", path="/api/v1/devices", run=self._create, answer=AwaitedDevices,
                body=NewDevices, status=201, right=Right("create", "devices"), refusals=(409,),
                summary="Let devices enroll: each gets a pairing token, and its gateway registers it.",
            ),
            Operation(
                name="getDevice", method="GET", path=one, run=self._get, answer=DeviceShape,
                right=Right("get", "devices"), refusals=(404,), summary="One device.",
            ),
            Operation(
                name="changeDevice", method="PATCH", path=one, run=self._change, answer=DeviceShape, body=DeviceChange,
                right=Right("patch", "devices"), refusals=(404, 409, 412), summary="Change labels and preference.",
            ),
            Operation(
                name="deleteDevice", method="DELETE", path=one, run=self._delete, answer=Done,
                right=Right("delete", "devices"), refusals=(404, 412),
                summary="Remove a device, which enrolls again if its certificate allows it, or stop waiting for one.",
            ),
            Operation(
                name="enrollDevice", method="POST", path=one + "/enroll", run=self._enroll, answer=Pairing, body=NoBody,
                right=Right("create", "devices"), refusals=(404, 409),
                summary="Let a device enroll, or enroll again, by a new pairing token. One not used yet becomes void.",
            ),
            Operation(
                name="connectDevice", method="POST", path=one + "/connect", run=self._connect, answer=Session,
                body=NoBody, right=Right("patch", "devices"), refusals=(404, 409, 412),
                summary="Let a device connect that was disconnected. It comes back by itself: this waits for nothing.",
            ),
            Operation(
                name="disconnectDevice", method="POST", path=one + "/disconnect", run=self._disconnect, answer=Session,
                body=NoBody, right=Right("patch", "devices"), refusals=(404, 409, 412),
                summary="End a device's session, and keep it away until it may connect again.",
            ),
        ]  # fmt: skip

    async def _list(self, call: Call[NoBody, DeviceQuery]) -> Answer:
        wanted = call.query

        def fits(device: Object) -> bool:
            status = device.get("status") or {}
            return (wanted.status is None or status.get("phase", "Pending") == wanted.status.value) and (
                wanted.gateway is None or status.get("gateway") == wanted.gateway
            )

        found, page = page_of(self._copies.devices(), wanted, fits, self._texts.of)
        return Answer({"devices": found, **page})

    async def _get(self, call: Call[NoBody, NoQuery]) -> Answer:
        found = device_shape(self._copies.device(call.names["id"]))
        return Answer(found, version=found["resourceVersion"])

    async def _create(self, call: Call[NewDevices, NoQuery]) -> Answer:
        wanted = call.body
        base = wanted.name or f"device-{self._randomness.token(6)}"
        names = [base] if wanted.count == 1 else [f"{base}-{number}" for number in range(1, wanted.count + 1)]
        made: list[AwaitedDevice] = []
        errors: list[str] = []
        for name in names:
            try:
                token = await self._let_in(name)
            except Problem as problem:
                errors.append(problem.detail)
            except (ApiError, OSError) as error:
                if not made:
                    raise
                errors.append(f"{name}: {of_api_error(error).detail}")
                break  # and show the tokens that there are: they are shown once
            else:
                made.append({"id": name, "name": name, "status": "Pending", "pairingToken": token})
        if not made:
            raise Problem(409, "; ".join(errors))
        message = f"{len(made)} of {len(names)} devices may enroll"
        answer: AwaitedDevices = {"success": not errors, "message": message, "devices": made, "errors": errors}
        return Answer(answer, status=201)

    async def _change(self, call: Call[DeviceChange, NoQuery]) -> Answer:
        self._refuse_awaited(call.names["id"])
        change: dict[str, Any] = {}
        if "preferredGateway" in call.body.model_fields_set:
            change["spec"] = {"preferredGateway": call.body.preferredGateway}
        if call.body.labels:
            change["metadata"] = {"labels": dict(call.body.labels)}
        written = await patch(self._api, self._copies, DEVICE, call, change)
        return Answer(device_shape(written), version=written["metadata"]["resourceVersion"])

    async def _delete(self, call: Call[NoBody, NoQuery]) -> Answer:
        name = call.names["id"]
        if self._copies.awaited(name) is None:
            return await delete(self._api, self._copies, DEVICE, call)
        if name in self._copies.of(DEVICE):  # it enrolled with a certificate, and its token lets in another
            answer = await delete(self._api, self._copies, DEVICE, call)
            with suppress(NotFound):
                await self._api.delete(SECRET, pairing_secret(name))
            return answer
        try:
            await self._api.delete(SECRET, pairing_secret(name), resource_version=call.expected_version)
        except Conflict as error:
            raise changed(DEVICE, name, call, error) from error
        done: Done = {"success": True, "message": f"{name} is not awaited any more: its pairing token is void"}
        return Answer(done)

    async def _enroll(self, call: Call[NoBody, NoQuery]) -> Answer:
        name = call.names["id"]
        self._copies.device(name)
        unused = self._copies.awaited(name)
        if unused is not None:
            version = unused["metadata"]["resourceVersion"]
            with suppress(NotFound):
                await self._api.delete(SECRET, pairing_secret(name), resource_version=version)
        token = await self._let_in(name, again=True)
        answer: Pairing = {"success": True, "message": f"{name} may enroll once", "pairingToken": token}
        return Answer(answer)

    async def _connect(self, call: Call[NoBody, NoQuery]) -> Answer:
        return await self._suspend(call, "may connect, and does so by itself", suspended=False)

    async def _disconnect(self, call: Call[NoBody, NoQuery]) -> Answer:
        return await self._suspend(call, "is to be disconnected by its gateway, and is refused", suspended=True)

    async def _suspend(self, call: Call[NoBody, NoQuery], what: str, *, suspended: bool) -> Answer:
        name = call.names["id"]
        self._refuse_awaited(name)
        shape = device_shape(
            await patch(self._api, self._copies, DEVICE, call, {"spec": {"suspended": suspended}}, ("suspended",))
        )
        answer: Session = {
            "success": True,
            "message": f"{name} {what}; now it is {shape['status']}",
            "status": shape["status"],
            "lastHeartbeat": shape["lastHeartbeat"],
            "suspended": shape["suspended"],
        }
        return Answer(answer, version=shape["resourceVersion"])

    def _refuse_awaited(self, name: str) -> None:
        if self._copies.awaited(name) is not None and name not in self._copies.of(DEVICE):
            raise Problem(409, f"{name} has not enrolled yet: switch it on with its pairing token first")

    async def _let_in(self, name: str, *, again: bool = False) -> str:
        """Make the Secret of a pairing token; returns the token. Raises :class:`Problem` 409."""
        if not again and name in self._copies.of(DEVICE):
            raise Problem(409, f"there is a device {name} already; POST /api/v1/devices/{name}/enroll lets it in again")
        token = self._randomness.token(_TOKEN_BYTES)
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": pairing_secret(name), "labels": {PURPOSE_LABEL: PURPOSE_PAIRING}},
            "type": "Opaque",
            "stringData": {TOKEN_KEY: token},
        }
        try:
            self._copies.remember_pairing(await self._api.create(SECRET, secret))
        except Conflict as error:
            raise Problem(
                409,
                f"{name} has a pairing token already that was not used; POST /api/v1/devices/{name}/enroll replaces it",
            ) from error
        except ApiError as error:
            if error.code == 422:
                raise Problem(422, f"a device cannot be named {name}: {error}") from error
            raise
        return token
