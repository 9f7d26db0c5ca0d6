"""The differences between wasmtime and wasmi are those that docs/host-interface.md lists."""

from __future__ import annotations

import asyncio
import platform
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import wasmtime

from harness.boards.board import BoardEnvironment
from harness.boards.qemu import QemuTier
from harness.boards.virtual import VirtualTier
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness
from harness.core.loop import new_runner
from harness.core.network import SystemNetwork
from harness.testing.bench import Bench, BoardConnection, Expectations
from harness.wasmbed.pki.keys import Algorithm
from harness.wasmbed.protocol.messages import ApplicationStatus, Limits, RuntimeFault, Stop, StopResult
from harness.wasmbed.runtime.interface import PAGE_SIZE

DOCUMENT = Path(__file__).parents[2] / "docs" / "host-interface.md"
PLENTY = Limits(memory=2 << 16, fuel=1 << 40, wall_time=60_000)
LOOP = "(br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 1000)))"
PUBLISH = '(import "wasmbed" "publish" (func $publish (param i32 i32 i32 i32) (result i32)))'


def module(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(f"(module {text})"))


def costing(body: str, more: str = "") -> bytes:
    return module(f'(memory (export "memory") 1 2) {more} (func (export "run") (local i32) {body})')


def nan(operation: str) -> bytes:
    """Return a module that publishes the bits of a single-precision float, computed at run time."""
    globals_ = "(global $zero (mut f32) (f32.const 0)) (global $nan (mut f32) (f32.const nan:0x200000))"
    publish = "(drop (call $publish (i32.const 0) (i32.const 1) (i32.const 8) (i32.const 4)))"
    run = f"(f32.store (i32.const 8) {operation}) {publish}"
    return module(
        f'{PUBLISH} (memory (export "memory") 1) (data (i32.const 0) "n") {globals_} (func (export "run") {run})'
    )


def nesting(levels: int, locals_: int | None) -> bytes:
    """Return a module that nests calls ``levels`` deep; with ``locals_``, of a function with that many locals."""
    if locals_ is None:
        left = "(global $left (mut i32) (i32.const 0))"
        count = "(global.set $left (i32.sub (global.get $left) (i32.const 1)))"
        function = f"(func $f {count} (if (global.get $left) (then (call $f))))"
        run = f"(global.set $left (i32.const {levels})) (call $f)"
        return module(f'{left} (memory (export "memory") 1) {function} (func (export "run") {run})')
    numbers = range(1, locals_ + 1)
    fill = "".join(f"(local.set {number} (i32.add (local.get 0) (i32.const {number - 1})))" for number in numbers)
    use = "".join(f"(local.set 0 (i32.xor (local.get 0) (local.get {number})))" for number in numbers)
    again = f"(i32.add (call $f (i32.sub (local.get 0) (i32.const 1))) (block (result i32) {use} (local.get 0)))"
    body = f"{fill} (if (result i32) (local.get 0) (then {again}) (else (i32.const 0)))"
    function = f"(func $f (param i32) (result i32) (local {'i32 ' * locals_}) {body})"
    return module(
        f'(memory (export "memory") 1) {function} (func (export "run") (drop (call $f (i32.const {levels - 1}))))'
    )


GROWING = costing("(drop (memory.grow (i32.const 1)))")
FUEL = {
    "a call that does nothing": costing(""),
    "a loop that counts to 1,000": costing(f"(loop {LOOP})"),
    "1,000 calls of an empty function, in that loop": costing(f"(loop (call $f) {LOOP})", "(func $f)"),
    "filling 64 KiB (`memory.fill`)": costing("(memory.fill (i32.const 0) (i32.const 1) (i32.const 65536))"),
    "growing the memory by a page": GROWING,
    "growing a table by 100 elements": costing(
        "(drop (table.grow (ref.null func) (i32.const 100)))", "(table 10 1000 funcref)"
    ),
}
LEVELS = {"without locals": None, "with a parameter and 8 locals": 8, "with a parameter and 16 locals": 16}
BITS = {
    "0/0": nan("(f32.div (global.get $zero) (global.get $zero))"),
    "NaN 7fa00000 + 1": nan("(f32.add (global.get $nan) (f32.const 1))"),
}

Run = Callable[[bytes], Awaitable[ApplicationStatus | RuntimeFault]]


def documented(kind: str) -> dict[str, str]:
    """Return a board's column of the document's table, by row."""
    table = DOCUMENT.read_text("utf-8").partition("### Where two engines differ")[2]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\|.*\|$", table, re.M)]
    (column,) = (index for index, cell in enumerate(rows[0]) if kind in cell)
    return {row[0]: row[column] for row in rows[2:]}


async def fuel(run: Run, binary: bytes) -> str:
    outcome = await run(binary)
    assert isinstance(outcome, ApplicationStatus)
    if binary is GROWING and outcome.metrics["memory_bytes"] == PAGE_SIZE:
        return "refused"
    return f"{outcome.metrics['fuel_used']:,}"


async def levels(run: Run, locals_: int | None, expected: str) -> str:
    """Return ``expected`` if that depth works and one more level does not."""
    most = int(expected.replace(",", ""))
    fine, too_deep = await run(nesting(most, locals_)), await run(nesting(most + 1, locals_))
    fits = isinstance(fine, ApplicationStatus) and isinstance(too_deep, RuntimeFault)
    return expected if fits else f"{fine} and {too_deep}"


async def bits(run: Run, binary: bytes) -> str:
    outcome = await run(binary)
    assert isinstance(outcome, ApplicationStatus)
    (publication,) = outcome.publications or ()
    return publication.payload[::-1].hex()


async def measured(run: Run, expected: dict[str, str]) -> dict[str, str]:
    found = {f"fuel of {what}": await fuel(run, binary) for what, binary in FUEL.items()}
    for what, locals_ in LEVELS.items():
        row = f"levels of a function {what}"
        found[row] = await levels(run, locals_, expected[row])
    return found | {f"{what}, as bits": await bits(run, binary) for what, binary in BITS.items()}


async def played(peer: BoardConnection, binary: bytes) -> ApplicationStatus | RuntimeFault:
    """Run a module on the board and stop it; returns the board's report."""
    result = await peer.deploy("app", binary, limits=PLENTY, chunk_size=1024)
    assert result.ok, result
    outcome = (await peer.receive()).message
    assert isinstance(outcome, ApplicationStatus | RuntimeFault)
    await peer.expect(StopResult, peer.link.send(Stop("app")))
    return outcome


EMULATED = [pytest.param(kind, marks=pytest.mark.system("QEMU")) for kind in ("mps2-an385", "netduinoplus2")]


@pytest.mark.parametrize("kind", ["virtual", *EMULATED])
def test_the_document_describes_each_engine(kind: str) -> None:
    tier = VirtualTier() if kind == "virtual" else QemuTier()
    if (missing := QemuTier.unavailable()) is not None and kind != "virtual":
        pytest.skip(missing)
    if (missing := tier.about(kind).unavailable) is not None:
        pytest.skip(missing)
    expected = documented(kind)

    async def play() -> dict[str, str]:
        world = BoardEnvironment(SystemClock(), SystemNetwork(), Randomness())
        expectations = Expectations(patience=60, heartbeat=10)
        bench = Bench(kind, lambda *given: tier.make(kind, *given), world, expectations, Algorithm.P256)
        try:
            async with asyncio.timeout(170), bench.open():
                peer = await bench.enrolled()
                return await measured(lambda binary: played(peer, binary), expected)
        finally:
            await tier.close()

    with new_runner() as runner:
        found = runner.run(play())
    if kind == "virtual" and platform.machine() != "x86_64":
        expected, found = [{row: table[row] for row in table if "levels" not in row} for table in (expected, found)]
    assert found == expected
