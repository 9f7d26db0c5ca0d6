"""Logs whose lines hold nothing that a terminal obeys, whoever sent what they quote, and whatever shows them."""

from __future__ import annotations

import logging
import traceback

from harness.core.text import printable

__all__ = ["get_log"]


def get_log(name: str) -> logging.Logger:
    """The log of a module. A message is one line; the traceback of an exception has several."""
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
