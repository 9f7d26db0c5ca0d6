"""Pods, services, metrics and logs over the REST API, and what every path has."""

import logging
from typing import Any

import pytest

from harness.core.logs import get_log
from harness.wasmbed.resources.api import Resource
from harness.wasmbed.resources.kinds import POD, SERVICE
from tests.api.world import World


async def test_pods_and_services_are_as_kubectl_shows_them(world: World) -> None:
    containers = [{"name": "gateway", "image": "wasmbed"}]
    await world.api.create(
        POD, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "g"}, "spec": {"containers": containers}}
    )
    ports = [{"port": 8443}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": ports}}
    await world.api.create(SERVICE, service)
    for path, kind, name in (("pods", "Pod", "g"), ("services", "Service", "s")):
        found = await world.ask("GET", f"/api/v1/{path}", role="viewer")
        assert (found["kind"], [(each["kind"], each["metadata"]["name"]) for each in found["items"]]) == (
            "List",
            [(kind, name)],
        )


async def test_a_cluster_that_does_not_measure_says_so(world: World) -> None:
    problem = await world.ask("GET", "/api/v1/metrics", role="viewer", status=404)
    assert "metrics-server" in problem["detail"]


async def test_what_pods_use_is_added_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = [{"usage": {"cpu": "1500000n", "memory": "1024Ki"}}, {"usage": {"cpu": "10m", "memory": "63Mi"}}]
    real = world.server._api.list

    async def measured(resource: Resource, **selectors: Any) -> Any:
        found = await real(POD if resource.kind == "PodMetrics" else resource, **selectors)
        if resource.kind == "PodMetrics":
            found.items.append({"metadata": {"name": "g"}, "containers": usage})
        return found

    monkeypatch.setattr(world.server._api, "list", measured)
    found = await world.ask("GET", "/api/v1/metrics", role="viewer")
    assert found["metrics"] == [{"name": "g", "cpu": "12m", "memory": "64Mi"}]


async def test_logs_are_searched(world: World) -> None:
    gateway, controllers = (get_log(f"harness.wasmbed.{name}.part") for name in ("gateway", "controllers"))
    for log in (gateway, controllers):
        log.setLevel(logging.INFO)
    gateway.warning("device %s: refused", "pump-1")
    await world.clock.advance(60)
    controllers.info("pump-1 leads")

    async def found(query: str) -> list[str]:
        return [each["message"] for each in (await world.ask("GET", f"/api/v1/logs?{query}", role="viewer"))["logs"]]

    assert {"device pump-1: refused", "pump-1 leads"} <= set(await found("contains=pump-1"))
    assert await found("level=warning&contains=pump-1") == ["device pump-1: refused"]
    assert await found("component=controllers&contains=pump-1") == ["pump-1 leads"]
    assert await found("since=2023-11-14T22:14:00Z&contains=pump-1") == ["pump-1 leads"]
    assert await found("limit=1") == ["pump-1 leads"]
    for since in ("yesterday", "0.5", "2023-11-14T22:14:00"):
        await world.ask("GET", f"/api/v1/logs?since={since}", role="viewer", status=422)
    await world.ask("GET", "/api/v1/logs", role="nobody", status=403)


async def test_the_original_s_paths_are_there(world: World) -> None:
    for path in ("/api/status", "/api/devices", "/api/applications", "/api/gateways", "/logs"):
        await world.ask("GET", path, role="viewer")
    status = await world.ask("GET", "/api/v1/status")
    assert status.keys() >= {"devices", "applications", "gateways", "infrastructure", "uptime", "last_update"}
    health = await world.ask("GET", "/health", role="")
    assert health == {"status": "healthy", "timestamp": 1_700_000_000}


async def test_every_path_has_head_and_options(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.tokens['viewer']}"}
    async with world.session.head("/api/v1/devices", headers=headers) as answer:
        assert (answer.status, await answer.read()) == (200, b"")
        assert int(answer.headers["Content-Length"]) > 0
    async with world.session.options("/api/v1/devices/pump-1") as answer:
        assert (answer.status, answer.headers["Allow"]) == (204, "DELETE, GET, HEAD, OPTIONS, PATCH")
    async with world.session.options("/api/v1/events") as answer:
        assert answer.headers["Allow"] == "GET, OPTIONS"
