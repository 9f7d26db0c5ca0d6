"""The embedded API server in a process of its own: the same server, recorded in order, and never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import aiohttp
import pytest
import yaml

from harness.boards.console import Console
from harness.clusters.embedded.process import EmbeddedProcessCluster
from harness.clusters.embedded.process.channel import Channel
from harness.core.clock import SystemClock
from harness.core.errors import RigError
from harness.core.identifiers import Randomness
from harness.core.order import Order
from harness.testing.cluster import check_cluster
from harness.wasmbed.resources.api import Conflict
from harness.wasmbed.resources.kinds import CONFIG_MAP, DEVICE

DEVICE_BODY = {"apiVersion": "wasmbed.io/v1", "kind": "Device", "spec": {"publicKey": "AAAA", "deviceType": "mcu"}}


def device(name):
    return {**DEVICE_BODY, "metadata": {"name": name}}


@pytest.fixture
def told():
    """The tap's calls, if the test's settings have ``tapped``."""
    return []


@pytest.fixture
async def cluster(settings, told):
    tap = (lambda *call: told.append(call)) if settings.get("tapped") else None
    cluster = EmbeddedProcessCluster(SystemClock(), Randomness(), "wasmbed", tap)
    await cluster.start()
    yield cluster
    await cluster.stop()


async def session_of(cluster, tmp_path):
    """A client on the socket, as its kubeconfig says."""
    path = tmp_path / "kubeconfig"
    await cluster.write_kubeconfig(path)
    assert path.stat().st_mode & 0o777 == 0o600
    config = yaml.safe_load(path.read_text())
    headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}", "User-Agent": "kubectl/v1"}
    connector = aiohttp.TCPConnector(ssl=False)
    return aiohttp.ClientSession(config["clusters"][0]["cluster"]["server"], headers=headers, connector=connector)


async def test_it_is_a_cluster_like_any_other():
    await check_cluster(EmbeddedProcessCluster)


@pytest.mark.settings(tapped=True)
async def test_the_record_has_causes_before_their_effects(cluster, told, tmp_path):
    """Of requests over the socket too: the write, then its delivery, then what the receiver does about it."""
    api = cluster.client("Controller")
    listed = await api.list(DEVICE)
    async with (
        await session_of(cluster, tmp_path) as session,
        api.watch(DEVICE, resource_version=listed.resource_version) as events,
    ):
        for number in range(20):
            async with session.post("/apis/wasmbed.io/v1/namespaces/wasmbed/devices", json=device(f"d{number}")):
                pass
            event = await anext(events)
            await api.patch_status(DEVICE, event.object["metadata"]["name"], {"status": {"phase": "Enrolling"}})
            assert (await anext(events)).object["status"]["phase"] == "Enrolling"
    expected = []
    for number in range(20):
        for source, target, name in (
            ("User", "Kubernetes", "POST Device"),
            ("Kubernetes", "Controller", "ADDED Device"),
            ("Controller", "Kubernetes", "PATCH Device"),
            ("Kubernetes", "Controller", "MODIFIED Device"),
        ):
            expected.append((source, target, name, f"d{number}"))
    assert [(*event[:3], event[4]) for event in told if event[4]] == expected


async def test_the_record_of_the_server_waits_for_what_others_report_late():
    """A tap with an order has the events of the server in it."""
    told, order = [], Order()

    def tap(source, target, name, data, correlation):
        told.append(name)

    tap.order = order
    cluster = EmbeddedProcessCluster(SystemClock(), Randomness(), "wasmbed", tap)
    await cluster.start()
    place = order.hold()
    await cluster.client("User").create(CONFIG_MAP, {"metadata": {"name": "c1"}})
    place.put(lambda: told.append("an earlier one"))
    assert told[-1:] != ["POST ConfigMap"]
    place.release()
    assert told[-2:] == ["an earlier one", "POST ConfigMap"]
    await cluster.stop()


async def test_two_hundred_requests_at_once_and_one_that_is_given_up(cluster):
    api = cluster.client("User")
    names = [f"c{number}" for number in range(200)]
    await asyncio.gather(*(api.create(CONFIG_MAP, {"metadata": {"name": name}}) for name in names))
    assert {item["metadata"]["name"] for item in (await api.list(CONFIG_MAP)).items} == set(names)
    with pytest.raises(Conflict):
        await api.create(CONFIG_MAP, {"metadata": {"name": "c0"}})
    given_up = asyncio.create_task(api.list(CONFIG_MAP))
    await SystemClock().sleep(0)  # it is on its way
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert (await api.get(CONFIG_MAP, "c1"))["metadata"]["name"] == "c1"


async def test_a_message_of_many_megabytes_comes_whole(cluster):
    api = cluster.client("User")
    data = {"a": "x" * 1_000_000}
    for number in range(20):
        await api.create(CONFIG_MAP, {"metadata": {"name": f"c{number}"}, "data": data})
    assert [item["data"] for item in (await api.list(CONFIG_MAP)).items] == [data] * 20


async def test_boards_consoles_are_logs_there_too(cluster, tmp_path):
    console = Console("pump-1", SystemClock())
    console.write("one")
    console.write("two")
    cluster.serve_logs(lambda name: console if name == "pump-1" else None)
    path = "/apis/wasmbed.io/v1/namespaces/wasmbed/devices"
    async with await session_of(cluster, tmp_path) as session:
        async with session.get(f"{path}/pump-2/log") as response:
            assert response.status == 404
        async with session.get(f"{path}/pump-1/log?tailLines=1&follow=True") as response:
            assert await response.content.readline() == b"two\n"
            console.write("three")
            assert await response.content.readline() == b"three\n"
        async with session.get(f"{path}/pump-1/log") as response:
            assert await response.read() == b"one\ntwo\nthree\n"


async def test_all_callers_learn_that_the_server_was_killed(cluster):
    api = cluster.client("User")
    version = (await api.list(CONFIG_MAP)).resource_version
    async with api.watch(CONFIG_MAP, resource_version=version) as events:
        waiting = asyncio.ensure_future(anext(events))
        cluster._process.send_signal(signal.SIGSTOP)
        asked = asyncio.ensure_future(api.get(CONFIG_MAP, "x"))
        cluster._process.kill()
        for task in (waiting, asked):
            with pytest.raises(OSError, match="the embedded cluster is stopped"):
                await task
    with pytest.raises(RigError, match="ended by itself \\(killed by SIGKILL\\)"):
        await cluster.lost()
    with pytest.raises(OSError, match="the embedded cluster is stopped"):
        await api.get(CONFIG_MAP, "x")


def test_nothing_is_left_of_it_when_its_starter_is_killed():
    script = (
        "import asyncio, sys\n"
        "from harness.clusters.embedded.process import EmbeddedProcessCluster\n"
        "from harness.core.clock import SystemClock\n"
        "from harness.core.identifiers import Randomness\n"
        "async def main():\n"
        "    cluster = EmbeddedProcessCluster(SystemClock(), Randomness())\n"
        "    await cluster.start()\n"
        "    print(cluster._process.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout
        server = os.pidfd_open(int(starter.stdout.readline()))
        starter.kill()

    async def gone():
        ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(server, ended.set)
        async with asyncio.timeout(30):
            await ended.wait()

    asyncio.run(gone())
    os.close(server)


async def test_before_the_start_it_says_so(tmp_path):
    cluster = EmbeddedProcessCluster(SystemClock(), Randomness())
    with pytest.raises(RigError, match="not started"):
        await cluster.write_kubeconfig(tmp_path / "k")
    await cluster.stop()


def test_lines_of_a_channel_arrive_whole_however_they_are_cut():
    received = []
    channel = Channel(received.append, lambda: None)
    for piece in (b'["a"', b', "x"]\n["', b'b"]\n', b'["c"]\n["d"', b"]\n"):
        channel.data_received(piece)
    assert received == [["a", "x"], ["b"], ["c"], ["d"]]
