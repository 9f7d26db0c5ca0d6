"""Removal of old runs from ``reports``: the newest runs stay, and other files are never touched."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from harness.core.clock import Clock

__all__ = ["KEPT", "is_run", "prune_runs", "runs_in"]

KEPT = 20
UNFINISHED = 24 * 3600.0
"""Seconds without a change after which a run without a page counts as dead, not as running."""
_NAME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}-\d{3}(-[0-9a-f]+)?")


def is_run(folder: Path) -> bool:
    """Whether ``folder`` is a run of the harness, by its name and its content."""
    if not _NAME.fullmatch(folder.name) or folder.is_symlink() or not folder.is_dir():
        return False
    return any(
        entry.name in ("index.html", "junit.xml")
        or (entry.is_dir() and any((entry / name).exists() for name in ("result.json", "history.jsonl")))
        for entry in folder.iterdir()
    )


def runs_in(reports: Path) -> list[Path]:
    """The runs in ``reports``, oldest first; empty if the folder is absent."""
    if not reports.is_dir():
        return []
    return sorted((entry for entry in reports.iterdir() if is_run(entry)), key=lambda run: run.name)


def prune_runs(reports: Path, clock: Clock, *, keep: int = KEPT) -> list[str]:
    """Remove all but the newest ``keep`` runs; return the names of the removed ones.

    A run that may still be active stays. The next run tries again to remove what cannot be removed now.
    """
    gone = []
    try:
        for run in runs_in(reports)[: -keep or None]:
            if not _is_active(run, clock):
                shutil.rmtree(run, ignore_errors=True)
                if not run.exists():
                    gone.append(run.name)
    except OSError:  # another run removes runs too, or the folder cannot be read
        return gone
    return gone


def _is_active(run: Path, clock: Clock) -> bool:
    if (run / "index.html").exists():
        return False
    newest = max((entry.stat().st_mtime for entry in (run, *run.iterdir())), default=0.0)
    return clock.now() - newest < UNFINISHED
