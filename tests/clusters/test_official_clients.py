"""Python clients, unchanged: the official ``kubernetes`` in a thread and ``kubernetes.aio``; kubernetes_asyncio."""

from __future__ import annotations

import asyncio

import pytest

from harness.clusters.embedded import EmbeddedCluster
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness
from harness.wasmbed.resources.kinds import DEVICE

WASMBED = ("wasmbed.io", "v1", "wasmbed", "devices")
SPEC = {"publicKey": "AAAA", "deviceType": "mcu"}


def body(name):
    return {"apiVersion": "wasmbed.io/v1", "kind": "Device", "metadata": {"name": name}, "spec": SPEC}


@pytest.fixture
async def cluster():
    cluster = EmbeddedCluster(SystemClock(), Randomness())
    await cluster.start()
    yield cluster
    await cluster.stop()


@pytest.fixture
async def path(cluster, tmp_path):
    """The kubeconfig file."""
    await cluster.write_kubeconfig(tmp_path / "config")
    return str(tmp_path / "config")


async def test_the_synchronous_client(path):
    def session(path):
        from kubernetes import client, config, watch

        api_client = config.new_client_from_config(path)
        try:
            core, custom = client.CoreV1Api(api_client), client.CustomObjectsApi(api_client)
            names = {one.metadata.name for one in core.list_namespace().items}
            assert "wasmbed" in names
            given = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="c"), data={"a": "b"})
            made = core.create_namespaced_config_map("wasmbed", given)
            assert made.metadata.creation_timestamp.tzinfo is not None
            made.data["c"] = "d"
            assert core.replace_namespaced_config_map("c", "wasmbed", made).data == {"a": "b", "c": "d"}
            with pytest.raises(client.ApiException) as caught:
                core.replace_namespaced_config_map("c", "wasmbed", made)
            assert caught.value.status == 409
            patched = core.patch_namespaced_config_map("c", "wasmbed", {"data": {"a": None}})
            assert patched.data == {"c": "d"}
            custom.create_namespaced_custom_object(*WASMBED, body("d1"))
            version = custom.list_namespaced_custom_object(*WASMBED)["metadata"]["resourceVersion"]
            custom.patch_namespaced_custom_object_status(*WASMBED, "d1", {"status": {"phase": "Enrolling"}})
            stream = watch.Watch().stream(
                custom.list_namespaced_custom_object, *WASMBED, resource_version=version, timeout_seconds=5
            )
            assert next(iter(stream))["object"]["status"]["phase"] == "Enrolling"
            stream.close()
            lease = client.V1Lease(
                metadata=client.V1ObjectMeta(name="leader"), spec=client.V1LeaseSpec(holder_identity="me")
            )
            coordination = client.CoordinationV1Api(api_client)
            assert coordination.create_namespaced_lease("wasmbed", lease).spec.holder_identity == "me"
            event = client.CoreV1Event(
                metadata=client.V1ObjectMeta(generate_name="e-"),
                involved_object=client.V1ObjectReference(kind="Device", name="d1", namespace="wasmbed"),
                reason="Tested",
                type="Normal",
            )
            core.create_namespaced_event("wasmbed", event)
            found = core.list_namespaced_event("wasmbed", field_selector="involvedObject.name=d1")
            assert [one.reason for one in found.items] == ["Tested"]
            status = core.delete_namespaced_config_map("c", "wasmbed")
            assert status["status"] == "Success"
            dynamic = client.ApisApi(api_client).get_api_versions()
            assert "wasmbed.io" in {group.name for group in dynamic.groups}
        finally:
            api_client.rest_client.pool_manager.clear()
            api_client.close()

    await asyncio.to_thread(session, path)


async def test_the_asynchronous_client(cluster, path):
    from kubernetes.aio import client, config, watch

    configuration = client.Configuration()
    await config.load_kube_config(path, client_configuration=configuration)
    async with client.ApiClient(configuration) as api_client:
        core, custom = client.CoreV1Api(api_client), client.CustomObjectsApi(api_client)
        secret = client.V1Secret(metadata=client.V1ObjectMeta(name="s"), string_data={"token": "t"})
        assert (await core.create_namespaced_secret("wasmbed", secret)).data == {"token": "dA=="}
        await custom.create_namespaced_custom_object(*WASMBED, body("d1"))
        listed = await custom.list_namespaced_custom_object(*WASMBED)
        assert [item["metadata"]["name"] for item in listed["items"]] == ["d1"]
        async with watch.Watch() as watcher:
            stream = watcher.stream(
                custom.list_namespaced_custom_object,
                *WASMBED,
                resource_version=listed["metadata"]["resourceVersion"],
            )
            waiting = asyncio.ensure_future(anext(stream))
            await cluster.client("Test").patch(DEVICE, "d1", {"metadata": {"labels": {"a": "b"}}})
            event = await waiting
            assert (event["type"], event["object"]["metadata"]["labels"]) == ("MODIFIED", {"a": "b"})
        with pytest.raises(client.ApiException) as caught:
            await core.read_namespaced_secret("none", "wasmbed")
        assert caught.value.status == 404


async def test_kubernetes_asyncio_watches_with_a_capital_letter(path, capsys):
    """Its ``watch=True`` in a query is Python's word for it, not the API's."""
    from kubernetes_asyncio import client, config, watch

    await config.load_kube_config(path)
    async with client.ApiClient() as api_client:
        core, number = client.CoreV1Api(api_client), 0
        for name in "ab":
            await core.create_namespaced_config_map("wasmbed", {"metadata": {"name": name}})
        async with watch.Watch().stream(core.list_namespaced_config_map, "wasmbed", timeout_seconds=1) as stream:
            async for _ in stream:
                number += 1
        print("aio watch", number)
    assert capsys.readouterr().out == "aio watch 2\n"
