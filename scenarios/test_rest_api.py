"""The platform over its REST API: what a caller asks for happens, and the record says who asked."""

from base64 import b64encode

import pytest

from harness.stack import Stack
from harness.stack.rest_api import RestApi, RestApiRefusal
from harness.wasmbed.resources.kinds import DEVICE

pytestmark = pytest.mark.requires("applications", "device-fields", "gateway-fields")

PATIENCE = 60.0


async def refused(rest: RestApi, method: str, path: str, body: object = None, role: str = "admin") -> RestApiRefusal:
    """The refusal of a request."""
    with pytest.raises(RestApiRefusal) as caught:
        await rest.request(method, path, body, role, {})
    return caught.value


async def test_what_the_api_shows_is_what_kubernetes_has(stack: Stack) -> None:
    """A device connects: the API's list has it with its phase, its gateway and its key."""
    board = await stack.boards.power_on()
    device = stack.device(board)
    await device.until(phase="Connected", within=PATIENCE)
    rest = await stack.rest_api()
    listed = (await rest.get("/api/v1/devices?status=Connected", role="viewer"))["devices"]
    there = await stack.api.get(DEVICE, device.name)
    assert [each["id"] for each in listed] == [device.name]
    assert listed[0]["publicKey"] == there["spec"]["publicKey"]
    assert listed[0]["gateway"] == stack.gateway.name
    assert (await rest.get("/api/v1/status"))["devices"]["connected"] == 1


@pytest.mark.requires("gateway-http")
async def test_an_application_runs_stops_and_is_gone(stack: Stack) -> None:
    """It is created, runs on its device, is stopped, deployed again, and deleted, all over the API."""
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected", within=PATIENCE)
    rest = await stack.rest_api()
    body = {"name": "hello", "wasmBytes": b64encode(stack.modules("hello")).decode(), "targetDevices": [board.name]}
    made = await rest.post("/api/v1/applications", body, role="operator")
    assert made["application"]["app_id"] == "hello"
    hello = stack.application("hello")
    await hello.until(phase="Running", within=PATIENCE)
    shown = await rest.get("/api/v1/applications/hello")
    assert shown["devices"] == {board.name: "running"}
    await rest.post("/api/v1/applications/hello/stop")
    await hello.until(phase="Stopped", within=PATIENCE)
    await rest.post("/api/v1/applications/hello/deploy")
    await hello.until(phase="Running", within=PATIENCE)
    await rest.delete("/api/v1/applications/hello")
    await hello.until_gone(within=PATIENCE)


@pytest.mark.requires("gateway-suspension")
async def test_a_device_is_disconnected_and_let_back(stack: Stack) -> None:
    """Its gateway ends the session and refuses the device, until it may connect again; then it comes by itself."""
    board = await stack.boards.power_on()
    device = stack.device(board)
    await device.until(phase="Connected", within=PATIENCE)
    rest = await stack.rest_api()
    path = f"/api/v1/devices/{device.name}"
    assert (await rest.post(f"{path}/disconnect", role="operator"))["suspended"] is True
    await device.until(phase="Disconnected", within=PATIENCE)
    ended = stack.history[-1]
    refusal = await stack.history.until("Error", source="Gateway", about=device.name, after=ended, within=PATIENCE)
    assert "suspended" in refusal.data["message"]
    assert (await rest.get(path))["status"] == "Disconnected"
    assert (await rest.post(f"{path}/connect", role="operator"))["status"] == "Disconnected"
    await device.until(phase="Connected", within=PATIENCE)


@pytest.mark.requires("gateway-suspension")
async def test_a_suspended_device_does_not_enroll(stack: Stack) -> None:
    """It boots again, asks to enroll, and is refused without a write, until it may connect."""
    board = await stack.boards.power_on()
    device = stack.device(board)
    await device.until(phase="Connected", within=PATIENCE)
    rest = await stack.rest_api()
    path = f"/api/v1/devices/{device.name}"
    await board.power_off()
    await device.until(phase="Disconnected", within=PATIENCE)
    await rest.post(f"{path}/disconnect")
    before = stack.history[-1]
    await board.power_on()
    await stack.history.until("Error", source="Gateway", about=device.name, after=before, within=PATIENCE)
    assert device.status.phase == "Disconnected"
    await rest.post(f"{path}/connect")
    await device.until(phase="Connected", within=PATIENCE)


async def test_who_asked_for_what_is_in_the_record(stack: Stack) -> None:
    """Requests are in the history with their caller, and their answers with the right that they need."""
    rest = await stack.rest_api()
    await rest.get("/api/v1/devices", role="viewer")
    await rest.post("/api/v1/devices", {"name": "pump-1"}, role="operator")
    await refused(rest, "DELETE", "/api/v1/devices/pump-1", role="operator")
    await stack.recorded()
    asked = stack.history.find(source="User", target="ApiServer")
    viewer, operator = (f"system:serviceaccount:{stack.api.namespace}:{role}" for role in ("viewer", "operator"))
    assert [(each.name, each.data["caller"], each.correlation) for each in asked] == [
        ("listDevices", viewer, ""),
        ("createDevices", operator, "pump-1"),
        ("deleteDevice", operator, "pump-1"),
    ]
    answered = stack.history.find(source="ApiServer", target="User")
    assert [(each.name, each.data["caller"], each.data["right"], each.data["code"]) for each in answered] == [
        ("listDevices", viewer, "list devices.wasmbed.io", 200),
        ("createDevices", operator, "create devices.wasmbed.io", 201),
        ("deleteDevice", operator, "delete devices.wasmbed.io", 403),
    ]


@pytest.mark.requires("gateway-api-faults")
async def test_a_cluster_that_is_away_is_a_503_and_then_it_is_back(stack: Stack) -> None:
    """The API says that it can do nothing now, and that the caller may try again; what it has read, it still shows."""
    rest = await stack.rest_api()
    await rest.get("/api/v1/devices")
    with stack.api_faults.failing(client="ApiServer", code=503):
        refusal = await refused(rest, "POST", "/api/v1/devices", {"name": "pump-1"})
        assert refusal.status == 503
        assert (await rest.get("/api/v1/devices"))["devices"] == []
    made = await rest.post("/api/v1/devices", {"name": "pump-1"})
    assert made["devices"][0]["id"] == "pump-1"
