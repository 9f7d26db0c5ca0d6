"""Logs that are safe to show on a terminal: control characters in text from peers are escaped."""

from __future__ import annotations

import logging
import traceback

from harness.core.text import printable

__all__ = ["get_log"]


def get_log(name: str) -> logging.Logger:
    """The log of a module. A message is one line; an exception's traceback keeps its lines."""
    log = logging.getLogger(name)
    log.addFilter(_escape)
    return log


def _escape(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    if (shown := printable(message)) != message:
        record.msg, record.args = shown, ()
    if isinstance(record.exc_info, tuple) and record.exc_info[0] is not None:
        trace = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        record.exc_text = printable(trace, lines=True)  # formatters take this instead of their own
    return True
