"""A client that keeps the API server busy keeps no board from being heard: the server has a process of its own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from harness.core.history import Event
from harness.stack import Stack
from harness.stack.options import StackOptions
from harness.wasmbed.resources.api import Invalid
from harness.wasmbed.resources.kinds import CUSTOM_RESOURCE_DEFINITION

BOARDS = 100
REQUESTS = 30
"""That the server is kept busy with at most; each takes it a second or two, several heartbeats' time."""


def costly(request: int) -> dict[str, Any]:
    """A definition whose patterns take long to compile, until the server has had enough of them."""
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
    async def scene(stack: Stack) -> None:
        boards = await stack.boards.power_on(count=BOARDS)
        for board in boards:
            await stack.device(board).until(phase="Connected", within=60)
        begun = len(stack.history)
        unheard = {board.name for board in boards}
        for number in range(REQUESTS):
            asked = stack.history.note("a costly request").n
            with pytest.raises(Invalid, match="more work than one request may cause"):
                await stack.api.create(CUSTOM_RESOURCE_DEFINITION, costly(number))
            answered = _last(stack, "POST CustomResourceDefinition")
            assert answered.data["code"] == 422
            unheard -= {
                event.correlation
                for event in list(stack.history)[asked : answered.n]
                if event.name == "HeartbeatAcknowledgment"
            }
            if not unheard:
                break
        assert not unheard, "no heartbeat was answered while the server was at work"
        since = list(stack.history)[begun:]
        assert not [event for event in since if event.name == "ConnectionClosed"]
        assert {stack.device(board).status.phase for board in boards} == {"Connected"}
        stack.judge()

    options = StackOptions.parse({"cluster": "embedded-process", "heartbeat": "0.5"}, {})
    async with Stack(options) as stack:
        await scene(stack)


def _last(stack: Stack, name: str) -> Event:
    return next(event for event in reversed(list(stack.history)) if event.name == name)
