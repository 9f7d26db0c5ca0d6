"""Requests to a running ``wasmbed up``, by the socket beside its kubeconfig: ``{"do": "status"}``, ``"stop"``, and acts
on its boards, ``{"do": "power", "act": "cut", "boards": ["virtual-1"]}``; no names are all boards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.board_acts import ACTS, act_on_boards, debug
from harness.platform.control import Answers, unknown_request
from harness.wasmbed.resources.timestamps import format_timestamp

if TYPE_CHECKING:
    from harness.cli.shapes import UpDocument
    from harness.stack import Stack

__all__ = ["up_answers"]


def up_answers(stack: Stack, kubeconfig: Path, namespace: str, stop: Callable[[], object]) -> Answers:
    """The answers of ``wasmbed up``; ``stop`` is called when a client asks for the end."""
    since = format_timestamp(stack.clock.now())

    def status() -> UpDocument:
        return {
            "since": since,
            "kubeconfig": str(kubeconfig.resolve()),
            "namespace": namespace,
            "cluster": stack.options.cluster,
            "gateway": stack.options.gateway,
            "boards": [
                {
                    "name": board.name,
                    "kind": board.kind,
                    "device": board.device,
                    "power": board.power.value,
                    "pid": board.pid,
                }
                for board in stack.boards
            ],
        }

    async def answers(request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        match request.get("do"):
            case "status":
                yield dict(status())
            case "stop":
                yield dict(status())
                stop()
                await asyncio.get_running_loop().create_future()  # until the connection ends: all is down then
            case str(kind) if kind in ACTS:
                async for board in act_on_boards(stack, request):
                    yield board
            case "debug":
                async for target in debug(stack, request):
                    yield target
            case _:
                raise unknown_request(request)

    return answers
