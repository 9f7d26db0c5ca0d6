"""A board's crash comes first in the verdict about its device and about the applications on it."""

from __future__ import annotations

import pytest

from harness.core.clock import ManualClock
from harness.core.errors import ProductFailure
from harness.core.history import Kind
from harness.stack import Stack, StackOptions
from harness.stack.diagnostics import console_ends, crashes, describe_crash, replays, summary
from harness.stack.record import Record


async def test_a_crash_of_a_virtual_board_comes_first_in_the_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object, *arguments: object) -> None:
        raise RuntimeError("stack smashed")

    async with Stack(StackOptions()) as stack:
        good, bad = await stack.boards.power_on(count=2)
        for board in (good, bad):
            await stack.device(board).until(phase="Connected")
        monkeypatch.setattr("harness.boards.virtual.firmware.Firmware.obey", broken)
        application = await stack.deploy("hello", to=bad)
        await stack.history.until("Crash", about=bad.name)
        with pytest.raises(ProductFailure) as caught:
            await application.until(phase="Running", within=0.1)
        first, *rest = str(caught.value).splitlines()
        assert first == (
            f"Application hello-1: did not reach phase=Running within 0.1 s; "
            f"{bad.name} crashed: panic (RuntimeError('stack smashed'))"
        )
        assert any("backtrace: broken (test_diagnostics.py:" in line for line in rest)
        assert f"  console of {bad.name}, last lines:" in rest
        assert any("panic: RuntimeError" in line for line in rest)
        with pytest.raises(ProductFailure, match=f"{bad.name} crashed: panic"):
            await stack.device(bad).until(phase="Failed", within=0.1)
        with pytest.raises(ProductFailure) as other:
            await stack.device(good).until(phase="Failed", within=0.1)
        assert "crashed" not in str(other.value).splitlines()[0]


async def test_an_application_for_others_is_not_explained_by_an_old_crash() -> None:
    async with Stack(StackOptions()) as stack:
        first, second = await stack.boards.power_on(count=2)
        for board in (first, second):
            await stack.device(board).until(phase="Connected")
        stack.history.record(Kind.FAULT, "Device", "", "Crash", {"device": first.name, "cause": "panic"}, "x")
        for target in (first, second, "all"):
            application = await stack.deploy("hello", to=target)
            with pytest.raises(ProductFailure) as caught:
                await application.until(phase="Error", within=0.1)
            assert "crashed" not in str(caught.value)
        stack.history.record(Kind.FAULT, "Device", "", "Crash", {"device": first.name, "cause": "panic"}, "x")
        with pytest.raises(ProductFailure, match=f"; {first.name} crashed: panic"):
            await application.until(phase="Error", within=0.1)


@pytest.fixture
def record() -> Record:
    record = Record(ManualClock())
    record.note("recorded", "pump-1", replay="wasmbed replay somewhere")
    crash = {
        "device": "pump-1",
        "cause": "hard-fault",
        "at": "run+0x12",
        "message": "undefined",
        "registers": {"pc": "0x12"},
        "faultStatus": {"cfsr": "0x10000"},
        "backtrace": [f"f{number}" for number in range(9)],
    }
    record.record(Kind.FAULT, "Device", "", "Crash", crash, "pump-1")
    record.record(Kind.FAULT, "Device", "", "Crash", {"device": "pump-2"}, "pump-2")
    for number in range(5):
        record.record(Kind.CONSOLE, "Device", "", "Console", {"text": f"line of {number}"}, f"pump-{number}")
    return record


def test_a_crash_is_described_in_full(record: Record) -> None:
    found = crashes(record, ["pump-1", "pump-2"], 0)
    assert summary(found) == "pump-1 crashed: hard-fault in run+0x12 (undefined), pump-2 crashed: unknown"
    text = "\n".join(describe_crash(record, found[0]))
    for part in ("f0 < f1 < f2 < f3 < f4 < f5 < ...", "cfsr=0x10000", "pc=0x12"):
        assert part in text
    assert len(describe_crash(record, found[1])) == 1
    assert crashes(record, ["pump-1"], found[0].n + 1) == []


def test_only_a_few_consoles_are_shown(record: Record) -> None:
    shown = list(console_ends(record, [f"pump-{number}" for number in range(5)]))
    assert [part.splitlines()[-1] for part in shown] == ["    line of 0", "    line of 1", "    line of 2"]


def test_a_recorded_board_can_be_replayed(record: Record) -> None:
    assert list(replays(record, ["pump-1", "pump-2"])) == ["  to replay pump-1: wasmbed replay somewhere"]
