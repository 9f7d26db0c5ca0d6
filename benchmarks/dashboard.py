"""The dashboard with 2,000 devices: its first content, scrolling through the table, and the size of its files."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import sys
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import quote

from benchmarks.api import served
from benchmarks.figure import Figure
from benchmarks.report import FRAMES, ROUNDS
from harness.core.clock import SystemClock
from harness.wasmbed.api import dashboard

DEVICES = 2_000
LIMIT = 400.0
"""KiB of the files of a page, gzipped."""
FOLDER = Path(dashboard.__file__).parent / "dashboard_page"
PLAIN = "data:text/html," + quote(
    "<div class=scroller style='height:600px;overflow:auto'>"
    + "".join(f"<div class=row style='height:44px'>device-{number:04}</div>" for number in range(DEVICES))
    + "</div>"
)
"""A page with as many rows, all of them there."""
SCROLL = """
async (frames) => {
  const list = document.querySelector(".scroller"), times = [];
  let before = await new Promise(requestAnimationFrame);
  for (let frame = 0; frame < frames; frame += 1) {
    list.scrollTop = frame % 60 === 59 ? Math.random() * list.scrollHeight : list.scrollTop + 120;
    const now = await new Promise(requestAnimationFrame);
    times.push(now - before);
    before = now;
  }
  return times;
}
"""


async def measure() -> list[Figure]:
    return [
        Figure(
            "dashboard_first_page", _size(), "KiB", "limit, gzipped", LIMIT, "at most 400 KiB",
            lambda value, _: value <= LIMIT,
        ),
        *await _in_a_browser(),
    ]  # fmt: skip


def _size() -> float:
    """KiB of what the index names, and of what that loads at once, gzipped."""
    index = (FOLDER / "index.html").read_text()
    names = {"index.html", *(f"assets/{name}" for name in re.findall(r'"/assets/([^"]+)"', index))}
    return sum(len(gzip.compress((FOLDER / name).read_bytes(), 9)) for name in names) / 1024


async def _in_a_browser() -> list[Figure]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        print("the figures of opening the dashboard are left out: there is no Chromium", file=sys.stderr)
        return []
    from playwright.async_api import async_playwright

    clock = SystemClock()
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with served(DEVICES) as (_, url, token), async_playwright() as engine:
        browser = await engine.chromium.launch(executable_path=executable, args=[*root, "--disable-dev-shm-usage"])
        bare = median([await _first(browser, f"{url}/healthz", token, "body", clock) for _ in range(ROUNDS)])
        took = median([await _first(browser, f"{url}/devices", token, ".scroller .row", clock) for _ in range(ROUNDS)])
        frame = median([quantiles(await _scroll(browser, f"{url}/devices", token), n=20)[-1] for _ in range(ROUNDS)])
        plain = median([quantiles(await _scroll(browser, PLAIN, token), n=20)[-1] for _ in range(ROUNDS)])
        await browser.close()
    return [
        Figure(
            "dashboard_first_content", took, "s", "a page of two letters", bare, "at most 1.5 s",
            lambda value, _: value <= 1.5,
        ),
        Figure(
            "dashboard_scroll_frame_p95", frame, "ms", "rows of text alone", plain, "at most 17 ms",
            lambda value, _: value <= 17,
        ),
    ]  # fmt: skip


async def _page(browser: Any, token: str) -> Any:
    """A page in a context of its own, so that nothing is kept from the one before."""
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    await context.add_init_script(f"sessionStorage.setItem('wasmbed-token', '{token}')")
    return await context.new_page()


async def _first(browser: Any, url: str, token: str, drawn: str, clock: SystemClock) -> float:
    """Seconds until what matches ``drawn`` is there."""
    page = await _page(browser, token)
    start = clock.now()
    await page.goto(url, wait_until="commit")
    await page.wait_for_selector(drawn)
    took = clock.now() - start
    await page.context.close()
    return took


async def _scroll(browser: Any, url: str, token: str) -> list[float]:
    """Milliseconds between frames."""
    page = await _page(browser, token)
    await page.goto(url)
    await page.wait_for_selector(".scroller .row")
    times: list[float] = await page.evaluate(SCROLL, FRAMES)
    await page.context.close()
    return times
