"""The pairing mode over the REST API."""

import pytest

from harness.wasmbed.resources.kinds import CUSTOM_RESOURCE_DEFINITION, GATEWAY
from tests.api.world import World


@pytest.fixture
async def grown(world: World) -> World:
    """A world with two gateways, whose definition keeps what it is given."""
    definition = await world.api.get(CUSTOM_RESOURCE_DEFINITION, "gateways.wasmbed.io")
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    schema["x-kubernetes-preserve-unknown-fields"] = True
    await world.api.replace(CUSTOM_RESOURCE_DEFINITION, "gateways.wasmbed.io", definition)
    for name in ("gateway-1", "gateway-2"):
        await world.add_gateway(name)
    return world


async def test_a_gateway_pairs_for_a_time(grown: World) -> None:
    body = {"mode": "on", "seconds": 60}
    on = await grown.ask("PUT", "/api/v1/gateways/gateway-1/pairing", body)
    assert on == {"mode": "on", "until": "2023-11-14T22:14:20.000000Z"}
    assert (await grown.api.get(GATEWAY, "gateway-1"))["spec"]["pairing"] == on
    assert (await grown.ask("GET", "/api/v1/gateways/gateway-2/pairing", role="viewer"))["mode"] == "off"
    off = await grown.ask("PUT", "/api/v1/gateways/gateway-1/pairing", {"mode": "off"})
    assert off == {"mode": "off", "until": None}


async def test_all_gateways_pair_and_cease(grown: World) -> None:
    await grown.ask("POST", "/api/pairing/enable", {"seconds": 60})
    modes = (await grown.ask("GET", "/api/v1/pairing", role="viewer"))["gateways"]
    assert {name: each["mode"] for name, each in modes.items()} == {"gateway-1": "on", "gateway-2": "on"}
    await grown.ask("POST", "/api/pairing/disable")
    modes = (await grown.ask("GET", "/api/v1/pairing"))["gateways"]
    assert {each["mode"] for each in modes.values()} == {"off"}


async def test_without_a_gateway_nothing_is_enabled(world: World) -> None:
    problem = await world.ask("POST", "/api/pairing/enable", status=409)
    assert "no gateway" in problem["detail"]


async def test_only_an_admin_opens_a_gateway(grown: World) -> None:
    for role in ("viewer", "operator"):
        await grown.ask("POST", "/api/pairing/enable", role=role, status=403)
        await grown.ask("PUT", "/api/v1/gateways/gateway-1/pairing", {"mode": "on"}, role=role, status=403)
    assert [(name, data["code"]) for name, data in grown.audit][:2] == [("enablePairing", 403), ("setPairing", 403)]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"mode": "maybe"},
        {"mode": "on", "seconds": 0},
        {"mode": "on", "seconds": 86401},
        {"mode": "on", "seconds": True},
    ],
)
async def test_a_mode_that_is_none_is_refused(grown: World, body: object) -> None:
    await grown.ask("PUT", "/api/v1/gateways/gateway-1/pairing", body, status=422)
