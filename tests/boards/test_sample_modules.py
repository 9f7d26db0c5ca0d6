"""The modules that scenarios deploy do on a virtual board what their first lines say."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from harness.boards.virtual.guest import Fault, Guest, NotLoadable
from harness.boards.virtual.host import HostInterface
from harness.boards.virtual.runtime import Runtime
from harness.core.clock import SystemClock
from harness.stack.modules import Modules
from harness.wasmbed.protocol.messages import Limits
from harness.wasmbed.runtime.interface import sensor_value

MODULES = Path(__file__).parents[2] / "scenarios" / "modules"
LIMITS = Limits(memory=1 << 20, fuel=100_000, wall_time=10_000)


def play(name: str, ticks: int = 0) -> HostInterface:
    """What the host saw of a module's entry and its first ticks."""

    async def scene() -> HostInterface:
        host = HostInterface(lambda: 0, ("alpha",), {"SITE": "hall"})
        runtime = Runtime()
        binary = Modules(MODULES)(name)
        guest = Guest(runtime.worker(), host, LIMITS, SystemClock(), 1 << 20)
        try:
            await guest.load(binary, hashlib.sha256(binary).digest(), "run")
            await guest.call("run")
            delays = [await guest.call("tick") for _ in range(ticks)]
            assert all(delay is not None and (delay > 0 or number == ticks - 1) for number, delay in enumerate(delays))
        finally:
            guest.close()
            await runtime.close()
        return host

    return asyncio.run(scene())


def published(host: HostInterface) -> dict[str, bytes]:
    return {publication.topic: publication.payload for publication in host.publications}


def test_hello() -> None:
    host = play("hello")
    assert [text for _, text in host.lines] == ["hello from a module"]
    assert published(host) == {"greeting": b"hello from a module"}
    assert published(play("hello_again")) == {"greeting": b"hello again"}


def test_echo() -> None:
    assert published(play("echo")) == {"argument": b"alpha", "SITE": b"hall"}


def test_blink() -> None:
    levels = [text for _, text in play("blink", ticks=4).lines]
    assert levels == ["gpio 13 high", "gpio 13 low"] * 2


def test_thermometer() -> None:
    readings = [publication.payload for publication in play("thermometer", ticks=3).publications]
    assert readings == [f"{sensor_value(0, reading):08x}".encode() for reading in range(3)]


def test_average() -> None:
    mean = sum(sensor_value(1, reading) for reading in range(10)) // 10
    assert published(play("average")) == {"average": str(mean).encode()}


def test_idle() -> None:
    assert play("idle").lines == []


@pytest.mark.parametrize(
    ("name", "code"),
    [("trap", "TRAP"), ("stray_pointer", "TRAP"), ("endless", "OUT_OF_FUEL"), ("greedy", "MEMORY_LIMIT")],
)
def test_those_that_break(name: str, code: str) -> None:
    with pytest.raises(Fault) as fault:
        play(name)
    assert fault.value.code == code


@pytest.mark.parametrize("name", ["missing_import", "hungry", "no_memory"])
def test_those_that_cannot_be_loaded(name: str) -> None:
    with pytest.raises(NotLoadable):
        play(name)
