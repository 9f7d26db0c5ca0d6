"""Devices over the REST API."""

import asyncio
from base64 import b64decode

import pytest

from harness.wasmbed.resources.api import NotFound, Object, Resource
from harness.wasmbed.resources.kinds import DEVICE, SECRET
from tests.api.world import World


async def test_devices_are_listed_by_name_in_pages(world: World) -> None:
    for number in range(5):
        await world.register(f"pump-{number}", phase="Connected", gateway="gateway-1")
    first = await world.ask("GET", "/api/v1/devices?limit=3")
    assert [each["id"] for each in first["devices"]] == ["pump-0", "pump-1", "pump-2"]
    assert (first["total"], first["next"]) == (5, "pump-2")
    rest = await world.ask("GET", "/api/v1/devices?limit=3&after=pump-2")
    assert [each["id"] for each in rest["devices"]] == ["pump-3", "pump-4"]
    assert rest["next"] is None


async def test_a_list_has_the_devices_in_a_phase(world: World) -> None:
    await world.register("pump-1", phase="Connected", gateway="gateway-1")
    await world.register("pump-2", phase="Disconnected", gateway="gateway-2")
    found = await world.ask("GET", "/api/v1/devices?status=Connected")
    assert [each["id"] for each in found["devices"]] == ["pump-1"]
    found = await world.ask("GET", "/api/v1/devices?gateway=gateway-2")
    assert [each["id"] for each in found["devices"]] == ["pump-2"]
    problem = await world.ask("GET", "/api/v1/devices?status=connected", status=422)
    assert problem["errors"][0]["field"] == "status"


async def test_a_device_has_the_original_s_fields(world: World) -> None:
    await world.register("pump-1", phase="Connected", gateway="gateway-1", lastHeartbeat="2026-01-01T00:00:00Z")
    found = await world.ask("GET", "/api/v1/devices/pump-1")
    wanted = {"id", "name", "type", "architecture", "status", "gateway", "mcuType", "lastHeartbeat", "publicKey"}
    assert wanted <= found.keys()
    assert (found["id"], found["status"], found["gateway"]) == ("pump-1", "Connected", "gateway-1")
    assert found["lastHeartbeat"] == "2026-01-01T00:00:00Z"


async def test_an_unknown_device_is_a_404(world: World) -> None:
    for method in ("GET", "DELETE"):
        problem = await world.ask(method, "/api/v1/devices/pump-1", status=404)
        assert problem["detail"] == "there is no device pump-1; GET /api/v1/devices lists them"
    await world.ask("PATCH", "/api/v1/devices/pump-1", {"labels": {"a": "b"}}, status=404)
    for act in ("enroll", "connect", "disconnect"):
        await world.ask("POST", f"/api/v1/devices/pump-1/{act}", status=404)
    with pytest.raises(NotFound):
        await world.api.get(SECRET, "pairing-pump-1")


async def test_a_device_that_is_let_in_gets_a_pairing_token(world: World) -> None:
    made = await world.ask("POST", "/api/v1/devices", {"name": "pump-1"}, status=201)
    assert made["success"]
    secret = await world.api.get(SECRET, "pairing-pump-1")
    assert secret["metadata"]["labels"] == {"wasmbed.io/purpose": "pairing"}
    assert len(made["devices"][0]["pairingToken"]) >= 32


async def test_a_device_that_is_awaited_is_there_and_can_be_given_up(world: World) -> None:
    await world.ask("POST", "/api/v1/devices", {"name": "pump-1"}, status=201)
    assert (await world.ask("GET", "/api/v1/devices/pump-1"))["status"] == "Pending"
    assert [each["id"] for each in (await world.ask("GET", "/api/v1/devices"))["devices"]] == ["pump-1"]
    await world.ask("PATCH", "/api/v1/devices/pump-1", {"labels": {"a": "b"}}, status=409)
    await world.ask("DELETE", "/api/v1/devices/pump-1")
    await world.settle()
    await world.ask("GET", "/api/v1/devices/pump-1", status=404)
    with pytest.raises(NotFound):
        await world.api.get(SECRET, "pairing-pump-1")


async def test_a_token_that_waits_is_not_replaced(world: World) -> None:
    await world.ask("POST", "/api/v1/devices", {"name": "pump-1"}, status=201)
    before = await world.api.get(SECRET, "pairing-pump-1")
    problem = await world.ask("POST", "/api/v1/devices", {"name": "pump-1"}, status=409)
    assert "POST /api/v1/devices/pump-1/enroll replaces it" in problem["detail"]
    assert await world.api.get(SECRET, "pairing-pump-1") == before


async def test_tokens_that_were_made_are_shown_though_the_cluster_goes_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token is shown once: a caller that gets a refusal does not get it, and the device cannot have another."""
    create = world.own.create

    async def create_two(resource: Resource, body: Object) -> Object:
        if resource == SECRET and body["metadata"]["name"] == "pairing-pump-3":
            raise ConnectionRefusedError("the cluster is away")
        return await create(resource, body)

    monkeypatch.setattr(world.own, "create", create_two)
    made = await world.ask("POST", "/api/v1/devices", {"name": "pump", "count": 100}, status=201)
    assert [each["id"] for each in made["devices"]] == ["pump-1", "pump-2"]
    assert not made["success"]
    assert made["errors"] == ["pump-3: the Kubernetes API server cannot be reached: the cluster is away"]
    problem = await world.ask("POST", "/api/v1/devices", {"name": "pump-3"}, status=503)
    assert problem["detail"] == made["errors"][0].removeprefix("pump-3: ")


async def test_a_token_that_was_lost_is_replaced(world: World) -> None:
    made = await world.ask("POST", "/api/v1/devices", {"name": "pump-1"}, status=201)
    answer = await world.ask("POST", "/api/v1/devices/pump-1/enroll", role="operator")
    assert answer["pairingToken"] != made["devices"][0]["pairingToken"]
    secret = await world.api.get(SECRET, "pairing-pump-1")
    assert b64decode(secret["data"]["token"]).decode() == answer["pairingToken"]


async def test_some_of_several_may_be_there_already(world: World) -> None:
    await world.register("pump-2")
    made = await world.ask("POST", "/api/v1/devices", {"name": "pump", "count": 3}, status=201)
    assert [each["id"] for each in made["devices"]] == ["pump-1", "pump-3"]
    assert not made["success"]
    assert "POST /api/v1/devices/pump-2/enroll" in made["errors"][0]


async def test_a_device_enrolls_again_with_a_new_token(world: World) -> None:
    await world.register("pump-1")
    answer = await world.ask("POST", "/api/v1/devices/pump-1/enroll", {"gatewayId": "gateway-1"})
    assert answer["pairingToken"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "Pump"}, "name"),
        ({"count": 0}, "count"),
        ({"count": 101}, "count"),
        ({"count": "many"}, "count"),
        ({"colour": "red"}, "colour"),
        ([], ""),
    ],
)
async def test_a_body_that_does_not_fit_names_the_field(world: World, body: object, field: str) -> None:
    problem = await world.ask("POST", "/api/v1/devices", body, status=422)
    assert problem["errors"][0]["field"] == field


async def test_a_text_of_another_form_is_answered_by_what_to_write(world: World) -> None:
    problem = await world.ask("POST", "/api/v1/devices", {"name": "Pump 1"}, status=422)
    assert problem["detail"].endswith(
        "name: write lower-case letters, digits, and hyphens between them, for example pump-1"
    )
    change = {"config": {"heartbeatInterval": "soon"}}
    problem = await world.ask("PUT", "/api/v1/gateways/gateway-1", change, status=422)
    assert "for example 30s" in problem["errors"][0]["detail"]


async def test_the_numbers_have_devices_that_are_awaited(world: World) -> None:
    await world.register("pump-1", phase="Connected")
    await world.ask("POST", "/api/v1/devices", {"name": "pump-2"}, status=201)
    assert (await world.ask("GET", "/api/v1/status"))["devices"]["total"] == 2


async def test_a_change_of_another_version_is_refused(world: World) -> None:
    await world.register("pump-1")
    found = await world.ask("GET", "/api/v1/devices/pump-1")
    version = f'"{found["resourceVersion"]}"'
    changed = await world.ask("PATCH", "/api/v1/devices/pump-1", {"labels": {"site": "a"}}, If_Match=version)
    assert changed["labels"] == {"site": "a"}
    await world.ask("PATCH", "/api/v1/devices/pump-1", {"labels": {"site": "b"}}, status=412, If_Match=version)
    await world.ask("DELETE", "/api/v1/devices/pump-1", status=412, If_Match=version)
    assert (await world.api.get(DEVICE, "pump-1"))["metadata"]["labels"] == {"site": "a"}


async def test_what_is_written_is_read_at_once(world: World) -> None:
    await world.register("pump-1")
    await world.ask("PATCH", "/api/v1/devices/pump-1", {"preferredGateway": "gateway-2"})
    assert (await world.ask("GET", "/api/v1/devices/pump-1"))["preferredGateway"] == "gateway-2"
    await world.ask("PATCH", "/api/v1/devices/pump-1", {"preferredGateway": None})
    assert (await world.ask("GET", "/api/v1/devices/pump-1"))["preferredGateway"] is None


async def test_an_unchanged_device_is_not_sent_again(world: World) -> None:
    await world.register("pump-1")
    tag = f'"{(await world.ask("GET", "/api/v1/devices/pump-1"))["resourceVersion"]}"'
    assert await world.ask("GET", "/api/v1/devices/pump-1", status=304, If_None_Match=tag) == b""


async def test_a_list_shows_what_is_now(world: World) -> None:
    """The texts of objects are kept, each for one version."""
    await world.register("pump-1", phase="Connected")
    await world.ask("POST", "/api/v1/devices", {"name": "pump-2"}, status=201)

    async def listed() -> dict[str, str]:
        return {each["id"]: each["status"] for each in (await world.ask("GET", "/api/v1/devices"))["devices"]}

    assert await listed() == {"pump-1": "Connected", "pump-2": "Pending"}
    await world.api.patch_status(DEVICE, "pump-1", {"status": {"phase": "Disconnected"}})
    await world.register("pump-2", phase="Connected")
    assert await listed() == {"pump-1": "Disconnected", "pump-2": "Connected"}
    await world.api.delete(DEVICE, "pump-1")
    await world.settle()
    assert await listed() == {"pump-2": "Connected"}


async def test_a_long_list_is_compressed_for_those_who_read_that(world: World) -> None:
    for number in range(12):
        await world.register(f"pump-{number}")
    headers = {"Authorization": f"Bearer {world.tokens['viewer']}", "Accept-Encoding": "gzip"}
    async with world.session.get("/api/v1/devices", headers=headers) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert len((await answer.json())["devices"]) == 12
    headers["Accept-Encoding"] = "identity"
    async with world.session.get("/api/v1/devices", headers=headers) as answer:
        assert "Content-Encoding" not in answer.headers


async def test_a_device_that_is_disconnected_is_suspended_until_it_may_connect(world: World) -> None:
    await world.register("pump-1", phase="Connected", lastHeartbeat="2026-01-01T00:00:00Z")
    answer = await world.ask("POST", "/api/v1/devices/pump-1/disconnect", {"anything": 1}, role="operator")
    assert (answer["status"], answer["suspended"]) == ("Connected", True)
    assert (await world.api.get(DEVICE, "pump-1"))["spec"]["suspended"] is True
    answer = await world.ask("POST", "/api/v1/devices/pump-1/connect", role="operator")
    assert answer["lastHeartbeat"] == "2026-01-01T00:00:00Z"
    assert (await world.ask("GET", "/api/v1/devices/pump-1"))["suspended"] is False


async def test_a_device_that_has_not_enrolled_cannot_connect(world: World) -> None:
    await world.ask("POST", "/api/v1/devices", {"name": "pump-1"}, status=201)
    await world.ask("POST", "/api/v1/devices/pump-1/connect", status=409)
    await world.ask("POST", "/api/v1/devices/pump-2/connect", status=404)


async def test_a_device_that_is_deleted_is_not_let_in_by_a_token_that_it_did_not_use(world: World) -> None:
    await world.ask("POST", "/api/v1/devices", {"name": "pump-1"}, status=201)
    await world.register("pump-1", phase="Connected")
    await world.ask("DELETE", "/api/v1/devices/pump-1")
    await world.settle()
    await world.ask("GET", "/api/v1/devices/pump-1", status=404)
    with pytest.raises(NotFound):
        await world.api.get(SECRET, "pairing-pump-1")


@pytest.mark.parametrize("name", ["If-Match", "Idempotency-Key"])
@pytest.mark.parametrize("value", ["x" * 256, "\udcff"], ids=["long", "not text"])
async def test_a_header_that_is_no_version_and_no_key_is_refused(world: World, name: str, value: str) -> None:
    await world.register("pump-1")
    reader, writer = await asyncio.open_connection(*world.address)
    head = f"POST /api/v1/devices/pump-1/connect HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{name}: {value}\r\n"
    writer.write(f"{head}Authorization: Bearer {world.tokens['admin']}\r\n\r\n".encode("utf-8", "surrogateescape"))
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 422")
    assert f"{name} has at most 255 characters, of ASCII".encode() in answer
