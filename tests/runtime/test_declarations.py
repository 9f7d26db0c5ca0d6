"""Declarations are read like wasmtime reads them, and counts above the limits are refused with a reason."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest
import wasmtime
from hypothesis import given
from hypothesis import strategies as st

from harness.boards.virtual.start import with_start_exported
from harness.testing.bench import LIMITS
from harness.testing.board_runtime import Judged, judged_modules
from harness.wasmbed.runtime.declarations import Segment, Signature, read_declarations
from harness.wasmbed.runtime.engine import SWITCHES, configuration
from harness.wasmbed.runtime.interface import DEFAULT_ENTRY, FUNCTIONS
from harness.wasmbed.runtime.limits import PROPOSALS
from harness.wasmbed.runtime.validation import InvalidModule, validate

JUDGED = judged_modules()


def assemble(body: str) -> bytes:
    return bytes(wasmtime.wat2wasm(f"(module {body})"))


def framed(more: str) -> bytes:
    return assemble(f'{more} (memory (export "memory") 1) (func (export "run"))')


@pytest.mark.parametrize("judged", JUDGED, ids=lambda judged: judged.name)
def test_validator_and_boards_agree_on_every_module(judged: Judged) -> None:
    accepted = True
    try:
        validate(judged.module, LIMITS)
    except InvalidModule:
        accepted = False
    assert accepted == judged.accepted


def test_the_binaries_match_their_text() -> None:
    text = (files("harness.testing") / "modules" / "verdicts.json").read_text("utf-8")
    for case in json.loads(text):
        if "text" in case:
            assert bytes(wasmtime.wat2wasm(case["text"])).hex() == case["hex"], case["name"]


def test_every_proposal_of_this_wasmtime_has_a_module() -> None:
    """A new switch fails here until it is decided on."""
    expected_texts = {
        "branch-hinting": "branch hints",
        "bulk-memory": "bulk memory",
        "compact-imports": "compact imports",
        "custom-page-sizes": "pages of one byte",
        "exceptions": "exceptions",
        "function-references": "typed function references",
        "gc": "garbage collection",
        "memory64": "64-bit memory",
        "multi-memory": "two memories",
        "multi-value": "multiple values",
        "reference-types": "reference types",
        "relaxed-simd": "vectors: relaxed",
        "simd": "vectors",
        "stack-switching": "stack switching",
        "tail-call": "tail calls",
        "threads": "threads",
        "wide-arithmetic": "wide arithmetic",
    }
    components = {name for name in SWITCHES if name.startswith("component-model")}
    assert set(SWITCHES) - components - {"relaxed-simd-deterministic"} <= set(expected_texts)
    for proposal, expected_text in expected_texts.items():
        (verdict,) = {judged.accepted for judged in JUDGED if judged.name.startswith(expected_text)}
        assert verdict == (proposal in PROPOSALS or proposal == "branch-hinting"), proposal


@pytest.mark.parametrize(
    ("more", "expected_text"),
    [
        ("(func)" * 10_000, "has 10,001 functions, devices take at most 10,000"),
        ("(global i32 (i32.const 0))" * 1_001, "has 1,001 globals"),
        ('(data "")' * 1_001, "has 1,001 data segments"),
        ("(table 1 funcref)" + "(elem func)" * 1_001, "has 1,001 element segments"),
        (f"(elem func {'0 ' * 10_001})", "has 10,001 elements of all segments"),
        ("(type (func))" * 1_001, "has 1,001 types"),
        ("".join(f'(func (export "f{index}"))' for index in range(999)), "has 1,001 exports"),
        (f"(func {'nop ' * 140_000})", "bytes of one function's code, devices take at most 131,072"),
        (f"(func (param {'i32 ' * 33}))", "has 33 parameters or results of a function"),
        (f"(func (local {'i64 ' * 10_001}))", "has 10,001 locals of one function"),
        ("(table 1 funcref)" * 9, "has 9 tables"),
        ("(table 10001 funcref)", "has 10,001 elements of a table"),
    ],
)
def test_counts_above_the_limits_are_refused_with_a_reason(more: str, expected_text: str) -> None:
    with pytest.raises(InvalidModule) as refused:
        validate(framed(more), LIMITS)
    assert expected_text in refused.value.reason


def test_all_declarations_of_a_module_are_read() -> None:
    found = read_declarations(
        assemble(
            """(import "wasmbed" "clock_ms" (func (result i64)))
            (type (func (param f32 f64 externref)))
            (table $t 3 7 funcref) (table 2 externref)
            (memory (export "memory") 1 9)
            (global i32 (i32.const -5)) (global f64 (f64.const 1.5)) (global funcref (ref.func 0))
            (global externref (ref.null extern))
            (func $f (export "run") (local i32 i64 i64)) (start $f)
            (elem (table $t) (i32.const 1) func $f $f) (elem $p funcref (ref.func $f) (ref.null func))
            (elem declare func $f) (elem (i32.const 0) funcref (ref.func $f))
            (data (i32.const 2) "abc") (data "passive")
            (data (i32.sub (i32.mul (i32.const 6) (i32.const 7)) (i32.const 2)) "x")
            (data (i32.const -1) "")"""
        )
    )
    nothing = Signature((), ())
    assert found.imports == [("wasmbed", "clock_ms", Signature((), ("i64",)))]
    assert set(found.types) == {Signature(("f32", "f64", "externref"), ()), Signature((), ("i64",)), nothing}
    assert found.functions == [Signature((), ("i64",)), nothing]
    assert (found.tables, found.memories, found.start) == ([(3, 7), (2, None)], [(1, 9)], 1)
    assert (found.exported("run"), found.exported("memory"), found.exported("no")) == (nothing, "memory", None)
    assert found.segments == [
        Segment("element", 0, 0, 1, 2),
        Segment("element", 3, 0, 0, 1),
        Segment("data", 0, 0, 2, 3),
        Segment("data", 2, 0, 40, 1),
        Segment("data", 3, 0, (1 << 32) - 1, 0),
    ]


@given(st.data())
def test_a_damaged_module_never_crashes_the_reader(data: st.DataObject) -> None:
    """The runtime can compile every accepted module."""
    module = bytearray(data.draw(st.sampled_from([judged.module for judged in JUDGED if len(judged.module) > 8])))
    for _ in range(data.draw(st.integers(1, 3))):
        module[data.draw(st.integers(8, len(module) - 1))] = data.draw(st.integers(0, 255))
    try:
        validate(bytes(module), LIMITS)
    except InvalidModule:
        return
    wasmtime.Module(wasmtime.Engine(configuration()), bytes(module))


def test_a_start_function_becomes_an_export_like_any_other() -> None:
    plain = framed("(func $s) (func $other)")
    assert with_start_exported(plain, "go") is plain
    started = framed("(func $s unreachable) (start $s)")
    engine = wasmtime.Engine(configuration())
    changed = wasmtime.Module(engine, with_start_exported(started, "go"))
    assert [export.name for export in changed.exports] == ["memory", "run", "go"]
    store = wasmtime.Store(engine)
    store.set_fuel(1000)
    store.set_epoch_deadline(1)
    exports = wasmtime.Instance(store, changed, []).exports(store)
    with pytest.raises(wasmtime.Trap, match="unreachable"):
        exports["go"](store)


@pytest.mark.skipif(not (shutil.which("clang") and shutil.which("wasm-ld")), reason="needs clang and wasm-ld")
def test_many_small_functions_of_a_c_compiler_are_accepted(tmp_path: Path) -> None:
    """With 22 bytes on average, which wasmi's own limits would refuse after the transfer."""
    names = range(64)
    source = "".join(
        f'__attribute__((export_name("get{name}"))) int get{name}(void){{return v[{name}];}}\n'
        f'__attribute__((export_name("set{name}"))) void set{name}(int x){{v[{name}]=x;}}\n'
        for name in names
    )
    run = '__attribute__((export_name("run"))) void run(void){set1(1);}\n'
    (tmp_path / "getters.c").write_text(f"static int v[64];\n{source}{run}")
    options = ["--target=wasm32", "-O1", "-fno-inline", "-nostdlib", "-Wl,--no-entry", "-Wl,-zstack-size=16384"]
    subprocess.run(["clang", *options, "getters.c", "-o", "getters.wasm"], cwd=tmp_path, check=True)
    info = validate((tmp_path / "getters.wasm").read_bytes(), LIMITS, DEFAULT_ENTRY)
    assert not set(info.imports) - set(FUNCTIONS)
