"""The gate before a program's requests: the events of its watches pass it one by one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import orjson
import pytest

from harness.clusters.gate import GatedClient
from harness.wasmbed.resources.api import Object, Resource, api_error
from harness.wasmbed.resources.kinds import DEVICE

PATH = f"/apis/{DEVICE.group}/{DEVICE.version}/namespaces/wasmbed/{DEVICE.plural}"


class OneHeld:
    """Holds the event of the device ``held`` until ``go_on``, and refuses that of ``refused``."""

    def __init__(self) -> None:
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()

    async def event(self, client: str, change: str, resource: Resource, name: str, stored: Object) -> None:
        assert (client, change, resource.kind) == ("Gateway", "MODIFIED", "Device")
        if name == "held":
            self.reached.set()
            await self.go_on.wait()
        if name == "refused":
            raise api_error({"code": 500, "reason": "InternalError", "message": "refused"})

    async def enter(self, client: str, verb: str, resource: Resource, name: str) -> None:
        raise AssertionError("the watch has begun")

    async def leave(self, client: str, verb: str, resource: Resource, name: str) -> None:
        raise AssertionError("a watch has no single answer")

    async def foreseen(self, client: str, change: str, resource: Resource, name: str, body: Object) -> None:
        raise AssertionError("a watch changes nothing")

    def answered(self, client: str, verb: str, resource: Resource, name: str, query: str, answer: bytes) -> bytes:
        raise AssertionError("a watch has no single answer")

    def watching(self, client: str, resource: Resource) -> AbstractContextManager[Any]:
        return nullcontext()


def event(name: str, change: str = "MODIFIED") -> bytes:
    return orjson.dumps({"type": change, "object": {"metadata": {"name": name}}}) + b"\n"


async def pieces(text: bytes, size: int) -> AsyncGenerator[bytes, None]:
    for at in range(0, len(text), size):
        yield text[at : at + size]


@pytest.mark.parametrize("size", [7, 10_000])
async def test_a_held_event_holds_those_behind_it(size: int) -> None:
    """However the events are cut into pieces; a bookmark has no name, and passes."""
    gate, passed = OneHeld(), bytearray()
    text = event("first") + event("", "BOOKMARK") + event("held") + event("last")

    async def receive() -> None:
        async for piece in GatedClient("Gateway", gate).watch(PATH, pieces(text, size)):
            passed.extend(piece)

    receiving = asyncio.create_task(receive())
    await gate.reached.wait()
    assert passed == event("first") + event("", "BOOKMARK")
    gate.go_on.set()
    await receiving
    assert passed == text


async def test_a_refused_event_ends_the_watch() -> None:
    text = event("first") + event("refused") + event("last")
    watch = GatedClient("Gateway", OneHeld()).watch(PATH, pieces(text, 10_000))
    first, error = [bytes(piece) async for piece in watch]
    assert first == event("first")
    assert orjson.loads(error)["type"] == "ERROR"
    assert orjson.loads(error)["object"]["code"] == 500


async def test_what_is_not_an_event_passes() -> None:
    watch = GatedClient("Gateway", OneHeld()).watch(PATH, pieces(b"no JSON\n[1]\nno line", 5))
    assert b"".join([bytes(piece) async for piece in watch]) == b"no JSON\n[1]\nno line"
