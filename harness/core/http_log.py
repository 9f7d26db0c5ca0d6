"""A log for HTTP servers without bearer tokens: aiohttp logs a request that it cannot parse in full."""

from __future__ import annotations

import logging
import sys

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError

from harness.core.logs import get_log

__all__ = ["server_log"]


class _WithoutRequests(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else sys.exc_info()[1]
        if isinstance(error, HttpProcessingError | RequestPayloadError):
            record.msg = f"{record.getMessage()}: it is not a valid HTTP request ({type(error).__name__})"
            record.args, record.exc_info, record.exc_text = None, None, None
        return True


def server_log(name: str) -> logging.Logger:
    """The logger of that name for aiohttp's server. A malformed request becomes one line without the client's data."""
    logger = get_log(name)
    if not any(isinstance(each, _WithoutRequests) for each in logger.filters):
        logger.addFilter(_WithoutRequests())
    return logger
