"""The terminal: the server's answers are given by the test."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.dashboard.answers import answer
from tests.dashboard.live_platform import LivePlatform

pytestmark = pytest.mark.system("Chromium")

COMMANDS = {"commands": [
    {"name": "Device Status", "category": "Devices", "command": "kubectl get devices",
     "usage": "kubectl get devices [NAME]", "shows": "a table of objects"}
]}  # fmt: skip


def test_a_command_is_chosen_and_executed(platform: LivePlatform, visit: Callable[..., Any]) -> None:
    page = visit("/devices")
    answer(page, "/api/v1/terminal/commands", COMMANDS)
    answer(page, "/api/v1/terminal/execute", {"success": True, "output": "pump-1 \x1b[2JConnected\n", "error": None})
    page.get_by_role("link", name="Terminal").click()
    page.get_by_label("Choose a command").select_option("Device Status")
    expect(page.get_by_label("Command", exact=True)).to_have_value("kubectl get devices")
    page.keyboard.press("Tab")
    page.get_by_label("Command", exact=True).press("Enter")
    screen = page.locator(".xterm-rows")
    expect(screen).to_contain_text("$ kubectl get devices")
    expect(screen).to_contain_text("pump-1 ␛[2JConnected")  # shown, not obeyed
