"""Every page, in both themes, and at a phone's width: axe-core finds nothing, and nothing is wider than the window."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.dashboard.answers import answer
from tests.dashboard.live_platform import LivePlatform
from tests.dashboard.test_monitoring import LOGS
from tests.dashboard.test_terminal import COMMANDS

pytestmark = pytest.mark.system("Chromium")

PAGES = {
    "/": "Overview", "/devices": "Devices", "/devices/pump-1": "pump-1", "/devices/motor-1": "motor-1",
    "/applications": "Applications",
    "/applications/blink": "blink", "/deploy": "Guided deployment", "/gateways": "Gateways", "/topology": "Topology",
    "/monitoring": "Monitoring", "/terminal": "Terminal", "/initial-config": "Setup",
}  # fmt: skip


@pytest.fixture(scope="module")
def busy_platform(platform: LivePlatform) -> Iterator[LivePlatform]:
    """A platform with something on each page."""
    platform.power_on("pump-1", "pump-2")
    platform.add_devices(40)

    async def deploy() -> None:
        application = await platform.stack.deploy("blink", to=["pump-1", "pump-2"], name="blink")
        await application.until(phase="Running")

    platform.run(deploy())
    with platform.manager("one"):
        platform.ask_for_board("motor-1")
        yield platform


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(busy_platform: LivePlatform, visit: Callable[..., Any], theme: str) -> None:
    page = visit("/", color_scheme=theme)
    answer(page, "/api/v1/logs?limit=1000", {"logs": LOGS})
    answer(page, "/api/v1/terminal/commands", COMMANDS)
    for path, title in PAGES.items():
        page.goto(busy_platform.url + path)
        expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()
        expect(page.get_by_text("Loading…")).to_have_count(0)
        found = Axe().run(page).response["violations"]
        assert not found, (path, [(each["id"], [node["html"][:200] for node in each["nodes"][:3]]) for each in found])
    page.goto(busy_platform.url + "/devices?create")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert not Axe().run(page).response["violations"]


def test_a_phone_shows_each_page(busy_platform: LivePlatform, visit: Callable[..., Any]) -> None:
    page = visit("/", viewport={"width": 360, "height": 740})
    answer(page, "/api/v1/logs?limit=1000", {"logs": LOGS})
    answer(page, "/api/v1/terminal/commands", COMMANDS)
    for path, title in PAGES.items():
        page.goto(busy_platform.url + path)
        expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()
        expect(page.get_by_text("Loading…")).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Gateways").click()
    expect(page.get_by_role("heading", name="Gateways", level=1)).to_be_visible()


def test_the_page_speaks_italian(busy_platform: LivePlatform, visit: Callable[..., Any]) -> None:
    page = visit("/devices")
    page.get_by_label("Language").select_option("it")
    expect(page.get_by_role("heading", name="Dispositivi", level=1)).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "it"
    page.reload()
    expect(page.get_by_role("button", name=re.compile("Crea dispositivi"))).to_be_visible()
