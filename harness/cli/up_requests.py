"""Requests to a running ``wasmbed up``, by the socket beside its kubeconfig: ``{"do": "status"}`` and ``"stop"``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.platform.control import Answers, unknown_request
from harness.wasmbed.resources.timestamps import format_timestamp

if TYPE_CHECKING:
    from harness.cli.shapes import UpDocument
    from harness.stack import Stack

__all__ = ["socket_of", "up_answers"]


def socket_of(kubeconfig: Path) -> Path:
    """The socket of the platform that has written this kubeconfig."""
    return kubeconfig.with_name(f"{kubeconfig.name}.sock")


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
            case _:
                raise unknown_request(request)

    return answers
