"""kopf, unchanged, as an operator on the embedded cluster: handlers, finalizers, an owned child, events."""

from __future__ import annotations

import asyncio
import os
import sys

from harness.clusters.embedded import EmbeddedCluster
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness
from harness.wasmbed.resources.api import NotFound
from harness.wasmbed.resources.kinds import CONFIG_MAP, DEVICE, EVENT
from harness.wasmbed.resources.manifests import device

OPERATOR = """
import kopf
import kubernetes

kubernetes.config.load_kube_config()


@kopf.on.startup()
def configure(settings, **_):
    settings.posting.enabled = True
    settings.persistence.finalizer = "wasmbed.io/operator"


@kopf.on.create("wasmbed.io", "v1", "devices")
def created(name, namespace, spec, body, **_):
    child = {"metadata": {"name": name}, "data": {"deviceType": spec["deviceType"]}}
    kopf.adopt(child)
    kubernetes.client.CoreV1Api().create_namespaced_config_map(namespace, child)
    kopf.info(body, reason="Adopted", message="a child was made")


@kopf.on.field("wasmbed.io", "v1", "devices", field="spec.firmwareVersion", old=kopf.PRESENT)
def updated(name, namespace, new, **_):
    body = {"data": {"firmware": new}}
    kubernetes.client.CoreV1Api().patch_namespaced_config_map(name, namespace, body)


@kopf.on.delete("wasmbed.io", "v1", "devices")
def deleted(name, namespace, **_):
    body = {"metadata": {"name": name + "-was-deleted"}}
    kubernetes.client.CoreV1Api().create_namespaced_config_map(namespace, body)
"""


async def appears(api, resource, holds, field_selector=""):
    """The first object of which ``holds`` is true."""
    listed = await api.list(resource, field_selector=field_selector)
    for item in listed.items:
        if holds(item):
            return item
    version = listed.resource_version
    async with api.watch(resource, resource_version=version, field_selector=field_selector) as events:
        async for event in events:
            if event.type in ("ADDED", "MODIFIED") and holds(event.object):
                return event.object
    raise AssertionError("the watch ended")


async def session(cluster):
    api = cluster.client("Test")
    await api.create(DEVICE, device("d1", public_key=b"k", device_type="virtual", firmware_version="1"))
    child = await appears(api, CONFIG_MAP, lambda item: item["metadata"]["name"] == "d1")
    assert child["data"] == {"deviceType": "virtual"}
    assert child["metadata"]["ownerReferences"][0]["kind"] == "Device"
    event = await appears(api, EVENT, lambda item: item["reason"] == "Adopted", "involvedObject.name=d1")
    assert event["message"] == "a child was made"
    owned = await appears(api, DEVICE, lambda item: "wasmbed.io/operator" in item["metadata"].get("finalizers", []))
    assert owned["metadata"]["name"] == "d1"
    await appears(api, DEVICE, lambda item: "kopf.zalando.org/last-handled-configuration" in str(item["metadata"]))
    await api.patch(DEVICE, "d1", {"spec": {"firmwareVersion": "2"}})
    await appears(api, CONFIG_MAP, lambda item: item.get("data", {}).get("firmware") == "2")
    await api.delete(DEVICE, "d1")
    await appears(api, CONFIG_MAP, lambda item: item["metadata"]["name"] == "d1-was-deleted")
    version = (await api.list(CONFIG_MAP)).resource_version
    while True:
        try:
            await api.get(CONFIG_MAP, "d1")
        except NotFound:
            break
        async with api.watch(CONFIG_MAP, resource_version=version) as events:
            async for event in events:
                version = event.object["metadata"]["resourceVersion"]
                if event.type == "DELETED":
                    break
    try:
        found = await api.get(DEVICE, "d1")
    except NotFound:
        return
    raise AssertionError(found)


async def test_an_operator(tmp_path):
    (tmp_path / "operator.py").write_text(OPERATOR)

    cluster = EmbeddedCluster(SystemClock(), Randomness())
    await cluster.start()
    try:
        await cluster.write_kubeconfig(tmp_path / "config")
        operator = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "kopf",
            "run",
            "--standalone",
            "--namespace=wasmbed",
            "operator.py",
            cwd=tmp_path,
            env={**os.environ, "KUBECONFIG": str(tmp_path / "config")},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        reading = asyncio.ensure_future(operator.stdout.read())
        try:
            async with asyncio.timeout(50):
                await session(cluster)
        finally:
            operator.terminate()
            output = (await reading).decode()
            await operator.wait()
            print(output)
        assert "Traceback" not in output
    finally:
        await cluster.stop()
