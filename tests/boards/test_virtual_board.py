"""Properties of the virtual board that the conformance kit cannot check: its wire, its leftovers, its console."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import wasmtime

from harness.boards.board import Power
from harness.core.clock import ManualClock
from harness.testing.bench import LIMITS, Bench, BoardConnection, Expectations, module
from harness.wasmbed.pki.keys import generate_key
from harness.wasmbed.protocol.messages import (
    ApplicationState,
    ApplicationStatus,
    ApplicationStatusRequest,
    ChunkAcknowledgment,
    Deploy,
    DeploymentResult,
    EnrollmentAcknowledgment,
    EnrollmentRequest,
    EnrollmentResponse,
    Error,
    Heartbeat,
    ModuleChunk,
    RuntimeFault,
    Stop,
    StopResult,
)
from harness.wasmbed.runtime.interface import LogLevel
from tests.boards.virtual_bench import scene, shows

PROBE: dict[str, Any] = {"arguments": ("alpha",), "environment": {"SITE": "hall"}}


class Relay:
    """A TCP relay between board and gateway that counts the board's bytes and can stop."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.sent = 0
        self.moving = asyncio.Event()
        self.moving.set()
        self.ended = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Relay]:
        target = self._bench.gateway.endpoint
        server = await asyncio.start_server(lambda *streams: self._call(target, *streams), "127.0.0.1", 0)
        self._bench.gateway.endpoint = server.sockets[0].getsockname()[:2]
        try:
            self._bench.make_board()
            yield self
        finally:
            self._bench.gateway.endpoint = target
            self.moving.set()
            server.close()
            await self._bench.board.cut_power()
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _call(self, target: tuple[str, int], board: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        gateway, forth = await asyncio.open_connection(*target)
        for pump in (self._pump(board, forth, True), self._pump(gateway, back, False)):
            task = asyncio.create_task(pump)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, count: bool) -> None:
        try:
            while data := await source.read(4096):
                self.sent += len(data) if count else 0
                await self.moving.wait()
                target.write(data)
                await target.drain()
        except ConnectionError:
            pass
        finally:
            if count:
                self.ended.set()
            target.close()


async def run_app(peer: BoardConnection, name: str, binary: bytes, entry: str = "run", **options: Any) -> None:
    result = await peer.deploy(name, binary, entry=entry, **options)
    assert result.ok, result


def assemble(body: str) -> bytes:
    return bytes(wasmtime.wat2wasm(f"(module {body})"))


# Power


@pytest.mark.parametrize("orderly", [True, False])
async def test_only_an_orderly_end_closes_the_session_on_the_wire(orderly: bool) -> None:
    async with scene() as bench, Relay(bench).open() as relay:
        await bench.enrolled()
        sent = relay.sent
        await (bench.board.power_off() if orderly else bench.board.cut_power())
        await relay.ended.wait()
        assert (relay.sent > sent) is orderly


async def test_switching_off_does_not_wait_for_a_gateway_that_does_not_answer() -> None:
    clock = ManualClock()
    async with scene(clock=clock) as bench, Relay(bench).open() as relay:
        await bench.enrolled()
        relay.moving.clear()
        off = asyncio.create_task(bench.board.power_off())
        await clock.advance(1.9)
        assert not off.done()
        await clock.advance(0.1)
        await off
        assert bench.board.power is Power.OFF


@pytest.mark.parametrize("end", ["cut_power", "power_off", "cut_link", "reset"])
async def test_power_may_go_in_the_middle_of_a_handshake(end: str) -> None:
    async with scene() as bench, Relay(bench).open() as relay:
        relay.moving.clear()
        await bench.board.power_on()
        await shows(bench, "link: connecting")
        while not relay.sent:
            await _turn()
        await getattr(bench.board, end)()
        await bench.board.cut_power()
        relay.moving.set()
        await relay.ended.wait()


async def _turn() -> None:
    """Let the event loop process its sockets once."""
    loop = asyncio.get_running_loop()
    turned = loop.create_future()
    loop.call_later(0.001, turned.set_result, None)
    await turned


async def test_a_repeated_switch_changes_nothing() -> None:
    async with scene() as bench:
        board = bench.board
        await board.reset()
        await board.cut_power()
        assert (board.power, board.console.lines) == (Power.OFF, [])
        await board.cut_link()
        await board.power_on()
        await board.power_on()
        await board.reset()
        await bench.gateway.silence(0.1)
        await board.restore_link()
        await board.restore_link()
        peer = await bench.gateway.accept()
        await bench.gateway.silence(0.1)
        await board.cut_link()
        await board.cut_link()
        await peer.until_closed()


# Enrollment


async def test_the_console_shows_a_boards_life() -> None:
    async with scene(level=LogLevel.INFO) as bench:
        peer = await bench.enrolled()
        await shows(bench, "heartbeat answered")
        await run_app(peer, "probe", module("probe"), **PROBE)
        await shows(bench, "app probe: running")
        await peer.expect(ApplicationStatus)
        peer.link.send(Stop("probe"))
        await shows(bench, "app probe: stopped")
        await bench.board.power_off()
        lines = bench.board.console.lines
    assert all(re.match(r"\[ *\d+\.\d{3}\] ", line) for line in lines)
    words = [re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", line.partition("] ")[2]) for line in lines]
    words = [re.sub(r"127\.0\.0\.1:\d+", "GATEWAY", line) for line in words]
    assert words[:10] == [
        "wasmbed 1.0.0 on virtual board pump-1",
        "identity: certificate",
        "link: connecting to GATEWAY",
        "link: up, TLSv1.3",
        "enrollment: requested with certificate",
        "enrollment: enrolled at mock-gateway as ID, heartbeat every 30000 ms",
        "link: heartbeat answered",
        f"app probe: receiving {len(module('probe'))} bytes in 3 chunks",
        "app probe: deployed, 65536 bytes of memory",
        "app probe: [info] conformance probe",
    ]
    assert words[-2:] == ["app probe: stopped", "power: off"]


@pytest.mark.parametrize("level", [LogLevel.INFO, LogLevel.DEBUG])
async def test_detailed_lines_are_written_only_on_request(level: LogLevel) -> None:
    async with scene(level=level) as bench:
        peer = await bench.enrolled()
        await run_app(peer, "probe", module("probe"), **PROBE)
        await peer.expect(ApplicationStatus)
        text = "\n".join(bench.board.console.lines)
        assert ("] heartbeat" in text) is ("gpio 13 high" in text) is (level is LogLevel.DEBUG)


async def test_a_board_tries_until_a_gateway_starts() -> None:
    async with scene() as bench:
        board = bench.board
        await bench.gateway.stop()
        await board.power_on()
        await shows(bench, "link: no connection: .*refused")
        await shows(bench, "link: next attempt in")
        await bench.gateway.start()
        await (await bench.gateway.accept()).enroll("00000000-0000-4000-8000-000000000001")


async def test_a_refusal_is_shown_with_its_action() -> None:
    async with scene() as bench:
        peer = await bench.connected()
        request = await peer.receive()
        peer.link.send(Error("CERTIFICATE_INVALID", "expired", action="RENEW_CERTIFICATE"), request.message_id)
        await peer.until_closed()
        await shows(bench, r"error from gateway: CERTIFICATE_INVALID: expired \(RENEW_CERTIFICATE\)")
        await shows(bench, "link: enrollment refused: CERTIFICATE_INVALID")
        again = await bench.gateway.accept()
        second = (await again.receive()).message
        assert isinstance(request.message, EnrollmentRequest)
        assert isinstance(second, EnrollmentRequest)
        assert second.nonce != request.message.nonce


@pytest.mark.parametrize("issued", [None, b"no certificate", "another key"])
async def test_a_certificate_it_cannot_use_is_not_kept(issued: bytes | str | None) -> None:
    async with scene() as bench:
        bench.make_board(certificate=False)
        peer = await bench.connected()
        request = await peer.receive()
        certificate = issued
        if isinstance(certificate, str):
            certificate = bench.devices.issue_device(bench.name, generate_key().public_key())
        peer.link.send(
            EnrollmentResponse("00000000-0000-4000-8000-000000000001", "g", "g:1", 1000, certificate),
            request.message_id,
        )
        await peer.until_closed()
        await shows(bench, "link: no usable certificate")
        again = (await (await bench.gateway.accept()).receive()).message
        assert isinstance(again, EnrollmentRequest)
        assert again.csr is not None
        assert again.pairing_token == bench.pairing_token


async def test_a_heartbeat_interval_of_zero_is_refused() -> None:
    async with scene() as bench:
        peer = await bench.connected()
        request = await peer.receive()
        peer.link.send(EnrollmentResponse("00000000-0000-4000-8000-000000000001", "g", "g:1", 0), request.message_id)
        await peer.until_closed()
        await shows(bench, "heartbeat interval of 0 ms")


async def test_it_does_not_wait_for_ever_for_an_answer() -> None:
    clock = ManualClock()
    async with scene(clock=clock) as bench:
        peer = await bench.connected()
        await peer.receive()
        await clock.advance(30)
        await peer.until_closed()
        await shows(bench, "no answer to the enrollment request for 30 s")
        await clock.advance(1)
        await (await bench.gateway.accept()).receive()


async def test_commands_before_the_enrollment_are_answered_with_an_error() -> None:
    async with scene() as bench:
        peer = await bench.connected()
        request = await peer.receive()
        error = await peer.expect(Error, peer.link.send(Stop("app")))
        assert "before the enrollment" in error.message
        peer.link.send(EnrollmentResponse("00000000-0000-4000-8000-000000000001", "g", "g:1", 1000), request.message_id)
        await peer.expect(EnrollmentAcknowledgment)
        await shows(bench, "link: unexpected Stop before the enrollment")


async def test_a_bug_in_the_firmware_is_seen_on_the_console(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object) -> None:
        raise RuntimeError("stack smashed")

    monkeypatch.setattr("harness.boards.virtual.session.BoardSession._enroll", broken)

    async with scene() as bench:
        await bench.connected()
        await shows(bench, "panic: RuntimeError.*stack smashed")


# Heartbeats


async def test_a_heartbeat_has_the_boards_state() -> None:
    async with scene(expectations=Expectations(patience=20, heartbeat=0.1)) as bench:
        peer = await bench.enrolled()
        await run_app(peer, "good", module("faults"), "fine")
        await peer.expect(ApplicationStatus)
        assert (await peer.deploy("faulty", b"nonsense")).ok is False
        beat = await peer.expect(Heartbeat)
        assert (beat.status, beat.metrics["errors"]) == ("degraded", 1)
        assert beat.metrics["applications_running"] == 1
        assert beat.metrics["memory_used_bytes"] == 65_536
        assert beat.metrics["uptime_ms"] >= 0
        assert beat.applications == {"good": ApplicationState.RUNNING, "faulty": ApplicationState.FAILED}
        await peer.expect(StopResult, peer.link.send(Stop("faulty")))
        beat = await peer.expect(Heartbeat)
        assert (beat.status, beat.metrics["errors"]) == ("running", 1)


async def test_the_runtime_is_busy_while_a_module_runs() -> None:
    async with scene(expectations=Expectations(patience=20, heartbeat=0.05)) as bench:
        peer = await bench.enrolled()
        assert peer.heartbeats[0].runtime_status == "ready"
        limits = replace(LIMITS, fuel=1 << 62, wall_time=60_000)
        await run_app(peer, "spin", module("faults"), "spin", limits=limits)
        beat = await peer.expect(Heartbeat)
        assert (beat.runtime_status, beat.applications) == ("busy", {"spin": ApplicationState.DEPLOYED})
        await peer.expect(StopResult, peer.link.send(Stop("spin")))


async def test_a_board_without_a_runtime_reports_it() -> None:
    async with scene(capabilities=("tls", "cbor")) as bench:
        peer = await bench.enrolled()
        assert peer.heartbeats[0].runtime_status == "unavailable"
        result = await peer.deploy("app", module("faults"))
        assert (result.ok, result.code) == (False, "UNAVAILABLE")


# Applications


async def test_a_new_announcement_replaces_a_transfer_under_way() -> None:
    async with scene() as bench:
        peer = await bench.enrolled()
        binary = module("faults")
        replaced = peer.link.send(Deploy("app", "app", 1000, bytes(32), 100, LIMITS, "run"))
        await peer.expect(ChunkAcknowledgment, peer.link.send(ModuleChunk("app", 0, bytes(100))))
        peer.link.send(Deploy("app", "app", 1000, bytes(32), 100, LIMITS, "run"))
        assert (await peer.expect(DeploymentResult, replaced)).code == "CANCELLED"
        peer.link.send(Stop("app"))
        await peer.expect(DeploymentResult)
        await peer.expect(StopResult)
        await run_app(peer, "app", binary, "fine")
        # Chunks that were on their way twice are acknowledged, and harm nobody.
        await peer.expect(ApplicationStatus)
        await peer.expect(ChunkAcknowledgment, peer.link.send(ModuleChunk("app", 0, binary[:256])))


async def test_a_chunk_of_an_unannounced_module_is_an_error() -> None:
    async with scene() as bench:
        peer = await bench.enrolled()
        error = await peer.expect(Error, peer.link.send(ModuleChunk("ghost", 0, b"x")))
        assert "ghost" in error.message


async def test_a_board_holds_eight_applications_and_failed_ones_make_room() -> None:
    async with scene() as bench:
        peer = await bench.enrolled()
        faults = module("faults")
        assert not (await peer.deploy("bad", b"nonsense")).ok
        for number in range(8):
            await run_app(peer, f"app-{number}", faults, "fine")
            await peer.expect(ApplicationStatus)
        result = await peer.deploy("ninth", faults, entry="fine")
        assert (result.ok, result.code) == (False, "TOO_MANY_APPLICATIONS")
        request = peer.link.send(ApplicationStatusRequest())
        names = [(await peer.expect(ApplicationStatus, request)).application_id for _ in range(8)]
        assert names == [f"app-{number}" for number in range(8)]


async def test_a_start_function_that_traps_fails_the_deployment() -> None:
    binary = assemble('(memory (export "memory") 1) (func $s unreachable) (start $s) (func (export "run"))')

    async with scene() as bench:
        peer = await bench.enrolled()
        result = await peer.deploy("app", binary)
        assert (result.ok, result.code) == (False, "TRAP")
        assert "start function" in (result.error or "")


async def _ticking(bench: Bench, clock: ManualClock, *wanted: asyncio.Task[Any]) -> None:
    """Advance the clock until the tasks are done. Ticks run on threads, which a manual clock does not know."""
    while not all(task.done() for task in wanted):
        await _turn()
        await clock.advance(0.1)


async def test_what_happens_while_the_link_is_down_is_reported_later() -> None:
    """One application traps and the other publishes, both while the board is not connected."""
    waiting = assemble(
        '(import "wasmbed" "publish" (func $publish (param i32 i32 i32 i32) (result i32)))'
        '(import "wasmbed" "log" (func $log (param i32 i32 i32)))'
        '(memory (export "memory") 1) (data (i32.const 0) "later")'
        "(global $calls (mut i32) (i32.const 0))"
        '(func (export "run"))'
        '(func (export "tick") (result i32)'
        "  (global.set $calls (i32.add (global.get $calls) (i32.const 1)))"
        "  (if (i32.eq (global.get $calls) (i32.const 1)) (then (return (i32.const 1000))))"
        "  (drop (call $publish (i32.const 0) (i32.const 5) (i32.const 0) (i32.const 5)))"
        "  (call $log (i32.const 2) (i32.const 0) (i32.const 5)) (i32.const 0))"
    )
    trapping = assemble(
        '(memory (export "memory") 1) (global $calls (mut i32) (i32.const 0)) (func (export "run"))'
        '(func (export "tick") (result i32)'
        "  (if (global.get $calls) (then unreachable))"
        "  (global.set $calls (i32.const 1)) (i32.const 1000))"
    )

    clock = ManualClock()
    async with scene(clock=clock) as bench:
        peer = await bench.enrolled()
        await run_app(peer, "waiting", waiting)
        await peer.expect(ApplicationStatus)
        await run_app(peer, "trapping", trapping)
        await peer.expect(ApplicationStatus)
        await bench.board.cut_link()
        await peer.until_closed()
        said = asyncio.create_task(shows(bench, r"app waiting: \[info\] later"))
        broke = asyncio.create_task(shows(bench, "app trapping: fault TRAP"))
        await _ticking(bench, clock, said, broke)
        await bench.board.restore_link()
        again = await bench.gateway.accept()
        messages = [(await again.receive()).message for _ in range(2)]
        status = next(message for message in messages if isinstance(message, ApplicationStatus))
        fault = next(message for message in messages if isinstance(message, RuntimeFault))
        assert [p.payload for p in status.publications or ()] == [b"later"]
        assert (fault.application_id, fault.code) == ("trapping", "TRAP")
        assert again.heartbeats[0].applications["trapping"] is ApplicationState.ERROR


async def test_a_module_that_publishes_faster_than_the_gateway_reads_loses_nothing() -> None:
    count, size = 400, 1024
    binary = assemble(
        '(import "wasmbed" "publish" (func $publish (param i32 i32 i32 i32) (result i32)))'
        '(memory (export "memory") 1) (data (i32.const 0) "flood")'
        '(func (export "run"))'
        '(func (export "tick") (result i32)'
        "  (i32.store (i32.const 16) (i32.add (i32.load (i32.const 16)) (i32.const 1)))"
        f"  (drop (call $publish (i32.const 0) (i32.const 5) (i32.const 16) (i32.const {size})))"
        f"  (i32.lt_u (i32.load (i32.const 16)) (i32.const {count})))"
    )

    async with scene() as bench, Relay(bench).open() as relay:
        peer = await bench.enrolled()
        await run_app(peer, "flood", binary)
        await peer.expect(ApplicationStatus)
        relay.moving.clear()
        for _ in range(100):
            await _turn()
        relay.moving.set()
        numbers: list[int] = []
        while len(numbers) < count:
            status = await peer.expect(ApplicationStatus)
            numbers += [int.from_bytes(p.payload[:4], "little") for p in status.publications or ()]
        assert numbers == list(range(1, count + 1))


async def test_an_application_that_is_being_loaded_can_be_stopped() -> None:
    async with scene() as bench:
        peer = await bench.enrolled()
        binary = module("faults")
        digest = hashlib.sha256(binary).digest()
        peer.link.send(Deploy("app", "app", len(binary), digest, len(binary), LIMITS, "spin"))
        chunk = peer.link.send(ModuleChunk("app", 0, binary))
        stop = peer.link.send(Stop("app"))
        await peer.expect(ChunkAcknowledgment, chunk)
        result = await peer.expect(DeploymentResult)
        assert result.ok or result.code == "CANCELLED", "answered once, whichever came first"
        await peer.expect(StopResult, stop)
        status = await peer.expect(ApplicationStatus, peer.link.send(ApplicationStatusRequest("app")))
        assert status.state is ApplicationState.STOPPED
