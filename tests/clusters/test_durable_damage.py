"""The state folder of an embedded cluster: what is acknowledged survives kill -9, and damage is refused."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from harness.clusters.embedded import EmbeddedCluster
from harness.clusters.embedded.durable.folder import StateFolder
from harness.clusters.embedded.process import EmbeddedProcessCluster
from harness.core.errors import RigError, UsageError
from harness.core.identifiers import Randomness
from harness.wasmbed.resources.kinds import CONFIG_MAP
from tests.clusters import durable_writer
from tests.clusters.durable_writer import config_map
from tests.clusters.state_folders import ROOT, below, content, fill, logs, numbers, running, size_of


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
