"""Measures memory and processor time of boards' processes, and checks that further boards fit.

The figures come from Linux's ``/proc``. On other systems they are unknown, and no board is refused.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from harness.core import descriptors
from harness.core.errors import RigError

__all__ = ["Usage", "available_memory", "check_fits", "usage_of"]

PROC = Path("/proc")
CGROUP = Path("/sys/fs/cgroup")
RESERVE = 256 << 20
"""Bytes of memory that a fleet leaves for other processes."""
SPARE = 64
"""File descriptors that a fleet leaves."""


@dataclass(frozen=True, slots=True)
class Usage:
    """A process's usage. ``memory``: bytes that it holds now, with its share of shared pages (PSS). ``cpu``: seconds of
    processor time since its start."""

    memory: int
    cpu: float

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.memory + other.memory, self.cpu + other.cpu)


def usage_of(pid: int) -> Usage | None:
    """Return the usage of a process; None if it has ended or its usage is unknown."""
    try:
        memory = _field(PROC / str(pid) / "smaps_rollup", "Pss:")
        # proc(5): after the command's name in parentheses, utime and stime are the 12th and 13th field.
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return Usage(memory, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError):
        return None


def available_memory() -> int | None:
    """Return the bytes that new processes can use without swapping, on this machine or in this container; None if
    unknown."""
    known = []
    try:
        known.append(_field(PROC / "meminfo", "MemAvailable:"))
        limit = (CGROUP / "memory.max").read_text().strip()
        if limit != "max":
            known.append(int(limit) - int((CGROUP / "memory.current").read_text()))
    except (OSError, ValueError):
        pass
    return max(0, min(known)) if known else None


def check_fits(count: int, each: int, kind: str, *, opened: int = 0) -> None:
    """Raise RigError, with figures, if ``count`` further boards of ``each`` bytes do not fit into memory, or if their
    file descriptors, ``opened`` each, exceed this process's limit."""
    _check_descriptors(count, opened, kind)
    available = available_memory()
    if available is None or count * each + RESERVE <= available:
        return
    most = max(0, (available - RESERVE) // each)
    raise RigError(
        f"{count} boards need {count} x {_megabytes(each)} = {_megabytes(count * each)} of memory; "
        f"{_megabytes(available)} are available, less {_megabytes(RESERVE)} for other processes",
        where=kind,
        do=f"ask for {most} at most, or free memory" if most else "free memory",
    )


def _check_descriptors(count: int, each: int, kind: str) -> None:
    free = descriptors.available()
    if free is None or not each or count * each + SPARE <= free:
        return
    most = max(0, (free - SPARE) // each)
    raise RigError(
        f"{count} boards need {count} x {each} = {count * each} file descriptors; the limit of this process is "
        f"{descriptors.limit()}, of which {free} are free, less {SPARE} in reserve",
        where=kind,
        do=f"{f'ask for {most} at most, or ' if most else ''}{descriptors.HOW_TO_RAISE}",
    )


def _field(path: Path, name: str) -> int:
    """Read a field of a file with lines ``name: number kB``; returns bytes."""
    for line in path.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise ValueError(f"no {name} in {path}")


def _megabytes(size: int) -> str:
    return f"{size / (1 << 20):.0f} MiB"
