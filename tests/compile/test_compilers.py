"""The real compilers: their modules, and their messages with place and suggestion."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.wasmbed.compile import assemblyscript, clang
from harness.wasmbed.compile.compiler import GUEST
from harness.wasmbed.compile.results import BoardRoom, CannotCompile, Diagnostic, Language, Level, Source
from harness.wasmbed.compile.rust import read_messages
from harness.wasmbed.compile.templates import TEMPLATES
from harness.wasmbed.runtime.interface import FUNCTIONS
from tests.compile.tools import NEEDS_SANDBOX, needs, service

LANGUAGES = [pytest.param(language, marks=needs(language), id=language.value) for language in Language]

WRONG = {
    Language.RUST: (
        '#![no_std]\n\n#[unsafe(no_mangle)]\npub extern "C" fn run() {\n    wasmbed_guest::lag("hello");\n}\n',
        Diagnostic(
            Level.ERROR, "cannot find function `lag` in crate `wasmbed_guest`", "main.rs", 5, 20, "E0425",
            "a function with a similar name exists: log",
        ),
    ),
    Language.C: (
        '#include "wasmbed.h"\n\nWASMBED_EXPORT(run) void run(void) {\n    int total = 1;\n    totl++;\n}\n',
        Diagnostic(
            Level.ERROR, "use of undeclared identifier 'totl'; did you mean 'total'?", "main.c", 5, 5, None,
            "write 'total' from 5:5 to 5:9",
        ),
    ),
    Language.ASSEMBLYSCRIPT: (
        'import { log } from "./wasmbed";\n\nexport function run(): void {\n  lag("hello");\n}\n',
        Diagnostic(Level.ERROR, "Cannot find name 'lag'.", "main.ts", 4, 3, "TS2304"),
    ),
    Language.WAT: (
        '(module\n  (func (export "run")\n    i32.cnst 1))\n',
        Diagnostic(Level.ERROR, "unknown operator or unexpected token", "main.wat", 3, 5),
    ),
}  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
async def test_hello_becomes_a_small_module_with_one_import(language: Language) -> None:
    async with service() as compiler:
        compiled = await compiler.compile(TEMPLATES["hello"].source(language), untrusted=False)
    assert compiled.diagnostics == ()
    assert compiled.info is not None
    assert (compiled.info.imports, compiled.info.memory_minimum) == (("log",), 65_536)
    assert compiled.info.size < 1024
    assert {"run", "memory"} <= set(compiled.exports)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_an_error_has_its_place_and_the_compilers_suggestion(language: Language) -> None:
    code, expected = WRONG[language]
    async with service() as compiler:
        compiled = await compiler.compile(Source.unnamed(code, language), untrusted=False)
    assert compiled.module is None
    assert expected in compiled.diagnostics
    assert expected.message in compiled.output


@needs(Language.C)
async def test_a_warning_does_not_prevent_a_module() -> None:
    code = '#include "wasmbed.h"\nWASMBED_EXPORT(run) void run(void) {\n    int unused;\n}\n'
    async with service() as compiler:
        compiled = await compiler.compile(Source.unnamed(code, Language.C), untrusted=False)
    assert compiled.module is not None
    assert [(each.level, each.line, each.code) for each in compiled.diagnostics] == [
        (Level.WARNING, 3, "-Wunused-variable")
    ]


@needs(Language.C)
async def test_a_warning_that_is_an_error_has_its_own_name() -> None:
    code = '#include "wasmbed.h"\nWASMBED_EXPORT(run) void run(void) { absent(); }\n'
    async with service() as compiler:
        compiled = await compiler.compile(Source.unnamed(code, Language.C), untrusted=False)
    assert [each.code for each in compiled.diagnostics] == ["-Wimplicit-function-declaration"]


async def test_a_module_that_is_not_well_typed_is_told_in_a_sentence() -> None:
    code = '(module (func (export "run") (i32.add)))'
    async with service() as compiler:
        compiled = await compiler.compile(Source.unnamed(code, Language.WAT), untrusted=False)
    assert "main.wat: the module cannot run on a device: malformed WebAssembly module: type mismatch" in compiled.output


@needs(Language.C)
async def test_an_error_of_the_linker_is_one_of_the_code() -> None:
    code = '#include "wasmbed.h"\nextern int absent(void);\nWASMBED_EXPORT(run) int run(void) { return absent(); }\n'
    async with service() as compiler:
        compiled = await compiler.compile(Source.unnamed(code, Language.C), untrusted=False)
    assert [each.message for each in compiled.diagnostics if "undefined symbol: absent" in each.message]


@NEEDS_SANDBOX
@needs(Language.RUST)
async def test_code_of_others_reads_no_files_of_this_computer(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    body = f'wasmbed_guest::log(include_str!("{secret}"))'
    code = f'#![no_std]\n#[unsafe(no_mangle)]\npub extern "C" fn run() {{ {body} }}\n'
    async with service() as compiler:
        compiled = await compiler.compile(Source.unnamed(code, Language.RUST))
    assert compiled.module is None
    assert "No such file" in compiled.output


@needs(Language.RUST)
@pytest.mark.parametrize(
    ("code", "suggestion"),
    [
        ('#[unsafe(no_mangle)]\npub extern "C" fn run() {}\n', "begin the file with #![no_std]"),
        (
            '#![no_std]\n#[unsafe(no_mangle)]\npub extern "C" fn run() {}\n',
            "use wasmbed_guest, which has one: use wasmbed_guest::log;",
        ),
    ],
)
async def test_what_rustc_explains_for_other_targets_has_a_suggestion_of_ours(code: str, suggestion: str) -> None:
    async with service() as compiler:
        compiled = await compiler.compile(Source.unnamed(code, Language.RUST), untrusted=False)
    assert suggestion in [each.suggestion for each in compiled.diagnostics]


@pytest.mark.parametrize(
    ("file", "pattern"), [("wasmbed.h", r"IMPORT\((\w+)\)"), ("wasmbed.ts", r'"wasmbed", "(\w+)"')]
)
def test_each_language_declares_the_whole_host_interface(file: str, pattern: str) -> None:
    declared = re.findall(pattern, (GUEST / file).read_text("utf-8"))
    assert [name for name in declared if name != "name"] == list(FUNCTIONS)


def test_output_that_is_not_of_a_compiler_has_no_diagnostics() -> None:
    noise = "Segmentation fault\n\x00{]\n::::\nfix-it:\n└─ in x(1,2)\n"
    assert (clang.read_messages(noise), assemblyscript.read_messages(noise)) == ([], [])
    assert read_messages(noise) == ([], noise)


async def test_a_missing_compiler_is_an_error_that_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    async with service() as compiler:
        for language, way in ((Language.C, "apt-get install"), (Language.ASSEMBLYSCRIPT, "apt-get install nodejs")):
            with pytest.raises(CannotCompile, match=way):
                await compiler.compile(Source.unnamed("", language), untrusted=False)
        (tmp_path / "node").touch(0o755)
        with pytest.raises(CannotCompile, match="npm install --prefix"):
            await compiler.compile(Source.unnamed("", Language.ASSEMBLYSCRIPT), untrusted=False)


async def test_the_boards_that_hold_a_module_are_those_with_room() -> None:
    rooms = [
        BoardRoom("none", 0, 0),
        BoardRoom("tiny", 40, 65_536),
        BoardRoom("low", 4096, 0),
        BoardRoom("fit", 47, 65_536),
    ]
    async with service() as compiler:
        module = '(module (memory (export "memory") 1) (func (export "run")))'
        compiled = await compiler.compile(Source.unnamed(module, Language.WAT))
    assert compiled.boards(rooms) == ["fit"]
    assert compiled.info is not None
    assert [room.objection(compiled.info) for room in rooms] == [
        "none has no WebAssembly runtime",
        "the module has 47 bytes, tiny takes at most 40",
        "the module needs 65,536 bytes of memory, low has 0",
        None,
    ]
