"""One word for the state of the sources: equal words mean equal sources."""

from __future__ import annotations

import subprocess
from hashlib import sha256
from pathlib import Path

__all__ = ["source_state"]

_COMMAND = ["git", "status", "--porcelain=v2", "--branch", "--untracked-files=all", "--no-renames", "-z"]
_PATIENCE = 10


def source_state(folder: Path) -> str | None:
    """The commit that ``folder`` has checked out, with a digest of later changes; None without git.

    A changed file is represented by its size and time of change; it is not read.
    """
    try:
        status = subprocess.run(_COMMAND, cwd=folder, capture_output=True, timeout=_PATIENCE, check=True).stdout
        root = subprocess.run(
            ["git", "rev-parse", "--show-toplevel"], cwd=folder, capture_output=True, timeout=_PATIENCE, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    top = Path(root.decode("utf-8", "surrogateescape").strip())
    commit, changes = "", sha256()
    changed = False
    for entry in status.decode("utf-8", "surrogateescape").split("\0"):
        if entry.startswith("# branch.oid "):
            commit = entry.removeprefix("# branch.oid ")[:12]
        elif entry and not entry.startswith("#"):
            changed = True
            changes.update(f"{entry} {_stamp(top / _path(entry))}\n".encode("utf-8", "surrogateescape"))
    if not commit or commit == "(initial)":
        return None
    return f"{commit}+{changes.hexdigest()[:8]}" if changed else commit


def _path(entry: str) -> str:
    """The path in an entry of ``git status``: its last field."""
    fields = {"1": 8, "2": 9, "u": 10, "?": 1}.get(entry[:1], 1)
    return entry.split(" ", fields)[-1]


def _stamp(path: Path) -> str:
    try:
        stat = path.lstat()
    except OSError:
        return "gone"
    return f"{stat.st_size} {stat.st_mtime_ns}"
