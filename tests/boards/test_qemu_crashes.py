"""Every failure of real firmware is an event with its cause, and the board comes back."""

from __future__ import annotations

import asyncio

import pytest

from harness.boards.qemu import QemuTier
from harness.core.errors import ProductFailure
from harness.core.history import Event, Kind
from harness.core.loop import new_runner
from harness.stack import Stack, StackOptions

pytestmark = pytest.mark.system("QEMU")
KINDS = ("mps2-an385", "riscv32-virt")
CAUSES = {
    "panic": "panic",
    "hard-fault": "hard-fault",
    "stack-overflow": "stack-overflow",
    "heap-exhaustion": "heap-exhaustion",
    "hang": "watchdog",
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    missing = QemuTier.unavailable() or QemuTier().about(name).unavailable
    if missing is not None:
        pytest.skip(missing)
    return name


@pytest.fixture(scope="module")
def crashes(kind: str) -> dict[str, Event]:
    """The event of each self-test's crash, of one board each in one stack, after the board is Connected again."""

    async def crash(stack: Stack, self_test: str) -> Event:
        watchdog = 3.0 if self_test == "hang" else None
        board = await stack.boards.power_on(kind, name=self_test, self_test=self_test, watchdog=watchdog)
        event = await stack.history.until("Crash", about=board.name, within=20)
        await stack.device(board).until(phase="Connected", within=20)
        assert stack.history.find("Crash", about=board.name) == [event]
        with pytest.raises(ProductFailure, match=f"; {board.name} crashed: {CAUSES[self_test]}"):
            await stack.device(board).until(phase="Failed", within=0.05)
        return event

    async def play() -> dict[str, Event]:
        async with asyncio.timeout(90), Stack(StackOptions(boards=kind)) as stack:
            events = {self_test: await crash(stack, self_test) for self_test in CAUSES}
            stack.judge()
        return events

    with new_runner() as runner:
        return runner.run(play())


@pytest.mark.parametrize("self_test", CAUSES)
def test_a_crash_is_a_fault_with_its_cause(crashes: dict[str, Event], self_test: str) -> None:
    event = crashes[self_test]
    assert (event.kind, event.source, event.correlation) == (Kind.FAULT, "Device", self_test)
    assert event.data["device"] == self_test
    assert event.data["cause"] == CAUSES[self_test]
    assert len(event.data["backtrace"]) > 1


def test_a_hard_fault_is_reported_with_place_and_cause(kind: str, crashes: dict[str, Event]) -> None:
    data = crashes["hard-fault"].data
    assert "wasmbed_boards::" in data["at"]
    if kind == "riscv32-virt":
        assert {"pc", "ra", "sp", "a0", "t6"} <= data["registers"].keys()
        assert int(data["faultStatus"]["mcause"], 16) == 2  # illegal instruction
    else:
        assert {"pc", "lr", "sp", "r0", "r12"} <= data["registers"].keys()
        assert int(data["faultStatus"]["cfsr"], 16) & 1 << 16  # UNDEFINSTR


def test_a_panic_is_reported_with_its_message_and_callers(crashes: dict[str, Event]) -> None:
    data = crashes["panic"].data
    assert data["message"].endswith("provoked")
    assert "self_test.rs" in data["message"]
    assert any("wasmbed_boards::" in function for function in data["backtrace"])


def test_a_stack_overflow_shows_the_recursion(crashes: dict[str, Event]) -> None:
    data = crashes["stack-overflow"].data
    assert sum("self_test::overflow" in function for function in data["backtrace"]) > 3


def test_heap_exhaustion_is_reported_with_the_free_memory(crashes: dict[str, Event]) -> None:
    data = crashes["heap-exhaustion"].data
    assert int(data["numbers"]["free"]) < int(data["numbers"]["used"])
    assert "memory allocation" in data["message"]


def test_a_hang_is_reported_with_its_place(crashes: dict[str, Event]) -> None:
    assert "wasmbed_boards::" in crashes["hang"].data["at"]
