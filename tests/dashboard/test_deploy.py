"""Guided deployment: from a template over an error to an application that runs."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect
from wasmtime import wat2wasm

from tests.dashboard.answers import answer
from tests.dashboard.live_platform import LivePlatform

pytestmark = pytest.mark.system("Chromium")

CODE = '(module (memory (export "memory") 1) (func (export "run")))'
MODULE = bytes(wat2wasm(CODE))


def test_code_that_does_not_compile_is_mended_and_deployed(platform: LivePlatform, visit: Callable[..., Any]) -> None:
    """The browser makes the record, and the record follows the diagrams."""
    platform.power_on("pump-1")
    page = visit("/devices", errors=True)
    page.get_by_role("link", name="Guided deployment").click()
    page.get_by_role("button", name="hello in wat").click()
    code = page.get_by_role("textbox", name="Code")
    expect(code).to_contain_text("module")
    code.fill(CODE.replace('"run")', '"run") (call $nobody)'))
    page.get_by_role("button", name="Compile").click()
    expect(page.get_by_role("alert")).to_contain_text("the code does not compile")
    expect(page.get_by_text("unknown func").first).to_be_visible()

    code.fill(CODE)
    page.get_by_role("button", name="Compile").click()
    expect(page.get_by_text(hashlib.sha256(MODULE).hexdigest())).to_be_visible()
    page.get_by_role("button", name="Deploy", exact=True).click()
    expect(page.get_by_text("1/1")).to_be_visible()
    page.get_by_role("link", name="Show the application").click()
    expect(page.get_by_role("link", name="pump-1")).to_be_visible()
    platform.follows("compile-and-create", "dashboard-deployment")
    [compiled] = platform.stack.history.find("CompilationSucceeded")
    [asked] = platform.stack.history.find("createApplication", source="User")
    assert compiled.data["sha256"] == hashlib.sha256(MODULE).hexdigest()
    assert asked.data["agent"].startswith("Mozilla/")


def test_without_a_compile_service_the_page_says_so(platform: LivePlatform, visit: Callable[..., Any]) -> None:
    page = visit("/devices", errors=True)
    answer(page, "/api/v1/templates", {"detail": "there is no /api/v1/templates"}, status=404)
    page.get_by_role("link", name="Guided deployment").click()
    expect(page.get_by_text("The compile service is not there.")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("there is no /api/v1/templates")
