"""The acts of the dashboard, over the REST API that it uses: the record follows the diagrams of the documents."""

from __future__ import annotations

from base64 import b64encode

import pytest

from harness.stack import Stack
from harness.stack.emulators import emulators
from harness.stack.rest_api import RestApi, RestApiRefusal

pytestmark = pytest.mark.requires("applications", "device-fields", "gateway-fields")

PATIENCE = 60.0
TEXT = """(module
  (import "wasmbed" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "hello")
  (func (export "run") (call $log (i32.const 1) (i32.const 0) (i32.const 5))))
"""


async def refused(rest: RestApi, path: str, body: object, role: str = "admin") -> RestApiRefusal:
    """The refusal of a POST."""
    with pytest.raises(RestApiRefusal) as caught:
        await rest.post(path, body, role=role)
    return caught.value


async def compiled(rest: RestApi, text: str) -> str:
    """The module of a source in WebAssembly's text format, in base64."""
    return str((await rest.post("/api/v1/compile", {"code": text, "language": "wat"}))["wasmBytes"])


async def connected(stack: Stack) -> str:
    """The name of a connected device."""
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected", within=PATIENCE)
    return board.name


@pytest.mark.requires("gateway-suspension")
async def test_a_device_is_created_connects_and_is_sent_away(stack: Stack) -> None:
    rest = await stack.rest_api()
    async with rest.following() as changes:
        made = await rest.post("/api/v1/devices", {"name": "pump-1"}, role="operator")
        assert made["devices"][0]["status"] == "Pending"
        device = stack.device(await stack.boards.power_on(name="pump-1"))
        async for change in changes:
            if change["kind"] == "device" and change["object"]["status"] == "Connected":
                assert change["object"]["id"] == "pump-1"
                break
        await device.until(phase="Connected", within=PATIENCE)
        await rest.post("/api/v1/devices/pump-1/disconnect")
        await device.until(phase="Disconnected", within=PATIENCE)
        await rest.post("/api/v1/devices/pump-1/connect")
        await device.until(phase="Connected", within=PATIENCE)
    assert (await refused(rest, "/api/v1/devices", {"name": "pump-1"})).status == 409
    assert (await refused(rest, "/api/v1/devices/pump-1/connect", {}, role="viewer")).status == 403
    assert (await refused(rest, "/api/v1/devices/pump-1/disconnect", {}, role="viewer")).status == 403
    await stack.recorded()
    stack.history.follows("dashboard-devices")


async def test_a_device_that_is_refused_at_first_is_let_in_later(stack: Stack) -> None:
    rest = await stack.rest_api()
    assert (await refused(rest, "/api/v1/devices", {"name": "pump-1"}, role="viewer")).status == 403
    await rest.post("/api/v1/devices", {"name": "pump-1"})
    await stack.device(await stack.boards.power_on(name="pump-1")).until(phase="Connected", within=PATIENCE)
    await stack.recorded()
    stack.history.follows("dashboard-devices")


async def test_a_device_is_made_with_a_board(stack: Stack) -> None:
    rest = await stack.rest_api()
    kind = stack.options.boards.partition("=")[0]
    async with emulators(stack):
        assert (await refused(rest, "/api/v1/devices/pump-1/emulation", {"kind": kind}, role="viewer")).status == 403
        await rest.post("/api/v1/devices/pump-1/emulation", {"kind": kind})
        assert (await refused(rest, "/api/v1/devices/pump-1/emulation", {"kind": kind})).status == 409
        device = stack.device("pump-1")
        await device.until(phase="Connected", board={"phase": "Running"}, within=PATIENCE)
        enrollments = device.status.enrollments
        await rest.post("/api/v1/devices/pump-1/emulation/restart")
        await device.until(phase="Connected", enrollments=enrollments + 1, within=PATIENCE)
        await rest.post("/api/v1/devices/pump-1/emulation/stop")
        await device.until(board={"phase": "Stopped"}, within=PATIENCE)
        await rest.post("/api/v1/devices/pump-1/emulation/start")
        await device.until(phase="Connected", board={"phase": "Running"}, within=PATIENCE)
        await stack.recorded()
        stack.history.follows("dashboard-boards")


@pytest.mark.requires("gateway-http", "gateway-stop")
async def test_an_application_is_deployed_and_seen_until_it_runs(stack: Stack) -> None:
    name = await connected(stack)
    rest = await stack.rest_api()
    body = {"name": "hello", "wasmBytes": b64encode(stack.modules("hello")).decode(), "targetDevices": [name]}
    hello = stack.application("hello")
    async with rest.following() as changes:
        await rest.post("/api/v1/applications", body, role="operator")
        async for change in changes:
            if change["kind"] == "application" and change["object"]["status"] == "Running":
                break
        await hello.until(phase="Running", within=PATIENCE)
        await rest.post("/api/v1/applications/hello/stop")
        await hello.until(phase="Stopped", within=PATIENCE)
        await rest.post("/api/v1/applications/hello/deploy")
        await hello.until(phase="Running", within=PATIENCE)
    for act in ("stop", "deploy"):
        assert (await refused(rest, f"/api/v1/applications/hello/{act}", {}, role="viewer")).status == 403
    assert (await refused(rest, "/api/v1/applications", body, role="viewer")).status == 403
    await stack.recorded()
    stack.history.follows("dashboard-deployment")


async def test_an_application_that_cannot_be_made_has_a_reason(stack: Stack) -> None:
    """A name that is taken, a module that is none, and a caller without the right; nothing is made."""
    rest = await stack.rest_api()
    module = b64encode(stack.modules("hello")).decode()
    await rest.post("/api/v1/applications", {"name": "hello", "wasmBytes": module, "targetDevices": ["pump-1"]})
    again = {"name": "other", "wasmBytes": module, "targetDevices": ["pump-1"]}
    assert (await refused(rest, "/api/v1/applications", {**again, "name": "hello"})).status == 409
    none = await refused(rest, "/api/v1/applications", {**again, "wasmBytes": b64encode(b"none").decode()})
    assert none.status == 422
    assert (await refused(rest, "/api/v1/applications", again, role="viewer")).status == 403
    await stack.recorded()
    stack.history.follows("dashboard-deployment", only=["other"])
    assert [each["id"] for each in (await rest.get("/api/v1/applications"))["applications"]] == ["hello"]


@pytest.mark.requires("other-programs", "gateway-http")
async def test_code_with_an_error_is_mended_compiled_again_and_deployed(stack: Stack) -> None:
    name = await connected(stack)
    rest = await stack.rest_api()
    refusal = await refused(
        rest, "/api/v1/compile", {"code": TEXT.replace("call $log", "call $lgo"), "language": "wat"}
    )
    assert refusal.status == 422
    assert refusal.problem["diagnostics"][0]["line"] == 5
    module = await compiled(rest, TEXT)
    await rest.post("/api/v1/applications", {"name": "hello", "wasmBytes": module, "targetDevices": [name]})
    await stack.application("hello").until(phase="Running", within=PATIENCE)
    await stack.recorded()
    stack.history.follows("compile-and-create")


async def test_the_system_is_looked_at_every_five_seconds(stack: Stack) -> None:
    """The lists show a device that comes and goes; a cluster that is away does not empty them."""
    rest = await stack.rest_api()
    seen: list[list[str]] = []
    for turn in range(3):
        devices = (await rest.get("/api/v1/devices", role="viewer"))["devices"]
        await rest.get("/api/v1/applications", role="viewer")
        gateways = (await rest.get("/api/v1/gateways", role="viewer"))["gateways"]
        seen.append([each["status"] for each in devices])
        assert [each["status"] for each in gateways] == ["Online"]
        if turn == 0:
            await connected(stack)
        if stack.options.simulated:
            await stack.clock.sleep(5)
    assert seen == [[], ["Connected"], ["Connected"]]
    await stack.recorded()
    stack.history.follows("system-monitoring")


async def test_a_command_at_the_terminal_is_carried_out_or_refused(stack: Stack) -> None:
    name = await connected(stack)
    rest = await stack.rest_api()
    path = "/api/v1/terminal/execute"
    await rest.get("/api/v1/terminal/commands")
    answer = await rest.post(path, {"command": "kubectl get devices"})
    assert name in answer["output"]
    assert (await refused(rest, path, {"command": "kubectl get devices; id"})).status == 422
    assert (await refused(rest, path, {"command": "kubectl get secrets"})).status == 403
    await stack.recorded()
    stack.history.follows("terminal")
    asked = stack.history.find("executeCommand", source="ApiServer")
    assert [each.data["code"] for each in asked] == [200, 422, 403]
