"""The expectations of the original's scripts, page by page, compared with the objects in Kubernetes.

The original's API said so; here it happens. Paths and fields are the original's.
"""

from base64 import b64encode

import pytest

from harness.stack import Stack
from harness.stack.rest_api import RestApi, RestApiRefusal
from harness.wasmbed.resources.api import NotFound, Resource
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY

pytestmark = pytest.mark.requires("applications", "device-fields", "gateway-fields", "gateway-http")

PATIENCE = 60.0


async def gone(stack: Stack, rest: RestApi, kind: Resource, name: str) -> None:
    """There is no such object, neither for kubectl nor over REST."""
    with pytest.raises(NotFound):
        await stack.api.get(kind, name)
    with pytest.raises(RestApiRefusal, match="404"):
        await rest.get(f"/api/v1/{kind.plural}/{name}")
    listed = (await rest.get(f"/api/{kind.plural}"))[kind.plural]
    assert name not in [each["id"] for each in listed]


@pytest.mark.requires("gateway-suspension")
async def test_the_page_of_devices(stack: Stack) -> None:
    rest = await stack.rest_api()
    board = {"type": "MCU", "architecture": "ARM_CORTEX_M", "mcuType": "Mps2An385", "gatewayId": "gateway-1"}
    made = await rest.post("/api/v1/devices", {"name": "pump-1", "count": 1, **board})
    assert made["success"]
    name = made["devices"][0]["id"]
    assert (await rest.get(f"/api/v1/devices/{name}"))["status"] == "Pending"
    assert (await rest.post(f"/api/v1/devices/{name}/enroll", {"gatewayId": "gateway-1"}))["success"]

    device = stack.device(await stack.boards.power_on(name=name))
    await device.until(phase="Connected", within=PATIENCE)
    shown = next(each for each in (await rest.get("/api/v1/devices"))["devices"] if each["id"] == name)
    assert (shown["status"], shown["gateway"]) == ("Connected", stack.gateway.name)
    assert (await rest.post(f"/api/v1/devices/{name}/disconnect"))["success"]
    await device.until(phase="Disconnected", within=PATIENCE)
    assert (await rest.post(f"/api/v1/devices/{name}/connect"))["success"]
    await device.until(phase="Connected", within=PATIENCE)

    await stack.boards[name].power_off()
    await device.until(phase="Disconnected", within=PATIENCE)
    assert (await rest.delete(f"/api/v1/devices/{name}"))["success"]
    await device.until_gone(within=PATIENCE)
    await gone(stack, rest, DEVICE, name)


async def test_the_page_of_applications(stack: Stack) -> None:
    rest = await stack.rest_api()
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected", within=PATIENCE)
    code = {"wasmBytes": b64encode(stack.modules("idle")).decode(), "language": "rust", "template": "hello-world"}
    targets = {"deviceNames": [stack.device(board).name]}
    body = {"name": "application-1", "description": "says hello", "targetDevices": targets, **code}
    name = (await rest.post("/api/v1/applications", body))["application"]["id"]
    application = stack.application(name)
    for action, phase in (("deploy", "Running"), ("stop", "Stopped"), ("deploy", "Running")):
        assert (await rest.post(f"/api/v1/applications/{name}/{action}"))["success"]
        await application.until(phase=phase, within=PATIENCE)
    shown = await rest.get(f"/api/v1/applications/{name}")
    numbers = shown["statistics"]
    assert (numbers["target_count"], numbers["deployed_count"], numbers["deployment_progress"]) == (1, 1, 100)
    assert shown["description"] == "says hello"
    assert (await rest.delete(f"/api/v1/applications/{name}"))["success"]
    await application.until_gone(within=PATIENCE)
    await gone(stack, rest, APPLICATION, name)


@pytest.mark.requires("several-gateways")
async def test_the_page_of_gateways(stack: Stack) -> None:
    rest = await stack.rest_api()
    made = await rest.post("/api/v1/gateways", {"name": "gateway-2", "count": 1, "basePort": 30452})
    name = made["gateways"][0]["id"]
    second = stack.gateways[1]
    await second.until(phase="Online", within=PATIENCE)
    change = {"config": {"heartbeatInterval": "30s", "connectionTimeout": "10m", "enrollmentTimeout": "5m"}}
    await rest.put(f"/api/v1/gateways/{name}", {"capabilities": ["tls", "enrollment"], **change})
    there = (await stack.api.get(GATEWAY, name))["spec"]
    assert (there["config"], there["capabilities"]) == (change["config"], ["tls", "enrollment"])
    for enabled in (False, True):
        answer = await rest.post(f"/api/v1/gateways/{name}/toggle", {})
        assert answer["success"]
        assert (await stack.api.get(GATEWAY, name))["spec"]["enabled"] is enabled
    assert (await rest.delete(f"/api/v1/gateways/{name}"))["success"]
    await gone(stack, rest, GATEWAY, name)


async def test_the_pages_of_monitoring(stack: Stack) -> None:
    rest = await stack.rest_api()
    assert (await rest.get("/health"))["status"] == "healthy"
    for path in ("/api/v1/status", "/api/status"):
        status = await rest.get(path)
        assert (status["gateways"]["active"], status["devices"]["total"]) == (1, 0)
    for path in ("/logs", "/api/v1/logs"):
        assert isinstance((await rest.get(path))["logs"], list)
    listed = await rest.get("/api/v1/terminal/commands")
    command = next(each["command"] for each in listed["commands"] if each["name"] == "Gateway Status")
    answer = await rest.post("/api/v1/terminal/execute", {"command": command, "commandId": 4})
    assert (answer["success"], answer["error"]) == (True, None)
    assert stack.gateway.name in answer["output"]
