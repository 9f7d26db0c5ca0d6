"""Fixtures of the relay's tests: the gateway's world with a relay before it, on uvloop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvloop

from tests.gateways.copied import copy_our_gateway
from tests.gateways.relayed import RelayedWorld, relayed_world


@pytest.fixture(autouse=True)
def _copies(monkeypatch: pytest.MonkeyPatch) -> None:
    copy_our_gateway(monkeypatch)


@pytest.fixture
def new_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """A function that makes uvloop's event loop, on which gateways run."""
    return uvloop.new_event_loop


@pytest.fixture
async def world(settings: dict[str, Any]) -> AsyncIterator[RelayedWorld]:
    """A started gateway with a relay before it; the marker ``settings`` has options of both."""
    async with relayed_world(**settings) as world:
        yield world
