"""A whole stack in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from harness.boards.board import BoardEnvironment, BoardSettings, Credentials
from harness.core.clock import SystemClock
from harness.core.errors import RigError, UsageError
from harness.core.identifiers import Randomness
from harness.core.network import SystemNetwork
from harness.sim import SimTier, Simulation
from harness.stack import Stack
from harness.stack.backends import lacking
from harness.stack.hosted import HostedStack
from harness.stack.options import StackOptions
from harness.stack.surroundings import in_virtual_time

OPTIONS = StackOptions(boards="sim", deadline=1e6)


@pytest.fixture
def hosted() -> Iterator[HostedStack]:
    with HostedStack.opened(OPTIONS, None) as hosted:
        yield hosted


@pytest.mark.system("a virtual day")
def test_a_day_of_heartbeats_takes_seconds() -> None:
    """A board stays Connected for a virtual day, and every heartbeat of it is in the record."""
    options = OPTIONS.replace(heartbeat=120.0, beat=120.0)

    async def day(stack: Stack) -> None:
        board = await stack.boards.power_on()
        await stack.device(board).until(phase="Connected")
        begun = stack.clock.now()
        await stack.clock.sleep(86_400)
        assert stack.clock.now() == pytest.approx(begun + 86_400, abs=0.01)
        assert stack.device(board).status.phase == "Connected"
        assert len(stack.history.find("Heartbeat", about=board.name)) in (720, 721)

    with HostedStack.opened(options, None) as hosted:
        hosted.run(day(hosted.stack))
        hosted.judge()


def test_an_endless_loop_ends_at_its_time(hosted: HostedStack) -> None:
    """A call that may use more fuel than its time allows is ended at that time, by the virtual clock."""
    stack = hosted.stack

    async def body() -> None:
        board = await stack.boards.power_on()
        await stack.device(board).until(phase="Connected")
        begun = stack.clock.now()
        application = await stack.deploy("endless", to=board, fuel=1 << 40, time_limit=300)
        await application.until(phase="Error")
        assert "ran longer than 300 ms" in str(application.status.error)
        assert stack.clock.now() - begun >= 0.3

    hosted.run(body())


def test_a_stack_that_waits_for_nothing_is_told() -> None:
    """A simulation in which nothing can happen any more ends with an error instead of standing still."""

    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    with Simulation().new_runner() as runner, pytest.raises(RigError, match="stands still"):
        runner.run(wait())


@pytest.mark.parametrize(("option", "value"), [("gateway", "process"), ("cluster", "apiserver")])
def test_other_processes_cannot_be_simulated(option: str, value: str) -> None:
    """A gateway or a cluster of its own is refused before anything starts."""
    with (
        pytest.raises(UsageError, match=f"the {option} '{value}' cannot be simulated") as caught,
        HostedStack.opened(OPTIONS.replace(**{option: value}), None),
    ):
        pass
    assert caught.value.where == f"--{option}"


def test_boards_of_other_tiers_cannot_be_simulated(hosted: HostedStack) -> None:
    with pytest.raises(UsageError, match="no boards of kind 'virtual'"):
        hosted.run(hosted.stack.boards.power_on("virtual"))


def test_a_simulated_board_needs_a_simulated_stack() -> None:
    environment = BoardEnvironment(SystemClock(), SystemNetwork(), Randomness(1))
    settings = BoardSettings("b", Credentials(b"", b""), ("127.0.0.1", 9), "localhost")
    with pytest.raises(UsageError, match="needs a simulated stack"):
        SimTier().make("sim", settings, environment)


def test_a_scenario_with_other_programs_is_left_out() -> None:
    assert lacking(OPTIONS, ["other-programs"]) == "a simulated stack has no other-programs"
    assert lacking(StackOptions(), ["other-programs"]) is None


def test_a_scenario_of_exact_pauses_is_left_out_in_real_time() -> None:
    assert lacking(StackOptions(), ["virtual-time"]) == "a stack in real time has no virtual-time"
    assert lacking(OPTIONS, ["virtual-time"]) is None


def test_a_scenario_of_exact_pauses_is_simulated_where_all_of_its_stack_can_be() -> None:
    assert in_virtual_time(StackOptions()).simulated
    for other in (StackOptions(cluster="apiserver"), StackOptions(gateway="process"), StackOptions(boards="native")):
        assert in_virtual_time(other) == other


def test_two_stacks_of_one_process_do_not_meet(hosted: HostedStack) -> None:
    """The ports of one simulation are not those of another."""

    async def body(stack: Stack) -> str:
        board = await stack.boards.power_on()
        return (await stack.device(board).until(phase="Connected")).status.device_id or ""

    with HostedStack.opened(OPTIONS, None) as other:
        assert other.stack.gateway.endpoint == hosted.stack.gateway.endpoint
        assert hosted.run(body(hosted.stack)) == other.run(body(other.stack))
        assert len(other.stack.boards) == 1
