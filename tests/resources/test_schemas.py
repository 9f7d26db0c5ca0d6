"""The API server's handling of manifests: defaults, and refusals that name the field."""

from __future__ import annotations

import pytest

from harness.clusters.embedded import EmbeddedCluster
from harness.wasmbed.resources import manifests
from harness.wasmbed.resources.api import Invalid
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY

MODULE = b"\0asm\1\0\0\0"


def application(**spec):
    body = manifests.application("blink", module=MODULE, all_devices=True)
    body["spec"] |= spec
    body["spec"] = {name: value for name, value in body["spec"].items() if value is not None}
    return body


def expressed(**expression):
    return application(targetDevices={"selector": {"matchExpressions": [{"key": "site", **expression}]}})


def device(**spec):
    body = manifests.device("edge-1", public_key=b"\x30", device_type="mcu")
    body["spec"] |= spec
    return body


async def test_an_application_has_its_defaults(cluster: EmbeddedCluster) -> None:
    api = cluster.client("User")
    created = await api.create(APPLICATION, application())
    config = {"memoryLimit": 1_048_576, "fuel": 10_000_000, "timeLimit": 5_000, "entry": "run"}
    config |= {"autoRestart": False, "maxRestarts": 3}
    assert created["spec"]["config"] == config
    assert created["spec"]["stopped"] is False
    assert created["status"] == {"phase": "Pending"}
    assert (await api.create(DEVICE, device()))["status"] == {"phase": "Pending"}


async def test_a_status_given_at_creation_is_dropped(cluster: EmbeddedCluster) -> None:
    created = await cluster.client("User").create(DEVICE, {**device(), "status": {"phase": "Connected"}})
    assert created["status"]["phase"] == "Pending"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (application(wasmBytes=None), "spec"),
        (application(wasmRef="0" * 64), "spec"),
        (application(wasmBytes=None, wasmRef="0" * 63), "spec.wasmRef"),
        (application(wasmBytes="not base64!"), "spec.wasmBytes"),
        (application(wasmBytes="A" * 1_398_108), "spec.wasmBytes"),
        (application(targetDevices={}), "spec.targetDevices"),
        (application(targetDevices=None), "spec.targetDevices"),
        (application(targetDevices={"allDevices": False}), "spec.targetDevices.allDevices"),
        (application(targetDevices={"allDevices": True, "deviceNames": ["a"]}), "spec.targetDevices"),
        (application(targetDevices={"deviceNames": []}), "spec.targetDevices.deviceNames"),
        (application(targetDevices={"deviceNames": ["a", "a"]}), "spec.targetDevices.deviceNames"),
        (application(targetDevices={"selector": {"matchLabels": {}}}), "spec.targetDevices.selector.matchLabels"),
        (application(targetDevices={"selector": {}}), "spec.targetDevices.selector"),
        (expressed(operator="Like", values=["a"]), "matchExpressions[0].operator"),
        (expressed(operator="In"), "In and NotIn need values"),
        (expressed(operator="NotIn", values=[]), "In and NotIn need values"),
        (expressed(operator="Exists", values=["a"]), "Exists and DoesNotExist take none"),
        (application(metadata={"tags": ["a", "a"]}), "spec.metadata.tags[1]"),
        (application(description="a" * 4097), "spec.description"),
        (application(config={"memoryLimit": 65_535}), "spec.config.memoryLimit"),
        (application(config={"fuel": 0}), "spec.config.fuel"),
        (application(config={"entry": ""}), "spec.config.entry"),
        (application(config={"timeLimit": "1s"}), "spec.config.timeLimit"),
    ],
)
async def test_an_application_that_breaks_the_schema_is_refused(cluster: EmbeddedCluster, body, field) -> None:
    with pytest.raises(Invalid) as caught:
        await cluster.client("User").create(APPLICATION, body)
    # For oneOf with two matches Kubernetes names the field in the message only.
    causes = [f"{cause['field']} {cause['message']}" for cause in caught.value.status["details"]["causes"]]
    assert any(field in cause for cause in causes), causes


@pytest.mark.parametrize(
    ("name", "spec", "field"),
    [
        ("edge.1", {}, "metadata.name"),
        ("e" * 64, {}, "metadata.name"),
        ("edge-1", {"publicKey": "%%%%"}, "spec.publicKey"),
        ("edge-1", {"deviceType": ""}, "spec.deviceType"),
        ("edge-1", {"largestModule": -1}, "spec.largestModule"),
        ("edge-1", {"publicKey": None}, "spec.publicKey"),
        ("edge-1", {"board": {}}, "spec.board.kind"),
        ("edge-1", {"board": {"kind": "virtual", "restartPolicy": "Maybe"}}, "spec.board.restartPolicy"),
        ("edge-1", {"capabilities": ["wasm", "wasm"]}, "spec.capabilities[1]"),
    ],
)
async def test_a_device_that_breaks_the_schema_is_refused(cluster: EmbeddedCluster, name, spec, field) -> None:
    body = device(**spec)
    body["metadata"]["name"] = name
    with pytest.raises(Invalid) as caught:
        await cluster.client("User").create(DEVICE, body)
    assert field in [cause["field"] for cause in caught.value.status["details"]["causes"]]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"config": {"heartbeatInterval": "30"}}, "spec.config.heartbeatInterval"),
        ({"config": {"connectionTimeout": "0s"}}, "spec.config.connectionTimeout"),
        ({"pairing": {"mode": "maybe"}}, "spec.pairing.mode"),
        ({"pairing": {"until": "2026-01-01T00:00:00Z"}}, "spec.pairing.mode"),
        ({"pairing": {"mode": "on", "until": "tomorrow"}}, "spec.pairing.until"),
        ({"capabilities": ["a", "a"]}, "spec.capabilities[1]"),
    ],
)
async def test_a_gateway_that_breaks_the_schema_is_refused(cluster: EmbeddedCluster, spec, field) -> None:
    body = manifests.gateway("gateway-1", endpoint="127.0.0.1:8081")
    body["spec"] |= spec
    with pytest.raises(Invalid) as caught:
        await cluster.client("User").create(GATEWAY, body)
    assert field in [cause["field"] for cause in caught.value.status["details"]["causes"]]


async def test_a_gateway_is_enabled_unless_its_spec_says_otherwise(cluster: EmbeddedCluster) -> None:
    created = await cluster.client("User").create(GATEWAY, manifests.gateway("gateway-1", endpoint="127.0.0.1:8081"))
    assert created["spec"]["enabled"] is True


async def test_only_phases_that_exist_are_written(cluster: EmbeddedCluster) -> None:
    api = cluster.client("User")
    await api.create(GATEWAY, manifests.gateway("gateway-1", endpoint="127.0.0.1:8081"))
    with pytest.raises(Invalid, match="Gone"):
        await api.patch_status(GATEWAY, "gateway-1", {"status": {"phase": "Gone"}})


async def test_selectable_fields_select(cluster: EmbeddedCluster) -> None:
    api = cluster.client("User")
    await api.create(APPLICATION, application(stopped=True))
    for selector, count in (("spec.stopped=true", 1), ("spec.stopped=false", 0), ("status.phase=Pending", 1)):
        assert len((await api.list(APPLICATION, field_selector=selector)).items) == count
