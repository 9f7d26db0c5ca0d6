"""The effects of each fault on a simulated stack, and that the stack recovers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from harness.core.errors import UsageError
from harness.core.history import Event, Kind
from harness.faults import FAULTS, ArrowMoment, Entry, Schedule, Side, Strikes, TimeMoment, make_fault
from harness.sim import SimNativeTier
from harness.stack import Stack
from harness.stack.hosted import HostedStack
from harness.stack.options import StackOptions

OPTIONS = StackOptions(boards="sim", deadline=1e6, heartbeat=5.0)
AT = 12.0
"""Virtual seconds at which the fault begins: between two heartbeats."""
SHOWN: dict[str, Callable[[Stack], object]] = {}
"""By fault: what the history shows of it. Each returns something true."""
GIVEN: dict[str, dict[str, Any]] = {}
BODIES: dict[str, Callable[[Stack], Awaitable[object]]] = {}
"""Actions of a test meanwhile, where the fault needs something to strike."""
GONE = {"certificate.revoked"}
"""After these the device may not come back."""


def shows(fault: str, body: Callable[[Stack], Awaitable[object]] | None = None, **given: Any) -> Callable[..., Any]:
    def register(function: Callable[[Stack], object]) -> Callable[[Stack], object]:
        SHOWN[fault], GIVEN[fault] = function, given
        if body is not None:
            BODIES[fault] = body
        return function

    return register


def after(stack: Stack, name: str, **wanted: Any) -> list[Event]:
    """The events of that name since the fault."""
    [begun] = stack.history.find("fault", kind=Kind.NOTE)
    return stack.history.find(name, after=begun, **wanted)


def seconds_of(events: list[Event]) -> list[float]:
    return [round(event.at - 1_767_225_600.0, 1) for event in events]


async def writes(stack: Stack) -> None:
    """Something that has to be written: an application, while the fault lasts."""
    await stack.clock.sleep(AT + 1 - stack.history[-1].at + 1_767_225_600.0)
    await stack.deploy("hello", to="sim-1", name="app")


@shows("board.power-cut", lasts=7.0)
def _power_cut(stack: Stack) -> bool:
    cut, on = after(stack, "cut power", kind=Kind.FAULT), after(stack, "power on")
    return seconds_of(cut + on) == [12.0, 19.0] and len(after(stack, "EnrollmentRequest")) == 1


@shows("board.brown-out")
def _brown_out(stack: Stack) -> bool:
    return seconds_of(after(stack, "power on")) == [12.1] or bool(after(stack, "EnrollmentRequest"))


@shows("board.reset")
def _reset(stack: Stack) -> bool:
    return len(after(stack, "reset", kind=Kind.FAULT)) == len(after(stack, "EnrollmentRequest")) == 1


@shows("board.reboot-loop", times=3, every=2.0)
def _reboot_loop(stack: Stack) -> bool:
    return seconds_of(after(stack, "reset", kind=Kind.FAULT)) == [12.0, 14.0, 16.0]


@shows("board.clock-drift", lasts=40.0, rate=0.5)
def _clock_drift(stack: Stack) -> bool:
    """A heartbeat each 10 s."""
    return seconds_of(after(stack, "Heartbeat"))[1:4] == [25.0, 35.0, 45.0]


@shows("board.clock-jump", by=90_000.0)
def _clock_jump(stack: Stack) -> bool:
    beat = after(stack, "Heartbeat")[0]
    return bool(abs(beat.data["deviceTime"] / 1000 - beat.at - 90_000) < 1.0)


async def deploys(stack: Stack) -> None:
    """An application for the board in the time of the fault, and another one after it."""
    await writes(stack)
    await stack.application("app").until(phase="Failed", within=10)
    await stack.clock.sleep(20)
    await (await stack.deploy("hello", to="sim-1", name="later")).until(phase="Running", within=10)


@shows("board.memory-exhausted", deploys, lasts=15.0)
def _memory_exhausted(stack: Stack) -> bool:
    return bool(after(stack, "DeploymentResult", code="NOT_ENOUGH_MEMORY"))


@shows("link.cut", lasts=8.0)
def _cut(stack: Stack) -> bool:
    closed, again = after(stack, "ConnectionClosed"), after(stack, "TlsConnected")
    return seconds_of(closed)[0] == 12.0 and seconds_of(again)[0] >= 20.0


@shows("link.silence", lasts=40.0)
def _silence(stack: Stack) -> bool:
    """The gateway hears nothing for three intervals."""
    return seconds_of(after(stack, "ConnectionClosed"))[0] == 25.0 < seconds_of(after(stack, "Heartbeat"))[0]


@shows("link.delay", lasts=20.0, by=2.0)
def _delay(stack: Stack) -> bool:
    return seconds_of(after(stack, "Heartbeat"))[:2] == [17.0, 22.0]


@shows("link.jitter", lasts=40.0, by=3.0)
def _jitter(stack: Stack) -> bool:
    """Each heartbeat is late by another time."""
    late = {round(at % 5.0, 1) for at in seconds_of(after(stack, "Heartbeat"))[:6]}
    return len(late) > 3 and not after(stack, "ConnectionClosed")


async def restarts(stack: Stack) -> None:
    """A board restarts in the time of the fault."""
    await stack.clock.sleep(AT + 1 - stack.history[-1].at + 1_767_225_600.0)
    await stack.boards["sim-1"].reset()


@shows("link.slow-close", restarts, lasts=10.0, by=4.0)
def _slow_close(stack: Stack) -> bool:
    """The board is there again before the gateway hears that its connection has ended."""
    again, closed = after(stack, "TlsConnected"), after(stack, "ConnectionClosed")
    return seconds_of(again)[0] < 17.0 and 17.0 in seconds_of(closed)


@shows("link.bandwidth", lasts=20.0, bytes=100.0)
def _bandwidth(stack: Stack) -> bool:
    first = seconds_of(after(stack, "Heartbeat"))[0]
    return 16.0 < first < 25.0


@shows("link.drop", lasts=30.0, every=1)
def _drop(stack: Stack) -> bool:
    return bool(after(stack, "ConnectionClosed")) and not after(stack, "HeartbeatAcknowledgment", about="nobody")


@shows("link.half-open", believing="device")
def _half_open(stack: Stack) -> bool:
    return seconds_of(after(stack, "ConnectionClosed"))[0] == 12.0 < seconds_of(after(stack, "TlsConnected"))[0]


@shows("link.unplugged", lasts=8.0)
def _unplugged(stack: Stack) -> bool:
    return seconds_of(after(stack, "cut link", kind=Kind.FAULT) + after(stack, "restore link")) == [12.0, 20.0]


@shows("gateway.crash", lasts=3.0)
def _crash(stack: Stack) -> bool:
    down, up = after(stack, "gateway down"), after(stack, "gateway up")
    return seconds_of(down + up) == [12.0, 15.0] and not after(stack, "Error", source="Gateway")


@shows("gateway.freeze", lasts=40.0)
def _freeze(stack: Stack) -> bool:
    """The board misses three answers and gives the link up; the gateway goes on after that."""
    during = [event for event in after(stack, "Heartbeat") if event.at < 1_767_225_600.0 + 52.0]
    return not during and seconds_of(after(stack, "ConnectionClosed"))[0] >= 52.0


@shows("gateway.slow", lasts=30.0, by=2.0)
def _slow_gateway(stack: Stack) -> bool:
    """It hears each heartbeat when it gets the processor."""
    late = [at % 2.0 for at in seconds_of(after(stack, "Heartbeat"))[:4]]
    return all(at < 0.3 for at in late) and not after(stack, "ConnectionClosed")


@shows("gateway.restart")
def _restart(stack: Stack) -> bool:
    return bool(after(stack, "Error", code="GATEWAY_DRAINING")) and bool(after(stack, "gateway up"))


@shows("cluster.outage", writes, lasts=20.0)
def _outage(stack: Stack) -> bool:
    return seconds_of(after(stack, "PATCH Application"))[0] >= 32.0


@shows("cluster.refusals", writes, lasts=20.0, code=429)
def _refusals(stack: Stack) -> bool:
    return seconds_of(after(stack, "PATCH Application"))[0] >= 32.0


@shows("cluster.lost-answers", writes, lasts=20.0)
def _lost_answers(stack: Stack) -> bool:
    return seconds_of(after(stack, "PATCH Application", code=200))[0] < 14.0 and len(after(stack, "Deploy")) == 1


@shows("cluster.slow", writes, lasts=20.0, by=2.0)
def _slow(stack: Stack) -> bool:
    return seconds_of(after(stack, "PATCH Application"))[0] >= 15.0


@shows("cluster.watch-delay", writes, lasts=20.0)
def _watch_delay(stack: Stack) -> bool:
    return seconds_of(after(stack, "PATCH Application"))[0] >= 32.0


@shows("cluster.lost-events", writes, lasts=20.0)
def _lost_events(stack: Stack) -> bool:
    """The controllers learn of the application from a list."""
    lost = after(stack, "API loses watch events", kind=Kind.FAULT)
    return bool(lost) and seconds_of(after(stack, "PATCH Application"))[0] >= 32.0


@shows("cluster.stale-reads", writes, lasts=20.0)
def _stale_reads(stack: Stack) -> bool:
    """The gateway's writes of its own status conflict."""
    return bool(after(stack, "PATCH Gateway", code=409)) and bool(after(stack, "PATCH Gateway", code=200))


@shows("cluster.clock-skew", writes, lasts=20.0, by=7200.0)
def _clock_skew(stack: Stack) -> bool:
    """The controllers write a later time than it is."""
    writes = after(stack, "PATCH Application", source="ApplicationController")
    return "T02:00" in str([event.data.get("status") for event in writes])


@shows("cluster.watch-cut", writes)
def _watch_cut(stack: Stack) -> bool:
    return bool(after(stack, "watches end", kind=Kind.FAULT)) and bool(after(stack, "ADDED Application"))


@shows("cluster.compaction", writes)
def _compaction(stack: Stack) -> bool:
    return bool(after(stack, "watches end with 410", kind=Kind.FAULT)) and bool(after(stack, "PATCH Application"))


@shows("certificate.revoked")
def _revoked(stack: Stack) -> bool:
    return (
        bool(after(stack, "Error", code="CERTIFICATE_INVALID")) and stack.history.phases("sim-1")[-1] == "Disconnected"
    )


@shows("certificate.renewed")
def _renewed(stack: Stack) -> bool:
    return bool(after(stack, "gateway reload")) and not after(stack, "ConnectionClosed")


@shows("certificate.expired", restarts, lasts=10.0)
def _expired(stack: Stack) -> bool:
    refused = [line for line in stack.boards["sim-1"].console.lines if "not trusted" in line]
    return bool(refused) and seconds_of(after(stack, "TlsConnected"))[0] >= 22.0


@shows("certificate.authority-rotated", restarts, lasts=10.0)
def _authority_rotated(stack: Stack) -> bool:
    refused = [line for line in stack.boards["sim-1"].console.lines if "not trusted" in line]
    return bool(refused) and seconds_of(after(stack, "TlsConnected"))[0] >= 22.0


@shows("certificate.device-expired", lasts=10.0)
def _device_expired(stack: Stack) -> bool:
    refused = after(stack, "Error", code="CERTIFICATE_INVALID")
    return bool(refused) and seconds_of(after(stack, "Heartbeat"))[0] >= 22.0


@shows("link.corrupt", lasts=20.0, every=2)
def _corrupt(stack: Stack) -> bool:
    return seconds_of(after(stack, "ConnectionClosed")) == [20.0, 25.2, 30.4]


@shows("application.flood", lasts=3.0)
def _flood(stack: Stack) -> bool:
    return sum(len(event.data.get("publications") or ()) for event in after(stack, "ApplicationStatus")) > 1000


@shows("application.trap")
def _trap(stack: Stack) -> bool:
    return bool(after(stack, "RuntimeFault", code="TRAP"))


@shows("application.endless-loop")
def _endless_loop(stack: Stack) -> bool:
    return bool(after(stack, "RuntimeFault", code=lambda code: code in ("OUT_OF_FUEL", "TIME_LIMIT")))


@shows("application.memory-growth")
def _memory_growth(stack: Stack) -> bool:
    return bool(after(stack, "RuntimeFault", code="MEMORY_LIMIT"))


async def live(stack: Stack, fault: str) -> None:
    place = "sim-1" if FAULTS[fault].strikes not in (Strikes.CLUSTER, Strikes.GATEWAY) else ""
    stack.apply(Schedule.of(Entry(TimeMoment(AT), make_fault(fault, GIVEN[fault]), place)))
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected")
    other = asyncio.ensure_future(BODIES[fault](stack)) if fault in BODIES else None
    await stack.clock.sleep(70)
    if other is not None:
        await other
    await stack.faults.settled()
    if fault not in GONE:
        await stack.device(board).until(phase="Connected", within=60)
    assert [entry.fault.name for entry in stack.faults.applied] == [fault]
    assert SHOWN[fault](stack)


OWN_TESTS = {"board.hang", "board.flash-worn", "board.torn-write"}


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - OWN_TESTS))
def test_a_fault_does_what_it_says(fault: str) -> None:
    with HostedStack.opened(OPTIONS.replace(relay="relay" in FAULTS[fault].needs), None) as hosted:
        hosted.run(live(hosted.stack, fault))
        hosted.judge()


@pytest.mark.skipif(SimNativeTier.unavailable() is not None, reason=str(SimNativeTier.unavailable()))
def test_a_board_hangs() -> None:
    """The firmware's own code stands still for five intervals: its session ends, and it makes another one."""

    async def hang(stack: Stack) -> None:
        fault = make_fault("board.hang", {"lasts": 25.0})
        stack.apply(Schedule.of(Entry(TimeMoment(AT), fault, "sim-native-1")))
        board = await stack.boards.power_on()
        device = await stack.device(board).until(phase="Connected")
        await device.until(phase="Disconnected", within=60)
        await stack.faults.settled()
        await device.until(phase="Connected", within=60)
        assert len(stack.history.find("pause", kind=Kind.FAULT)) == 1

    with HostedStack.opened(OPTIONS.replace(boards="sim-native"), None) as hosted:
        hosted.run(hang(hosted.stack))
        hosted.judge()


def test_a_tier_without_the_fault_says_so() -> None:
    """A virtual board cannot be paused."""
    entry = Entry(TimeMoment(1.0), make_fault("board.hang"), "sim-1")
    with HostedStack.opened(OPTIONS, None) as hosted, pytest.raises(UsageError) as caught:
        hosted.stack.apply(Schedule.of(entry))
    assert "board.hang cannot happen here: boards of sim have no pause" in caught.value.what


def pairs(boards: str, fault: str, end: Callable[[Stack], Awaitable[object]]) -> Stack:
    """A stack in which a board pairs, with the fault from before it gets its certificate on; ``end`` comes then."""
    when = ArrowMoment(Side.BEFORE, "device-enrollment-by-request", ISSUED)

    async def live(stack: Stack) -> None:
        stack.apply(Schedule.of(Entry(when, make_fault(fault))))
        await stack.boards.power_on(certificate="request")
        await end(stack)
        await stack.faults.settled()

    with HostedStack.opened(OPTIONS.replace(boards=boards, relay=True), None) as hosted:
        hosted.run(live(hosted.stack))
        hosted.judge()
    return hosted.stack


ISSUED = 5
"""The arrow of device-enrollment-by-request that brings the certificate."""

in_python_and_firmware = pytest.mark.parametrize(
    "boards",
    [
        "sim",
        pytest.param(
            "sim-native",
            marks=pytest.mark.skipif(SimNativeTier.unavailable() is not None, reason=str(SimNativeTier.unavailable())),
        ),
    ],
)


@in_python_and_firmware
def test_worn_flash_forgets_a_certificate_without_power(boards: str) -> None:
    """The board uses it, and asks for another one after a loss of power; its token was used."""
    name = f"{boards}-1"

    async def cut(stack: Stack) -> None:
        board = stack.boards[name]
        await stack.device(board).until(phase="Connected", within=10)
        await board.cut_power()
        await board.power_on()
        await stack.history.until("Error", about=name, message=lambda text: "token" in str(text), within=10)

    lines = pairs(boards, "board.flash-worn", cut).boards[name].console.lines
    assert any("certificate not stored" in line for line in lines)


@in_python_and_firmware
def test_half_a_record_is_no_certificate(boards: str) -> None:
    """The power goes while the board stores its certificate: it has a key and no certificate afterwards."""
    name = f"{boards}-1"

    async def asks_again(stack: Stack) -> None:
        await stack.history.until("Error", about=name, message=lambda text: "token" in str(text), within=30)

    stack = pairs(boards, "board.torn-write", asks_again)
    assert len(stack.history.find("tear write", kind=Kind.FAULT)) == 1
    assert not [line for line in stack.boards[name].console.lines if "certificate stored" in line]


@pytest.mark.skipif(SimNativeTier.unavailable() is not None, reason=str(SimNativeTier.unavailable()))
def test_firmware_has_no_memory() -> None:
    """It refuses an application; the link and what runs go on, and later there is memory again."""

    async def live(stack: Stack) -> None:
        fault = make_fault("board.memory-exhausted", {"lasts": 15.0})
        stack.apply(Schedule.of(Entry(TimeMoment(AT), fault, "sim-native-1")))
        board = await stack.boards.power_on()
        await (await stack.deploy("blink", to=board, name="before")).until(phase="Running", within=10)
        await stack.clock.sleep(AT)
        failed = await stack.deploy("hello", to=board, name="app")
        await failed.until(phase="Failed", within=10)
        await stack.clock.sleep(20)
        await (await stack.deploy("hello", to=board, name="later")).until(phase="Running", within=10)
        assert stack.history.find("DeploymentResult", code="NOT_ENOUGH_MEMORY")
        assert len(stack.history.find("TlsConnected")) == 1

    with HostedStack.opened(OPTIONS.replace(boards="sim-native"), None) as hosted:
        hosted.run(live(hosted.stack))
        hosted.judge()


def test_a_write_that_never_comes_is_told() -> None:
    async def idle(stack: Stack) -> None:
        stack.apply(Schedule.of(Entry(TimeMoment(1.0), make_fault("board.torn-write", {"lasts": 5.0}), "sim-1")))
        await stack.boards.power_on()
        await stack.clock.sleep(10)

    with HostedStack.opened(OPTIONS, None) as hosted:
        hosted.run(idle(hosted.stack))
        with pytest.raises(UsageError, match="wrote nothing to its flash in 5 s"):
            hosted.judge()


@pytest.mark.skipif(SimNativeTier.unavailable() is not None, reason=str(SimNativeTier.unavailable()))
def test_firmware_has_a_wrong_clock() -> None:
    """The firmware's own code sends a heartbeat each 10 s; then its clock jumps, and it sends those of an hour."""

    async def live(stack: Stack) -> None:
        drift = Entry(TimeMoment(AT), make_fault("board.clock-drift", {"rate": 0.5, "lasts": 40.0}), "sim-native-1")
        jump = Entry(TimeMoment(60.0), make_fault("board.clock-jump", {"by": 90_000.0}), "sim-native-1")
        stack.apply(Schedule.of(drift, jump))
        board = await stack.boards.power_on()
        await stack.device(board).until(phase="Connected")
        await stack.clock.sleep(100)
        await stack.faults.settled()
        beats = stack.history.find("Heartbeat", about=board.name)
        assert {18, 28, 38, 48} <= {round(at) for at in seconds_of(beats)}
        assert abs(beats[-1].data["deviceTime"] / 1000 - beats[-1].at - 90_000) < 30
        await stack.device(board).until(phase="Connected", within=60)

    with HostedStack.opened(OPTIONS.replace(boards="sim-native"), None) as hosted:
        hosted.run(live(hosted.stack))
        hosted.judge()


def test_a_power_dip_in_the_middle_of_a_transfer() -> None:
    """Half of a chunk has passed: the module is sent again, to the board that has started anew."""
    when = ArrowMoment(Side.DURING, "application-deployment", CHUNK)

    async def live(stack: Stack) -> None:
        stack.apply(Schedule.of(Entry(when, make_fault("board.brown-out"))))
        board = await stack.boards.power_on()
        application = await stack.deploy("hello", to=board)
        await application.until(phase="Running", within=120)
        await stack.faults.settled()
        assert len(stack.history.find("Deploy")) == 2
        assert len(stack.history.find("cut power", kind=Kind.FAULT)) == 1

    with HostedStack.opened(OPTIONS.replace(relay=True), None) as hosted:
        hosted.run(live(hosted.stack))
        hosted.judge()


CHUNK = 9
"""The arrow of application-deployment that brings a chunk of the module."""
