"""Heartbeats are answered while a client keeps the API server busy, because the server has its own process."""

from __future__ import annotations

from typing import Any

import pytest

from harness.core.history import Event
from harness.stack import Stack
from harness.stack.options import StackOptions
from harness.wasmbed.resources.api import Invalid
from harness.wasmbed.resources.kinds import CUSTOM_RESOURCE_DEFINITION

BOARDS = 100
REQUESTS = 30
"""The most requests that keep the server busy; each takes a second or more."""
HEARTBEAT = 2.0
"""Seconds. A session ends after three missed ones, which a slow machine must not miss either."""


def costly(request: int) -> dict[str, Any]:
    """A definition whose patterns take long to compile, until the server refuses it."""
    patterns = [rf"\pL{{200}}{request}x{number}" for number in range(50)]
    properties = {f"p{number}": {"type": "string", "pattern": pattern} for number, pattern in enumerate(patterns)}
    schema = {"type": "object", "properties": properties}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "costlies.example.org"},
        "spec": {
            "group": "example.org",
            "scope": "Namespaced",
            "names": {"plural": "costlies", "kind": "Costly"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}},
            ],
        },
    }


async def test_a_hundred_boards_keep_their_heartbeats_while_the_api_server_is_busy() -> None:
    async with Stack(StackOptions(cluster="embedded-process", heartbeat=HEARTBEAT)) as stack:
        boards = await stack.boards.power_on(count=BOARDS)
        for board in boards:
            await stack.device(board).until(phase="Connected", within=200)
        start = len(stack.history)
        unanswered = {board.name for board in boards}
        for number in range(REQUESTS):
            request = stack.history.note("a costly request").n
            with pytest.raises(Invalid, match="more work than one request may cause"):
                await stack.api.create(CUSTOM_RESOURCE_DEFINITION, costly(number))
            answer = _last(stack, "POST CustomResourceDefinition")
            assert answer.data["code"] == 422
            unanswered -= {
                event.correlation
                for event in list(stack.history)[request : answer.n]
                if event.name == "HeartbeatAcknowledgment"
            }
            if not unanswered:
                break
        assert not unanswered, "no heartbeat was answered while the server was at work"
        since = list(stack.history)[start:]
        assert not [event for event in since if event.name == "ConnectionClosed"]
        assert {stack.device(board).status.phase for board in boards} == {"Connected"}
        stack.judge()


def _last(stack: Stack, name: str) -> Event:
    return next(event for event in reversed(list(stack.history)) if event.name == name)
