"""How long runs stay under ``reports``: the newest stay, the rest goes, and nothing else is ever touched."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from harness.core.clock import Clock

__all__ = ["KEPT", "is_run", "prune_runs", "runs_in"]

KEPT = 20
UNFINISHED = 24 * 3600.0
"""Seconds after which a run without its page is taken for dead, not for one that is still going on."""
_NAME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}-\d{3}(-[0-9a-f]+)?")


def is_run(folder: Path) -> bool:
    """Whether ``folder`` is what a run of ours left: by its name, and by what is in it."""
    if not _NAME.fullmatch(folder.name) or folder.is_symlink() or not folder.is_dir():
        return False
    return any(
        entry.name in ("index.html", "junit.xml")
        or (entry.is_dir() and any((entry / name).exists() for name in ("result.json", "history.jsonl")))
        for entry in folder.iterdir()
    )


def runs_in(reports: Path) -> list[Path]:
    """The runs in ``reports``, oldest first; none where there is no such folder."""
    if not reports.is_dir():
        return []
    return sorted((entry for entry in reports.iterdir() if is_run(entry)), key=lambda run: run.name)


def prune_runs(reports: Path, clock: Clock, *, keep: int = KEPT) -> list[str]:
    """Remove all but the newest ``keep`` runs; returns the names of those that went.

    A run that may still be going on stays. What cannot be removed stays too, and is tried again by the next run.
    """
    gone = []
    try:
        for run in runs_in(reports)[: -keep or None]:
            if not _going_on(run, clock):
                shutil.rmtree(run, ignore_errors=True)
                if not run.exists():
                    gone.append(run.name)
    except OSError:  # another run prunes too, or the folder cannot be read
        return gone
    return gone


def _going_on(run: Path, clock: Clock) -> bool:
    if (run / "index.html").exists():
        return False
    newest = max((entry.stat().st_mtime for entry in (run, *run.iterdir())), default=0.0)
    return clock.now() - newest < UNFINISHED
