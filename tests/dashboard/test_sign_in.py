"""Sign-in, the overview, and the connection that comes back."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.dashboard.live_platform import LivePlatform

pytestmark = pytest.mark.system("Chromium")


def test_a_token_signs_in(platform: LivePlatform, visit: Callable[..., Any]) -> None:
    page = visit(role=None, errors=True)
    page.get_by_label("Token of a ServiceAccount").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("The token is not valid")
    page.get_by_label("Token of a ServiceAccount").fill(platform.tokens["viewer"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.locator(".connection")).to_have_text("Live")
    page.reload()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Token of a ServiceAccount")).to_be_visible()


def test_an_account_without_rights_is_refused(platform: LivePlatform, visit: Callable[..., Any]) -> None:
    page = visit(role=None, errors=True)
    page.get_by_label("Token of a ServiceAccount").fill(platform.tokens["nobody"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("has no right")
    expect(page.get_by_role("alert")).to_contain_text("list devices.wasmbed.io")


def test_the_overview_is_live(platform: LivePlatform, visit: Callable[..., Any]) -> None:
    page = visit()
    figure = page.locator(".figure", has_text="Devices").first
    expect(figure).to_contain_text(re.compile(r"Devices0"))
    platform.power_on("pump-1")
    expect(figure).to_contain_text("1 connected")


def test_a_page_comes_back_after_the_server_restarts(platform: LivePlatform, visit: Callable[..., Any]) -> None:
    page = visit("/devices", errors=True)
    expect(page.locator(".connection")).to_have_text("Live")
    platform.stop_server()
    expect(page.locator(".connection")).to_contain_text("Connection lost since")
    platform.add_devices(1, "meanwhile")
    platform.start_server()
    expect(page.locator(".connection")).to_have_text("Live", timeout=30_000)
    expect(page.get_by_role("link", name="meanwhile-0000")).to_be_visible()


def test_a_link_with_a_token_signs_in_and_does_not_keep_it(platform: LivePlatform, visit: Callable[..., Any]) -> None:
    page = visit(f"/devices#token={platform.tokens['viewer']}", role=None)
    expect(page.get_by_role("heading", name="Devices", level=1)).to_be_visible()
    assert page.url == f"{platform.url}/devices"
