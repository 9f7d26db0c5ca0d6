"""The dashboard: the single-page application that ``make dashboard`` builds into the folder ``dashboard_page``.

Its assets have a digest of their content in their names, so that browsers keep them; index.html is asked for anew each
time, and answers every address of a page, since the application routes inside the browser.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aiohttp import web

__all__ = ["Dashboard"]

_FOLDER = Path(__file__).parent / "dashboard_page"
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_FOREVER = "public, max-age=31536000, immutable"
_ASK_ANEW = "no-cache"
_HEADERS = {
    # Styles may stand in the page: the terminal and the code editor make theirs while they run. Scripts may not.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "connect-src 'self'; img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    compressed: bytes
    media_type: str
    tag: str


class Dashboard:
    """Serves the files, which anybody may read: they have nothing of the platform in them."""

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add its own paths. :meth:`page` answers others."""
        router.add_get("/", self.page)
        router.add_get("/assets/{name}", self._asset)

    @staticmethod
    def has(request: web.Request) -> bool:
        """Whether a request for a path that nothing else serves is a browser's for one of the pages."""
        return (
            request.method in ("GET", "HEAD")
            and "text/html" in request.headers.get("Accept", "")
            and not request.path.startswith(("/api/", "/assets/"))
        )

    async def page(self, request: web.Request) -> web.StreamResponse:
        """Return index.html."""
        return _answer(request, await asyncio.to_thread(_read, _FOLDER / "index.html"), _ASK_ANEW)

    async def _asset(self, request: web.Request) -> web.StreamResponse:
        path = _FOLDER / "assets" / request.match_info["name"]
        if path.parent != _FOLDER / "assets" or not path.is_file():
            raise web.HTTPNotFound
        return _answer(request, await asyncio.to_thread(_read, path), _FOREVER)


@cache
def _read(path: Path) -> _File:
    content = path.read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    return _File(content, gzip.compress(content, 9, mtime=0), _TYPES[path.suffix], tag)


def _answer(request: web.Request, file: _File, kept: str) -> web.Response:
    headers = {**_HEADERS, "Cache-Control": kept, "ETag": file.tag, "Vary": "Accept-Encoding"}
    if file.tag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    body = file.content
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        body = file.compressed
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=body, content_type=file.media_type, charset="utf-8", headers=headers)
