"""The cluster kind: its clients in this process, its tap, its kubeconfig and its snapshot."""

from __future__ import annotations

import asyncio
import errno
import stat
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
import yaml

from harness.clusters.embedded import EmbeddedCluster
from harness.clusters.files import replace_file
from harness.core.clock import ManualClock, SystemClock
from harness.core.errors import RigError, UsageError
from harness.core.identifiers import Randomness
from harness.testing.cluster import CLUSTER_CHECKS, check_cluster
from harness.wasmbed.resources.api import ApiError, Gone, NotFound, Resource
from harness.wasmbed.resources.kinds import APPLICATION, CONFIG_MAP, CUSTOM_RESOURCE_DEFINITION, DEVICE, NAMESPACE
from harness.wasmbed.resources.manifests import application, device


@asynccontextmanager
async def running(clock=None, **settings):
    cluster = EmbeddedCluster(clock or SystemClock(), Randomness(3), **settings)
    await cluster.start()
    try:
        yield cluster
    finally:
        await cluster.stop()


@pytest.fixture
async def cluster(settings):
    async with running(**settings) as cluster:
        yield cluster


def board(name="d1", **more):
    return device(name, public_key=b"key", device_type="virtual", **more)


async def test_it_passes_the_conformance_kit():
    outcomes = {}
    await check_cluster(EmbeddedCluster, progress=outcomes.__setitem__)
    assert outcomes == dict.fromkeys(CLUSTER_CHECKS, "passed")


@pytest.mark.settings(namespace="edge")
async def test_the_resource_types_and_the_namespace_are_there(cluster):
    api = cluster.client("User")
    listed = await api.list(CUSTOM_RESOURCE_DEFINITION)
    assert {item["metadata"]["name"] for item in listed.items} >= {"devices.wasmbed.io", "applications.wasmbed.io"}
    assert (await api.get(NAMESPACE, "edge"))["status"]["phase"] == "Active"


async def test_before_and_after():
    cluster = EmbeddedCluster(SystemClock(), Randomness())
    with pytest.raises(RigError, match="not started"):
        cluster.client("User")
    await cluster.stop()
    await cluster.start()
    api = cluster.client("User")
    await cluster.stop()
    await cluster.stop()
    with pytest.raises(OSError, match="stopped"):
        await api.list(DEVICE)
    await api.close()


async def test_a_call_lets_others_have_a_turn(cluster):
    api = cluster.client("User")
    turns = []

    async def caller(name):
        for _ in range(3):
            await api.list(DEVICE)
            turns.append(name)

    await asyncio.gather(caller("a"), caller("b"))
    assert turns == ["a", "b"] * 3


async def test_refusals_come_as_the_ports_exceptions(cluster):
    api = cluster.client("User")
    with pytest.raises(NotFound) as caught:
        await api.get(DEVICE, "no/body")
    assert caught.value.status["message"] == 'devices.wasmbed.io "no/body" not found'
    with pytest.raises(ApiError, match="could not find the requested resource"):
        await api.list(Resource("wasmbed.io", "v1", "nonsenses", "Nonsense"))
    with pytest.raises(TypeError, match="JSON has no form for set"):
        await api.create(DEVICE, {"metadata": {"name": {1}}})
    await api.create(DEVICE, board())
    before = cluster.server.version
    await api.patch(DEVICE, "d1", {"metadata": {"labels": {"a": "b"}}})
    cluster.server.forget_changes()
    async with api.watch(DEVICE, resource_version=str(before)) as events:
        with pytest.raises(Gone):
            await anext(events)
    with pytest.raises(ApiError):
        async with api.watch(DEVICE, resource_version="x"):
            pass


async def test_a_watch_brings_bookmarks_and_ends_with_the_server():
    clock = ManualClock()
    async with running(clock) as cluster:
        api = cluster.client("User")
        version = (await api.list(DEVICE)).resource_version
        async with api.watch(DEVICE, resource_version=version) as events:
            waiting = asyncio.ensure_future(anext(events))
            await clock.advance(61)
            event = await waiting
            assert (event.type, event.object["kind"]) == ("BOOKMARK", "Device")
            event.object["kind"] = "altered"
            cluster.server.break_watches()
            with pytest.raises(StopAsyncIteration):
                await anext(events)
        async with api.watch(DEVICE, resource_version=version, label_selector="a=b") as events:
            assert cluster.server.watch_count() == 1
        assert cluster.server.watch_count() == 0


async def test_the_tap_gets_what_the_contract_names():
    calls = []
    async with running(tap=lambda *call: calls.append(call)) as cluster:
        start = len(calls)
        gateway, user = cluster.client("Gateway"), cluster.client("User")
        version = (await gateway.list(APPLICATION)).resource_version
        async with gateway.watch(APPLICATION, resource_version=version) as events:
            module = bytes(2000)
            await user.create(APPLICATION, application("app", module=module, all_devices=True))
            await anext(events)
        await user.create(CONFIG_MAP, {"metadata": {"name": "c"}, "data": {"k": "v"}})
        with pytest.raises(NotFound):
            await gateway.patch_status(DEVICE, "none", {"status": {"phase": "Enrolling"}})
        made, delivered, config, refused = calls[start:]
    assert made[:3] == ("User", "Kubernetes", "POST Application")
    assert made[4] == "app"
    assert (made[3]["code"], made[3]["namespace"], made[3]["name"], made[3]["subresource"]) == (
        201,
        "wasmbed",
        "app",
        "",
    )
    assert made[3]["spec"]["wasmBytes"].keys() == {"size", "sha256"}
    assert made[3]["metadata"] == {"name": "app"}
    assert delivered == (
        "Kubernetes",
        "Gateway",
        "ADDED Application",
        {"namespace": "wasmbed", "name": "app", "status": {"phase": "Pending"}},
        "app",
    )
    assert config[2:] == (
        "POST ConfigMap",
        {"code": 201, "namespace": "wasmbed", "name": "c", "subresource": "", "metadata": {"name": "c"}},
        "",
    )
    assert refused[3]["code"] == 404
    assert refused[3]["status"] == {"phase": "Enrolling"}


@pytest.mark.settings(tapped=True)
async def test_json_patches_and_dry_runs_at_the_tap(api):
    await api("POST", "/api/v1/namespaces/default/configmaps?dryRun=All", {"metadata": {"name": "c"}})
    assert [call for call in api.told if call[2] == "POST ConfigMap"] == []
    await api("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"generateName": "c-"}})
    name = api.told[-1][3]["name"]
    assert name.startswith("c-")
    path = f"/api/v1/namespaces/default/configmaps/{name}"
    await api("PATCH", path, [{"op": "add", "path": "/data", "value": {}}], "application/json-patch+json")
    assert api.told[-1][3]["operations"] == [{"op": "add", "path": "/data", "value": {}}]
    watch = await api.ask("GET", "/api/v1/configmaps?watch=1")
    count = len(api.told)
    assert len(await api.lines(watch)) == 1
    assert len(api.told) == count


@pytest.mark.settings(namespace="edge")
async def test_a_kubeconfig_is_private_and_complete(cluster, tmp_path):
    path = tmp_path / "deep" / "config"
    with pytest.raises(UsageError, match="cannot be written"):
        await cluster.write_kubeconfig(path)
    path.parent.mkdir()
    await cluster.write_kubeconfig(path)
    first = path.read_bytes()
    await cluster.write_kubeconfig(path)
    assert path.read_bytes() == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    config = yaml.safe_load(first)
    assert config["contexts"][0]["context"]["namespace"] == "edge"
    assert config["clusters"][0]["cluster"]["server"].startswith("https://127.0.0.1:")
    assert [one.name for one in path.parent.iterdir()] == ["config"]
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        await cluster.write_kubeconfig(tmp_path / "file" / "config")


async def test_a_port_in_use_is_the_rigs_fault(cluster, tmp_path):
    (_, port), _, _ = await cluster.listen()
    other = EmbeddedCluster(SystemClock(), Randomness(), port=port)
    await other.start()
    try:
        with pytest.raises(RigError, match=f"port {port}"):
            await other.write_kubeconfig(tmp_path / "config")
    finally:
        await other.stop()


async def test_a_snapshot_is_where_the_next_one_goes_on(tmp_path):
    path = tmp_path / "cluster.json"
    async with running(snapshot=path) as cluster:
        api = cluster.client("User")
        await api.create(NAMESPACE, {"metadata": {"name": "ending", "finalizers": ["x.io/a"]}})
        await api.delete(NAMESPACE, "ending")
        made = await api.create(DEVICE, board())
        owner = {"apiVersion": "wasmbed.io/v1", "kind": "Device", "name": "d1", "uid": made["metadata"]["uid"]}
        await api.create(CONFIG_MAP, {"metadata": {"name": "child", "ownerReferences": [owner]}})
        cluster.save()
        assert orjson.loads(path.read_bytes())["resourceVersion"] == cluster.server.version
        await api.patch_status(DEVICE, "d1", {"status": {"phase": "Enrolling"}})
        left = await api.get(DEVICE, "d1"), cluster.server.version
    async with running(snapshot=path) as cluster:
        api = cluster.client("User")
        assert (await api.get(DEVICE, "d1"), cluster.server.version) == left
        async with api.watch(DEVICE, resource_version="2") as events:
            with pytest.raises(Gone):
                await anext(events)
        await api.patch(NAMESPACE, "ending", {"metadata": {"finalizers": None}})
        with pytest.raises(NotFound):
            await api.get(NAMESPACE, "ending")
        await api.delete(DEVICE, "d1")
        with pytest.raises(NotFound):
            await api.get(CONFIG_MAP, "child")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"form":"wasmbed-embedded-cluster/2"}',
        b'{"form":"wasmbed-embedded-cluster/2","resourceVersion":3,"objects":{"devices.wasmbed.io":[{}]}}',
        b'{"form":"wasmbed-embedded-cluster/2","resourceVersion":3,"objects":{"x":[{"metadata":{"name":"a","resourceVersion":"9"}}]}}',
    ],
)
async def test_an_invalid_snapshot_is_named(tmp_path: Path, content):
    path = tmp_path / "cluster.json"
    path.write_bytes(content)
    cluster = EmbeddedCluster(SystemClock(), Randomness(), snapshot=path)
    with pytest.raises(UsageError, match="the snapshot cannot be read") as caught:
        await cluster.start()
    assert caught.value.where == str(path)
    await cluster.stop()
    assert path.read_bytes() == content


async def test_saving_needs_a_file(cluster):
    with pytest.raises(UsageError, match="no file for a snapshot"):
        cluster.save()


async def test_a_definition_that_is_refused_is_the_rigs_fault(monkeypatch):
    from harness.clusters.embedded import cluster as module

    monkeypatch.setattr(module, "_definitions", lambda: ({"metadata": {"name": "x"}, "spec": {}},))

    with pytest.raises(RigError, match="refused a resource type"):
        await EmbeddedCluster(SystemClock(), Randomness()).start()


async def test_a_damaged_snapshot_is_refused(tmp_path):
    """Any byte that was changed, removed or added."""
    path = tmp_path / "cluster.json"
    async with running(snapshot=path) as cluster:
        api = cluster.client("User")
        for name in ("d1", "d2"):
            await api.create(DEVICE, board(name))
        await api.create(CONFIG_MAP, {"metadata": {"name": "c"}, "data": {"k": "v"}})
    whole, random = path.read_bytes(), Randomness(7)

    async def refused(content):
        path.write_bytes(content)
        cluster = EmbeddedCluster(SystemClock(), Randomness(), snapshot=path)
        with pytest.raises(UsageError, match="the snapshot cannot be read: ") as caught:
            await cluster.start()
        await cluster.stop()
        return caught.value.what

    refusals = []
    for number in range(400):
        at = int.from_bytes(random.bytes(4)) % len(whole)
        other = bytes([whole[at] ^ (1 + random.bytes(1)[0] % 255)])
        changed = (whole[:at] + other + whole[at + 1 :], whole[:at], whole[:at] + other + whole[at:])[number % 3]
        if changed != whole:
            refusals.append(await refused(changed))
    assert sum("the SHA-256 of the content does not match" in refusal for refusal in refusals) > 50
    path.write_bytes(whole)
    async with running(snapshot=path) as cluster:
        assert len((await cluster.client("User").list(DEVICE)).items) == 2


async def test_a_stop_on_a_full_disk_closes_what_listens(tmp_path, monkeypatch):
    path = tmp_path / "cluster.json"

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    cluster = EmbeddedCluster(SystemClock(), Randomness(), snapshot=path)
    await cluster.start()
    await cluster.write_kubeconfig(tmp_path / "config")
    cluster.save()
    before = path.read_bytes()
    server = yaml.safe_load((tmp_path / "config").read_text())["clusters"][0]["cluster"]["server"]
    host, _, port = server.removeprefix("https://").partition(":")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RigError, match="the snapshot cannot be written: No space left on device") as caught:
        await cluster.stop()
    assert caught.value.where == str(path)
    assert path.read_bytes() == before, "the earlier one is still there"
    assert sorted(tmp_path.iterdir()) == [path, tmp_path / "config"], "no draft is"
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, int(port))
    await cluster.stop()


def test_a_draft_goes_into_no_file_that_was_there(tmp_path):
    """A user who may write into the folder could have put a link there, to read the content or to overwrite a file."""
    trap = tmp_path / "trap"
    trap.write_text("mine")
    for name in (".config.new", "config"):
        (tmp_path / name).symlink_to(trap)
    replace_file(tmp_path / "config", b"secret")
    assert trap.read_text() == "mine"
    assert (tmp_path / "config").read_bytes() == b"secret"
    assert stat.S_IMODE((tmp_path / "config").lstat().st_mode) == 0o600
    assert not (tmp_path / "config").is_symlink()
