"""Applications: from a file to the devices and back."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from wasmtime import wat2wasm

from tests.dashboard.live_platform import LivePlatform

pytestmark = pytest.mark.system("Chromium")

MODULE = '(module (memory (export "memory") 1) (func (export "run")))'


def test_a_file_is_deployed_stopped_and_deleted(
    platform: LivePlatform, visit: Callable[..., Any], tmp_path: Path
) -> None:
    platform.power_on("pump-1", "pump-2")
    module = tmp_path / "app.wasm"
    module.write_bytes(bytes(wat2wasm(MODULE)))
    page = visit("/applications")
    page.get_by_role("button", name="Create application").click()
    page.get_by_label("Name", exact=True).fill("metering")
    page.get_by_label("Module (.wasm)").set_input_files(module)
    page.get_by_label("Devices by name").check()
    page.get_by_role("checkbox", name=re.compile("pump-2")).check()
    page.get_by_role("button", name="Create", exact=True).click()
    row = page.get_by_role("row", name=re.compile("metering"))
    expect(row).to_contain_text("1/1")
    expect(row).to_contain_text("Running")

    page.get_by_role("link", name="metering").click()
    expect(page.get_by_role("table").get_by_role("link")).to_have_text(["pump-2"])
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Deploy", exact=True)).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("There is no metering")).to_be_visible()


def test_a_file_that_is_not_a_module_is_refused(
    platform: LivePlatform, visit: Callable[..., Any], tmp_path: Path
) -> None:
    page = visit("/applications?create", errors=True)
    other = tmp_path / "app.wasm"
    other.write_bytes(b"MZ")
    page.get_by_label("Module (.wasm)").set_input_files(other)
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("the module cannot run")


def test_a_viewer_is_told_of_the_missing_right(
    platform: LivePlatform, visit: Callable[..., Any], tmp_path: Path
) -> None:
    page = visit("/applications?create", role="viewer", errors=True)
    module = tmp_path / "app.wasm"
    module.write_bytes(bytes(wat2wasm(MODULE)))
    page.get_by_label("Module (.wasm)").set_input_files(module)
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("create applications.wasmbed.io")
