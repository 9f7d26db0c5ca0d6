"""Guided deployment: the compiler's answers are given by the test, and the rest is real."""

import base64
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
HELLO = {"name": "hello", "summary": "Says hello.", "languages": ["rust", "wat"]}
TEMPLATES = {"templates": [HELLO]}
SOURCE = {**HELLO, "language": "wat", "file": "hello.wat", "code": CODE}
MODULE = bytes(wat2wasm(CODE))
COMPILED = {
    "success": True, "message": "compiled", "wasmBytes": base64.b64encode(MODULE).decode(), "size": len(MODULE),
    "sha256": hashlib.sha256(MODULE).hexdigest(), "imports": [], "boards": ["virtual"], "diagnostics": [],
}  # fmt: skip


def test_code_that_does_not_compile_is_mended_and_deployed(platform: LivePlatform, visit: Callable[..., Any]) -> None:
    platform.power_on("pump-1")
    page = visit("/devices", errors=True)
    answer(page, "/api/v1/templates", TEMPLATES)
    answer(page, "/api/v1/templates/hello?language=wat", SOURCE)
    wrong = {
        "level": "error",
        "line": 1,
        "column": 9,
        "message": "unknown keyword",
        "suggestion": "did you mean memory?",
    }
    answer(page, "/api/v1/compile", {"detail": "it does not compile", "diagnostics": [wrong]}, status=422)
    page.get_by_role("link", name="Guided deployment").click()
    page.get_by_role("button", name="hello in wat").click()
    expect(page.get_by_role("textbox", name="Code")).to_contain_text("module")
    page.get_by_role("button", name="Compile").click()
    expect(page.get_by_role("alert")).to_contain_text("it does not compile")
    expect(page.get_by_text("did you mean memory?")).to_be_visible()

    answer(page, "/api/v1/compile", COMPILED)
    page.get_by_role("button", name="Compile").click()
    expect(page.get_by_text(str(COMPILED["sha256"]))).to_be_visible()
    page.get_by_role("button", name="Deploy", exact=True).click()
    expect(page.get_by_text("1/1")).to_be_visible()
    page.get_by_role("link", name="Show the application").click()
    expect(page.get_by_role("link", name="pump-1")).to_be_visible()


def test_without_a_compile_service_the_page_says_so(platform: LivePlatform, visit: Callable[..., Any]) -> None:
    page = visit("/devices", errors=True)
    answer(page, "/api/v1/templates", {"detail": "there is no /api/v1/templates"}, status=404)
    page.get_by_role("link", name="Guided deployment").click()
    expect(page.get_by_text("The compile service is not there.")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("there is no /api/v1/templates")
