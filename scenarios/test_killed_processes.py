"""A gateway, the leading controllers, and the API server are killed under a fleet: nothing acknowledged is lost.

With --gateway=process, --controllers=process and --cluster=apiserver they are processes that get SIGKILL; --fleet is
the number of boards.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

import pytest

from harness.boards.board import Board
from harness.core.history import Event
from harness.stack import Stack
from harness.stack.applications import ApplicationHandle
from harness.stack.controllers import Controllers
from harness.wasmbed.controllers.manager import CLIENTS
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE

pytestmark = [
    pytest.mark.stack(heartbeat=10.0),
    pytest.mark.requires("applications", "gateway-http", "gateway-kill", "several-gateways", "wasm"),
]

HEARTBEATS = 3
"""Heartbeats within which every board is served again."""


@dataclass
class RunningFleet:
    """Boards at three gateways, and an application that runs on all of them."""

    stack: Stack
    boards: Sequence[Board]
    within: float
    """Seconds for what the whole fleet has to do; never what a test is about."""

    @classmethod
    async def running(cls, stack: Stack) -> "RunningFleet":
        within = 120.0 + stack.options.fleet
        await stack.scale_gateways(3)
        boards = await stack.boards.power_on(count=stack.options.fleet)
        for board in boards:
            await stack.device(board).until(phase="Connected", within=within)
        fleet = cls(stack, boards, within)
        await fleet.runs(await fleet.deployed())
        return fleet

    @property
    def ids(self) -> dict[str, str | None]:
        """The id of each device."""
        return {board.name: self.stack.device(board).status.device_id for board in self.boards}

    async def deployed(self) -> ApplicationHandle:
        """An application for all boards, which at least one of them has."""
        application = await self.stack.deploy("idle", to=list(self.boards))
        await self.stack.history.until("DeploymentResult", about=application.name, within=self.within)
        return application

    async def runs(self, application: ApplicationHandle) -> None:
        """Wait until it runs everywhere. Each board got it once: what one had answered was not asked for again."""
        count = len(self.boards)
        await application.until(phase="Running", statistics={"running": count}, within=self.within)
        results = self.stack.history.find("DeploymentResult", about=application.name)
        assert Counter(event.data["ok"] for event in results) == {True: count}

    async def served(self, killed: Event) -> None:
        """Wait until every board had an answer to a heartbeat after ``killed``, and check how many most boards sent
        until then: those tell the time that passed, by the boards' own clocks. A board without a link sends none."""
        last = killed
        for board in self.boards:
            answer = await self.stack.history.until(
                "HeartbeatAcknowledgment", about=board.name, after=killed, within=self.within
            )
            last = max(last, answer, key=lambda event: event.n)
        sent = Counter(
            event.correlation for event in self.stack.history.find("Heartbeat", after=killed) if event.n < last.n
        )
        assert median(sent[board.name] for board in self.boards) <= HEARTBEATS
        if self.stack.options.simulated:
            assert last.at - killed.at <= HEARTBEATS * self.stack.options.heartbeat


async def two_controllers(stack: Stack) -> tuple[Controllers, Controllers]:
    """Two that want the lease, in the place of the stack's own, whose lease is for longer."""
    pair = [stack.make_controllers(name, lease_duration=3.0) for name in ("first", "second")]
    for each in pair:
        await each.start()
    await stack.controllers.stop()
    return pair[0], pair[1]


async def test_a_gateway_is_killed(stack: Stack) -> None:
    """The others serve its boards, which keep ids and applications, and the next application gets everywhere."""
    fleet = await RunningFleet.running(stack)
    ids = fleet.ids
    await stack.gateways[2].kill()
    await fleet.served(await stack.history.until("kill gateway"))
    await stack.gateways[2].until(phase="Offline", within=fleet.within)
    for board in fleet.boards:
        await stack.device(board).until(
            phase="Connected", gateway=lambda name: name != stack.gateways[2].name, within=fleet.within
        )
    assert fleet.ids == ids
    await fleet.runs(await fleet.deployed())


async def test_the_leading_controllers_are_killed(stack: Stack) -> None:
    """While an application is rolled out: others lead once the lease has run out, and finish it."""
    pair = await two_controllers(stack)
    fleet = await RunningFleet.running(stack)
    leader, other = pair if pair[0].leading else pair[::-1]
    assert leader.leading
    assert not other.leading
    application = await fleet.deployed()
    await leader.kill()
    killed = await stack.history.until("kill controllers")
    await fleet.runs(application)
    await fleet.runs(await fleet.deployed())
    await fleet.served(killed)
    assert other.leading
    await leader.start()
    assert not leader.leading
    assert not stack.history.find("EnrollmentRequest", after=killed)


@pytest.mark.requires("cluster-kill")
@pytest.mark.stack(own_server=True)
async def test_the_api_server_is_killed(stack: Stack) -> None:
    """While an application is rolled out: boards are served meanwhile, and all that was acknowledged is there again."""
    fleet = await RunningFleet.running(stack)
    ids, application = fleet.ids, await fleet.deployed()
    acknowledged = await stack.api.get(APPLICATION, application.name)
    await stack.api_server.kill()
    killed = await stack.history.until("API server killed")
    with pytest.raises(OSError, match=r"."):
        await stack.deploy("idle", to=list(fleet.boards), name="late")
    await fleet.served(killed)
    await stack.api_server.restart()
    found = await stack.api.get(APPLICATION, application.name)
    assert found["metadata"]["uid"] == acknowledged["metadata"]["uid"]
    await fleet.runs(application)
    await fleet.runs(await fleet.deployed())
    assert fleet.ids == ids
    assert not stack.history.find("EnrollmentRequest", after=killed)


@pytest.mark.requires("controllers-api-faults", "gateway-api-faults", "gateway-placement", "reassign", "reset")
@pytest.mark.parametrize("how", ["cut", "410"])
async def test_what_changed_during_a_partition_is_seen(stack: Stack, how: str) -> None:
    """Gateways and controllers are cut off from the API server, or lose its events until their versions are too old:
    afterwards they take up what others changed meanwhile."""
    fleet = await RunningFleet.running(stack)
    (earlier,) = [stack.application(each["metadata"]["name"]) for each in (await stack.api.list(APPLICATION)).items]
    board = fleet.boards[0]
    preferred = next(each.name for each in stack.gateways if each.name != stack.device(board).status.gateway)
    with ExitStack() as partition:
        for client in (*CLIENTS, "Gateway"):
            faults = stack.api_faults
            partition.enter_context(
                faults.failing(client=client) if how == "cut" else faults.losing_events(client=client)
            )
        await earlier.delete()
        later = await stack.deploy("idle", to=list(fleet.boards))
        await stack.api.patch(DEVICE, stack.device(board).name, {"spec": {"preferredGateway": preferred}})
    await earlier.until_gone(within=fleet.within)
    await fleet.runs(later)
    await board.reset()
    await stack.device(board).until(phase="Connected", gateway=preferred, within=fleet.within)
