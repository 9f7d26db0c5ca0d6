"""The validator, with modules that comply with the host interface and modules that do not."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import wasmtime
from hypothesis import given
from hypothesis import strategies as st

from harness.wasmbed.protocol.messages import Limits
from harness.wasmbed.runtime.interface import FUNCTIONS, MAXIMUM_PAYLOAD, MAXIMUM_TOPIC, ValueType, sensor_value
from harness.wasmbed.runtime.validation import InvalidModule, validate

LIMITS = Limits(memory=2 * 65_536, fuel=1_000, wall_time=100)
DOCUMENT = Path(__file__).parents[2] / "docs" / "host-interface.md"


def assemble(body: str) -> bytes:
    return bytes(wasmtime.wat2wasm(f"(module {body})"))


def minimal(more: str = "") -> bytes:
    return assemble(f'{more} (memory (export "memory") 1) (func (export "run"))')


def test_a_minimal_module_is_valid() -> None:
    module = minimal()
    info = validate(module, LIMITS)
    assert info.sha256 == hashlib.sha256(module).digest()
    assert (info.size, info.entry, info.imports, info.has_tick) == (len(module), "run", (), False)
    assert (info.memory_minimum, info.memory_maximum) == (65_536, None)


def test_every_function_of_the_interface_may_be_imported() -> None:
    imports = "".join(
        f'(import "wasmbed" "{function.name}" (func (param {" ".join(function.parameter_types)}) '
        f"{f'(result {function.result})' if function.result else ''}))"
        for function in FUNCTIONS.values()
    )
    module = assemble(
        f'{imports} (memory (export "memory") 2 4) (func (export "main") (result i32) i32.const 0)'
        '(func (export "tick") (result i32) i32.const 5)'
    )
    info = validate(module, LIMITS, "main")
    assert info.imports == tuple(FUNCTIONS)
    assert info.has_tick
    assert (info.memory_minimum, info.memory_maximum) == (2 * 65_536, 4 * 65_536)


@pytest.mark.parametrize(
    ("module", "expected_text"),
    [
        (b"", "begins with nothing"),
        (b"(module)", "text format"),
        (b"\x7fELF\1\1\1\0", "7f454c46"),
        (b"\0asm\x0d\0\1\0", "not a component"),
        (b"\0asm", "version missing"),
        (minimal()[:-3], "malformed WebAssembly module: unexpected end"),
        (minimal('(import "env" "abort" (func))'), "imports env.abort, which no device offers; devices offer wasmbed."),
        (minimal('(import "wasmbed" "reboot" (func))'), "imports wasmbed.reboot"),
        (
            minimal('(import "wasmbed" "log" (func (param i32 i32)))'),
            "imports wasmbed.log as function (i32, i32) -> (), expected function (i32, i32, i32) -> ()",
        ),
        (minimal('(import "wasmbed" "log" (global i32))'), "as a global, expected function"),
        (assemble('(func (export "run"))'), "must export its linear memory as 'memory', found nothing"),
        (assemble('(func (export "memory")) (func (export "run"))'), "found function () -> ()"),
        (assemble('(memory (export "memory") 3) (func (export "run"))'), "needs 196608 bytes of memory"),
        (assemble('(memory (export "memory") 1) (func (export "start"))'), "its exported functions: start"),
        (assemble('(memory (export "memory") 1)'), "its exported functions: none"),
        (
            assemble('(memory (export "memory") 1) (func (export "run") (param i32))'),
            "exports 'run' (the entry) as function (i32) -> (), expected function () -> () or function () -> (i32)",
        ),
        (
            minimal('(func (export "tick"))'),
            "exports 'tick' (the optional periodic function) as function () -> (), expected function () -> (i32)",
        ),
        (
            assemble('(memory (export "memory") i64 1) (func (export "run"))'),
            "a proposal that devices do not have: memory64 must be enabled",
        ),
        (minimal("(func (drop (v128.const i64x2 0 0)))"), "devices do not have: SIMD support is not enabled"),
        (minimal("(tag $e)"), "they run WebAssembly 1.0 with bulk-memory, "),
        (minimal('(func (export "_initialize") (param i32))'), "exports '_initialize' (called once before the entry)"),
        (
            minimal('(data (i32.const 65535) "ab")'),
            "data segment 0 puts 2 bytes at 65535, beyond the 65536 bytes that memory begins with",
        ),
        (
            minimal("(table 2 funcref) (elem (i32.const 1) func 0 0)"),
            "element segment 0 puts 2 elements at 1, beyond the 2 elements that table 0 begins with",
        ),
        (b"\0asm\1\0\0\0" + bytes(1 << 20), "has 1,048,584 bytes, devices take at most 1,048,576 (1 MiB)"),
    ],
)
def test_an_invalid_module_is_refused_with_a_reason(module: bytes, expected_text: str) -> None:
    with pytest.raises(InvalidModule) as refused:
        validate(module, LIMITS)
    assert expected_text in refused.value.reason
    assert "\n" not in refused.value.reason


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_validator(noise: bytes) -> None:
    for module in (noise, b"\0asm\1\0\0\0" + noise):
        with pytest.raises(InvalidModule):
            validate(module, LIMITS)


def test_the_document_and_the_table_agree() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    for function in FUNCTIONS.values():
        assert f"| `{function}` | {function.summary.rstrip('.')}" in document
    assert f"{MAXIMUM_TOPIC} bytes" in document
    assert f"{MAXIMUM_PAYLOAD} bytes" in document


def test_the_readings_of_boards_without_sensors() -> None:
    assert [sensor_value(0, n) for n in range(3)] == [19_500, 19_537, 19_574]
    assert sensor_value(2, 28) == 20_200 + 36 - 500
    assert FUNCTIONS["clock_ms"].result_types == (ValueType.I64,)
    assert FUNCTIONS["log"].result_types == ()


def test_too_much_memory_is_refused_with_both_remedies() -> None:
    seventeen = assemble('(memory (export "memory") 17) (func (export "run"))')
    with pytest.raises(InvalidModule) as refused:
        validate(seventeen, Limits(memory=1 << 20, fuel=1, wall_time=1))
    for expected_text in ("17 pages", "the limit is 1048576", "--memory 1114112", "-zstack-size=16384"):
        assert expected_text in refused.value.reason
    assert validate(seventeen, Limits(memory=1_114_112, fuel=1, wall_time=1)).memory_minimum == 1_114_112
