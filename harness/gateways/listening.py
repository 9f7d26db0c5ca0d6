"""Where the processes of a group listen, from Linux's own tables: looking leaves no connection in a program's log."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["ports_of_group"]

_LISTEN = "0A"
_PROC = Path("/proc")


def ports_of_group(group: int) -> frozenset[int]:
    """The TCP ports on which the processes of a process group listen."""
    opened = set()
    for process in _PROC.iterdir():
        if process.name.isdigit() and _group_of(process) == group:
            with suppress(OSError):
                for descriptor in (process / "fd").iterdir():
                    with suppress(OSError):
                        opened.add(os.readlink(descriptor))
    if not any(name.startswith("socket:") for name in opened):  # the tables list all of the machine's connections
        return frozenset()
    return frozenset(port for name, port in _listening_sockets().items() if name in opened)


def _listening_sockets() -> dict[str, int]:
    """The port of each listening socket, by what its descriptor links to."""
    ports = {}
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (_PROC / "self" / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTEN:
                    ports[f"socket:[{fields[9]}]"] = int(fields[1].rpartition(":")[2], 16)
    return ports


def _group_of(process: Path) -> int | None:
    try:
        # The name, in parentheses, may hold anything; state, parent and group come after it.
        return int((process / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[2])
    except (OSError, ValueError, IndexError):
        return None
