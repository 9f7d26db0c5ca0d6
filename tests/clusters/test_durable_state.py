"""The state folder of an embedded cluster: what is acknowledged is kept, and damage is refused."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.clusters.embedded import EmbeddedCluster
from harness.clusters.embedded.durable.folder import StateFolder
from harness.clusters.embedded.durable.journal import Journal
from harness.clusters.embedded.durable.keys import AccessKeys
from harness.clusters.embedded.messages import Request
from harness.clusters.embedded.process import EmbeddedProcessCluster
from harness.clusters.embedded.server import ApiServer
from harness.core.clock import SystemClock
from harness.core.errors import RigError, UsageError
from harness.core.identifiers import Randomness
from harness.core.loop import new_runner
from harness.testing.cluster import check_cluster
from harness.wasmbed.resources.api import ApiError, NotFound
from harness.wasmbed.resources.kinds import CONFIG_MAP, DEVICE
from tests.clusters import durable_writer
from tests.clusters.durable_writer import config_map
from tests.examples import examples

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
MAPS = "/api/v1/namespaces/default/configmaps"


@asynccontextmanager
async def running(folder, kind=EmbeddedCluster):
    cluster = kind(SystemClock(), Randomness(), "wasmbed", state=folder)
    try:
        await cluster.start()
        yield cluster
    finally:
        await cluster.stop()


def below(chance, bound):
    return int.from_bytes(chance.bytes(4)) % bound


def numbers(listed):
    return {item["metadata"]["name"]: int(item["data"]["number"]) for item in listed.items}


def logs(folder):
    return sorted(folder.glob("requests-*.log"))


def size_of(log):
    """The bytes of the records in a log that is in use, which has zeros after them."""
    return len(log.read_bytes().rstrip(b"\0"))


async def content(folder):
    """The ConfigMaps that a cluster finds in a copy of the folder, as after a crash."""
    copy = folder.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    async with running(copy) as cluster:
        return numbers(await cluster.client("User").list(CONFIG_MAP))


async def fill(folder, count=5):
    async with running(folder) as cluster:
        api = cluster.client("User")
        for number in range(count):
            await api.create(CONFIG_MAP, config_map(f"map-{number}", number))


async def test_a_cluster_with_a_state_folder_is_a_cluster_like_any_other(tmp_path):
    await check_cluster(partial(EmbeddedCluster, state=tmp_path / "state"))


async def test_everything_acknowledged_survives_kill_9(tmp_path):
    chance = Randomness(15)
    acknowledged, deleted, version = {}, set(), 0
    for _ in range(4):
        await asyncio.to_thread(kill_after, 1 + below(chance, 400), tmp_path / "state", acknowledged, deleted)
        async with running(tmp_path / "state") as cluster:
            listed = await cluster.client("User").list(CONFIG_MAP)
        found = numbers(listed)
        for name, (number, at) in acknowledged.items():
            assert found[name] in (number, number + 1)  # one more may have been written, and not answered
            assert int(listed.resource_version) >= at
        assert not deleted & set(found)
        assert int(listed.resource_version) > version
        version = int(listed.resource_version)
        acknowledged = {name: (number, version) for name, number in found.items() if name.count("-") == 1}
    assert len(acknowledged) == durable_writer.WRITERS


def kill_after(lines, folder, acknowledged, deleted):
    """Kill a process that writes after about that number of acknowledged requests."""
    command = [sys.executable, "-m", "tests.clusters.durable_writer", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        for _ in range(lines):
            note(child.stdout.readline(), acknowledged, deleted)
        child.kill()
        for line in child.stdout.read().splitlines(keepends=True):
            if line.endswith("\n"):
                note(line, acknowledged, deleted)
    assert child.returncode == -signal.SIGKILL


def note(line, acknowledged, deleted):
    words = line.split()
    if words[0] == "deleted":
        deleted.add(words[1])
    else:
        acknowledged[words[0]] = int(words[1]), int(words[2])


async def test_a_request_that_was_cut_off_while_it_was_written_has_not_happened(tmp_path):
    folder = tmp_path / "state"
    await fill(folder, 3)
    (log,) = logs(folder)
    data = log.read_bytes()
    start = data.rindex(b"\n", 0, -1) + 1
    for end in [start, start + 1, start + 17, start + 18, start + 30, len(data) - 2, len(data) - 1]:
        log.write_bytes(data[:end])
        assert await content(folder) == {"map-0": 0, "map-1": 1}, end
        log.write_bytes(data[:end] + bytes(500))
        assert await content(folder) == {"map-0": 0, "map-1": 1}, end
    log.write_bytes(data)
    assert await content(folder) == {"map-0": 0, "map-1": 1, "map-2": 2}


async def test_sectors_that_were_not_written_are_told_apart_from_damage(tmp_path):
    """Without power a disk may have written the last sectors of a request and not the first ones."""
    folder = tmp_path / "state"
    async with running(folder) as cluster:
        api = cluster.client("User")
        await api.create(CONFIG_MAP, config_map("before", 1))
        start = size_of(logs(folder)[0])
        await api.create(CONFIG_MAP, {**config_map("large", 2), "binaryData": {"zeros": "AAAA" * 1000}})
        end = size_of(logs(folder)[0])
        await api.create(CONFIG_MAP, config_map("after", 3))
    (log,) = logs(folder)
    data = log.read_bytes()
    first = start + 512 - start % 512
    for hole in [(start, first), (first, first + 512), (start, first + 1024), (end - end % 512, end)]:
        torn = bytearray(data[:end])
        torn[slice(*hole)] = bytes(hole[1] - hole[0])
        log.write_bytes(torn + bytes(100))
        assert await content(folder) == {"before": 1}, hole
        log.write_bytes(torn + data[end:])  # a later request was acknowledged, so this one was
        with pytest.raises(RigError, match=f"damaged at byte {start}"):
            await content(folder)
    torn = bytearray(data[:end])
    torn[first + 7] = 0
    log.write_bytes(torn)
    with pytest.raises(RigError, match=f"damaged at byte {start}"):
        await content(folder)


async def test_a_request_of_several_changes_is_kept_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "state"
    async with running(folder) as cluster:
        api = cluster.client("User")
        owner = await api.create(CONFIG_MAP, config_map("owner", 0))
        owned = config_map("owned", 1)
        owned["metadata"]["ownerReferences"] = [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
        ]
        await api.create(CONFIG_MAP, owned)
        before = size_of(logs(folder)[0])
        await api.delete(CONFIG_MAP, "owner")
    (log,) = logs(folder)
    data = log.read_bytes()
    assert data[before:].count(b'"DELETED"') == 2
    for end in range(before, len(data), 97):
        log.write_bytes(data[:end])
        assert await content(folder) == {"owner": 0, "owned": 1}
    log.write_bytes(data)
    assert await content(folder) == {}


async def test_a_log_that_ends_anywhere_has_what_was_acknowledged_up_to_there(tmp_path):
    folder, chance = tmp_path / "state", Randomness(7)
    states = []
    async with running(folder) as cluster:
        api, model = cluster.client("User"), {}
        for number in range(40):
            name = f"map-{below(chance, 6)}"
            if name not in model:
                await api.create(CONFIG_MAP, config_map(name, number))
                model[name] = number
            elif below(chance, 2):
                await api.patch(CONFIG_MAP, name, {"data": {"number": str(number)}})
                model[name] = number
            else:
                await api.delete(CONFIG_MAP, name)
                del model[name]
            states.append((size_of(logs(folder)[0]), dict(model)))
    (log,) = logs(folder)
    data = log.read_bytes()
    for _ in range(30):
        end = states[0][0] + below(chance, len(data) - states[0][0])
        log.write_bytes(data[:end])
        assert await content(folder) == [state for size, state in states if size <= end][-1], end


async def test_a_changed_byte_is_refused_with_its_place(tmp_path):
    folder = tmp_path / "state"
    await fill(folder)
    (log,) = logs(folder)
    data = log.read_bytes()
    chance = Randomness(6)
    places = [below(chance, len(data)) for _ in range(40)] + [0, 8, 17, len(data) - 1, data.index(b"\n")]
    for place in places:
        changed = bytearray(data)
        changed[place] ^= 1 << below(chance, 8)
        log.write_bytes(changed)
        record = data.rfind(b"\n", 0, place) + 1
        with pytest.raises(RigError) as caught:
            await content(folder)
        assert log.name in caught.value.where
        assert f"damaged at byte {record}" in caught.value.what
        assert f"truncate -s {record} {log.name}" in caught.value.do


async def test_what_is_before_the_damage_is_had_back_as_the_refusal_says(tmp_path):
    folder = tmp_path / "state"
    await fill(folder, 3)
    (log,) = logs(folder)
    data = log.read_bytes()
    record = data.rindex(b"\n", 0, -1) + 1
    log.write_bytes(data[:record] + data[record:].replace(b"map-2", b"map-9"))
    with pytest.raises(RigError, match=f"damaged at byte {record}"):
        await content(folder)
    os.truncate(log, record)
    assert await content(folder) == {"map-0": 0, "map-1": 1}


@pytest.mark.parametrize("lost", ["objects-*.snapshot", "requests-*.log"])
async def test_a_file_that_is_missing_is_told(tmp_path, lost):
    folder = tmp_path / "state"
    await fill(folder)
    next(folder.glob(lost)).unlink()
    with pytest.raises(RigError, match="missing"):
        await content(folder)


async def test_a_damaged_snapshot_is_refused_with_its_place(tmp_path):
    folder = tmp_path / "state"
    await fill(folder)
    (snapshot,) = folder.glob("objects-*.snapshot")
    snapshot.write_bytes(snapshot.read_bytes().replace(b"kube-system", b"kube-sistem", 1))
    with pytest.raises(RigError, match=r"objects-.*damaged at byte") as caught:
        await content(folder)
    assert "later snapshot" not in caught.value.do, "there is none"


@pytest.mark.parametrize("kind", [EmbeddedCluster, EmbeddedProcessCluster])
async def test_a_second_start_on_a_folder_names_the_process_that_has_it(tmp_path, kind):
    async with running(tmp_path / "state", kind):
        with pytest.raises(RigError, match=f"process {os.getpid()}") as caught:
            async with running(tmp_path / "state", kind):
                pass
        assert f"kill {os.getpid()}" in caught.value.do
    async with running(tmp_path / "state", kind):
        pass  # the folder is free again


async def test_folders_of_others_are_refused(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds files, but not the state of a cluster"):
        StateFolder(other).check()
    assert [each.name for each in other.iterdir()] == ["thesis.txt"]
    with pytest.raises(UsageError, match="cannot be used for the state"):
        StateFolder(other / "thesis.txt").check()
    newer = tmp_path / "newer"
    StateFolder(newer).check()
    (newer / "wasmbed-state.json").write_text('{"form": "wasmbed-state", "version": 2}')
    with pytest.raises(UsageError, match="has version 2, and this program reads version 1"):
        StateFolder(newer).check()
    (newer / "wasmbed-state.json").write_text('"hello"')
    with pytest.raises(UsageError, match="not written by wasmbed up --state"):
        StateFolder(newer).check()


async def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path, monkeypatch):
    StateFolder(tmp_path / "state").check()

    def refuse(*arguments):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(UsageError, match="Read-only file system"):
        await StateFolder(tmp_path / "state").lock(os.getpid())


class Disk:
    """The disk below a journal, which can fail."""

    def __init__(self, monkeypatch):
        self.room = None
        self.syncing, self.may_sync = threading.Event(), threading.Event()
        self.may_sync.set()
        self.error = None
        self._pwrite, self._fdatasync = os.pwrite, os.fdatasync
        monkeypatch.setattr(os, "pwrite", self.pwrite)
        monkeypatch.setattr(os, "fdatasync", self.fdatasync)

    def pwrite(self, file, data, at):
        """As a full disk: as much as there is room for, then nothing."""
        if self.room is None:
            return self._pwrite(file, data, at)
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self._pwrite(file, data[: self.room], at)
        self.room -= written
        return written

    def fdatasync(self, file):
        self.syncing.set()
        self.may_sync.wait()
        if self.error:
            raise self.error
        self._fdatasync(file)


async def test_a_full_disk_refuses_writes_and_serves_reads_until_there_is_room(tmp_path, monkeypatch):
    folder = tmp_path / "state"
    async with running(folder) as cluster:
        api = cluster.client("User")
        written = await api.create(CONFIG_MAP, config_map("before", 1))
        disk = Disk(monkeypatch)
        disk.room = 100
        for name in ("a", "b"):
            with pytest.raises(ApiError, match=r"cannot be kept in .*No space left on device") as caught:
                await api.create(CONFIG_MAP, config_map(name, 2))
            assert caught.value.code == 500
        with pytest.raises(ApiError, match="No space left on device"):
            await api.delete(CONFIG_MAP, "before")
        listed = await api.list(CONFIG_MAP)
        assert numbers(listed) == {"before": 1}
        assert listed.resource_version == written["metadata"]["resourceVersion"]
        disk.room = None
        assert await content(folder) == {"before": 1}
        after = await api.create(CONFIG_MAP, config_map("after", 3))
        assert int(after["metadata"]["resourceVersion"]) == int(written["metadata"]["resourceVersion"]) + 1
    assert await content(folder) == {"before": 1, "after": 3}


async def test_a_type_that_did_not_fit_on_the_disk_is_not_there(tmp_path, monkeypatch):
    async with running(tmp_path / "state") as cluster:
        disk = Disk(monkeypatch)
        disk.room = 0
        crd = await crd_of(cluster)
        answer = await cluster.server.handle(Request("DELETE", crd))
        assert answer.status == 500
        assert (await cluster.client("User").list(DEVICE)).items == []
        disk.room = None
        assert (await cluster.server.handle(Request("DELETE", crd))).status == 200
        with pytest.raises(NotFound):
            await cluster.client("User").list(DEVICE)


async def crd_of(cluster):
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/devices.wasmbed.io"
    assert (await cluster.server.handle(Request("GET", path))).status == 200
    return path


async def test_a_disk_that_fails_is_never_acknowledged(tmp_path, monkeypatch):
    folder = tmp_path / "state"
    async with running(folder) as cluster:
        api = cluster.client("User")
        await api.create(CONFIG_MAP, config_map("before", 1))
        disk = Disk(monkeypatch)
        disk.error = OSError(errno.EIO, "Input/output error")
        for _ in range(2):
            with pytest.raises(ApiError, match="Input/output error") as caught:
                await api.patch(CONFIG_MAP, "before", {"data": {"number": "2"}})
            assert caught.value.code == 500
        with pytest.raises(ApiError, match="Input/output error"):  # what it would show may be lost
            await api.get(CONFIG_MAP, "before")
        with pytest.raises(RigError, match="Input/output error") as told:
            await cluster.lost()
        assert str(folder) in told.value.where


FAILING = """
import errno, os
from pathlib import Path
fdatasync = os.fdatasync
def failing(file):
    if Path(__file__).with_name("failed").exists():
        raise OSError(errno.EIO, "Input/output error")
    fdatasync(file)
os.fdatasync = failing
"""


async def test_a_disk_that_fails_below_a_server_in_its_own_process_is_the_rigs_failure(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(FAILING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    async with running(tmp_path / "state", EmbeddedProcessCluster) as cluster:
        api = cluster.client("User")
        await api.create(CONFIG_MAP, config_map("before", 1))
        (tmp_path / "failed").touch()
        with pytest.raises(ApiError, match="Input/output error"):
            await api.create(CONFIG_MAP, config_map("after", 2))
        with pytest.raises(RigError, match="Input/output error") as told:
            await cluster.lost()
        assert told.value.where == str(tmp_path / "state")


async def test_nothing_shows_a_change_before_it_lasts_and_writers_share_a_sync(tmp_path, monkeypatch):
    async with running(tmp_path / "state") as cluster:
        api = cluster.client("User")
        first = await api.create(CONFIG_MAP, config_map("map", 0))
        version = first["metadata"]["resourceVersion"]
        async with api.watch(CONFIG_MAP, resource_version=version) as events:
            disk = Disk(monkeypatch)
            disk.may_sync.clear()
            patch = asyncio.create_task(api.patch(CONFIG_MAP, "map", {"data": {"number": "1"}}))
            await asyncio.to_thread(disk.syncing.wait)
            read = asyncio.create_task(api.get(CONFIG_MAP, "map"))
            seen = asyncio.create_task(anext(events))
            others = [asyncio.create_task(api.create(CONFIG_MAP, config_map(f"o-{n}", n))) for n in range(9)]
            late = asyncio.create_task(watched(api, version))
            for _ in range(50):
                await SystemClock().sleep(0)
            assert not any(task.done() for task in (patch, read, seen, late, *others))
            syncs = []
            monkeypatch.setattr(os, "fdatasync", lambda file: syncs.append(disk._fdatasync(file)))
            disk.may_sync.set()
            assert (await patch)["data"]["number"] == (await read)["data"]["number"] == "1"
            event = await seen
            assert (event.type, event.object["data"]["number"]) == ("MODIFIED", "1")
            await asyncio.gather(*others)
            assert len(syncs) == 1
            assert await late == ["map", *(f"o-{number}" for number in range(9))]  # each once


async def watched(api, version):
    """The names in the first ten events of a watch."""
    async with api.watch(CONFIG_MAP, resource_version=version) as events:
        return [(await anext(events)).object["metadata"]["name"] for _ in range(10)]


async def test_watches_go_on_from_before_a_restart(tmp_path):
    async with running(tmp_path / "state") as cluster:
        api = cluster.client("User")
        first = await api.create(CONFIG_MAP, config_map("map", 0))
        await api.patch(CONFIG_MAP, "map", {"data": {"number": "1"}})
    async with running(tmp_path / "state") as cluster:
        api = cluster.client("User")
        async with api.watch(CONFIG_MAP, resource_version=first["metadata"]["resourceVersion"]) as events:
            assert (await anext(events)).object["data"]["number"] == "1"
            await api.delete(CONFIG_MAP, "map")
            assert (await anext(events)).type == "DELETED"


async def test_members_that_a_request_leaves_alone_are_not_written_again(tmp_path):
    folder = tmp_path / "state"
    async with running(folder) as cluster:
        api = cluster.client("User")
        big = {**config_map("big", 0), "binaryData": {"module": "AAAA" * 10_000}, "immutable": False}
        await api.create(CONFIG_MAP, big)
        before = size_of(logs(folder)[0])
        await api.patch(CONFIG_MAP, "big", {"data": {"number": "1"}, "immutable": None})
        assert size_of(logs(folder)[0]) - before < 2_000
        written = await api.get(CONFIG_MAP, "big")
    async with running(folder) as cluster:
        assert await cluster.client("User").get(CONFIG_MAP, "big") == written
        assert "immutable" not in written


@asynccontextmanager
async def server_of(folder, log_bytes):
    """A server whose logs are short."""
    server = ApiServer(SystemClock(), Randomness())
    state = StateFolder(folder)
    await state.lock(os.getpid())
    journal = Journal(state, log_bytes)
    server.keep(journal, AccessKeys.kept_in(folder).account_key)
    try:
        yield server
    finally:
        server.close()
        await journal.close()


async def test_logs_rotate_and_the_window_reaches_over_the_last_one(tmp_path):
    folder = tmp_path / "state"
    async with server_of(folder, 20_000) as server:
        first = server.version
        for number in range(200):
            answer = await server.handle(Request("POST", MAPS, body=config_map(f"map-{number}", number)))
            assert answer.status == 201
    assert len(logs(folder)) in (2, 3)
    total = sum(each.stat().st_size for each in folder.iterdir() if each.is_file())
    assert total < 200_000
    async with server_of(folder, 20_000) as server:
        listed = await server.handle(Request("GET", MAPS))
        assert len(listed.content.value()["items"]) == 200
        watch = {"watch": "true", "resourceVersion": str(server.version - 20)}
        resumed = (await server.handle(Request("GET", MAPS, watch))).watcher
        names = [(await resumed.event())[1]["metadata"]["name"] for _ in range(20)]
        assert names == [f"map-{number}" for number in range(180, 200)]
        watch["resourceVersion"] = str(first)
        refused = (await server.handle(Request("GET", MAPS, watch))).watcher
        with pytest.raises(Exception, match="too old resource version"):
            await refused.event()


TYPES = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
THINGS = "/apis/example.org/v1/namespaces/{}/things"
THING_TYPE = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.example.org"},
    "spec": {
        "group": "example.org",
        "scope": "Namespaced",
        "names": {"plural": "things", "kind": "Thing", "singular": "thing"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


def request_of(kind, number, namespace):
    """A request that may be refused, as by the state that earlier ones left."""
    maps, things = f"/api/v1/namespaces/{namespace}/configmaps", THINGS.format(namespace)
    thing = {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": f"t-{number}"}, "size": number}
    held = {"metadata": {"name": f"c-{number}", "finalizers": ["example.org/held"]}, "data": {"n": str(number)}}
    owned = {**config_map(f"o-{number}", 0)}
    owned["metadata"]["ownerReferences"] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "c-0", "uid": "00000000-0000-4000-8000-000000000000"}
    ]
    merge = {"content-type": "application/merge-patch+json"}
    return {
        "namespace": lambda: Request("POST", "/api/v1/namespaces", body={"metadata": {"name": namespace}}),
        "end of namespace": lambda: Request("DELETE", f"/api/v1/namespaces/{namespace}"),
        "type": lambda: Request("POST", TYPES, body=THING_TYPE),
        "end of type": lambda: Request("DELETE", f"{TYPES}/things.example.org"),
        "thing": lambda: Request("POST", things, body=thing),
        "map": lambda: Request("POST", maps, body=config_map(f"c-{number}", number)),
        "held map": lambda: Request("POST", maps, body=held),
        "owned map": lambda: Request("POST", maps, body=owned),
        "patch": lambda: Request("PATCH", f"{maps}/c-{number}", headers=merge, body={"data": {"n": "new"}}),
        "release": lambda: Request(
            "PATCH", f"{maps}/c-{number}", headers=merge, body={"metadata": {"finalizers": None}}
        ),
        "end of map": lambda: Request("DELETE", f"{maps}/c-{number}"),
        "end of all maps": lambda: Request("DELETE", maps),
    }[kind]()


KINDS = ["namespace", "end of namespace", "type", "end of type", "thing", "map", "held map", "owned map", "patch",
         "release", "end of map", "end of all maps"]  # fmt: skip


@settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 2), st.sampled_from(["default", "one"])), max_size=60))
def test_a_server_that_starts_again_is_the_one_that_ended(requests):
    async def compare(folder):
        async with server_of(folder, 8_000) as server:
            for kind, number, namespace in requests:
                assert (await server.handle(request_of(kind, number, namespace))).status < 500
            before = orjson.loads(server.dump()), await answers(server)
        for _ in range(2):
            async with server_of(folder, 8_000) as server:
                after = orjson.loads(server.dump()), await answers(server)
                assert after[0]["resourceVersion"] == before[0]["resourceVersion"]
                assert without_empty(after[0]["objects"]) == without_empty(before[0]["objects"])
                assert after[1] == before[1]

    with tempfile.TemporaryDirectory() as folder, new_runner() as runner:
        runner.run(compare(Path(folder) / "state"))


def without_empty(objects):
    return {name: items for name, items in objects.items() if items}


async def answers(server):
    """Codes that depend on what is served, and on what is about to end."""
    requests = [request_of("thing", 9, "one"), request_of("map", 9, "one"), Request("GET", THINGS.format("default"))]
    for request in requests:
        request.query = {**request.query, "dryRun": "All"}
    return [(await server.handle(request)).status for request in requests]


async def test_a_snapshot_that_cannot_be_written_loses_nothing(tmp_path, monkeypatch):
    folder = tmp_path / "state"
    replace = type(folder).replace

    def refuse(path, target):
        if path.suffix == ".snapshot":
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(path, target)

    async with server_of(folder, 10_000) as server:
        monkeypatch.setattr(type(folder), "replace", refuse)
        for number in range(100):
            await server.handle(Request("POST", MAPS, body=config_map(f"map-{number}", number)))
    monkeypatch.undo()
    assert len(list(folder.glob("objects-*"))) == 1
    assert len(logs(folder)) > 1
    async with server_of(folder, 10_000) as server:
        listed = await server.handle(Request("GET", MAPS))
        assert {f"map-{number}" for number in range(100)} <= {
            item["metadata"]["name"] for item in listed.content.value()["items"]
        }


async def test_kubeconfigs_and_tokens_of_before_a_restart_are_valid_after_it(tmp_path):
    kept = []
    for number in range(2):
        async with running(tmp_path / "state", EmbeddedProcessCluster) as cluster:
            await cluster.write_kubeconfig(tmp_path / f"kubeconfig-{number}")
            kept.append((tmp_path / f"kubeconfig-{number}").read_text())
    assert kept[0] == kept[1]
    async with running(tmp_path / "state") as cluster:
        path = "/api/v1/namespaces/default/serviceaccounts"
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}}
        await cluster.server.handle(Request("POST", path, body=account))
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        answer = await cluster.server.handle(Request("POST", f"{path}/robot/token", body=body))
        token = answer.content.value()["status"]["token"]
    async with running(tmp_path / "state") as cluster:
        user = cluster.server.bearer(f"Bearer {token}")
        assert user is not None
        assert user.name == "system:serviceaccount:default:robot"


async def test_types_that_users_defined_and_their_objects_are_there_after_a_restart(tmp_path):
    things = THINGS.format("default")
    thing = {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "one"}, "size": 3}
    async with running(tmp_path / "state") as cluster:
        assert (await cluster.server.handle(Request("POST", TYPES, body=THING_TYPE))).status == 201
        assert (await cluster.server.handle(Request("POST", things, body=thing))).status == 201
    async with running(tmp_path / "state") as cluster:
        got = await cluster.server.handle(Request("GET", f"{things}/one"))
        assert got.content.value()["size"] == 3
        assert (await cluster.server.handle(Request("DELETE", f"{TYPES}/things.example.org"))).status == 200
    async with running(tmp_path / "state") as cluster:
        assert (await cluster.server.handle(Request("GET", f"{things}/one"))).status == 404
