"""A platform and a browser for the tests of a page, and its page signed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from tests.dashboard.live_platform import LivePlatform


@pytest.fixture(scope="module")
def platform() -> Iterator[LivePlatform]:
    """A platform for the tests of a file."""
    with LivePlatform().running() as running:
        yield running


@pytest.fixture
def visit(browser: Any, platform: LivePlatform) -> Iterator[Callable[..., Any]]:
    """Opens a page of the dashboard, signed in with a role's token. It has no errors in its console at the end."""
    with ExitStack() as ends:

        def visit(path: str = "/", *, role: str | None = "admin", errors: bool = False, **options: Any) -> Any:
            """``errors``: whether the test provokes errors in the console."""
            options = {"locale": "en-GB", "viewport": {"width": 1280, "height": 900}, **options}
            return ends.enter_context(_opened(browser, platform, path, role, errors, options))

        yield visit


@contextmanager
def _opened(
    browser: Any, platform: LivePlatform, path: str, role: str | None, errors: bool, options: dict[str, Any]
) -> Iterator[Any]:
    context = browser.new_context(**options)
    try:
        page = context.new_page()
        found: list[str] = []
        page.on("pageerror", lambda error: found.append(str(error)))
        page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
        if role is not None:
            page.add_init_script(f"sessionStorage.setItem('wasmbed-token', '{platform.tokens[role]}')")
        page.goto(platform.url + path)
        yield page
        assert errors or not found, found
    finally:
        context.close()
