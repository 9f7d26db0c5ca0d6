"""What the system says of running processes. A process or thread may end while it is asked for."""

from __future__ import annotations

import contextlib
from pathlib import Path


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
