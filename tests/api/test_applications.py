"""Applications over the REST API."""

from base64 import b64encode

import pytest

from harness.wasmbed.resources.kinds import APPLICATION
from tests.api.world import MODULE, World


@pytest.fixture
def good() -> str:
    """A module that every device can run, in base64."""
    import wasmtime

    text = '(module (memory (export "memory") 1) (func (export "run")))'
    return b64encode(wasmtime.wat2wasm(text)).decode()


async def test_an_application_is_created_stopped_deployed_and_deleted(world: World, good: str) -> None:
    body = {"name": "hello", "wasmBytes": good, "targetDevices": ["pump-1"]}
    made = await world.ask("POST", "/api/v1/applications", body, status=201)
    assert made["application"]["target_devices"] == ["pump-1"]
    await world.ask("POST", "/api/v1/applications/hello/stop", {})
    assert (await world.api.get(APPLICATION, "hello"))["spec"]["stopped"] is True
    await world.ask("POST", "/api/v1/applications/hello/deploy", {"anything": "as the original's clients send it"})
    assert (await world.api.get(APPLICATION, "hello"))["spec"]["stopped"] is False
    await world.ask("DELETE", "/api/v1/applications/hello")
    await world.settle()
    await world.ask("GET", "/api/v1/applications/hello", status=404)


@pytest.mark.parametrize(
    ("targets", "spec"),
    [
        ({"allDevices": True}, {"allDevices": True}),
        ({"matchLabels": {"site": "a"}}, {"selector": {"matchLabels": {"site": "a"}}}),
        ({"deviceNames": ["pump-1", "pump-1"]}, {"deviceNames": ["pump-1"]}),
    ],
)
async def test_targets_are_names_labels_or_all(world: World, good: str, targets: object, spec: object) -> None:
    body = {"name": "hello", "wasmBytes": good, "targetDevices": targets}
    await world.ask("POST", "/api/v1/applications", body, status=201)
    assert (await world.api.get(APPLICATION, "hello"))["spec"]["targetDevices"] == spec


@pytest.mark.parametrize("targets", [{}, {"allDevices": True, "deviceNames": ["pump-1"]}, [], {"allDevices": False}])
async def test_targets_that_are_none_are_refused(world: World, good: str, targets: object) -> None:
    await world.ask("POST", "/api/v1/applications", {"wasmBytes": good, "targetDevices": targets}, status=422)


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("?", "wasmBytes is not base64"),
        (b64encode(b"\x7fELF").decode(), "the module cannot run"),
        (b64encode(MODULE).decode(), "the module cannot run"),
        ("", "the module cannot run"),
    ],
)
async def test_a_module_that_is_none_is_refused(world: World, module: str, reason: str) -> None:
    body = {"name": "hello", "wasmBytes": module, "targetDevices": {"allDevices": True}}
    problem = await world.ask("POST", "/api/v1/applications", body, status=422)
    assert problem["detail"].startswith(reason)
    await world.ask("GET", "/api/v1/applications/hello", status=404)


async def test_a_name_that_is_taken_is_a_conflict(world: World, good: str) -> None:
    body = {"name": "hello", "wasmBytes": good, "targetDevices": {"allDevices": True}}
    await world.ask("POST", "/api/v1/applications", body, status=201)
    problem = await world.ask("POST", "/api/v1/applications", body, status=409)
    assert "there is an application hello already" in problem["detail"]


async def test_a_repeated_request_with_its_key_creates_nothing_twice(world: World, good: str) -> None:
    body = {"wasmBytes": good, "targetDevices": {"allDevices": True}}
    first = await world.ask("POST", "/api/v1/applications", body, status=201, Idempotency_Key="a")
    again = await world.ask("POST", "/api/v1/applications", body, status=201, Idempotency_Key="a")
    assert first["application"]["app_id"] == again["application"]["app_id"]
    assert (await world.ask("GET", "/api/v1/applications"))["total"] == 1
    other = {**body, "name": "other"}
    await world.ask("POST", "/api/v1/applications", other, status=409, Idempotency_Key="a")
    await world.clock.advance(601)
    await world.ask("POST", "/api/v1/applications", other, status=201, Idempotency_Key="a")


async def test_other_targets_replace_the_ones_before(world: World, good: str) -> None:
    body = {"name": "hello", "wasmBytes": good, "targetDevices": ["pump-1"]}
    await world.ask("POST", "/api/v1/applications", body, status=201)
    await world.ask("PATCH", "/api/v1/applications/hello", {"targetDevices": {"allDevices": True}})
    assert (await world.api.get(APPLICATION, "hello"))["spec"]["targetDevices"] == {"allDevices": True}


async def test_the_module_comes_back(world: World, good: str) -> None:
    body = {"name": "hello", "wasmBytes": good, "targetDevices": {"allDevices": True}}
    await world.ask("POST", "/api/v1/applications", body, status=201)
    assert b64encode(await world.ask("GET", "/api/v1/applications/hello/module")).decode() == good


async def test_an_application_is_replaced_whole(world: World, good: str) -> None:
    body = {"name": "hello", "wasmBytes": good, "targetDevices": ["pump-1"], "config": {"fuel": 5}, "stopped": True}
    await world.ask("POST", "/api/v1/applications", body, status=201)
    whole = {"wasmBytes": good, "targetDevices": {"matchLabels": {"site": "a"}}, "config": {"entry": "run"}}
    await world.ask("PUT", "/api/v1/applications/hello", whole)
    spec = (await world.api.get(APPLICATION, "hello"))["spec"]
    assert spec["targetDevices"] == {"selector": {"matchLabels": {"site": "a"}}}
    assert spec["stopped"] is False
    assert spec["config"]["fuel"] != 5
    await world.ask("PUT", "/api/v1/applications/nobody", whole, status=404)
    await world.ask("PUT", "/api/v1/applications/hello", {"wasmBytes": good}, status=422)
