"""The dashboard's files: built from the sources that are there, and served for browsers."""

import hashlib
import re
from pathlib import Path

from tests.api.world import World

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "harness" / "wasmbed" / "api" / "dashboard_page"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_the_committed_build_is_of_these_sources() -> None:
    folder = ROOT / "dashboard"
    sources = [path.relative_to(folder).as_posix() for path in (folder / "src").rglob("*.*")]
    digest = hashlib.sha256()
    for name in sorted([*sources, "index.html", "package-lock.json", "tsconfig.json", "vite.config.ts"]):
        digest.update(name.encode() + b"\0" + (folder / name).read_bytes() + b"\0")
    assert f'content="{digest.hexdigest()}"' in (BUILT / "index.html").read_text(), "run: make dashboard"


async def test_pages_have_the_index_and_a_strict_policy(world: World) -> None:
    for path in ("/", "/devices", "/devices/pump-1", "/initial-config"):
        async with world.session.get(path, headers=BROWSER) as answer:
            assert (answer.status, answer.content_type) == (200, "text/html")
            assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
            assert "unsafe-eval" not in answer.headers["Content-Security-Policy"]
            assert answer.headers["Cache-Control"] == "no-cache"
            tag = answer.headers["ETag"]
    async with world.session.get("/", headers={"If-None-Match": tag}) as answer:
        assert answer.status == 304


async def test_assets_are_kept_by_browsers(world: World) -> None:
    index = (BUILT / "index.html").read_text()
    names = re.findall(r'(?:src|href)="(/assets/[^"]+)"', index)
    assert names
    for name in names:
        async with world.session.get(name) as answer:
            assert answer.status == 200
            assert "immutable" in answer.headers["Cache-Control"]
            assert answer.headers["Content-Encoding"] == "gzip"
            assert await answer.read() == (BUILT / name.removeprefix("/")).read_bytes()


async def test_other_paths_are_no_pages(world: World) -> None:
    for path in ("/api/v1/nothing", "/assets/nothing.js", "/assets/..%2findex.html"):
        async with world.session.get(path, headers=BROWSER) as answer:
            assert (answer.status, answer.content_type) == (404, "application/problem+json")
    await world.ask("GET", "/devices", status=404)
