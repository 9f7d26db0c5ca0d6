"""The state folder of an embedded cluster on a disk that is full, or fails: what is acknowledged is kept."""

from __future__ import annotations

import asyncio
import errno
import os
import threading

import pytest

from harness.clusters.embedded.durable.folder import StateFolder
from harness.clusters.embedded.messages import Request
from harness.clusters.embedded.process import EmbeddedProcessCluster
from harness.core.clock import SystemClock
from harness.core.errors import RigError, UsageError
from harness.wasmbed.resources.api import ApiError, NotFound
from harness.wasmbed.resources.kinds import CONFIG_MAP, DEVICE
from tests.clusters.durable_writer import config_map
from tests.clusters.state_folders import MAPS, content, logs, numbers, running, server_of


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
