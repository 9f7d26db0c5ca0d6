"""Monitoring, topology, and the first steps."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.dashboard.answers import answer
from tests.dashboard.live_platform import LivePlatform

pytestmark = pytest.mark.system("Chromium")

LOGS = [
    {"id": "1", "timestamp": "2026-11-30T10:00:00Z", "level": "info", "component": "Gateway", "message": "it serves"},
    {"id": "2", "timestamp": "2026-11-30T10:00:01Z", "level": "error", "component": "Device", "message": "no memory"},
]


def test_the_log_is_searched(platform: LivePlatform, visit: Callable[..., Any]) -> None:
    page = visit("/devices")
    answer(page, "/api/v1/logs?limit=1000", {"logs": LOGS})
    page.get_by_role("link", name="Monitoring").click()
    expect(page.locator(".figure", has_text="API server")).to_contain_text("Ready")
    expect(page.get_by_text("it serves")).to_be_visible()
    page.get_by_label("Level").select_option("error")
    expect(page.get_by_text("it serves")).to_have_count(0)
    expect(page.get_by_text("no memory")).to_be_visible()


def test_a_missing_log_leaves_the_rest(platform: LivePlatform, visit: Callable[..., Any]) -> None:
    page = visit("/devices", errors=True)
    answer(page, "/api/v1/logs?limit=1000", {"detail": "there is no /api/v1/logs"}, status=404)
    page.get_by_role("link", name="Monitoring").click()
    expect(page.get_by_role("alert")).to_contain_text("there is no /api/v1/logs")
    expect(page.get_by_role("heading", name="Devices")).to_be_visible()


def test_the_topology_leads_to_a_device(platform: LivePlatform, visit: Callable[..., Any]) -> None:
    platform.power_on("pump-1")
    page = visit("/topology")
    canvas = page.get_by_role("img", name="Map of 1 gateways and 1 devices")
    expect(canvas).to_be_visible()
    expect(page.get_by_role("row", name="gateway-1")).to_contain_text("Online")
    box = canvas.bounding_box()
    # The only device is below its gateway, which is below the API server: BOX, GAP and LEVEL of topology.ts.
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 84 + 34 + 24 + 12)
    expect(page.locator(".tip")).to_contain_text("pump-1")
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 84 + 34 + 24 + 12)
    expect(page.get_by_role("heading", name="pump-1")).to_be_visible()


def test_the_setup_leads_to_devices(platform: LivePlatform, visit: Callable[..., Any]) -> None:
    page = visit("/devices", errors=True)
    answer(page, "/api/v1/templates", {"detail": "there is no /api/v1/templates"}, status=404)
    page.get_by_role("link", name="Setup").click()
    expect(page.get_by_text("The compile service is not there.")).to_be_visible()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("listitem").filter(has_text="gateway-1")).to_contain_text("Online")
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Create devices").click()
    page.get_by_label("Name", exact=True).fill("first")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("dialog", name="Pairing tokens")).to_contain_text("first")
    page.get_by_role("dialog").get_by_role("button", name="Close").last.click()
    page.get_by_role("button", name="Next").click()
    expect(page.locator("main .figure", has_text="Gateways")).to_contain_text("1")
