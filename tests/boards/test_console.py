"""A console splits a board's output into lines, and lets callers wait for one."""

from __future__ import annotations

import asyncio

import pytest

from harness.boards.console import Console
from harness.core.clock import ManualClock, SystemClock
from harness.core.errors import ProductFailure, UsageError


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


async def test_expectations_follow_each_other() -> None:
    clock = ManualClock()
    console = Console("pump", clock)
    for line in ("boot 1", "ready", "boot 2: flash 7 of 9"):
        console.write(line)
    assert (await console.expect(r"boot (\d)"))[1] == "1"
    assert (await console.expect(r"boot (?P<number>\d)"))["number"] == "2"
    assert (await console.expect(r"\d")).group() == "7"
    waiting = asyncio.create_task(console.expect("^ready"))
    await clock.advance(1)
    console.write("not ready")
    console.write("ready again")
    console.write("ready")
    assert (await waiting).string == "ready again"
    assert (await console.expect("ready")).string == "ready"


async def test_a_failed_expectation_shows_what_came_instead() -> None:
    clock = ManualClock()
    console = Console("pump", clock)
    for line in ("boot", "ready: yes", "cold"):
        console.write(line)
    await console.expect("ready")

    async def failure(pattern: str) -> str:
        waiting = asyncio.create_task(console.expect(pattern, within=2))
        await clock.advance(2)
        with pytest.raises(ProductFailure) as failed:
            await waiting
        return str(failed.value)

    warm = await failure("warm")
    assert "pump: the console did not show 'warm' within 2 s; instead it wrote:\n    : yes\n    cold" in warm
    assert "boot" not in warm
    assert "compare the pattern" in warm
    assert "a line before the last match has it" in await failure("boot")
    await console.expect("cold")
    assert "instead it wrote:\n    (nothing)" in await failure("warm")
    for number in range(20):
        console.write(f"line {number}")
    many = await failure("warm")
    assert "instead it wrote 20 lines, the last 8:\n    line 12\n" in many
    assert (await console.expect("line")).string == "line 0"


async def test_expectations_outlive_forgotten_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Console, "KEPT", 10)
    clock = ManualClock()
    console = Console("pump", clock)
    console.write("first")
    await console.expect("first")
    for number in range(35):
        console.write(f"line {number}")
    assert (await console.expect(r"line (\d+)"))[1] == str(35 - len(console.lines))
    waiting = asyncio.create_task(console.expect("done"))
    await clock.advance(1)
    for number in range(100):
        console.write(f"more {number}")
    console.write("done")
    assert (await waiting).group() == "done"


async def test_an_expectation_is_a_regular_expression() -> None:
    with pytest.raises(UsageError, match="is not a regular expression"):
        await Console("pump", ManualClock()).expect("(")


def test_an_incomplete_line_at_power_off_is_a_separate_line() -> None:
    console = Console("pump", SystemClock())
    console.feed(b"hal\xe2\x86")
    console.end()
    console.end()
    console.feed(b"BOOT\n")
    assert console.lines == ["hal\ufffd", "BOOT"]
