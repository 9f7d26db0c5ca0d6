from __future__ import annotations

import pytest

from harness.clusters.embedded import EmbeddedCluster
from harness.wasmbed.resources.api import ApiError
from harness.wasmbed.resources.kinds import CONFIG_MAP, NAMESPACE
from harness.wasmbed.resources.modules import LARGEST_MODULE, ConfigMapModuleStore, ModuleMissing

MODULE = b"\0asm\1\0\0\0"


async def test_a_module_is_found_by_its_content(cluster: EmbeddedCluster) -> None:
    store = ConfigMapModuleStore(cluster.client("User"))
    reference = await store.put(MODULE)
    assert await store.put(MODULE) == reference
    assert await store.get(reference) == MODULE


async def test_the_largest_module_fits_and_a_larger_one_is_refused(cluster: EmbeddedCluster) -> None:
    store = ConfigMapModuleStore(cluster.client("User"))
    largest = bytes(LARGEST_MODULE - 1)
    assert await store.get(await store.put(largest)) == largest
    with pytest.raises(ValueError, match=str(LARGEST_MODULE + 1)):
        await store.put(largest + b"\0\0")


async def test_a_missing_module_is_named(cluster: EmbeddedCluster) -> None:
    with pytest.raises(ModuleMissing, match="f" * 64):
        await ConfigMapModuleStore(cluster.client("User")).get("f" * 64)


async def test_a_module_with_another_hash_is_not_delivered(cluster: EmbeddedCluster) -> None:
    api = cluster.client("User")
    store = ConfigMapModuleStore(api)
    reference = await store.put(MODULE)
    name = f"wasm-{reference[:40]}"
    await api.delete(CONFIG_MAP, name)
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    await api.create(CONFIG_MAP, {**body, "binaryData": {"module.wasm": "AAAA"}})
    with pytest.raises(ModuleMissing, match="does not hold"):
        await store.get(reference)


async def test_a_refusal_of_the_server_is_raised(cluster: EmbeddedCluster) -> None:
    await cluster.client("User").delete(NAMESPACE, "wasmbed")
    with pytest.raises(ApiError):
        await ConfigMapModuleStore(cluster.client("User")).put(MODULE)
