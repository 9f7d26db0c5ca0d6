"""Checks that a board's runtime behaves like that of every other board: the modules that it accepts, the order of
calls, and the limits."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from importlib.resources import files

from harness.core.errors import ProductFailure
from harness.stack.modules import assemble
from harness.testing.bench import LIMITS, Bench, BoardConnection
from harness.testing.require import require
from harness.wasmbed.protocol.messages import (
    ApplicationStatus,
    DeploymentResult,
    DeviceInfo,
    DeviceInfoRequest,
    Limits,
    Stop,
    StopResult,
)
from harness.wasmbed.runtime.interface import FaultCode
from harness.wasmbed.runtime.limits import DEPLOYMENT_FUEL, PROPOSALS

__all__ = ["Judged", "initializes", "judged_modules", "judges_modules", "keeps_tables_small"]

_LOG = '(import "wasmbed" "log" (func $log (param i32 i32 i32)))'
_DATA = '(memory (export "memory") 1) (data (i32.const 0) "firstthirdforth")'
_FRAME = f'{_DATA} (func (export "run") (call $say (i32.const 10)))'
_SAY = "(func $say (param i32) (call $log (i32.const 2) (local.get 0) (i32.const 5)))"
_NOT_ENOUGH = "NOT_ENOUGH_MEMORY"
"""The code of a board that lacks the memory for a module that other boards accept."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A module, and whether boards accept it with :data:`harness.testing.bench.LIMITS`."""

    name: str
    module: bytes
    accepted: bool


def judged_modules() -> list[Judged]:
    """Read the modules of ``verdicts.json``: proposals, limits, the host interface."""
    text = (files("harness.testing") / "modules" / "verdicts.json").read_text("utf-8")
    return [
        Judged(case["name"], bytes.fromhex(case["hex"]), case["verdict"] == "accepted") for case in json.loads(text)
    ]


async def judges_modules(bench: Bench) -> None:
    """The board accepts and refuses (INVALID_MODULE) the same modules as every other, and lists its proposals."""
    peer = await bench.enrolled()
    information = await peer.expect(DeviceInfo, peer.link.send(DeviceInfoRequest()))
    features = set(information.runtime_features)
    require(features >= set(PROPOSALS), f"runtime features {sorted(features)}, without some of {sorted(PROPOSALS)}")
    for judged in judged_modules():
        if len(judged.module) > information.largest_module:
            continue
        result = await peer.deploy("judged", judged.module)
        if judged.accepted:
            fine = result.ok or result.code == _NOT_ENOUGH
            require(fine, f"{judged.name}: refused as {result.code}: {result.error}, other devices accept it")
        else:
            require(not result.ok, f"{judged.name}: accepted, every other device refuses it")
            require(result.code == "INVALID_MODULE", f"{judged.name}: refused as {result.code}, not INVALID_MODULE")
        await _stop(peer, "judged")


async def initializes(bench: Bench) -> None:
    """The start function and _initialize run before the entry and can use the memory; a fault names its function."""
    peer = await bench.enrolled()
    start = "(start $s) (func $s (call $say (i32.const 0)))"
    reactor = '(func (export "_initialize") (call $say (i32.const 5)))'
    result = await peer.deploy("first", assemble(f"(module {_LOG} {_FRAME} {_SAY} {start} {reactor})"))
    require(result.ok, f"a module with a start function and _initialize was refused: {result.error}")
    for line in ("first", "third", "forth"):
        await bench.board.console.until(line, bench.expectations.patience)
    await _stop(peer, "first")
    endless = "(loop (br 0))"
    cases = {
        f"(start $s) (func $s {endless})": "start function: ",
        f'(func (export "_initialize") {endless})': "_initialize: ",
    }
    for limits in (replace(LIMITS, fuel=10), Limits(LIMITS.memory, (1 << 63) - 1, 60_000)):
        for body, prefix in cases.items():
            result = await peer.deploy("late", assemble(f"(module {_LOG} {_FRAME} {_SAY} {body})"), limits=limits)
            code = FaultCode.OUT_OF_FUEL
            require(not result.ok and result.code == code, f"{prefix}{result.code}, expected {code}")
            fuel = min(limits.fuel, DEPLOYMENT_FUEL)
            expected = f"{prefix}used up its {fuel} units of fuel"
            require(result.error == expected, f"the error is {result.error!r}, expected {expected!r}")
    # Copying segments costs no fuel, so a module without a start function can be loaded with little.
    little = replace(LIMITS, fuel=10)
    result = await peer.deploy("late", assemble(f"(module {_LOG} {_FRAME} {_SAY})"), limits=little)
    require(result.ok, f"a module without a start function was refused with little fuel: {result.error}")


async def keeps_tables_small(bench: Bench) -> None:
    """A growth of a table beyond the limit returns -1, like a growth of the memory."""
    peer = await bench.enrolled()
    grow = "(func $grow (param i32) (result i32) (table.grow $t (ref.null func) (local.get 0)))"
    refused = "(if (i32.ne (call $grow (i32.const {})) (i32.const -1)) (then unreachable))"
    body = "".join(refused.format(count) for count in (50_000_000, 10_000, 2**31, -1))
    text = f'(module (memory (export "memory") 1) (table $t 1 funcref) {grow} (func (export "run") {body}))'
    result = await peer.deploy("tables", assemble(text))
    require(result.ok, f"a module with a table was refused: {result.error}")
    status = await peer.expect(ApplicationStatus)
    require(status.error is None, f"a growth beyond the limit was not refused: {status.error}")


async def _stop(peer: BoardConnection, name: str) -> None:
    """Stop an application, and ignore its other messages."""
    request = peer.link.send(Stop(name))
    while True:
        message = (await peer.receive()).message
        if isinstance(message, StopResult):
            return
        if isinstance(message, DeploymentResult):
            raise ProductFailure(f"the board sent {message} after the request {request} to stop {name}")
