"""Failures as workflow commands, which CI shows at the line of the source.

The form is that of GitHub Actions (``::error file=...,line=...,title=...::message``); Forgejo and Gitea read it too.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from harness.reporting.runs import TestRecord
from harness.reporting.summary import plain

__all__ = ["annotate", "command"]

LIMIT = 10
"""GitHub shows this number of each level for a step, and drops the rest."""
LINES = 12
"""The number of first and of last lines that are shown of a long message."""


def annotate(tests: Iterable[TestRecord], *, root: Path, workspace: Path | None = None) -> list[str]:
    """One line for each test that failed (``error``) or was not run (``warning``).

    ``root`` is the folder that the tests' files are relative to, ``workspace`` the folder whose files CI shows. If
    there are more than CI shows, the last line of that level has the number of omitted ones.
    """
    found: dict[str, list[str]] = {"error": [], "warning": []}
    for test in tests:
        if test.outcome in ("failed", "not run"):
            level = "error" if test.outcome == "failed" else "warning"
            found[level].append(_annotation(level, test, root, workspace or root))
    lines = []
    for level, several in found.items():
        if len(several) > LIMIT:
            rest = len(several) - LIMIT + 1
            several = [*several[: LIMIT - 1], command(level, f"and {rest} more: see the summary or the report")]
        lines += several
    return lines


def command(name: str, message: str, **properties: object) -> str:
    """One workflow command, escaped; properties that are None are omitted."""
    given = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items() if value is not None)
    return f"::{name}{' ' if given else ''}{given}::{_data(message)}"


def _annotation(level: str, test: TestRecord, root: Path, workspace: Path) -> str:
    blame = f" (to blame: {test.blame})" if test.blame else ""
    message = plain(test.message).strip() or "; ".join(test.trouble) or test.outcome
    message = _shortened(message)
    if test.rerun:
        message = f"{message}\n\nrun again: {plain(test.rerun)}"
    place = test.details.get("file") or _file_of(test.name)
    line = test.details.get("line")
    return command(
        level,
        message,
        file=os.path.relpath(root / str(place), workspace) if place else None,
        line=line if place and isinstance(line, int) else None,
        title=f"{plain(test.name)} {test.outcome}{blame}",
    )


def _shortened(text: str) -> str:
    lines = text.splitlines()
    if len(lines) > 2 * LINES:
        lines = [*lines[:LINES], f"... {len(lines) - 2 * LINES} more lines", *lines[-LINES:]]
    return "\n".join(line[:500] for line in lines)


def _file_of(name: str) -> str | None:
    path, separator, _ = name.partition("::")
    return path if separator else None


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
