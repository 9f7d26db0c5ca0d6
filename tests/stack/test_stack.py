"""A stack starts completely or says why not, and leaves nothing behind."""

import asyncio
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from harness.boards.board import Power
from harness.clusters.cluster import Cluster
from harness.clusters.embedded import EmbeddedCluster
from harness.clusters.embedded.client import EmbeddedApi
from harness.clusters.existing.cluster import LEAVING
from harness.core.clock import SystemClock
from harness.core.errors import ProductFailure, RigError, UsageError
from harness.core.history import Kind, read_history
from harness.stack import Stack, StackOptions
from harness.stack.timeouts import bounded
from harness.wasmbed.protocol.messages import Error
from harness.wasmbed.resources.kinds import DEVICE

OPTIONS = StackOptions(modules=Path(__file__).parents[2] / "scenarios" / "modules")


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


async def one_life(folder: Path | None = None) -> None:
    """Use most features of a stack once."""
    async with Stack(OPTIONS, folder=folder) as stack:
        boards = await stack.boards.power_on(count=3)
        for board in boards:
            await stack.device(board).until(phase="Connected")
        application = await stack.deploy("hello", to="all")
        await application.until(phase="Running", statistics={"running": 3})
        await boards[0].cut_power()
        await stack.gateway.restart()
        await stack.mock_board("by-hand")
        if folder is not None:
            await stack.cluster.write_kubeconfig(folder / "kubeconfig")
        await stack.device(boards[1]).until(phase="Connected")


async def test_a_stack_leaves_no_tasks_files_or_threads_behind(tmp_path: Path) -> None:
    await one_life()  # some things are loaded and opened once for the whole process
    files, threads, tasks = open_files(), threading.active_count(), asyncio.all_tasks()
    await one_life(tmp_path)
    assert asyncio.all_tasks() == tasks
    assert open_files() == files
    assert threading.active_count() == threads


async def test_the_history_is_on_disk_and_complete(tmp_path: Path) -> None:
    await one_life(tmp_path)
    events, trouble = read_history(tmp_path / "history.jsonl")
    assert not trouble
    assert {event.kind for event in events} == set(Kind)
    participants = {event.source for event in events}
    assert {"Device", "Gateway", "Kubernetes", "DeviceController", "ApplicationController", "User"} <= participants
    assert "Recorder" not in participants
    assert [event.n for event in events] == list(range(len(events)))


async def test_every_part_stops_before_its_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    late: list[str] = []

    class Observed(EmbeddedApi):
        is_closed = False

        async def _ask(self, method: str, path: str, *more: Any, **options: Any) -> Any:
            if self.is_closed:
                late.append(f"{self._name}: {method} {path}")
            return await super()._ask(method, path, *more, **options)

        async def close(self) -> None:
            self.is_closed = True

    def client(cluster: EmbeddedCluster, name: str) -> EmbeddedApi:
        return Observed(cluster.server, cluster.namespace, name)

    monkeypatch.setattr(EmbeddedCluster, "client", client)
    async with Stack(OPTIONS) as stack:
        await stack.boards.power_on()
    assert late == []


async def test_a_test_can_wait_for_what_is_behind_an_unanswered_request() -> None:
    async with Stack(OPTIONS) as stack:
        request = stack._recorder.reserve()
        stack._recorder.note("seen")
        waiting = asyncio.ensure_future(stack.recorded())
        await asyncio.wait({waiting}, timeout=0)
        assert not waiting.done()
        assert not stack.history.find("seen")
        request.release()
        await waiting
        assert stack.history.find("seen")


async def test_two_stacks_run_side_by_side() -> None:
    async with Stack(OPTIONS) as one, Stack(OPTIONS) as other:
        board = await one.boards.power_on(name="mine")
        await one.device(board).until(phase="Connected")
        assert (await other.api.list(DEVICE)).items == []
        assert one.gateway.endpoint != other.gateway.endpoint


async def test_a_stack_can_use_an_existing_cluster(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    async with Stack(OPTIONS) as host:
        await host.cluster.write_kubeconfig(kubeconfig)
        async with Stack(OPTIONS.replace(cluster="kubeconfig", kubeconfig=kubeconfig)) as guest:
            board = await guest.boards.power_on()
            device = await guest.device(board).until(phase="Connected")
            application = await guest.deploy("hello", to=board)
            await application.until(phase="Running")
            await application.until_on(device.name, output=len)
            assert (await host.api.list(DEVICE)).items == []
            guest.judge()
            guest.history.follows("device-enrollment")
        left = await LEAVING.settle(host.clock)  # while its cluster is there
        assert [each for each in left if guest.api.namespace in each] == []


async def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        stack = Stack(OPTIONS, listen=("127.0.0.1", port))
        with pytest.raises(RigError, match=rf"cannot listen for TLS at 127\.0\.0\.1:{port}(.|\n)*-> end what uses"):
            await stack.start()
    await stack.stop()


async def test_a_cluster_that_does_not_start_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: list[str] = []

    class Broken(Cluster):
        kind = "broken"

        async def start(self) -> None:
            raise ConnectionRefusedError("nobody there")

        async def stop(self) -> None:
            stopped.append(self.kind)

        def client(self, name: str) -> Any:
            raise NotImplementedError

        async def write_kubeconfig(self, path: Path) -> None:
            raise NotImplementedError

    monkeypatch.setattr("harness.stack.stack.make_cluster", lambda *_: Broken())
    with pytest.raises(RigError, match="the cluster: did not start: nobody there"):
        await Stack(OPTIONS).start()
    assert stopped == ["broken"]


async def test_a_start_that_takes_too_long_is_the_rigs_fault() -> None:
    never = asyncio.get_running_loop().create_future()
    with pytest.raises(RigError, match=r"start of the cluster: not done within 0\.01 s"):
        await bounded(SystemClock(), 0.01, "start of the cluster", never)


async def test_until_shows_the_actual_status() -> None:
    async with Stack(OPTIONS) as stack:
        board = await stack.boards.power_on()
        device = await stack.device(board).until(phase="Connected")
        with pytest.raises(ProductFailure) as failure:
            await device.until(phase="Failed", within=0.1)
        with pytest.raises(ProductFailure, match="there is no such resource"):
            await stack.device("nobody").until(phase="Connected", within=0.1)
        with pytest.raises(ProductFailure, match="there is no such resource"):
            _ = stack.device("nobody").status
        with pytest.raises(ProductFailure, match="did not reach deletion"):
            await device.until_gone(within=0.1)
        text = str(failure.value)
        assert "Device virtual-1: did not reach phase=Failed within 0.1 s; it is Connected; convicts gateway: " in text
        assert "actions of the test" not in text
        assert "phase: Connected" in text
        assert "console of virtual-1, last lines" in text
        assert "Device -> Gateway  Heartbeat" in text
        assert repr(device) == "<Device virtual-1>"


async def test_a_verdict_lists_the_actions_of_the_test() -> None:
    async with Stack(OPTIONS) as stack:
        board, other = await stack.boards.power_on(count=2)
        for each in (board, other):
            await stack.device(each).until(phase="Connected")
        await board.cut_link()
        await other.power_off()
        await stack.device(board).until(phase="Disconnected")
        application = await stack.deploy("hello", to=board)
        await application.until(phase="Deploying", conditions=lambda found: "1 not connected" in str(found))
        with pytest.raises(ProductFailure) as failure:
            await application.until(phase="Running", within=0.1)
        first, second, third, *rest = str(failure.value).splitlines()
        assert "; it is Deploying: 0 of 1 devices have the module, 1 not connected; the record does not show" in first
        assert "virtual-1 is Disconnected, so hello-1 cannot be deployed there" in first
        assert second == "  actions of the test:"
        assert third.endswith(f"cut link  {board.name}")
        assert not any(f"power off  {other.name}" in line for line in rest), "actions on other boards are left out"
        assert "      Running: 'False, Deploying: 0 of 1 devices run it'" in rest


async def test_a_board_that_died_is_the_rigs_fault() -> None:
    async with Stack(OPTIONS) as stack:
        board = await stack.boards.power_on()
        device = await stack.device(board).until(phase="Connected")
        await stack.boards["virtual-1"]._board.cut_power()  # unrecorded, as when an emulator crashes
        with pytest.raises(RigError, match="virtual-1: the board went off by itself"):
            await device.until(phase="Connected", connected_since=None, within=0.1)


async def test_boards_are_named_and_found() -> None:
    async with Stack(OPTIONS) as stack:
        pump = await stack.boards.power_on(name="pump")
        pumps = await stack.boards.power_on(count=2, name="pump")
        assert [board.name for board in pumps] == ["pump-1", "pump-2"]
        assert len(stack.boards) == len(list(stack.boards)) == 3
        assert stack.boards["pump"] is pump
        assert (pump.kind, pump.power) == ("virtual", Power.ON)
        assert "csr" in pump.features
        with pytest.raises(UsageError, match="the name 'pump' is in use by a board"):
            await stack.boards.power_on(name="pump")
        with pytest.raises(UsageError, match=r"no board 'tap'\n  -> the boards are: pump, pump-1, pump-2"):
            _ = stack.boards["tap"]
        with pytest.raises(UsageError, match=r"'toaster'\n  -> .*there are: .*virtual"):
            await stack.boards.power_on("toaster")
        with pytest.raises(UsageError, match="unknown kind 'golden'"):
            await stack.boards.power_on(certificate="golden")
        with pytest.raises(UsageError, match="names no device"):
            await stack.deploy("idle", to=[])
        with pytest.raises(UsageError, match="the gateway is running"):
            await stack.gateway.start()
        await stack.gateway.stop()
        await stack.gateway.stop()
        assert not stack.gateway.running
        await stack.pki.revoke(await stack.pki.credentials("later"))
        with pytest.raises(UsageError, match="no certificate"):
            await stack.pki.revoke(await stack.pki.credentials("poor", "request"))


async def test_a_name_goes_to_one_of_several_concurrent_callers() -> None:
    async with Stack(OPTIONS) as stack:
        calls = (stack.boards.power_on(name="pump") for _ in range(3))
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert [isinstance(each, UsageError) for each in found] == [False, True, True]
        await stack.boards["pump"].power_off()
        assert "pump" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_concurrent_actions_on_a_board_run_one_after_another() -> None:
    async with Stack(OPTIONS) as stack:
        pump = await stack.boards.power_on(name="pump")
        await asyncio.gather(pump.reset(), pump.power_on(), pump.reset(), pump.power_off())
        assert pump.power is Power.OFF
        assert "pump" not in {task.get_name() for task in asyncio.all_tasks()}
        await asyncio.gather(pump.power_on(), pump.cut_power(), pump.power_on(), pump.reset())
        assert [task.get_name() for task in asyncio.all_tasks()].count("pump") == 1


async def test_a_seed_gives_the_same_device_ids() -> None:
    async def ids() -> list[str | None]:
        async with Stack(OPTIONS.replace(seed=7)) as stack:
            peer = await stack.mock_board("one")
            first = await peer.enroll()
            return [first, await (await stack.mock_board("two")).enroll()]

    assert await ids() == await ids()


async def test_a_peer_names_the_message_that_did_not_come() -> None:
    from harness.wasmbed.protocol.messages import EnrollmentResponse, Error, HeartbeatAcknowledgment

    async with Stack(OPTIONS) as stack:
        peer = await stack.mock_board("one")
        with pytest.raises(ProductFailure, match=r"did not send Error within 0\.05 s"):
            await peer.expect(Error, within=0.05)
        with pytest.raises(ProductFailure, match="did not end the connection"):
            await peer.until_closed(within=0.05)
        peer.send(peer.request())
        with pytest.raises(ProductFailure, match="expected HeartbeatAcknowledgment"):
            await peer.expect(HeartbeatAcknowledgment)
        await stack.gateway.kill()
        await peer.until_closed()
        with pytest.raises(ProductFailure, match="where EnrollmentResponse was expected"):
            await peer.expect(EnrollmentResponse)


async def test_concurrent_revocations_are_each_waited_for() -> None:
    async with Stack(OPTIONS) as stack:
        names = ["one", "two", "three"]
        bad = [await stack.pki.credentials(name) for name in names]
        await asyncio.gather(*map(stack.pki.revoke, bad))
        for name, credentials in zip(names, bad, strict=True):
            peer = await stack.mock_board(name, credentials=credentials)
            peer.send(peer.request())
            assert "revoked" in (await peer.expect(Error)).message
