"""Callers and their rights."""

import pytest

from harness.sequences.bindings import event_types
from harness.wasmbed.api.settings import ApiSettings
from tests.api.world import World


async def test_a_token_is_needed(world: World) -> None:
    problem = await world.ask("GET", "/api/v1/devices", role="", status=401)
    assert "kubectl create token" in problem["detail"]
    await world.ask("GET", "/api/v1/devices", role="", status=401, Authorization="Bearer wrong")
    await world.ask("GET", "/api/v1/devices", role="", status=401, Authorization=f"Basic {world.tokens['admin']}")


async def test_health_and_document_need_none(world: World) -> None:
    for path in ("/healthz", "/readyz", "/openapi.json"):
        await world.ask("GET", path, role="")


async def test_a_caller_without_a_role_may_nothing(world: World) -> None:
    for path in ("/api/v1/devices", "/api/v1/applications", "/api/v1/gateways", "/api/v1/status", "/api/v1/events"):
        problem = await world.ask("GET", path, role="nobody", status=403)
        assert "the role viewer or operator or admin gives it" in problem["detail"]


async def test_a_refusal_names_the_roles_that_have_the_right(world: World) -> None:
    problem = await world.ask("DELETE", "/api/v1/devices/pump-1", role="operator", status=403)
    assert "delete devices.wasmbed.io; the role admin gives it" in problem["detail"]
    command = {"command": "kubectl get secrets"}
    problem = await world.ask("POST", "/api/v1/terminal/execute", command, role="admin", status=403)
    assert "none of viewer, operator and admin does" in problem["detail"]


async def test_a_viewer_reads_and_changes_nothing(world: World) -> None:
    await world.register("pump-1")
    await world.ask("GET", "/api/v1/devices/pump-1", role="viewer")
    await world.ask("POST", "/api/v1/devices", {"name": "pump-2"}, role="viewer", status=403)
    await world.ask("PATCH", "/api/v1/devices/pump-1", {"labels": {"a": "b"}}, role="viewer", status=403)
    await world.ask("DELETE", "/api/v1/devices/pump-1", role="viewer", status=403)


async def test_an_operator_changes_and_an_admin_deletes_devices(world: World) -> None:
    await world.register("pump-1")
    await world.ask("PATCH", "/api/v1/devices/pump-1", {"labels": {"a": "b"}}, role="operator")
    await world.ask("DELETE", "/api/v1/devices/pump-1", role="operator", status=403)
    await world.ask("DELETE", "/api/v1/devices/pump-1", role="admin")


async def test_every_request_is_in_the_audit_log(world: World) -> None:
    await world.register("pump-1")
    await world.ask("PATCH", "/api/v1/devices/pump-1", {"labels": {"a": "b"}}, role="operator")
    await world.ask("DELETE", "/api/v1/devices/pump-1", role="operator", status=403)
    await world.ask("GET", "/api/v1/devices/pump-1", role="operator")
    name = "system:serviceaccount:wasmbed:operator"
    assert [(done, data["caller"], data["code"]) for done, data in world.audit] == [
        ("changeDevice", name, 200),
        ("deleteDevice", name, 403),
        ("getDevice", name, 200),
    ]
    assert [(done, data["method"], data["path"]) for done, data in world.asked] == [
        ("changeDevice", "PATCH", "/api/v1/devices/pump-1"),
        ("deleteDevice", "DELETE", "/api/v1/devices/pump-1"),
        ("getDevice", "GET", "/api/v1/devices/pump-1"),
    ]


async def test_what_anybody_may_ask_is_not_in_the_audit_log(world: World) -> None:
    await world.ask("GET", "/health", role="")
    assert (world.asked, world.audit) == ([], [])


@pytest.mark.settings(rate=1.0, burst=3)
async def test_a_caller_that_asks_too_often_waits_and_others_do_not(world: World) -> None:
    for _ in range(3):
        await world.ask("GET", "/api/v1/status", role="viewer")
    await world.ask("GET", "/api/v1/status", role="viewer", status=429)
    await world.ask("GET", "/api/v1/status", role="operator")
    await world.clock.advance(1)
    await world.ask("GET", "/api/v1/status", role="viewer")


async def test_a_right_that_is_taken_away_is_gone_after_a_while(world: World) -> None:
    await world.ask("GET", "/api/v1/devices", role="viewer")
    await world.take_away("viewer")
    await world.clock.advance(ApiSettings().trusted_for + 1)
    await world.ask("GET", "/api/v1/devices", role="viewer", status=403)


@pytest.mark.settings(origins=("https://dashboard.example",))
async def test_pages_of_named_origins_may_call_it(world: World) -> None:
    async def allowed(origin: str) -> str | None:
        async with world.session.get("/healthz", headers={"Origin": origin}) as answer:
            return answer.headers.get("Access-Control-Allow-Origin")

    assert await allowed("https://dashboard.example") == "https://dashboard.example"
    assert await allowed("https://elsewhere.example") is None


async def test_sequences_know_each_operation_that_is_recorded(world: World) -> None:
    document = await world.ask("GET", "/openapi.json")
    named = {
        each["operationId"] for path in document["paths"].values() for each in path.values() if each.get("security")
    }
    bound = {name for source, target, name in event_types() if (source, target) == ("User", "ApiServer")}
    assert bound == named
