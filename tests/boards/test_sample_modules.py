"""The scenarios' modules do on a virtual board what their first lines describe."""

from __future__ import annotations

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


async def run_module(name: str, ticks: int = 0) -> HostInterface:
    """Run a module's entry and its first ticks; returns the host interface with what they did."""
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


def published(host: HostInterface) -> dict[str, bytes]:
    return {publication.topic: publication.payload for publication in host.publications}


async def test_hello() -> None:
    host = await run_module("hello")
    assert [text for _, text in host.lines] == ["hello from a module"]
    assert published(host) == {"greeting": b"hello from a module"}
    assert published(await run_module("hello_again")) == {"greeting": b"hello again"}


async def test_echo() -> None:
    assert published(await run_module("echo")) == {"argument": b"alpha", "SITE": b"hall"}


async def test_blink() -> None:
    levels = [text for _, text in (await run_module("blink", ticks=4)).lines]
    assert levels == ["gpio 13 high", "gpio 13 low"] * 2


async def test_thermometer() -> None:
    readings = [publication.payload for publication in (await run_module("thermometer", ticks=3)).publications]
    assert readings == [f"{sensor_value(0, reading):08x}".encode() for reading in range(3)]


async def test_average() -> None:
    mean = sum(sensor_value(1, reading) for reading in range(10)) // 10
    assert published(await run_module("average")) == {"average": str(mean).encode()}


async def test_idle() -> None:
    assert (await run_module("idle")).lines == []


@pytest.mark.parametrize(
    ("name", "code"),
    [("trap", "TRAP"), ("stray_pointer", "TRAP"), ("endless", "OUT_OF_FUEL"), ("greedy", "MEMORY_LIMIT")],
)
async def test_those_that_break(name: str, code: str) -> None:
    with pytest.raises(Fault) as fault:
        (await run_module(name))
    assert fault.value.code == code


@pytest.mark.parametrize("name", ["missing_import", "hungry", "no_memory"])
async def test_those_that_cannot_be_loaded(name: str) -> None:
    with pytest.raises(NotLoadable):
        (await run_module(name))
