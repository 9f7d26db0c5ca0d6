"""What boards cost: memory and processor time of the processes they are, and whether more of them fit.

Linux tells, in ``/proc``; elsewhere nothing is known, and nothing is refused.
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
"""Bytes that a fleet leaves to everything else."""
SPARE = 64
"""File descriptors that it leaves."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used. ``memory``: bytes it holds now, its share of what it shares (PSS). ``cpu``: seconds of
    processor time since it started."""

    memory: int
    cpu: float

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.memory + other.memory, self.cpu + other.cpu)


def usage_of(pid: int) -> Usage | None:
    """The usage of a process; None if it is gone or nobody tells."""
    try:
        memory = _field(PROC / str(pid) / "smaps_rollup", "Pss:")
        # proc(5): after the command's name in parentheses, utime and stime are the 12th and 13th field.
        words = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return Usage(memory, (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError):
        return None


def available_memory() -> int | None:
    """Bytes that new processes can have without swapping, here or in this container; None where nobody tells."""
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
    """Raise RigError, with numbers, when ``count`` further boards of ``each`` bytes do not fit into memory, or when
    they need more file descriptors than this process may have, of which each has ``opened``."""
    _check_descriptors(count, opened, kind)
    available = available_memory()
    if available is None or count * each + RESERVE <= available:
        return
    most = max(0, (available - RESERVE) // each)
    raise RigError(
        f"{count} boards need {count} x {_megabytes(each)} = {_megabytes(count * each)} of memory, available are "
        f"{_megabytes(available)} less {_megabytes(RESERVE)} for everything else",
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
        f"{descriptors.limit()}, of which {free} are free, less {SPARE} for everything else",
        where=kind,
        do=f"{f'ask for {most} at most, or ' if most else ''}{descriptors.HOW_TO_RAISE}",
    )


def _field(path: Path, name: str) -> int:
    """A field of a file of ``name: number kB`` lines, in bytes."""
    for line in path.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise ValueError(f"no {name} in {path}")


def _megabytes(size: int) -> str:
    return f"{size / (1 << 20):.0f} MiB"
