"""Usage of boards is read from the system, and a fleet that does not fit is refused with figures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.boards import usage as room
from harness.boards.usage import Usage, available_memory, check_fits, usage_of
from harness.boards.virtual import VirtualTier
from harness.core.errors import RigError
from harness.stack import Stack, StackOptions


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system whose files in ``/proc`` a test writes."""
    monkeypatch.setattr(room, "PROC", tmp_path)
    monkeypatch.setattr(room, "CGROUP", tmp_path / "cgroup")
    (tmp_path / "cgroup").mkdir()
    return tmp_path


def memory(system: Path, available: int, limit: str = "max", current: int = 0) -> None:
    (system / "meminfo").write_text(f"MemTotal: 9 kB\nMemAvailable:   {available // 1024} kB\n")
    (system / "cgroup" / "memory.max").write_text(f"{limit}\n")
    (system / "cgroup" / "memory.current").write_text(f"{current}\n")


def test_a_process_is_accounted(system: Path) -> None:
    folder = system / "42"
    folder.mkdir()
    (folder / "smaps_rollup").write_text("00400000-7ff [rollup]\nRss:   900 kB\nPss:     500 kB\nPss_Anon: 400 kB\n")
    (folder / "stat").write_text("42 (a (strange) name) S 1 42 42 0 -1 4 9 0 0 0 250 50 0 0 20 0 1 0 99 1 1\n")
    assert usage_of(42) == Usage(500 * 1024, 300 / os.sysconf("SC_CLK_TCK"))
    assert Usage(1, 2.0) + Usage(3, 4.0) == Usage(4, 6.0)


@pytest.mark.parametrize("stat", ["", "42 (name", "42 (name) S 1 2"])
def test_an_ended_process_has_no_usage(system: Path, stat: str) -> None:
    assert usage_of(42) is None
    (system / "42").mkdir()
    (system / "42" / "stat").write_text(stat)
    assert usage_of(42) is None
    (system / "42" / "smaps_rollup").write_text("Pss: 5 kB\n")
    assert usage_of(42) is None


def test_this_process_is_accounted_on_linux() -> None:
    if not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("this system has no /proc/self/smaps_rollup")
    found = usage_of(os.getpid())
    assert found is not None
    assert found.memory > 1 << 20
    assert found.cpu > 0


def test_the_tighter_limit_counts(system: Path) -> None:
    memory(system, 8 << 30)
    assert available_memory() == 8 << 30
    memory(system, 8 << 30, str(3 << 30), 1 << 30)
    assert available_memory() == 2 << 30
    memory(system, 1 << 30, str(3 << 30), 1 << 30)
    assert available_memory() == 1 << 30
    memory(system, 1 << 30, "1000", 2000)
    assert available_memory() == 0


def test_without_a_container_the_system_counts(system: Path) -> None:
    (system / "meminfo").write_text("MemAvailable: 1024 kB\n")
    assert available_memory() == 1 << 20


def test_unknown_memory_refuses_nothing(system: Path) -> None:
    assert available_memory() is None
    check_fits(1_000_000, 1 << 30, "mps2-an385")


def test_a_fleet_that_does_not_fit_is_refused_with_numbers(system: Path) -> None:
    memory(system, 1 << 30)
    check_fits(25, 30 << 20, "mps2-an385")
    check_fits(100_000, 0, "virtual")
    with pytest.raises(RigError) as caught:
        check_fits(200, 30 << 20, "mps2-an385")
    assert str(caught.value) == (
        "mps2-an385: 200 boards need 200 x 30 MiB = 6000 MiB of memory; 1024 MiB are available, less 256 MiB for "
        "other processes\n  -> ask for 25 at most, or free memory"
    )
    memory(system, 100 << 20)
    with pytest.raises(RigError, match="free memory") as caught:
        check_fits(1, 30 << 20, "mps2-an385")
    assert "ask for" not in str(caught.value)


async def test_a_stack_refuses_it_before_it_makes_a_board(monkeypatch: pytest.MonkeyPatch, system: Path) -> None:
    memory(system, 1 << 30)
    monkeypatch.setattr(VirtualTier, "memory", lambda self, kind: 10 << 20)
    async with Stack(StackOptions()) as stack:
        with pytest.raises(RigError, match="200 boards need 200 x 10 MiB"):
            await stack.boards.power_on(count=200)
        assert len(stack.boards) == 0
        await stack.boards.power_on(count=2)
        assert stack.boards.usage() == {}


def test_more_boards_than_file_descriptors_are_refused_with_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.core.descriptors.available", lambda: 1000)
    monkeypatch.setattr("harness.core.descriptors.limit", lambda: 1024)
    check_fits(400, 0, "virtual", opened=2)
    with pytest.raises(RigError) as refused:
        check_fits(600, 0, "virtual", opened=2)
    assert refused.value.what == (
        "600 boards need 600 x 2 = 1200 file descriptors; the limit of this process is 1024, of which 1000 are free, "
        "less 64 in reserve"
    )
    assert str(refused.value.do).startswith("ask for 468 at most, or raise it: ulimit -Hn in a root shell, ")
    with pytest.raises(RigError) as refused:
        check_fits(1, 0, "mps2-an385", opened=1000)
    assert str(refused.value.do).startswith("raise it: ")


def test_unknown_file_descriptors_refuse_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.core.descriptors.available", lambda: None)
    check_fits(1_000_000, 0, "virtual", opened=2)
