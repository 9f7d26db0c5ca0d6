"""The report of a large run: building its page, opening it, scrolling through it - 1,000 boards, 200,000 events."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.figure import Figure
from benchmarks.histories import write_fleet
from harness.core.clock import SystemClock
from harness.core.history import read_history
from harness.reporting import write_run_report

BOARDS, EVENTS = 1_000, 200_000
ROUNDS = 5
FRAMES = 180
MIB = 1 << 20
SCROLL = """
async (frames) => {
  const list = document.querySelector(".arrows"), times = [];
  let before = await new Promise(requestAnimationFrame);
  for (let frame = 0; frame < frames; frame += 1) {
    list.scrollTop = frame % 60 === 59 ? Math.random() * list.scrollHeight : list.scrollTop + 400;
    const now = await new Promise(requestAnimationFrame);
    times.push(now - before);
    before = now;
  }
  return times;
}
"""


async def measure() -> list[Figure]:
    clock = SystemClock()
    with tempfile.TemporaryDirectory() as name:
        run = write_fleet(Path(name) / "run", BOARDS, EVENTS)
        history = run / "fleet" / "history.jsonl"
        start = clock.now()
        read_history(history)
        reading = clock.now() - start
        start = clock.now()
        page = write_run_report(run)
        building = clock.now() - start
        sizes = page.stat().st_size / MIB, history.stat().st_size / MIB
        seen = await _in_a_browser(page, clock)
    return [
        Figure(
            *("report_build", building, "s", "reading the history", reading),
            "at most 8 times the peer's",
            lambda _, ratio: ratio <= 8,
        ),
        Figure(
            *("report_size", sizes[0], "MiB", "the history", sizes[1]),
            "at most 0.25 of the peer",
            lambda _, ratio: ratio <= 0.25,
        ),
        *seen,
    ]


async def _in_a_browser(page: Path, clock: SystemClock) -> list[Figure]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        print("the figures of opening the report are left out: there is no Chromium", file=sys.stderr)
        return []
    from playwright.async_api import async_playwright

    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as engine:
        browser = await engine.chromium.launch(executable_path=executable, args=[*root, "--disable-dev-shm-usage"])
        empty = page.with_name("empty.html")
        empty.write_text("<!doctype html><title>empty</title><h1>empty</h1>", encoding="utf-8")
        await _open(browser, empty.as_uri(), "h1", clock)
        bare = median([(await _open(browser, empty.as_uri(), "h1", clock))[0] for _ in range(ROUNDS)])
        drawn = "[role=option] .arrow"
        opened = [await _open(browser, f"{page.as_uri()}#test-0/timeline", drawn, clock, SCROLL) for _ in range(ROUNDS)]
        await browser.close()
    took = median([seconds for seconds, _ in opened])
    frame = median([quantiles(times, n=20)[-1] for _, times in opened])
    return [
        Figure(*("report_open", took, "s", "an empty page", bare), "at most 2 s", lambda value, _: value <= 2),
        Figure(*("report_scroll_frame_p95", frame, "ms", "limit", 50.0), "at most 50 ms", lambda value, _: value <= 50),
    ]


async def _open(
    browser: Any, address: str, drawn: str, clock: SystemClock, then: str | None = None
) -> tuple[float, list[float]]:
    """Seconds until what matches ``drawn`` is there, and what ``then`` measures."""
    page = await browser.new_page(viewport={"width": 1440, "height": 900})
    start = clock.now()
    await page.goto(address, wait_until="commit")
    await page.wait_for_selector(drawn)
    took = clock.now() - start
    times: list[float] = await page.evaluate(then, FRAMES) if then else []
    await page.close()
    return took, times
