"""The devices' page, and a device's own."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.dashboard.answers import answer
from tests.dashboard.live_platform import LivePlatform

pytestmark = pytest.mark.system("Chromium")


def test_a_device_is_created_and_its_token_shown_once(platform: LivePlatform, visit: Callable[..., Any]) -> None:
    page = visit("/devices")
    page.get_by_role("button", name="Create devices").click()
    page.get_by_label("Name").fill("awaited")
    page.get_by_label("How many").fill("2")
    page.get_by_role("button", name="Create", exact=True).click()
    tokens = page.get_by_role("dialog", name="Pairing tokens")
    expect(tokens.get_by_role("row")).to_have_count(3)
    tokens.get_by_role("button", name="Close").last.click()
    page.get_by_role("link", name="awaited-2").click()
    page.get_by_role("button", name="New pairing token").click()
    expect(page.get_by_role("dialog", name="Pairing tokens").get_by_role("row")).to_have_count(2)


def test_a_device_with_a_board_is_created_where_the_server_has_boards(
    platform: LivePlatform, visit: Callable[..., Any]
) -> None:
    page = visit(role=None)
    paths = {"/api/v1/devices/{id}/emulation": {"post": {}}}
    answer(page, "/openapi.json", {"info": {"version": "1"}, "paths": paths, "components": {"schemas": {}}})
    answer(page, "/api/v1/devices/emulated/emulation", {})
    page.get_by_label("Token of a ServiceAccount").fill(platform.tokens["admin"])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Create devices").click()
    page.get_by_label("Name").fill("emulated")
    page.get_by_label("Emulated board").fill("mps2-an385")
    with page.expect_request("**/emulation") as asked:
        page.get_by_role("button", name="Create", exact=True).click()
    assert asked.value.post_data_json == {"kind": "mps2-an385"}
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_what_does_not_fit_is_said_in_the_form(platform: LivePlatform, visit: Callable[..., Any]) -> None:
    platform.power_on("taken")
    page = visit("/devices?create", errors=True)
    page.get_by_label("Name").fill("taken")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("there is a device taken already")


def test_filters_are_in_the_address(platform: LivePlatform, visit: Callable[..., Any]) -> None:
    platform.power_on("pump-7")
    page = visit("/devices")
    page.get_by_label("Search").fill("PUMP-7")
    expect(page.get_by_role("table").get_by_role("link")).to_have_count(1)
    page.get_by_label("Status").select_option("Disconnected")
    expect(page.get_by_text("Nothing fits the search.")).to_be_visible()
    page.get_by_label("Status").select_option("Connected")
    page.reload()
    expect(page.get_by_role("table").get_by_role("link")).to_have_text(["pump-7"])


def test_a_device_is_deleted_by_keyboard(platform: LivePlatform, visit: Callable[..., Any]) -> None:
    platform.add_devices(1, "lost")
    page = visit("/devices?search=lost-")
    page.get_by_role("button", name="Actions of lost-0000").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Delete").press("Enter")
    expect(page.get_by_role("link", name="lost-0000")).to_have_count(0)


def test_a_device_page_is_live(platform: LivePlatform, visit: Callable[..., Any]) -> None:
    platform.power_on("valve-1")
    page = visit("/devices/valve-1")
    expect(page.get_by_role("heading", name="valve-1")).to_be_visible()
    lane = page.get_by_role("list", name="Status")
    expect(lane.get_by_role("listitem")).to_have_text(["Connected"])

    async def cut() -> None:
        await platform.stack.boards["valve-1"].cut_link()

    platform.run(cut())
    expect(lane.get_by_role("listitem")).to_have_text(["Connected", "Disconnected"], timeout=30_000)
    page.goto(f"{platform.url}/devices/nothing")
    expect(page.get_by_text("There is no nothing")).to_be_visible()


def test_a_thousand_devices_are_shown_by_rows_in_sight(platform: LivePlatform, visit: Callable[..., Any]) -> None:
    platform.add_devices(1000)
    page = visit("/devices?search=device-")
    expect(page.get_by_text(re.compile(r"^1000 (of \d+|in total)$"))).to_be_visible()
    assert page.get_by_role("row").count() < 60
    page.get_by_role("button", name="Name").click()  # down
    expect(page.get_by_role("link", name="device-0999")).to_be_visible()


def test_the_console_of_a_board_is_live(platform: LivePlatform, visit: Callable[..., Any]) -> None:
    with platform.manager("one"):
        platform.ask_for_board("motor-1")
        page = visit("/devices/motor-1", role="operator")
        console = page.get_by_role("log", name="Console")
        expect(console).to_contain_text("virtual board started by one")
        shown = console.locator("time").count()
        expect(page.get_by_role("button", name="Start board", exact=True)).to_have_count(0)
        page.get_by_role("button", name="Restart board").click()
        expect(console.get_by_text("virtual board started by one")).to_have_count(2)
        assert console.locator("time").count() > shown
        assert console.evaluate("it => it.scrollHeight - it.scrollTop - it.clientHeight") < 24
        page.get_by_role("button", name="Stop board").click()
        expect(console.locator("[data-source=manager]").last).to_contain_text("the board is off")
        expect(page.get_by_role("button", name="Start board", exact=True)).to_be_visible()


def test_a_console_that_is_scrolled_up_stays_there_and_is_bounded(
    platform: LivePlatform, visit: Callable[..., Any]
) -> None:
    with platform.manager("one"):
        platform.ask_for_board("motor-2")
        page = visit("/devices/motor-2", viewport={"width": 360, "height": 740})
        console = page.get_by_role("log", name="Console")
        platform.write("motor-2", [f"early {number}" for number in range(400)])
        expect(console.get_by_text("early 399", exact=True)).to_be_visible()
        console.focus()
        page.keyboard.press("Home")
        expect(page.get_by_role("button", name="To the end")).to_be_visible()
        platform.write("motor-2", [f"late {number}" for number in range(800)])
        expect(console.get_by_text("late 799", exact=True)).to_have_count(1)
        expect(console.get_by_text("late 799", exact=True)).not_to_be_in_viewport()
        assert console.locator("time").count() == 1000
        page.get_by_role("button", name="To the end").click()
        expect(console.get_by_text("late 799", exact=True)).to_be_in_viewport()
        expect(page.get_by_role("button", name="To the end")).to_have_count(0)


def test_a_console_goes_on_after_the_server_and_says_when_its_manager_is_away(
    platform: LivePlatform, visit: Callable[..., Any]
) -> None:
    with platform.manager("one"):
        platform.ask_for_board("motor-3")
        page = visit("/devices/motor-3", errors=True)
        console = page.get_by_role("log", name="Console")
        expect(console).to_contain_text("virtual board started by one")
        shown = console.locator("time").count()
        platform.stop_server()
        expect(page.get_by_text("The console is interrupted")).to_be_visible()
        platform.write("motor-3", ["meanwhile"])
        platform.start_server()
        expect(console).to_contain_text("meanwhile", timeout=30_000)
        assert console.locator("time").count() == shown + 1
    expect(page.get_by_text("The emulator manager one")).to_be_visible(timeout=30_000)
    with platform.manager("two"):
        expect(console).to_contain_text("virtual board started by two", timeout=30_000)
