"""A runner for the coroutines of these tests."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def run() -> Callable[..., Any]:
    return asyncio.run
