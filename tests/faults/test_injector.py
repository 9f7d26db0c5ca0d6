"""Schedules on a running stack: moments at arrows, errors, and how to replay a run."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import given, settings

from harness.core.errors import UsageError
from harness.core.history import Kind
from harness.faults import ArrowMoment, Entry, Schedule, Side, TimeMoment, make_fault, read_schedule
from harness.faults.strategies import schedules
from harness.stack import Stack
from harness.stack.hosted import HostedStack
from harness.stack.options import StackOptions
from tests.examples import examples

OPTIONS = StackOptions(boards="sim", deadline=1e6, heartbeat=5.0)
REQUEST, POST, RESPONSE = 2, 3, 9
"""Arrows of device-enrollment: EnrollmentRequest, POST Device, EnrollmentResponse."""


async def enroll(stack: Stack) -> None:
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected", within=300)
    await stack.faults.settled()
    await stack.device(board).until(phase="Connected", within=300)


def lived(*entries: Entry, folder: Path | None = None, options: StackOptions = OPTIONS) -> Stack:
    """A stack in which a board enrolls, with these faults; it has stopped."""
    schedule = Schedule.of(*entries)

    async def live(stack: Stack) -> None:
        stack.apply(schedule)
        await enroll(stack)

    with HostedStack.opened(options.replace(relay=schedule.needs_relay), folder) as hosted:
        hosted.run(live(hosted.stack))
        hosted.judge()
    return hosted.stack


def at(side: Side, number: int, fault: str, **parameters: object) -> Entry:
    return Entry(ArrowMoment(side, "device-enrollment", number), make_fault(fault, parameters))


def test_before_an_arrow_it_has_not_come() -> None:
    """The gateway dies before its request to make the Device: the first POST is the next gateway's."""
    history = lived(at(Side.BEFORE, POST, "gateway.crash")).history
    down, up = history.find("gateway down")[0], history.find("gateway up")[1]
    assert [event.n > up.n > down.n for event in history.find("POST Device")] == [True]


def test_after_an_arrow_it_has_come() -> None:
    history = lived(at(Side.AFTER, POST, "gateway.crash")).history
    down = history.find("gateway down")[0]
    assert [event.n < down.n for event in history.find("POST Device")] == [True]


@pytest.mark.parametrize(("side", "heard"), [(Side.BEFORE, 1), (Side.DURING, 1), (Side.AFTER, 2)])
def test_a_message_of_a_link_is_held(side: Side, heard: int) -> None:
    """The board's power goes before its request arrives, or in the middle of it: the gateway hears only the next."""
    history = lived(at(side, REQUEST, "board.power-cut", lasts=1.0)).history
    assert len(history.find("EnrollmentRequest")) == heard
    assert len(history.find("cut power", kind=Kind.FAULT)) == 1


def test_two_faults_come_before_one_arrow() -> None:
    both = at(Side.BEFORE, POST, "board.reset"), at(Side.BEFORE, POST, "cluster.outage", lasts=2.0)
    assert {entry.fault.name for entry in lived(*both).faults.applied} == {"board.reset", "cluster.outage"}


def test_an_arrow_of_another_device_is_another_one() -> None:
    """Of two boards the second is struck, at its own arrow."""
    moment = ArrowMoment(Side.AFTER, "device-enrollment", RESPONSE, about="sim-2")

    async def live(stack: Stack) -> None:
        stack.apply(Schedule.of(Entry(moment, make_fault("board.reset"))))
        boards = await stack.boards.power_on(count=2)
        for board in boards:
            await stack.device(board).until(phase="Connected", within=300)
        await stack.history.until("reset", kind=Kind.FAULT)
        assert [event.correlation for event in stack.history.find("reset", kind=Kind.FAULT)] == ["sim-2"]

    with HostedStack.opened(OPTIONS, None) as hosted:
        hosted.run(live(hosted.stack))


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (Entry(TimeMoment(5000), make_fault("gateway.crash")), "its time never came"),
        (
            Entry(ArrowMoment(Side.AFTER, "device-enrollment", POST, nth=2), make_fault("gateway.crash")),
            "its arrow never",
        ),
        (Entry(TimeMoment(0.0), make_fault("board.reset"), "sim-7"), "there is no board 'sim-7'"),
        (Entry(TimeMoment(0.0), make_fault("gateway.crash"), "gateway-9"), "there is no gateway 'gateway-9'"),
        (Entry(TimeMoment(0.0), make_fault("cluster.outage"), "Gatewey"), "the cluster has no client 'Gatewey'"),
    ],
)
def test_a_fault_that_did_not_apply_is_told(entry: Entry, why: str) -> None:
    with pytest.raises(UsageError, match="1 of the schedule's faults did not apply") as caught:
        lived(entry)
    assert why in caught.value.what


def test_a_fault_of_links_needs_the_relay() -> None:
    async def apply(stack: Stack) -> None:
        stack.apply(Schedule.of(at(Side.BEFORE, REQUEST, "board.reset")))

    with HostedStack.opened(OPTIONS, None) as hosted, pytest.raises(UsageError, match="the links pass no relay"):
        hosted.run(apply(hosted.stack))


def test_a_run_is_replayed_from_its_file(tmp_path: Path) -> None:
    """The schedule is beside the history; with the option, the same happens, without a word about the relay."""
    first = lived(at(Side.DURING, REQUEST, "link.cut", lasts=3.0), folder=tmp_path)
    file = tmp_path / "schedule.toml"
    assert first.replay == f"--boards=sim --seed=0 --schedule={file}"
    assert [each.fault.name for each in read_schedule(file).entries] == ["link.cut"]

    with HostedStack.opened(OPTIONS.replace(schedule=file), None) as hosted:
        hosted.run(enroll(hosted.stack))
        hosted.judge()
        again = hosted.stack
    assert [event.name for event in again.history] == [event.name for event in first.history]
    assert [event.at for event in again.history.find(kind=Kind.FAULT)] == [
        event.at for event in first.history.find(kind=Kind.FAULT)
    ]


def test_an_error_of_a_test_names_the_faults_and_the_replay() -> None:
    error = AssertionError("something else")
    with HostedStack.opened(OPTIONS, None) as hosted:

        async def live(stack: Stack) -> None:
            stack.apply(Schedule.of(at(Side.AFTER, POST, "gateway.crash")))
            await enroll(stack)

        hosted.run(live(hosted.stack))
        hosted.accuse(error)
    note = error.__notes__[0]
    assert note.startswith("faults: gateway.crash after device-enrollment 3 (Gateway->>Kubernetes: POST Device")
    assert note.endswith("replay: --boards=sim --seed=0")


@settings(max_examples=examples(40))
@given(
    schedules(
        ["sim-1"],
        kinds=["board.power-cut", "board.reset", "link.cut", "gateway.crash", "cluster.outage", "cluster.watch-cut"],
        sequences=["device-enrollment"],
        most=3,
    )
)
def test_a_device_enrolls_whatever_happens(schedule: Schedule) -> None:
    async def live(stack: Stack) -> None:
        stack.apply(schedule)
        await enroll(stack)

    logging.disable(logging.WARNING)
    try:
        with HostedStack.opened(OPTIONS.replace(relay=schedule.needs_relay), None) as hosted:
            hosted.run(live(hosted.stack))
            hosted.stack.judge()
    finally:
        logging.disable(logging.NOTSET)
