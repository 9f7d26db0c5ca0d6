"""The record of one request: what the API was asked, and what it answered. It is the audit log.

Both are messages of the history, so that sequences judge them. An answer that refuses has its reason; tokens, bodies
and modules are not in them. What anybody may ask without a token (the page, its health) is not recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from harness.core.history import Tap
from harness.wasmbed.api.operation import Body, Caller, Operation

__all__ = ["Exchange"]

_AGENT = 64
"""Characters of a program's name."""
_SHOWN = 512
"""Characters of a path or a reason."""


class Exchange:
    """One request of an operation, from :meth:`asked` to :meth:`answered`."""

    def __init__(self, tap: Tap | None, operation: Operation, request: web.Request) -> None:
        self._tap, self._operation, self._request = tap, operation, request
        self._name = request.match_info.get("id", "")[:_SHOWN]
        self._is_recorded = False
        self.caller: Caller | None = None
        """The caller, once the token is checked."""
        self.audit: dict[str, Any] = {}
        """Further fields of the answer's record, from the operation."""

    def asked(self, body: Body | None = None) -> None:
        """Record the request, once; a ``body`` that names what is to be created says what it is about."""
        if self._tap is None or self._is_recorded:
            return
        self._is_recorded = True
        named = getattr(body, "name", None)
        if not self._name and isinstance(named, str) and getattr(body, "count", 1) == 1:
            self._name = named
        data = {"method": self._request.method, "path": self._request.path[:_SHOWN], **self._who()}
        if agent := self._request.headers.get("User-Agent", ""):
            data["agent"] = agent[:_AGENT]
        self._tap("User", "ApiServer", self._operation.name, data, self._name)

    def answered(self, answer: web.StreamResponse) -> None:
        """Record the answer."""
        if self._tap is None:
            return
        self.asked()
        data: dict[str, Any] = {"code": answer.status, "method": self._request.method, **self._who()}
        if self._operation.right is not None:
            data["right"] = str(self._operation.right)
        data |= self.audit
        is_problem = answer.content_type == "application/problem+json"
        if is_problem and isinstance(answer, web.Response) and isinstance(answer.body, bytes):
            data["reason"] = orjson.loads(answer.body).get("detail", "")[:_SHOWN]
        self._tap("ApiServer", "User", self._operation.name, data, self._name)

    def _who(self) -> Mapping[str, Any]:
        return {} if self.caller is None else {"caller": self.caller.name}
