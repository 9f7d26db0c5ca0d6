"""Take the pictures in ``docs/images``: ``python docs/screenshots.py`` (or ``make images``).

They show a real run of some scenarios with a failing test, a fleet's history, and a verdict.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Page, ViewportSize, sync_playwright  # noqa: E402

from benchmarks.histories import write_fleet  # noqa: E402
from harness.core.history import read_history  # noqa: E402
from harness.reporting import write_run_report  # noqa: E402
from harness.sequences import judge, verdict_picture  # noqa: E402

IMAGES = ROOT / "docs" / "images"
BROKEN = ROOT / "tests" / "sequences" / "histories" / "answered-too-soon.jsonl"
WINDOW: ViewportSize = {"width": 1280, "height": 900}
FAILS = '''
from harness.core.history import Kind

async def test_a_gateway_that_answers_twice(stack):
    """A device is answered once when it enrolls."""
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected")
    answer = stack.history.find("EnrollmentResponse")[0]
    stack.history.record(Kind.MESSAGE, "Gateway", "Device", answer.name, answer.data, answer.correlation)
    stack.history.follows("device-enrollment")
'''


def real_run(folder: Path) -> Path:
    """Run a copy of the scenarios with one more test, and return the run's folder."""
    shutil.copytree(ROOT / "scenarios", folder / "scenarios", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "scenarios" / "test_answers.py").write_text(FAILS)
    tests = ["test_answers", "test_connection", "test_deployment", "test_fleet"]
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -q --import-mode=importlib -p no:cacheprovider\n")
    files = [f"scenarios/{name}.py" for name in tests]
    subprocess.run([sys.executable, "-m", "pytest", *files, "--seed=7"], cwd=folder, check=False)
    (run,) = (path for path in (folder / "reports").iterdir() if path.is_dir())
    return run


def take(page: Page, run: Path, name: str, *, test: str = "", tab: str = "", option: str = "", zoom: int = 0) -> None:
    """Take a picture of the overview, or of ``tab`` of the test whose link contains ``test``, with the event ``option``
    selected."""
    page.goto((run / "index.html").as_uri() + "#run")
    page.reload()
    page.wait_for_selector(".test")
    if test:
        page.locator(".test", has_text=test).first.click()
        page.locator(f"#tab-{tab}").click()
        page.wait_for_selector(f"#tab-{tab}[aria-selected=true]")
    if option:
        page.get_by_label("Search events").fill(option)
        page.wait_for_function("document.querySelector('.map + .controls [role=status]').innerText.includes(' of ')")
        page.get_by_role("option").filter(has_text=option).first.click()
        page.get_by_label("Search events").fill("")
        page.wait_for_selector(".beside")
        page.get_by_role("group", name="Events over time").focus()
        for _ in range(zoom):
            page.keyboard.press("+")
    if tab == "sequences":
        page.locator(".picture img").first.evaluate("(image) => image.decode()")
    page.evaluate("document.activeElement.blur()")
    page.mouse.move(0, 0)
    page.wait_for_load_state("networkidle")
    save(page, name)


def take_verdict(page: Page, folder: Path, name: str) -> None:
    """Take the picture of a verdict on a history that does not follow its sequence."""
    events, _ = read_history(BROKEN)
    picture = folder / f"{name}.svg"
    picture.write_text(verdict_picture(judge("device-enrollment", events)), "utf-8")
    page.goto(picture.as_uri())
    size = page.evaluate("(({width, height}) => [width.baseVal.value, height.baseVal.value])(document.documentElement)")
    page.set_viewport_size({"width": int(size[0]) + 1, "height": int(size[1]) + 1})
    save(page, name)


def save(page: Page, name: str) -> None:
    target = IMAGES / f"{name}.png"
    page.screenshot(path=target, animations="disabled")
    print(f"{target.relative_to(ROOT)}: {target.stat().st_size / 1024:.0f} KiB")


def main() -> None:
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        raise SystemExit("Chromium is not installed: install the distribution's package chromium")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as engine:
        folder = Path(name)
        run = real_run(folder / "project")
        fleet = write_fleet(folder / "fleet", 1_000, 200_000)
        write_run_report(fleet)
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = engine.chromium.launch(executable_path=executable, args=root)
        light = browser.new_page(viewport=WINDOW, color_scheme="light")
        dark = browser.new_page(viewport=WINDOW, color_scheme="dark")
        take(light, run, "report-light", test="lost_connection", tab="timeline", option="Disconnected")
        take(dark, run, "report-dark")
        light.set_viewport_size({"width": 1600, "height": 1400})
        take(light, run, "report-failure", test="answers_twice", tab="sequences")
        take(dark, fleet, "report-1000-boards", test="1,000 boards", tab="timeline", option="kill gateway", zoom=5)
        take_verdict(browser.new_page(color_scheme="light"), folder, "sequence-failure")
        browser.close()


if __name__ == "__main__":
    main()
