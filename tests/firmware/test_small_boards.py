"""A board with 128 KiB of RAM runs modules within its limits, and refuses others with figures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import wasmtime

from harness.boards.board import BoardEnvironment
from harness.boards.qemu import QemuTier
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness
from harness.core.network import SystemNetwork
from harness.testing.bench import Bench, BoardConnection, Expectations
from harness.wasmbed.pki.keys import Algorithm
from harness.wasmbed.protocol.messages import DeploymentResult, Limits, RuntimeFault, Stop, StopResult

pytestmark = pytest.mark.system("QEMU")
KIND = "netduinoplus2"
SAMPLES = Path(__file__).parents[2] / "firmware" / "apps" / "modules"
LIMITS = Limits(memory=1 << 20, fuel=1_000_000, wall_time=20_000)
DENSE = "local.get 0 " + "i32.const 77777 i32.mul local.get 0 i32.xor " * 10
PAGE = '(memory (export "memory") 1)'
RUN = '(func (export "run"))'
DEEP = f'{PAGE} (func $f (call $f)) (func (export "run") (call $f))'


def module(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(f"(module {text})"))


def computing(functions: int, memory: str = PAGE) -> bytes:
    return module(f"{memory} {f'(func (param i32) (result i32) {DENSE})' * functions} {RUN}")


FIT = {
    "3 KiB with a page": computing(35),
    "7 KiB without": computing(80, '(memory (export "memory") 0)'),
    "40 small functions": module(f"{PAGE} {'(func)' * 40} {RUN}"),
}
REFUSED = {
    "4 KiB with a page": computing(46),
    "1,000 functions": module(f"{PAGE} {'(func)' * 1000} {RUN}"),
    "300 exports": module(PAGE + RUN + "".join(f'(func (export "function {number}"))' for number in range(300))),
    "a table of 10,000 elements": module(f"{PAGE} (table 10000 funcref) {RUN}"),
    "1,000 elements": module(f"{PAGE} (table 1000 funcref) (elem (i32.const 0) func {'0 ' * 1000}) {RUN}"),
    "10,000 locals": module(f"{PAGE} (func (local {'i32 i64 ' * 1000})) {RUN}"),
    "two pages": module(f'(memory (export "memory") 2) {RUN}'),
}


async def deployed(peer: BoardConnection, binary: bytes) -> DeploymentResult:
    """Deploy a module and stop it again; returns the board's result."""
    result = await peer.deploy("app", binary, limits=LIMITS, chunk_size=1024)
    await stopped(peer)
    return result


async def stopped(peer: BoardConnection) -> None:
    peer.link.send(Stop("app"))
    while not isinstance((await peer.receive()).message, StopResult):
        pass


async def test_modules_fit_or_are_refused_with_figures_and_no_call_ends_the_board() -> None:
    if (missing := QemuTier.unavailable() or QemuTier().about(KIND).unavailable) is not None:
        pytest.skip(missing)
    tier = QemuTier()
    environment = BoardEnvironment(SystemClock(), SystemNetwork(), Randomness())
    expectations = Expectations(patience=60, heartbeat=10)
    bench = Bench("small", lambda *given: tier.make(KIND, *given), environment, expectations, Algorithm.P256)
    results: dict[str, DeploymentResult] = {}
    try:
        async with bench.open():
            peer = await bench.enrolled()
            for name, binary in (FIT | REFUSED).items():
                results[name] = await deployed(peer, binary)
            for sample in sorted(SAMPLES.glob("*.wasm")):
                results[sample.stem] = await deployed(peer, sample.read_bytes())
            # As much code as fits, and calls until the stacks are full: a trap, and the board lives on.
            deep = module(f"{DEEP} {f'(func (param i32) (result i32) {DENSE})' * 34}")
            assert (await peer.deploy("app", deep, limits=LIMITS, chunk_size=1024)).ok
            fault = await peer.expect(RuntimeFault)
            assert (fault.code, fault.message) == ("TRAP", "call stack exhausted")
            await stopped(peer)
            results["again"] = await deployed(peer, FIT["3 KiB with a page"])
            assert not any(line.startswith(("FAULT", "PANIC")) for line in bench.board.console.lines)
    finally:
        await tier.close()
    for name, result in results.items():
        if name not in REFUSED:
            assert result.ok, (name, result)
            continue
        assert result.code == "NOT_ENOUGH_MEMORY", (name, result)
        figures = r"needs (\d+) bytes of memory, (?:(\d+) are free|this board gives a module (\d+))$"
        found = re.search(figures, result.error or "")
        assert found is not None, (name, result)
        needed, *rest = (int(figure) for figure in found.groups() if figure)
        assert needed > rest[0], (name, result)
