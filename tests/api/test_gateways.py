"""Gateways over the REST API."""

import pytest

from harness.wasmbed.resources.kinds import CUSTOM_RESOURCE_DEFINITION, GATEWAY, STATEFUL_SET
from tests.api.world import World


async def run_gateways(world: World, replicas: int) -> None:
    """Make the StatefulSet of ``deploy/``."""
    labels = {"app": "wasmbed-gateway"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "gateway", "image": "wasmbed"}]}}
    spec = {"replicas": replicas, "serviceName": "g", "selector": {"matchLabels": labels}, "template": template}
    body = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "wasmbed-gateway"}, "spec": spec}
    await world.api.create(STATEFUL_SET, body)


async def replicas(world: World) -> int:
    found = await world.api.get(STATEFUL_SET, "wasmbed-gateway")
    return int(found["spec"]["replicas"])


async def test_more_gateways_are_more_replicas(world: World) -> None:
    await run_gateways(world, 1)
    made = await world.ask("POST", "/api/v1/gateways", {"count": 2, "basePort": 30452}, status=201)
    assert [each["id"] for each in made["gateways"]] == ["wasmbed-gateway-1", "wasmbed-gateway-2"]
    assert await replicas(world) == 3


async def test_a_cluster_that_runs_no_gateways_says_what_to_do(world: World) -> None:
    problem = await world.ask("POST", "/api/v1/gateways", {"count": 1}, status=409)
    assert "wasmbed gateway --name NAME" in problem["detail"]


async def test_the_last_replica_is_ended_and_no_other(world: World) -> None:
    await run_gateways(world, 2)
    for name in ("wasmbed-gateway-0", "wasmbed-gateway-1", "elsewhere"):
        await world.add_gateway(name)
    problem = await world.ask("DELETE", "/api/v1/gateways/wasmbed-gateway-0", status=409)
    assert "delete wasmbed-gateway-1 first" in problem["detail"]
    await world.ask("DELETE", "/api/v1/gateways/wasmbed-gateway-1")
    await world.ask("DELETE", "/api/v1/gateways/elsewhere")
    assert await replicas(world) == 1
    await world.settle()
    assert [each["id"] for each in (await world.ask("GET", "/api/v1/gateways"))["gateways"]] == ["wasmbed-gateway-0"]


async def test_a_gateway_is_ended_only_in_the_version_that_was_meant(world: World) -> None:
    await run_gateways(world, 1)
    await world.add_gateway("wasmbed-gateway-0")
    await world.ask("DELETE", "/api/v1/gateways/wasmbed-gateway-0", status=412, If_Match='"1"')
    assert await replicas(world) == 1


async def test_an_operator_changes_no_gateway(world: World) -> None:
    await world.add_gateway("gateway-1")
    for method, path in (("POST", ""), ("PUT", "/gateway-1"), ("POST", "/gateway-1/toggle"), ("DELETE", "/gateway-1")):
        body = None if method == "DELETE" else {}
        await world.ask(method, f"/api/v1/gateways{path}", body, role="operator", status=403)


async def test_what_is_left_out_stays(world: World) -> None:
    await world.add_gateway("gateway-1")
    await world.ask("PUT", "/api/v1/gateways/gateway-1", {"capacity": 5})
    changed = await world.ask("PUT", "/api/v1/gateways/gateway-1", {"endpoint": "10.0.0.1:30452"})
    assert (changed["endpoint"], changed["capacity"]) == ("10.0.0.1:30452", 5)
    assert (await world.ask("PATCH", "/api/v1/gateways/gateway-1", {"capacity": None}))["capacity"] is None
    assert (await world.ask("PATCH", "/api/v1/gateways/gateway-1", {"capacity": 0}))["capacity"] == 0


async def without(world: World, *fields: str) -> None:
    """Let the cluster have Gateways of an earlier version."""
    definition = await world.api.get(CUSTOM_RESOURCE_DEFINITION, "gateways.wasmbed.io")
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    for field in fields:
        schema.pop(field, None)
    definition["spec"]["versions"][0]["additionalPrinterColumns"] = []
    await world.api.replace(CUSTOM_RESOURCE_DEFINITION, "gateways.wasmbed.io", definition)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "", {"config": {"heartbeatInterval": "30s"}}),
        ("PATCH", "", {"region": "cellar"}),
        ("POST", "/toggle", {"enabled": False}),
    ],
)
async def test_a_field_that_the_cluster_does_not_keep_is_a_conflict(
    world: World, method: str, path: str, body: object
) -> None:
    """The API server drops unknown fields silently: the API must not claim a change that did not happen."""
    await without(world, "config", "region", "enabled")
    await world.add_gateway("gateway-1")
    problem = await world.ask(method, f"/api/v1/gateways/gateway-1{path}", body, status=409)
    assert "apply the CustomResourceDefinitions of this version" in problem["detail"]
    assert "config" not in (await world.api.get(GATEWAY, "gateway-1"))["spec"]


@pytest.mark.parametrize("interval", ["0s", "30", "1.5s", "-1s", "100h", "s"])
async def test_a_time_that_is_none_is_refused(world: World, interval: str) -> None:
    await world.add_gateway("gateway-1")
    body = {"config": {"heartbeatInterval": interval}}
    problem = await world.ask("PUT", "/api/v1/gateways/gateway-1", body, status=422)
    assert problem["errors"][0]["field"] == "config.heartbeatInterval"
