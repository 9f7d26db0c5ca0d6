"""pytest's account of a failure, with nothing in it that a terminal obeys: it quotes what devices and peers sent."""

from __future__ import annotations

from typing import Any

import pytest

from harness.core.text import printable

__all__ = ["escape_report"]


def escape_report(report: pytest.TestReport) -> None:
    """Escape the control characters in why a test failed or was skipped."""
    why: Any = report.longrepr
    if isinstance(why, str):
        report.longrepr = printable(why, lines=True)
    elif isinstance(why, tuple):
        path, line, words = why
        report.longrepr = (path, line, printable(words, lines=True))
    for trace, crash, _ in getattr(why, "chain", ()):
        if crash is not None:
            crash.message = printable(crash.message, lines=True)
        for entry in trace.reprentries:
            _escape_entry(entry)


def _escape_entry(entry: Any) -> None:
    """A frame of the traceback: its source, the error, and the values of its arguments and variables."""
    entry.lines = [printable(line, lines=True) for line in entry.lines]
    if (called := getattr(entry, "reprfuncargs", None)) is not None:
        called.args = [(name, printable(value, lines=True)) for name, value in called.args]
    if (seen := getattr(entry, "reprlocals", None)) is not None:
        seen.lines = [printable(line, lines=True) for line in seen.lines]
