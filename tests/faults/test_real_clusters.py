"""Faults of the cluster on API servers that are other programs, and on gateways that are: they pass a proxy."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from harness.clusters.apiserver import ApiserverCluster
from harness.core.history import Kind
from harness.faults import Entry, Schedule, TimeMoment, make_fault
from harness.stack import Stack
from harness.stack.backends import lacking
from harness.stack.hosted import HostedStack
from harness.stack.options import StackOptions

WHY = ApiserverCluster.unavailable()
REAL = pytest.param("apiserver", marks=pytest.mark.skipif(WHY is not None, reason=str(WHY)))
SERVERS = ["embedded", REAL]
OPTIONS = StackOptions(boards="virtual", gateway="process")
LASTS = 3.0


@pytest.mark.system
@pytest.mark.parametrize("cluster", SERVERS)
@pytest.mark.parametrize("fault", ["cluster.watch-delay", "cluster.lost-events"])
def test_a_gateway_hears_of_its_device_after_the_fault(cluster: str, fault: str) -> None:
    """The device is Enrolled by a controller, which the gateway learns from its watch, or from its next list."""

    async def live(stack: Stack) -> None:
        stack.apply(Schedule.of(Entry(TimeMoment(0.0), make_fault(fault, {"lasts": LASTS}), "Gateway")))
        await stack.history.until("fault", kind=Kind.NOTE, within=30)
        board = await stack.boards.power_on()
        await stack.device(board).until(phase="Connected", within=60)
        await stack.recorded()
        [begun] = stack.history.find("fault", kind=Kind.NOTE)
        [answered] = stack.history.find("EnrollmentResponse")
        assert answered.at - begun.at >= LASTS - 0.01
        await stack.faults.settled()

    _run(live, OPTIONS.replace(cluster=cluster))


@pytest.mark.system
@pytest.mark.parametrize("cluster", SERVERS)
def test_a_gateway_that_reads_again_gets_what_it_got(cluster: str) -> None:
    """It has an old list after its watch has ended with 410; the next watch tells it the rest."""

    async def live(stack: Stack) -> None:
        board = await stack.boards.power_on()
        await stack.device(board).until(phase="Connected", within=60)
        with stack.api_faults.stale(client="Gateway") as fault:
            for _ in range(5):  # its watches end before the next event: it lists everything, and again
                stack.api_faults.break_watches(client="Gateway", code=410)
                await board.reset()
                await stack.history.until("EnrollmentResponse", after=stack.history[-1], within=60)
            assert fault.hit > 0
        await stack.device(board).until(phase="Connected", within=60)

    _run(live, OPTIONS.replace(cluster=cluster))


@pytest.mark.system
def test_a_gateway_that_stands_still_goes_on() -> None:
    """It is stopped as a process: nothing is answered, and its connections stay open."""

    async def live(stack: Stack) -> None:
        board = await stack.boards.power_on()
        await stack.device(board).until(phase="Connected", within=60)
        await stack.gateway.pause()
        paused = stack.history[-1]
        await stack.clock.sleep(1.5)
        assert not stack.history.find("HeartbeatAcknowledgment", after=paused)
        await stack.gateway.resume()
        await stack.history.until("HeartbeatAcknowledgment", after=stack.history[-1], within=30)

    _run(live, OPTIONS.replace(heartbeat=0.5))


@pytest.mark.system
@pytest.mark.parametrize("cluster", [REAL])
def test_controllers_recover_on_a_real_server(cluster: str) -> None:
    """Stale reads, lost events and a lost answer for the platform's clients in this process."""
    faults = [
        Entry(TimeMoment(at), make_fault(name, {"lasts": 2.0}))
        for at, name in enumerate(("cluster.lost-events", "cluster.stale-reads", "cluster.lost-answers"))
    ]

    async def live(stack: Stack) -> None:
        stack.apply(Schedule.of(*faults))
        board = await stack.boards.power_on()
        application = await stack.deploy("hello", to=board)
        await application.until(phase="Running", within=60)
        await stack.faults.settled()
        await stack.device(board).until(phase="Connected", within=60)
        assert len(stack.faults.applied) == len(faults)

    _run(live, StackOptions(boards="virtual", cluster=cluster))


def test_a_server_without_a_gate_says_so() -> None:
    """Requests of a gateway program go straight to a server in a process of its own."""
    entry = Entry(TimeMoment(1.0), make_fault("cluster.outage"))
    why = lacking(OPTIONS.replace(cluster="embedded-process"), entry.needs)
    assert why == "requests of a gateway outside this process cannot fail with --cluster=embedded-process"
    assert lacking(StackOptions(boards="virtual", cluster="embedded-process"), entry.needs) is None


def _run(live: Callable[[Stack], Coroutine[Any, Any, None]], options: StackOptions) -> None:
    with HostedStack.opened(options, None) as hosted:
        hosted.run(live(hosted.stack))
        hosted.judge()
