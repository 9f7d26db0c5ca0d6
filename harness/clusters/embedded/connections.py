"""HTTP connections with the limits of Go's server, and its answers to requests that are not valid HTTP."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from harness.clusters.embedded.errors import method_not_allowed
from harness.clusters.embedded.messages import JSON, Plain

__all__ = ["HEAD_LIMIT", "Connection", "refusal_of"]

HEAD_LIMIT = (1 << 20) + 4096
"""Bytes of a request's first line and headers (net/http: ``DefaultMaxHeaderBytes``, and what it reads ahead)."""
_MOST_HEADERS = 16_384
_TOO_LARGE = b"431 Request Header Fields Too Large"
_UNKNOWN_METHOD = re.compile(r"Invalid method encountered:\s+b'[A-Z]+ /\S* HTTP/1\.[01]'")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ANSWERS = (
    ("Invalid HTTP version", 505, b"505 HTTP Version Not Supported: unsupported protocol version"),
    ("invalid `Transfer-Encoding`", 501, b"Unsupported transfer encoding"),
    ("'Host' header", 400, b"400 Bad Request: missing required Host header"),
    ("Too many headers", 431, _TOO_LARGE),
)
"""Parts of aiohttp's messages, each with Go's answer."""


def refusal_of(request: web.BaseRequest) -> web.Response | None:
    """The answer to a request that aiohttp accepts and Go refuses; None for any other."""
    if sum(len(name) + len(value) + 4 for name, value in request.raw_headers) > HEAD_LIMIT:
        return _closing(431, _TOO_LARGE)
    return _malformed() if _BAD_ESCAPE.search(request.path_qs.partition("?")[0]) else None


class Connection(web.RequestHandler):
    """One client's connection. What a client does wrong is its own affair: it gets an answer, and no log has a line."""

    __slots__ = ()

    def __init__(self, server: web.Server, **settings: Any) -> None:
        limits: dict[str, Any] = {
            "max_line_size": HEAD_LIMIT,
            "max_field_size": HEAD_LIMIT,
            "max_headers": _MOST_HEADERS,
        }
        super().__init__(server, **limits, **settings)

    def log_exception(self, *arguments: Any, **keywords: Any) -> None:
        error = keywords.get("exc_info")
        if not isinstance(error, HttpProcessingError | web.RequestPayloadError | OSError):
            super().log_exception(*arguments, **keywords)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        text = str(exc)
        if isinstance(exc, LineTooLong):
            return _closing(431, _TOO_LARGE)
        if _UNKNOWN_METHOD.search(text):
            refusal = method_not_allowed()
            return _closing(refusal.code, Plain(refusal.status()).encode(), JSON)
        for part, code, answer in _ANSWERS:
            if part in text:
                return _closing(code, answer)
        return _malformed()


def _closing(status: int, text: bytes, media: str = "text/plain; charset=utf-8") -> web.Response:
    answer = web.Response(status=status, body=text, headers={"Content-Type": media})
    answer.force_close()
    return answer


def _malformed() -> web.Response:
    return _closing(400, b"400 Bad Request")
