"""A console splits a board's output into lines, and lets callers wait for one."""

from __future__ import annotations

import asyncio

import pytest

from harness.boards.console import Console
from harness.core.clock import ManualClock, SystemClock
from harness.core.errors import ProductFailure


def test_bytes_become_lines_wherever_they_are_cut() -> None:
    console = Console("pump", SystemClock())
    for part in (b"one\r", b"\ntw", b"o\n\xff\n", b"half"):
        console.feed(part)
    assert console.lines == ["one", "two", "\ufffd"]


def test_characters_are_whole_wherever_they_are_cut() -> None:
    console = Console("pump", SystemClock())
    for byte in "20 °C → ü\n".encode():
        console.feed(bytes((byte,)))
    assert console.lines == ["20 °C → ü"]


def test_a_line_without_an_end_is_cut() -> None:
    console = Console("pump", SystemClock())
    for _ in range(10):
        console.feed(b"\xffgarbage" * 4096)
    assert {len(line) for line in console.lines} == {Console.LONGEST}
    assert len(console.lines) == 10 * 4096 * 8 // Console.LONGEST


def test_listeners_get_lines_until_they_unsubscribe() -> None:
    console, heard = Console("pump", SystemClock()), []
    console.write("before")
    leave = console.listen(heard.append)
    console.write("now")
    leave()
    console.write("after")
    assert heard == ["now"]


def test_only_the_newest_lines_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Console, "KEPT", 10)
    console = Console("pump", SystemClock())
    for number in range(1000):
        console.write(str(number))
        assert len(console.lines) < 20
    assert console.lines[-10:] == [str(number) for number in range(990, 1000)]


def test_long_lines_are_kept_by_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Console, "KEPT_CHARACTERS", 100)
    console = Console("pump", SystemClock())
    for number in range(1000):
        console.write(f"{number:03}".ljust(30))
        assert sum(map(len, console.lines)) < 200
    assert console.lines[-3:] == ["997".ljust(30), "998".ljust(30), "999".ljust(30)]
    console.write("x" * 500)
    assert console.lines == ["x" * 500]
    console.write("next")
    assert console.lines[-1] == "next"


async def test_waiting_for_a_line() -> None:
    clock = ManualClock()
    console = Console("pump", clock)
    console.write("version 1.2")
    assert (await console.until(r"version (\d)"))[1] == "1"
    waiting = asyncio.create_task(console.until("ready"))
    await clock.advance(1)
    console.write("not yet")
    console.write("ready")
    console.write("ready again")
    assert (await waiting)[0] == "ready"
    late = asyncio.create_task(console.until("never", within=5))
    await clock.advance(5)
    with pytest.raises(ProductFailure, match="ready again") as failure:
        await late
    assert "pump" in str(failure.value)
    silent = asyncio.create_task(Console("other", clock).until("x", within=1))
    await clock.advance(1)
    with pytest.raises(ProductFailure, match="nothing"):
        await silent


def test_an_incomplete_line_at_power_off_is_a_separate_line() -> None:
    console = Console("pump", SystemClock())
    console.feed(b"hal\xe2\x86")
    console.end()
    console.end()
    console.feed(b"BOOT\n")
    assert console.lines == ["hal\ufffd", "BOOT"]
