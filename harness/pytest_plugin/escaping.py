"""Escapes control characters in pytest's failure reports, which quote text from devices and peers."""

from __future__ import annotations

from typing import Any

import pytest

from harness.core.text import printable

__all__ = ["escape_report"]


def escape_report(report: pytest.TestReport) -> None:
    """Escape the control characters in the reason why a test failed or was skipped."""
    reason: Any = report.longrepr
    if isinstance(reason, str):
        report.longrepr = printable(reason, lines=True)
    elif isinstance(reason, tuple):
        path, line, text = reason
        report.longrepr = (path, line, printable(text, lines=True))
    for trace, crash, _ in getattr(reason, "chain", ()):
        if crash is not None:
            crash.message = printable(crash.message, lines=True)
        for entry in trace.reprentries:
            _escape_entry(entry)


def _escape_entry(entry: Any) -> None:
    """Escape a frame of the traceback: source, error, and the values of arguments and variables."""
    entry.lines = [printable(line, lines=True) for line in entry.lines]
    if (arguments := getattr(entry, "reprfuncargs", None)) is not None:
        arguments.args = [(name, printable(value, lines=True)) for name, value in arguments.args]
    if (variables := getattr(entry, "reprlocals", None)) is not None:
        variables.lines = [printable(line, lines=True) for line in variables.lines]
