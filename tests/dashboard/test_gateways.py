"""The gateways' page."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.dashboard.live_platform import LivePlatform

pytestmark = pytest.mark.system("Chromium")


def test_a_gateway_is_bounded(platform: LivePlatform, visit: Callable[..., Any]) -> None:
    platform.power_on("pump-1")
    page = visit("/gateways")
    row = page.get_by_role("row", name=re.compile("Online"))
    expect(row).to_have_count(1)
    row.get_by_role("button", name=re.compile("Actions of")).click()
    page.get_by_role("menuitem", name="Configure").click()
    page.get_by_label("Capacity").fill("40")
    page.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("/ 40")
    row.get_by_role("button", name=re.compile("Actions of")).click()
    page.get_by_role("menuitem", name="Configure").click()
    page.get_by_label("Capacity").fill("0")
    page.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("1 / 0")
