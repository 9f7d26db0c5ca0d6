"""Answers of services that a test of the page stands in for."""

from __future__ import annotations

import json
from typing import Any


def answer(page: Any, path: str, body: Any, status: int = 200) -> None:
    """Answer the page's requests for ``path``; from status 400 on, ``body`` has the members of a problem."""
    kind = "application/json"
    if status >= 400:
        kind = "application/problem+json"
        body = {"type": "about:blank", "title": "", "status": status, "errors": [], **body}
    page.route(f"**{path}", lambda route: route.fulfill(status=status, content_type=kind, body=json.dumps(body)))
