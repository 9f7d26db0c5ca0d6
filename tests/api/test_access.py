"""Callers and their rights."""

import asyncio
import logging
from typing import Any

import pytest

from harness.core.http_door import HttpPlaces
from harness.sequences.bindings import event_types
from harness.wasmbed.api import audit
from harness.wasmbed.api.settings import ApiSettings
from tests.api.world import World

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


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


async def test_words_of_a_caller_are_bounded_in_the_audit_log(world: World) -> None:
    await world.ask("DELETE", f"/api/v1/devices/{'x' * 4000}", status=404)
    [(_, asked)], [(_, answered)] = world.asked, world.audit
    assert (len(asked["path"]), len(answered["reason"])) == (512, 512)


@pytest.mark.parametrize(
    ("source", "data", "kept"),
    [
        ("ApiServer", {"code": 200, "method": "DELETE"}, True),
        ("ApiServer", {"code": 403, "method": "GET"}, True),
        ("ApiServer", {"code": 200, "method": "HEAD"}, False),
        ("ApiServer", {"code": 401, "method": "DELETE"}, False),
        ("ApiServer", {"code": 429, "method": "DELETE"}, False),
        ("ApiServer", {"name": "pump-1"}, False),
        ("User", {"method": "DELETE"}, False),
    ],
)
def test_nobody_fills_the_audit_log_of_a_program(source: str, data: dict[str, Any], *, kept: bool) -> None:
    assert audit.is_kept(source, data) is kept


def test_no_word_of_a_caller_s_begins_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "harness.wasmbed.api.audit"):
        audit.note("ApiServer", "User", "deleteDevice", {"code": 404, "method": "DELETE"}, "a\nb\u2028")
    assert caplog.messages == [r'{"operation": "deleteDevice", "code": 404, "method": "DELETE", "about": "a\nb\u2028"}']


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
    sent = {"Origin": "https://dashboard.example", "Authorization": f"Bearer {world.tokens['viewer']}"}
    async with world.session.get("/api/v1/events", headers=sent) as events:
        assert events.headers["Access-Control-Allow-Origin"] == "https://dashboard.example"
    async with world.session.get("/", headers=sent) as page:
        assert page.headers["Vary"] == "Accept-Encoding, Origin"
    asked = sent | {"Access-Control-Request-Method": "DELETE"}
    async with world.session.options("/api/v1/devices/pump-1", headers=asked) as may:
        assert "DELETE" in may.headers["Access-Control-Allow-Methods"]


@pytest.mark.settings(places=HttpPlaces(connections=8, per_address=1, timeout=30.0, idle=120.0))
@pytest.mark.parametrize("path", ["/api/v1/devices", "/healthz"])
async def test_a_token_that_nobody_knows_keeps_no_place(world: World, path: str) -> None:
    async def connect(token: str) -> Connection:
        reader, writer = await asyncio.open_connection(*world.address)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        return reader, writer

    stranger, first = await connect("wrong")
    others = [await connect("wrong") for _ in range(2)]
    while await stranger.read(1000):  # it ends
        pass
    for _, writer in ((stranger, first), *others):
        writer.close()


@pytest.mark.settings(places=HttpPlaces(connections=8, per_address=1, timeout=30.0, idle=120.0))
async def test_a_caller_keeps_its_place_beside_strangers(world: World) -> None:
    async with world.session.get("/api/v1/events", headers={"Authorization": f"Bearer {world.tokens['viewer']}"}) as on:
        await on.content.readline()
        for _ in range(2):
            _, writer = await asyncio.open_connection(*world.address)
            await world.ask("GET", "/healthz", role="")
            writer.close()
        await world.register("pump-1")
        while b"pump-1" not in await on.content.readline():
            pass


async def test_sequences_know_each_operation_that_is_recorded(world: World) -> None:
    document = await world.ask("GET", "/openapi.json")
    named = {
        each["operationId"] for path in document["paths"].values() for each in path.values() if each.get("security")
    }
    bound = {name for source, target, name in event_types() if (source, target) == ("User", "ApiServer")}
    assert bound == named
