"""Processes that tests start, and what the system says of them. A process or thread may end while it is asked for."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:hypothesispytest")
"""The command of a pytest that a test starts. Hypothesis's plugin would import all of Hypothesis at the end of the run,
which is a third of the processor time of a small one."""


def command(pid: int) -> str:
    """Its program and arguments, separated by spaces; "" if it has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def children(pid: int) -> set[int]:
    """The processes that this one's threads have started and that have not ended."""
    found: set[int] = set()
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found.update(int(child) for child in file.read_text().split())
    return found


def descendants(pid: int) -> set[int]:
    """Its children, theirs, and so on."""
    found: set[int] = set()
    looking = {pid}
    while looking:
        looking = {child for parent in looking for child in children(parent)} - found
        found |= looking
    return found
