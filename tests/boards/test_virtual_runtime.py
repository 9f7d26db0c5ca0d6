"""Modules on virtual boards: calls, limits, faults, host functions, and threads."""

from __future__ import annotations

import asyncio
import gc
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import wasmtime

from harness.boards.virtual.guest import Fault, Guest, NotLoadable
from harness.boards.virtual.host import MAXIMUM_LOG_LINES, MAXIMUM_PUBLICATIONS, HostInterface
from harness.boards.virtual.memory import LinearMemory
from harness.boards.virtual.reception import DeploymentCode
from harness.boards.virtual.runtime import Runtime, Worker
from harness.core.clock import ManualClock, SystemClock
from harness.core.errors import RigError
from harness.wasmbed.protocol.messages import Limits
from harness.wasmbed.runtime.interface import FUNCTIONS, FaultCode, LogLevel
from harness.wasmbed.runtime.limits import DEPLOYMENT_FUEL, MAXIMUM_SENSORS

LIMITS = Limits(memory=4 * 65_536, fuel=1_000_000, wall_time=5_000)
IMPORTS = "".join(
    f'(import "wasmbed" "{function.name}" (func ${function.name} (param {" ".join(function.parameter_types)}) '
    f"{f'(result {function.result})' if function.result else ''}))"
    for function in FUNCTIONS.values()
)


def assemble(body: str) -> bytes:
    return bytes(wasmtime.wat2wasm(f'(module {IMPORTS} (memory (export "memory") 1) {body})'))


@asynccontextmanager
async def runtime(threads: int = 4) -> AsyncIterator[Runtime]:
    shared = Runtime(threads)
    try:
        yield shared
    finally:
        await shared.close()


@asynccontextmanager
async def loaded(
    module: bytes,
    *,
    entry: str = "run",
    limits: Limits = LIMITS,
    host: HostInterface | None = None,
    worker: Worker | None = None,
    clock: SystemClock | ManualClock | None = None,
) -> AsyncIterator[Guest]:
    async with runtime() as shared:
        guest = Guest(
            worker or shared.worker(), host or HostInterface(lambda: 1234), limits, clock or SystemClock(), 1 << 20
        )
        try:
            await guest.load(module, hashlib.sha256(module).digest(), entry)
            yield guest
        finally:
            guest.close()


async def test_a_call_returns_the_result_and_its_resource_use() -> None:
    async with loaded(assemble('(func (export "run") (result i32) i32.const 42)')) as guest:
        assert await guest.call("run") == 42
        assert guest.metrics["fuel_used"] > 0
        assert guest.metrics["memory_bytes"] == guest.memory_bytes == 65_536
        assert not guest.has_tick


@pytest.mark.parametrize(
    ("body", "limits", "code", "words"),
    [
        ("unreachable", LIMITS, FaultCode.TRAP, "unreachable"),
        ("(drop (i32.div_u (i32.const 1) (i32.const 0)))", LIMITS, FaultCode.TRAP, "divide by zero"),
        ("(drop (i32.load (i32.const 65533)))", LIMITS, FaultCode.TRAP, "out of bounds"),
        ("(call $self)", replace(LIMITS, fuel=10**8), FaultCode.TRAP, "stack"),
        ("(loop (br 0))", replace(LIMITS, fuel=1000), FaultCode.OUT_OF_FUEL, "1000 units"),
        ("(loop (br 0))", replace(LIMITS, fuel=0), FaultCode.OUT_OF_FUEL, "0 units"),
        ("(loop (br 0))", Limits(65_536, (1 << 64) - 1, 20), FaultCode.TIME_LIMIT, "20 ms"),
        ("(drop (memory.grow (i32.const 1000))) unreachable", LIMITS, FaultCode.MEMORY_LIMIT, "262144 bytes"),
        ("(drop (memory.grow (i32.const 3))) unreachable", LIMITS, FaultCode.TRAP, "unreachable"),
        ("(call $log (i32.const 2) (i32.const 65530) (i32.const 7))", LIMITS, FaultCode.TRAP, "wasmbed.log: 7 bytes"),
        ("(call $log (i32.const 2) (i32.const -1) (i32.const 0))", LIMITS, FaultCode.TRAP, "0xffffffff"),
        (
            "(drop (call $argument (i32.const 0) (i32.const 65536) (i32.const 9)))",
            LIMITS,
            FaultCode.TRAP,
            "wasmbed.argument",
        ),
        (
            "(drop (call $environment (i32.const 70000) (i32.const 1) (i32.const 0) (i32.const 9)))",
            LIMITS,
            FaultCode.TRAP,
            "wasmbed.environment",
        ),
        (
            "(drop (call $publish (i32.const 0) (i32.const 1) (i32.const 65536) (i32.const 1))) (loop (br 0))",
            replace(LIMITS, fuel=10**15),
            FaultCode.TRAP,
            "wasmbed.publish",
        ),
    ],
)
async def test_a_failed_call_has_its_cause(body: str, limits: Limits, code: FaultCode, words: str) -> None:
    host = HostInterface(lambda: 0, ("x",))
    async with loaded(assemble(f'(func $self (export "run") {body})'), limits=limits, host=host) as guest:
        with pytest.raises(Fault) as fault:
            await guest.call("run")
        assert (fault.value.code, words in fault.value.message) == (code, True), fault.value.message
        assert fault.value.backtrace
        assert len(fault.value.backtrace) <= 16
        assert fault.value.use["memory_bytes"] >= 65_536
        assert ("fuel_used" in fault.value.use) == (code is FaultCode.OUT_OF_FUEL)
        assert "\n" not in fault.value.message


async def test_a_refused_growth_that_the_module_survives_is_no_fault_of_the_next_call() -> None:
    body = '(func (export "run") (drop (memory.grow (i32.const 1000)))) (func (export "tick") (result i32) unreachable)'

    async with loaded(assemble(body)) as guest:
        await guest.call("run")
        assert guest.has_tick
        with pytest.raises(Fault) as fault:
            await guest.call("tick")
        assert fault.value.code is FaultCode.TRAP


@pytest.mark.parametrize(
    ("module", "entry", "words"),
    [
        (b"no module", "run", "begins with 6e6f206d"),
        (b'(module (memory (export "memory") 1) (func (export "run")))', "run", "not a WebAssembly binary"),
        (assemble('(func (export "run"))')[:-2], "run", "malformed WebAssembly module"),
        (assemble('(tag $e) (func (export "run"))'), "run", "devices do not have: exceptions proposal not enabled"),
        (assemble('(data (i32.const 65535) "ab") (func (export "run"))'), "run", "data segment 0 puts 2 bytes"),
        (
            bytes(wasmtime.wat2wasm('(module (import "env" "x" (func)))')),
            "run",
            "imports env.x, which no device offers",
        ),
        (
            bytes(wasmtime.wat2wasm('(module (import "wasmbed" "log" (func)))')),
            "run",
            "imports wasmbed.log as function",
        ),
        (bytes(wasmtime.wat2wasm('(module (func (export "run")))')), "run", "linear memory"),
        (bytes(wasmtime.wat2wasm('(module (memory 1) (func (export "run")))')), "run", "linear memory"),
        (bytes(wasmtime.wat2wasm('(module (memory (export "memory") 5))')), "run", "the limit is 262144"),
        (assemble('(func (export "run"))'), "start", "'start'"),
        (assemble('(func (export "run") (param i32))'), "run", "'run'"),
        (assemble('(func (export "run")) (func (export "tick") (result i64) i64.const 1)'), "run", "'tick'"),
        (assemble('(global (export "run") i32 (i32.const 1))'), "run", "'run'"),
    ],
)
async def test_a_module_that_cannot_be_loaded_is_refused_with_the_reason(module: bytes, entry: str, words: str) -> None:
    with pytest.raises(NotLoadable) as refused:
        async with loaded(module, entry=entry):
            pass
    assert words in refused.value.reason
    assert refused.value.code is DeploymentCode.INVALID_MODULE


async def test_a_start_function_runs_under_the_same_limits() -> None:
    module = assemble('(func $endless (loop (br 0))) (start $endless) (func (export "run"))')
    with pytest.raises(Fault) as fault:
        async with loaded(module):
            pass
    assert fault.value.code is FaultCode.OUT_OF_FUEL


async def test_functions_before_the_entry_can_use_the_memory() -> None:
    say = "(func $say (param i32) (call $log (i32.const 2) (local.get 0) (i32.const 3)))"
    text = f"""{say} (data (i32.const 0) "oneTwo") (start $s) (func $s (call $say (i32.const 0)))
        (func (export "_initialize") (call $say (i32.const 3))) (func (export "run"))"""

    async with loaded(assemble(text)) as guest:
        assert [line for _, line in guest.host.lines] == ["one", "Two"]
        assert guest.metrics["fuel_used"] > 0


@pytest.mark.parametrize(
    ("body", "fuel", "words"),
    [
        ("(func $s unreachable) (start $s)", 1000, "start function: wasm `unreachable`"),
        ("(func $s (loop (br 0))) (start $s)", 10, "start function: used up its 10 units of fuel"),
        ("(func $s (loop (br 0))) (start $s)", 1 << 60, f"start function: used up its {DEPLOYMENT_FUEL} units"),
        ('(func (export "_initialize") (loop (br 0)))', 10, "_initialize: used up its 10 units of fuel"),
        (
            "(func $s (call $log (i32.const 2) (i32.const 65535) (i32.const 2))) (start $s)",
            1000,
            "start function: wasmbed.log",
        ),
    ],
)
async def test_a_failure_before_the_entry_names_the_function(body: str, fuel: int, words: str) -> None:
    with pytest.raises(Fault) as fault:
        async with loaded(assemble(f'{body} (func (export "run"))'), limits=replace(LIMITS, fuel=fuel)):
            pass
    assert words in fault.value.message
    assert fault.value.backtrace


async def test_a_module_without_a_start_function_is_loaded_with_little_fuel() -> None:
    """wasmtime charges for copying segments."""

    module = assemble(f'(data (i32.const 0) "{"x" * 5000}") (func (export "run"))')
    async with loaded(module, limits=replace(LIMITS, fuel=10)) as guest:
        assert guest.metrics["fuel_used"] == 0
        await guest.call("run")


async def test_a_backtrace_is_about_the_module_that_was_sent() -> None:
    """Exporting the start function moves the code."""
    body = '(func $fail unreachable) (func $s) (func (export "run") (call $fail))'

    places = []
    for text in (body, f"{body} (start $s)"):
        module = assemble(text)
        async with loaded(module) as guest:
            with pytest.raises(Fault) as fault:
                await guest.call("run")
        place = int(fault.value.backtrace[0].rpartition(" at ")[2], 16)
        assert module[place] == 0x00, "the instruction unreachable"
        places.append(place)
    assert places[1] == places[0] + 3, "the start section is before the code"


async def test_a_module_that_needs_too_much_memory_is_refused_with_figures() -> None:
    module = bytes(wasmtime.wat2wasm('(module (memory (export "memory") 20) (func (export "run")))'))
    with pytest.raises(NotLoadable) as refused:
        async with loaded(module, limits=replace(LIMITS, memory=1 << 24)):
            pass
    assert refused.value.code is DeploymentCode.NOT_ENOUGH_MEMORY
    assert refused.value.reason == "needs 1310720 bytes of memory, this board gives a module 1048576"


@pytest.mark.parametrize(("growth", "allowed"), [(50_000_000, False), (10_000, False), (9_999, True), (-1, False)])
async def test_a_table_grows_as_far_as_devices_allow(growth: int, allowed: bool) -> None:
    text = f"""(table $t 1 funcref) (func (export "run") (result i32)
        (table.grow $t (ref.null func) (i32.const {growth})))"""

    async with loaded(assemble(text)) as guest:
        assert await guest.call("run") == (1 if allowed else -1)


async def test_a_store_holds_one_module() -> None:
    """A second instance, a second memory and a ninth table are above the limits of every module."""

    module = assemble('(func (export "run"))')
    async with loaded(module) as guest:
        compiled = await guest._worker.compile(module, hashlib.sha256(module).digest())
        with pytest.raises(wasmtime.WasmtimeError, match="resource limit exceeded"):
            guest._worker.linker.instantiate(guest._store, compiled)


async def test_calls_inside_each_other_are_bounded() -> None:
    text = """(global $left (mut i32) (i32.const 2000))
        (func $f (global.set $left (i32.sub (global.get $left) (i32.const 1))) (if (global.get $left) (then (call $f))))
        (func (export "run") (call $f))"""

    for levels, fits in ((2000, False), (512, True)):
        async with loaded(assemble(text.replace("2000", str(levels)))) as guest:
            if fits:
                await guest.call("run")
            else:
                with pytest.raises(Fault, match="stack"):
                    await guest.call("run")


async def test_the_time_limit_is_on_the_given_clock() -> None:
    clock = ManualClock()
    module = assemble('(func (export "run") (loop (br 0)))')
    limits = Limits(65_536, (1 << 63) - 1, 60_000)
    async with loaded(module, limits=limits, clock=clock) as guest:
        call = asyncio.create_task(guest.call("run"))
        await clock.advance(59.0)
        assert not call.done()
        await clock.advance(1.0)
        with pytest.raises(Fault, match="60000 ms"):
            await call


async def test_an_endless_loop_holds_up_its_own_thread_only() -> None:
    endless = assemble('(func (export "run") (loop (br 0)))')
    limits = Limits(65_536, (1 << 63) - 1, 60_000)
    async with runtime(threads=2) as shared:
        first, second = shared.worker(), shared.worker()
        assert first is not second
        assert shared.worker() is first
        async with loaded(endless, limits=limits, worker=first) as stuck:
            call = asyncio.create_task(stuck.call("run"))
            async with loaded(assemble('(func (export "run") (result i32) i32.const 1)'), worker=second) as other:
                assert await other.call("run") == 1
            assert first.busy
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert not first.busy
            # The thread is free again, and the interruption did not hit the next call.
            async with loaded(assemble('(func (export "run") (result i32) i32.const 2)'), worker=first) as next_one:
                assert await next_one.call("run") == 2


async def test_a_module_is_compiled_once_on_a_worker_and_the_oldest_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("harness.boards.virtual.runtime._CACHED_MODULES", 2)

    modules = [assemble(f'(func (export "run") (result i32) i32.const {number})') for number in range(3)]
    digests = [hashlib.sha256(module).digest() for module in modules]
    async with runtime() as shared:
        worker = shared.worker()
        first = await worker.compile(modules[0], digests[0])
        assert await worker.compile(modules[0], digests[0]) is first
        await worker.compile(modules[1], digests[1])
        assert await worker.compile(modules[0], digests[0]) is first
        await worker.compile(modules[2], digests[2])
        assert await worker.compile(modules[0], digests[0]) is first
        with pytest.raises(wasmtime.WasmtimeError):
            await worker.compile(b"nothing", bytes(32))


async def test_memory_is_given_back() -> None:
    module = assemble('(func (export "run"))')
    async with runtime(threads=1) as shared:
        for _ in range(3):
            async with loaded(module, worker=shared.worker()):
                assert len(shared.worker().memories._live) == 1
        gc.collect()
        assert not shared.worker().memories._live


async def test_a_host_call_without_a_module_is_a_failure_of_the_rig() -> None:
    async with runtime() as shared:
        with pytest.raises(RigError, match="none was running"):
            shared.worker()._current()


def test_everything_a_module_may_ask_of_the_host() -> None:
    host = HostInterface(lambda: 77, ("alpha", "\u00e4"), {"SITE": "hall"})
    memory = host.memory = LinearMemory(65_536, 65_536)
    memory.write(0, b"topic" + b"\xff" + b"SITE" + "grüße".encode())
    assert host.clock_ms() == 77

    host.log(LogLevel.ERROR, 0, 5)
    host.log(99, 0, 6)
    host.log(LogLevel.INFO, 0, 300)
    assert host.lines[:2] == [(LogLevel.ERROR, "topic"), (LogLevel.DEBUG, "topic\ufffd")]
    assert len(host.lines[2][1]) <= 256

    assert host.publish(0, 5, 0, 1024) == 0
    assert [(p.topic, len(p.payload)) for p in host.publications] == [("topic", 1024)]
    assert host.publish(0, 6, 0, 1) == host.publish(0, 0, 0, 1) == host.publish(0, 129, 0, 1) == -1
    assert host.publish(0, 5, 0, 1025) == -1
    assert host.publish(0, 5, 0, 0) == 0

    assert [host.sensor_read(3) for _ in range(2)] == [19_800, 19_837]
    assert host.sensor_read(-1) == 19_400
    assert -(1 << 31) <= host.sensor_read((1 << 31) - 1) < 1 << 31

    assert host.argument(0, 100, 3) == 5
    assert memory.read(100, 4) == b"alp\0"
    assert host.argument(1, 100, 9) == 2
    assert host.argument(2, 100, 9) == host.argument(-1, 100, 9) == -1
    assert host.environment(6, 4, 200, 9) == 4
    assert memory.read(200, 4) == b"hall"
    assert host.environment(0, 5, 200, 9) == -1

    host.gpio_write(13, 1)
    host.gpio_write(13, 0)
    assert host.lines[-2:] == [(LogLevel.DEBUG, "gpio 13 high"), (LogLevel.DEBUG, "gpio 13 low")]
    assert host.violation is None


def test_readings_are_counted_for_as_many_sensors_as_devices_count() -> None:
    host = HostInterface(lambda: 0)
    first = [host.sensor_read(channel) for channel in range(MAXIMUM_SENSORS + 1)]
    assert host.sensor_read(0) == first[0] + 37
    assert host.sensor_read(MAXIMUM_SENSORS) == first[MAXIMUM_SENSORS]


def test_log_lines_of_a_module_are_bounded() -> None:
    host = HostInterface(lambda: 0)
    host.memory = LinearMemory(65_536, 65_536)
    host.memory.write(0, b"t")
    for _ in range(MAXIMUM_LOG_LINES + 5):
        host.log(LogLevel.INFO, 0, 1)
    assert (len(host.lines), host.dropped_lines) == (MAXIMUM_LOG_LINES, 5)
    answers = [host.publish(0, 1, 0, 1) for _ in range(MAXIMUM_PUBLICATIONS + 2)]
    assert answers == [0] * MAXIMUM_PUBLICATIONS + [-1, -1]


def test_nothing_happens_after_a_violation() -> None:
    host = HostInterface(lambda: 0, ("x",), {"t": "y"})
    host.memory = LinearMemory(65_536, 65_536)
    host.memory.write(0, b"t")
    host.log(LogLevel.INFO, 65_536, 1)
    assert host.violation is not None
    reason = host.violation
    host.log(LogLevel.INFO, 0, 1)
    host.gpio_write(1, 1)
    assert host.publish(0, 1, 0, 1) == host.argument(0, 0, 1) == host.environment(0, 1, 0, 1) == -1
    assert (host.lines, host.publications, host.violation) == ([], [], reason)


def test_a_memory_that_starts_with_nothing() -> None:
    memory = LinearMemory(0, 0)
    assert memory.read(0, 1) is None
    assert memory.read(0, 0) == b""
    assert not memory.write(0, b"x")
    assert not memory.grow(65_536)
    assert memory.refused
