"""The proxy records of another program what the API server itself records of it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from io import BytesIO

import aiohttp
import pytest
import yaml

from harness.clusters.embedded import EmbeddedCluster
from harness.clusters.existing.client import Tapped
from harness.clusters.existing.proxy import RecordingProxy
from harness.clusters.gate import GatedProgram
from harness.clusters.watch_times import WatchTimes
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness
from harness.core.network import SystemNetwork
from harness.core.order import Order
from harness.wasmbed.resources.api import Conflict, NotFound, Resource
from harness.wasmbed.resources.kinds import CONFIG_MAP, CUSTOM_RESOURCE_DEFINITION, DEVICE, LEASE
from harness.wasmbed.resources.kubernetes_api import KubernetesApi
from harness.wasmbed.resources.manifests import device
from tests.clusters.conftest import definition, widget


class Record:
    """A tap that keeps what one client did, and got."""

    groups = frozenset(("wasmbed.io", "example.org"))

    def __init__(self):
        self.order = Order()
        self.events = []

    def __call__(self, *event):
        if "Gateway" in event[:2]:
            self.events.append(event)


class Scene:
    """An API server and a proxy before it; ``api`` is another program's client."""

    def __init__(self, server, record, proxy, api):
        self.server, self.record, self.proxy, self.api = server, record, proxy, api


@pytest.fixture
async def scene(tmp_path, settings):
    of_server, record = Record(), Record()
    clock, network = SystemClock(), SystemNetwork()
    embedded = EmbeddedCluster(clock, Randomness(), "wasmbed", of_server, **settings)
    await embedded.start()
    await embedded.write_kubeconfig(tmp_path / "config")
    program = GatedProgram("Gateway", None)
    proxy = RecordingProxy(tmp_path / "config", "wasmbed", program, Tapped(record, clock), clock, network)
    await proxy.start()
    proxy.write_kubeconfig(tmp_path / "proxied")
    api = await KubernetesApi.open("wasmbed", kubeconfig=tmp_path / "proxied", name="Gateway")
    yield Scene(of_server, record, proxy, api)
    await api.close()
    await proxy.stop()
    await embedded.stop()


@asynccontextmanager
async def watching(api, resource):
    """The types of the events of a watch, and a function that waits for so many."""
    seen, more = [], asyncio.Event()

    async def watch():
        listed = await api.list(resource)
        async with api.watch(resource, resource_version=listed.resource_version) as events:
            started.set()
            async for event in events:
                seen.append(event.type)
                more.set()

    async def until(count):
        while len(seen) < count:
            more.clear()
            await more.wait()
        return seen

    started = asyncio.Event()
    task = asyncio.create_task(watch())
    await started.wait()
    yield until
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.settings(watches=WatchTimes.EARLY)
async def test_requests_and_watches_are_recorded_as_the_server_records_them(scene):
    """Also where a watch event arrives before the answer to the write that made it."""
    api = scene.api
    async with watching(api, DEVICE) as until:
        await api.create(DEVICE, device("d1", public_key=b"k", device_type="virtual"))
        await api.patch_status(DEVICE, "d1", {"status": {"phase": "Enrolling"}})
        with pytest.raises(Conflict):
            await api.create(DEVICE, device("d1", public_key=b"k", device_type="virtual"))
        with pytest.raises(NotFound):
            await api.patch(DEVICE, "d2", {"metadata": {"labels": {"a": "b"}}})
        await api.create(CONFIG_MAP, {"metadata": {"name": "c"}, "data": {"a": "b"}})
        await api.create(LEASE, {"metadata": {"generateName": "lease-"}, "spec": {}})
        await api.delete(DEVICE, "d1")
        assert await until(3) == ["ADDED", "MODIFIED", "DELETED"]
    assert scene.record.events == scene.server.events
    assert [event[2] for event in scene.record.events] == [
        "POST Device", "ADDED Device", "PATCH Device", "MODIFIED Device", "POST Device", "PATCH Device",
        "POST ConfigMap", "POST Lease", "DELETE Device", "DELETED Device",
    ]  # fmt: skip


@pytest.mark.settings(watches=WatchTimes.EARLY)
async def test_a_type_that_the_platform_does_not_know_is_recorded_like_its_own(scene):
    """The path of a request has no kind, and the body of a deletion has another one."""
    await scene.api.create(CUSTOM_RESOURCE_DEFINITION, definition())
    scene.server.events.clear()
    scene.record.events.clear()
    widgets = Resource("example.org", "v1", "widgets", "Widget")
    async with watching(scene.api, widgets) as until:
        await scene.api.create(widgets, widget("one"))
        await scene.api.patch(widgets, "one", {"spec": {"size": 2}})
        await scene.api.delete(widgets, "one")
        assert await until(3) == ["ADDED", "MODIFIED", "DELETED"]
    assert scene.record.events == scene.server.events
    assert [event[2] for event in scene.record.events] == [
        "POST Widget", "ADDED Widget", "PATCH Widget", "MODIFIED Widget", "DELETE Widget", "DELETED Widget",
    ]  # fmt: skip


@pytest.mark.parametrize("word", ["true", "1", "True", "yes"])
async def test_a_watch_passes_as_it_comes_by_any_word_for_true(scene, tmp_path, word):
    token = yaml.safe_load((tmp_path / "proxied").read_text())["users"][0]["user"]["token"]
    url = f"{scene.proxy.url}/api/v1/namespaces/wasmbed/configmaps"
    await scene.api.create(CONFIG_MAP, {"metadata": {"name": "one"}})
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http,
        asyncio.timeout(30),
        http.get(url, params={"watch": word}) as answer,
    ):
        assert b'"ADDED"' in await answer.content.readline()


async def test_only_the_token_of_its_kubeconfig_is_let_in(scene, tmp_path):
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer other"}) as http:
        answer = await http.get(f"{scene.proxy.url}/version")
        assert (answer.status, (await answer.json())["reason"]) == (401, "Unauthorized")
    assert oct((tmp_path / "proxied").stat().st_mode & 0o777) == "0o600"


async def test_what_is_not_a_resource_passes(scene, tmp_path):
    """Discovery, and the version; other protocols do not."""
    assert (await scene.api.version())["major"]
    token = yaml.safe_load((tmp_path / "proxied").read_text())["users"][0]["user"]["token"]
    headers = {"Authorization": f"Bearer {token}", "Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
    async with aiohttp.ClientSession(headers=headers) as http:
        answer = await http.get(f"{scene.proxy.url}/api/v1/namespaces/wasmbed/pods/p/exec")
        assert answer.status == 400
    assert scene.record.events == []


async def test_a_body_that_is_too_long_is_refused(scene, tmp_path):
    token = yaml.safe_load((tmp_path / "proxied").read_text())["users"][0]["user"]["token"]
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
        answer = await http.post(
            f"{scene.proxy.url}/api/v1/namespaces/wasmbed/configmaps", data=BytesIO(bytes(9 << 20))
        )
        assert answer.status == 413
