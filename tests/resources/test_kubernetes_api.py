"""The adapter on the official client against a real HTTPS API server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from harness.clusters.embedded import EmbeddedCluster
from harness.core.clock import SystemClock
from harness.core.errors import UsageError
from harness.core.identifiers import Randomness
from harness.wasmbed.resources import manifests
from harness.wasmbed.resources.api import ApiError, Conflict, Gone, Invalid, NotFound
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import APPLICATION, CONFIG_MAP, DEVICE, NAMESPACE, load_crds
from harness.wasmbed.resources.kubernetes_api import KubernetesApi

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
def requests() -> list[tuple[str, str]]:
    """The requests that the API server received, as client and name."""
    return []


@pytest.fixture
async def cluster(requests: list[tuple[str, str]]) -> AsyncIterator[EmbeddedCluster]:
    def tap(source: str, target: str, name: str, data: object, correlation: str) -> None:
        requests.append((source, name))

    cluster = EmbeddedCluster(SystemClock(), Randomness(1), "wasmbed", tap)
    await cluster.start()
    yield cluster
    await cluster.stop()


@pytest.fixture
async def api(cluster: EmbeddedCluster, tmp_path: Path) -> AsyncIterator[KubernetesApi]:
    """The adapter, which found the cluster through a kubeconfig."""
    path = tmp_path / "kubeconfig"
    await cluster.write_kubeconfig(path)
    api = await KubernetesApi.open("wasmbed", kubeconfig=path, name="Visitor")
    yield api
    await api.close()


def device(name="edge-1", **labels):
    return manifests.device(name, public_key=b"\x30", device_type="mcu", labels=labels)


async def test_an_object_is_created_changed_and_deleted(api: KubernetesApi, requests: list[tuple[str, str]]) -> None:
    created = await api.create(DEVICE, device(site="lab"))
    assert created["metadata"]["uid"]
    assert (await api.get(DEVICE, "edge-1"))["spec"]["deviceType"] == "mcu"
    patched = await api.patch(DEVICE, "edge-1", {"metadata": {"labels": {"site": None, "floor": "2"}}})
    assert patched["metadata"]["labels"] == {"floor": "2"}
    status = await api.patch_status(DEVICE, "edge-1", {"status": {"phase": "Enrolling"}, "spec": {"mcuType": "x"}})
    assert status["status"]["phase"] == "Enrolling"
    assert "mcuType" not in status["spec"]
    status["spec"]["mcuType"] = "mps2-an385"
    replaced = await api.replace(DEVICE, "edge-1", status)
    assert replaced["metadata"]["generation"] == 2
    await api.delete(DEVICE, "edge-1", uid=replaced["metadata"]["uid"])
    with pytest.raises(NotFound, match="edge-1"):
        await api.get(DEVICE, "edge-1")
    assert ("Visitor", "POST Device") in requests


async def test_lists_select_and_have_a_version(api: KubernetesApi) -> None:
    for number in range(3):
        await api.create(DEVICE, device(f"edge-{number}", site="lab" if number else "field"))
    await api.patch_status(DEVICE, "edge-1", {"status": {"phase": "Enrolling"}})
    everything = await api.list(DEVICE)
    assert len(everything.items) == 3
    assert everything.resource_version.isdigit()
    lab = await api.list(DEVICE, label_selector="site=lab")
    assert [item["metadata"]["name"] for item in lab.items] == ["edge-1", "edge-2"]
    enrolling = await api.list(DEVICE, field_selector="status.phase=Enrolling")
    assert [item["metadata"]["name"] for item in enrolling.items] == ["edge-1"]


async def test_a_long_list_is_read_in_pages(api: KubernetesApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.wasmbed.resources.kubernetes_api.PAGE", 2)

    for number in range(5):
        await api.create(DEVICE, device(f"edge-{number}"))
    assert len((await api.list(DEVICE)).items) == 5


async def test_cluster_scoped_resources_are_read(api: KubernetesApi) -> None:
    assert (await api.get(NAMESPACE, "wasmbed"))["metadata"]["name"] == "wasmbed"
    (found,) = [crd for crd in load_crds() if crd["metadata"]["name"].startswith("gateways")]
    assert found["kind"] == "CustomResourceDefinition"


async def test_refusals_are_the_exceptions_of_the_port(api: KubernetesApi) -> None:
    created = await api.create(DEVICE, device())
    with pytest.raises(Conflict) as exists:
        await api.create(DEVICE, device())
    assert exists.value.reason == "AlreadyExists"
    await api.patch(DEVICE, "edge-1", {"spec": {"mcuType": "a"}})
    with pytest.raises(Conflict) as stale:
        await api.replace(DEVICE, "edge-1", created)
    assert stale.value.reason == "Conflict"
    version = {"resourceVersion": created["metadata"]["resourceVersion"]}
    with pytest.raises(Conflict):
        await api.patch_status(DEVICE, "edge-1", {"metadata": version, "status": {"phase": "Enrolling"}})
    with pytest.raises(Conflict):
        await api.delete(DEVICE, "edge-1", resource_version=created["metadata"]["resourceVersion"])
    with pytest.raises(Invalid) as invalid:
        await api.patch_status(DEVICE, "edge-1", {"status": {"phase": "Lost"}})
    assert "status.phase" in str(invalid.value.status["details"]["causes"])
    nowhere = KubernetesApi(api._client, "nowhere")
    with pytest.raises(NotFound):
        await nowhere.create(DEVICE, device("edge-2"))


async def test_a_watch_delivers_in_order_and_an_old_version_is_gone(api: KubernetesApi) -> None:
    start = (await api.list(DEVICE)).resource_version
    async with api.watch(DEVICE, resource_version=start) as events:
        await api.create(DEVICE, device())
        await api.patch_status(DEVICE, "edge-1", {"status": {"phase": "Enrolling"}})
        await api.delete(DEVICE, "edge-1")
        seen = []
        async for event in events:
            seen.append(event.type)
            if event.type == "DELETED":
                break
    assert [kind for kind in seen if kind != "BOOKMARK"] == ["ADDED", "MODIFIED", "DELETED"]


async def test_an_application_with_a_large_module_passes_through_a_watch(api: KubernetesApi) -> None:
    start = (await api.list(APPLICATION)).resource_version
    async with api.watch(APPLICATION, resource_version=start) as events:
        body = manifests.application("blink", module=b"\0asm" + bytes(1_000_000), all_devices=True)
        await api.create(APPLICATION, body)
        event = await anext(events)
    assert event.object["spec"]["wasmBytes"] == body["spec"]["wasmBytes"]


async def test_an_informer_runs_on_the_adapter(api: KubernetesApi, cluster: EmbeddedCluster) -> None:
    informer = Informer(api, CONFIG_MAP, SystemClock(), Randomness(1))
    await informer.start()
    await cluster.client("User").create(
        CONFIG_MAP, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1"}}
    )
    found = await informer.wait_for("a", lambda found: found is not None, within=5)
    assert found["data"] == {"x": "1"}
    await informer.stop()


async def test_an_unreachable_server_is_an_os_error(api: KubernetesApi, cluster: EmbeddedCluster) -> None:
    await api.list(DEVICE)
    await cluster.stop()
    with pytest.raises(OSError, match="127"):
        await api.get(DEVICE, "edge-1")
    with pytest.raises(OSError, match="127"):
        async with api.watch(DEVICE, resource_version="1"):
            pass


@pytest.mark.parametrize("content", [None, "not: [a", "apiVersion: v1\nkind: Config\n"])
async def test_an_invalid_kubeconfig_says_what_to_do(tmp_path: Path, content) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match="kubeconfig") as caught:
        await KubernetesApi.open("wasmbed", kubeconfig=path)
    assert caught.value.do


async def test_outside_a_pod_a_kubeconfig_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(UsageError, match="service account"):
        await KubernetesApi.open("wasmbed")


@asynccontextmanager
async def served_by(handler: Handler) -> AsyncIterator[KubernetesApi]:
    """An adapter at a server that is not Kubernetes."""
    from kubernetes.aio import client

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    configuration = client.Configuration()
    configuration.host = f"http://127.0.0.1:{runner.addresses[0][1]}"
    api = KubernetesApi(client.ApiClient(configuration), "wasmbed")
    try:
        yield api
    finally:
        await api.close()
        await runner.cleanup()


async def test_an_answer_that_is_not_a_status_is_still_an_api_error() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=502, text="<h1>Bad Gateway</h1>")

    async with served_by(handler) as api:
        with pytest.raises(ApiError, match="Bad Gateway") as caught:
            await api.get(DEVICE, "edge-1")
        assert caught.value.code == 502
        with pytest.raises(ApiError):
            async with api.watch(DEVICE, resource_version="1"):
                pass


async def test_an_error_in_a_watch_is_raised() -> None:
    async def handler(request: web.Request) -> web.Response:
        gone = '{"type":"ERROR","object":{"kind":"Status","status":"Failure","code":410,"reason":"Expired"}}\n'
        return web.Response(text='\n{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"5"}}}\n' + gone)

    async with served_by(handler) as api, api.watch(DEVICE, resource_version="1") as events:
        assert (await anext(events)).type == "BOOKMARK"
        with pytest.raises(Gone):
            await anext(events)


async def test_an_interrupted_watch_is_an_os_error_and_a_closed_one_ends() -> None:
    cut = True

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"5"}}}\n{"type":')
        if cut:
            request.transport.abort()
        return response

    async with served_by(handler) as api:
        async with api.watch(DEVICE, resource_version="1") as events:
            assert (await anext(events)).type == "BOOKMARK"
            with pytest.raises(ConnectionError):
                await anext(events)
        cut = False
        async with api.watch(DEVICE, resource_version="1") as events:
            assert [event.type async for event in events] == ["BOOKMARK"]


async def test_a_client_that_is_closed_ends_its_watch_and_leaves_the_others_theirs() -> None:
    agents: list[str] = []
    over = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        agents.append(request.headers["User-Agent"])
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"5"}}}\n')
        await over.wait()
        return response

    async with served_by(handler) as api, AsyncExitStack() as stack:
        gateway, user = api.share("wasmbed", "Gateway"), api.share("wasmbed", "User")
        watched = await stack.enter_async_context(gateway.watch(DEVICE, resource_version="1"))
        other = await stack.enter_async_context(user.watch(DEVICE, resource_version="1"))
        assert [(await anext(watched)).type, (await anext(other)).type] == ["BOOKMARK", "BOOKMARK"]
        next_events = [asyncio.ensure_future(anext(events)) for events in (watched, other)]
        await gateway.close()
        with pytest.raises(ConnectionError):
            await next_events[0]
        assert not next_events[1].done()
        await user.close()
        with pytest.raises(ConnectionError):
            await next_events[1]
        over.set()
    assert agents == ["Gateway", "User"]


async def test_a_request_takes_no_thread(api: KubernetesApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it look for a proxy or a password again: that costs more than the rest of the request."""
    await api.create(DEVICE, device())
    used: list[object] = []
    monkeypatch.setattr(ThreadPoolExecutor, "submit", lambda self, work, *arguments: used.append(work))
    assert (await api.get(DEVICE, "edge-1"))["metadata"]["name"] == "edge-1"
    await api.patch(DEVICE, "edge-1", {"metadata": {"labels": {"site": "roof"}}})
    assert used == []


@pytest.mark.parametrize("passed", [False, True])
async def test_the_proxy_of_the_environment_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, passed: bool
) -> None:
    """Unless NO_PROXY says otherwise."""
    asked: list[str] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        asked.append(str(request.url))
        return web.json_response({"kind": "Device", "metadata": {"name": "edge-1"}})

    server = web.Server(handler)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("no_proxy", "127.0.0.1" if passed else "")
    cluster = {"server": "http://127.0.0.1:1"}
    config = {
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }
    (tmp_path / "config").write_text(json.dumps(config))
    api = await KubernetesApi.open("wasmbed", kubeconfig=tmp_path / "config")
    try:
        if passed:
            with pytest.raises(OSError, match="127"):
                await api.get(DEVICE, "edge-1")
        else:
            assert (await api.get(DEVICE, "edge-1"))["metadata"]["name"] == "edge-1"
    finally:
        await api.close()
        listening.close()
        await server.shutdown(0)
    assert [url.partition("/apis")[0] for url in asked] == ([] if passed else ["http://127.0.0.1:1"])
