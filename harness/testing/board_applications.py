"""Checks of a board's applications: receiving, validating, running, reporting, stopping."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import replace
from typing import Any

from harness.core.errors import ProductFailure
from harness.testing.bench import LIMITS, Bench, BoardConnection, module
from harness.testing.require import require
from harness.wasmbed.protocol.messages import (
    CANCELLED,
    ApplicationState,
    ApplicationStatus,
    ApplicationStatusRequest,
    ChunkAcknowledgment,
    Deploy,
    DeploymentResult,
    DeviceInfo,
    DeviceInfoRequest,
    Heartbeat,
    Limits,
    ModuleChunk,
    Publication,
    RuntimeFault,
    Stop,
    StopResult,
)
from harness.wasmbed.runtime.interface import FaultCode, sensor_value


async def runs_and_publishes(bench: Bench) -> None:
    """The board acknowledges chunks, sends the result, then the state running with the entry's publications, then those
    of its ticks."""
    peer = await bench.enrolled()
    binary = module("probe")
    require((await peer.deploy("probe", binary, arguments=("alpha",), environment={"SITE": "hall"})).ok, "not ok")
    status = await peer.expect(ApplicationStatus)
    require(
        (status.application_id, status.state, status.error) == ("probe", ApplicationState.RUNNING, None),
        f"after the deployment the board sent {status}",
    )
    readings = struct.pack("<3i", sensor_value(2, 0), sensor_value(2, 1), sensor_value(0, 0))
    expected = {"argument": b"alpha", "environment": b"hall", "sensor": readings, "checks": b"\x01" * 8}
    published = {publication.topic: publication.payload for publication in status.publications or ()}
    if "hardware-sensors" in bench.board.features:
        del expected["sensor"], published["sensor"]
    require(published == expected, f"published {published}, expected {expected}")
    ticks = [publication for _ in range(3) for publication in (await peer.expect(ApplicationStatus)).publications or ()]
    expected_ticks = [Publication("tick", bytes([number])) for number in (1, 2, 3)]
    require(ticks == expected_ticks, f"ticks published {ticks}, expected {expected_ticks}")
    await bench.board.console.until("conformance probe", bench.expectations.patience)
    heartbeat = await peer.expect(Heartbeat)
    require(heartbeat.applications == {"probe": ApplicationState.RUNNING}, f"heartbeat says {heartbeat.applications}")


async def stops(bench: Bench) -> None:
    """A stopped application is removed and can be deployed again; stopping an unknown application succeeds."""
    peer = await bench.enrolled()
    for _ in range(2):
        await _run_fine(peer)
        result = await peer.expect(StopResult, peer.link.send(Stop("fine")))
        require(result == StopResult("fine", ok=True), f"stopping gave {result}")
        heartbeat = await peer.expect(Heartbeat)
        require("fine" not in heartbeat.applications, f"after the stop the heartbeat says {heartbeat.applications}")
    result = await peer.expect(StopResult, peer.link.send(Stop("never-there")))
    require(result.application_id == "never-there", f"stopping an unknown application gave {result}")


async def tells_the_state(bench: Bench) -> None:
    """A request for one application's status, or for all, is answered with its id."""
    peer = await bench.enrolled()
    await _run_fine(peer)
    for name in ("fine", None):
        status = await peer.expect(ApplicationStatus, peer.link.send(ApplicationStatusRequest(name)))
        require(
            (status.application_id, status.state) == ("fine", ApplicationState.RUNNING), f"the board reported {status}"
        )
    status = await peer.expect(ApplicationStatus, peer.link.send(ApplicationStatusRequest("other")))
    require(status.state is ApplicationState.STOPPED, f"an unknown application is {status.state}")


async def refuses_what_it_cannot_run(bench: Bench) -> None:
    """The board refuses a wrong hash, a module that is too large, not WebAssembly, an unknown import, a missing entry,
    and too much memory, each with a reason."""
    peer = await bench.enrolled()
    faults = module("faults")
    information = await peer.expect(DeviceInfo, peer.link.send(DeviceInfoRequest()))
    announced = Deploy("huge", "huge", information.largest_module + 1, bytes(32), 256, LIMITS, "run")
    request = peer.link.send(announced)
    _require_refusal(await peer.expect(DeploymentResult, request))
    tight = replace(LIMITS, memory=65_535)
    wrong: dict[str, dict[str, Any]] = {
        "forged": {"binary": faults, "digest": hashlib.sha256(b"another").digest()},
        "noise": {"binary": b"this is not WebAssembly"},
        "text": {"binary": b'(module (memory (export "memory") 1) (func (export "fine")))'},
        "half": {"binary": faults[: len(faults) // 2]},
        "stranger": {"binary": module("stranger"), "entry": "run"},
        "nameless": {"binary": faults, "entry": "no_such_entry"},
        "hungry": {"binary": faults, "limits": tight},
    }
    for name, parts in wrong.items():
        _require_refusal(await peer.deploy(name, **{"entry": "fine", **parts}))
    await _run_fine(peer)


async def notices_a_missing_chunk(bench: Bench) -> None:
    """A missing chunk ends the deployment; a repeated chunk is acknowledged again."""
    peer = await bench.enrolled()
    faults = module("faults")
    digest = hashlib.sha256(faults).digest()
    request = peer.link.send(Deploy("gap", "gap", len(faults), digest, 16, LIMITS, "fine"))
    for _ in range(2):
        await peer.expect(ChunkAcknowledgment, peer.link.send(ModuleChunk("gap", 0, faults[:16])))
    peer.link.send(ModuleChunk("gap", 2, faults[32:48]))
    _require_refusal(await peer.expect(DeploymentResult, request))
    await _run_fine(peer)


async def cancels_a_transfer(bench: Bench) -> None:
    """A stop, or another deployment, in the middle of a transfer ends it: the deployment is answered with CANCELLED,
    and chunks that were already sent are ignored."""
    peer = await bench.enrolled()
    faults = module("faults")
    announced = Deploy("fine", "fine", len(faults), hashlib.sha256(faults).digest(), 16, LIMITS, "fine")
    for again in (False, True):
        request = peer.link.send(announced)
        await peer.expect(ChunkAcknowledgment, peer.link.send(ModuleChunk("fine", 0, faults[:16])))
        if again:
            replacing = peer.link.send(announced)
            _require_cancelled(await peer.expect(DeploymentResult, request))
            request = replacing
        stop = peer.link.send(Stop("fine"))
        peer.link.send(ModuleChunk("fine", 1, faults[16:32]))
        _require_cancelled(await peer.expect(DeploymentResult, request))
        await peer.expect(StopResult, stop)
    heartbeat = await peer.expect(Heartbeat)
    require("fine" not in heartbeat.applications, f"after the stop the heartbeat says {heartbeat.applications}")
    await _run_fine(peer)


async def reports_faults(bench: Bench) -> None:
    """Traps, a lack of fuel, too much memory, and an invalid pointer are reported with their codes, and the board
    continues."""
    peer = await bench.enrolled()
    faults = module("faults")
    cases: list[tuple[str, Limits, FaultCode]] = [
        ("trap", LIMITS, FaultCode.TRAP),
        ("divide", LIMITS, FaultCode.TRAP),
        ("reach", LIMITS, FaultCode.TRAP),
        ("stray", LIMITS, FaultCode.TRAP),
        ("deep", replace(LIMITS, fuel=10_000_000), FaultCode.TRAP),
        ("spin", replace(LIMITS, fuel=10_000), FaultCode.OUT_OF_FUEL),
        ("grow", LIMITS, FaultCode.MEMORY_LIMIT),
    ]
    for entry, limits, code in cases:
        fault = await _fault(peer, faults, entry, limits)
        require(fault.code == code, f"{entry}: reported {fault.code} ({fault.message}), expected {code}")
        require(fault.message, f"{entry}: the fault has no message")
    states = (await peer.expect(Heartbeat)).applications
    failed = dict.fromkeys((entry for entry, _, _ in cases), ApplicationState.ERROR)
    require(states == failed, f"after the faults the heartbeat says {states}")
    for entry, _, _ in cases:
        await peer.expect(StopResult, peer.link.send(Stop(entry)))
    await _run_fine(peer)


async def ends_an_endless_loop(bench: Bench) -> None:
    """A call that takes too long is ended, and meanwhile the board sends heartbeats."""
    peer = await bench.enrolled()
    limit = round(5000 * bench.expectations.heartbeat)
    fault = await _fault(peer, module("faults"), "spin", Limits(LIMITS.memory, (1 << 63) - 1, limit))
    require(fault.code == FaultCode.TIME_LIMIT, f"reported {fault.code} ({fault.message}), expected TIME_LIMIT")
    require(len(peer.heartbeats) > 2, f"{len(peer.heartbeats)} heartbeats while it ran for five of their intervals")
    await _run_fine(peer)


async def keeps_what_runs(bench: Bench) -> None:
    """A second deployment of a running application is refused, and the first continues, also after a lost link."""
    peer = await bench.enrolled()
    await _run_fine(peer)
    _require_refusal(await peer.deploy("fine", module("faults"), entry="trap"))
    peer.link.abort()
    again = await bench.gateway.accept()
    heartbeat = await again.expect(Heartbeat)
    states = heartbeat.applications
    require(states.get("fine") is ApplicationState.RUNNING, f"after the second deployment the heartbeat says {states}")


async def gives_up_a_broken_transfer(bench: Bench) -> None:
    """If the connection ends in the middle of a module, the board drops it, and the next deployment works."""
    peer = await bench.enrolled()
    faults = module("faults")
    peer.link.send(Deploy("fine", "fine", len(faults), hashlib.sha256(faults).digest(), 16, LIMITS, "fine"))
    await peer.expect(ChunkAcknowledgment, peer.link.send(ModuleChunk("fine", 0, faults[:16])))
    peer.link.abort()
    again = await bench.gateway.accept()
    heartbeat = await again.expect(Heartbeat)
    require(not heartbeat.applications, f"after the lost transfer the heartbeat says {heartbeat.applications}")
    await _run_fine(again)


async def forgets_applications_at_reset(bench: Bench) -> None:
    """A reset ends all applications."""
    peer = await bench.enrolled()
    await _run_fine(peer)
    await bench.board.reset()
    again = await bench.gateway.accept()
    await again.enroll(peer.device_id)
    require(
        not again.heartbeats[0].applications, f"after the reset the heartbeat says {again.heartbeats[0].applications}"
    )


async def _run_fine(peer: BoardConnection) -> None:
    result = await peer.deploy("fine", module("faults"), entry="fine")
    require(result.ok, f"the board refused a good module: {result.code} {result.error}")
    status = await peer.expect(ApplicationStatus)
    require(status.state is ApplicationState.RUNNING, f"a module whose entry returned is {status.state}")


async def _fault(peer: BoardConnection, binary: bytes, entry: str, limits: Limits) -> RuntimeFault:
    result = await peer.deploy(entry, binary, entry=entry, limits=limits)
    require(result.ok, f"{entry}: the deployment was refused: {result.error}")
    fault = await peer.expect(RuntimeFault)
    if fault.application_id != entry:
        raise ProductFailure(f"{entry}: the fault is reported for {fault.application_id}")
    return fault


def _require_cancelled(result: DeploymentResult) -> None:
    require(not result.ok and result.code == CANCELLED, f"a cancelled deployment was answered with {result}")


def _require_refusal(result: DeploymentResult) -> None:
    require(not result.ok, f"the board accepted {result.application_id}")
    require(result.error and result.code, f"{result.application_id} was refused without code or message: {result}")
