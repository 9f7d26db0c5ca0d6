"""Modules are loaded by name, by path, as text, and as bytes."""

import shlex
from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.stack.modules import Modules, padded, read_module
from harness.wasmbed.protocol.messages import Limits
from harness.wasmbed.resources import manifests
from harness.wasmbed.runtime.validation import validate

TEXT = '(module (memory (export "memory") 1) (func (export "run")))'


@pytest.fixture
def modules(tmp_path: Path) -> Modules:
    (tmp_path / "idle.wat").write_text(TEXT)
    (tmp_path / "raw.wasm").write_bytes(b"as it is")
    (tmp_path / "broken.wat").write_text("(module\n  (fun))")
    return Modules(tmp_path)


def test_text_is_assembled_and_binaries_stay_unchanged(modules: Modules) -> None:
    assert modules("idle").startswith(b"\0asm")
    assert modules("raw") == b"as it is"
    assert modules.load(b"bytes") == b"bytes"
    assert modules.load("idle") == modules.load(modules.folder / "idle.wat")


def test_an_unknown_module_is_refused_with_the_known_ones(modules: Modules, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"no module 'hallo'\n  -> the modules are: broken, idle, raw; the harness's own: .*hello"
    ):
        modules("hallo")
    with pytest.raises(UsageError, match=r"--modules, in Robot the variable MODULES; the harness's own: .*hello"):
        Modules(tmp_path / "nowhere")("hallo")
    with pytest.raises(UsageError, match="cannot be read"):
        modules.load(tmp_path / "gone.wasm")


def test_the_harness_has_its_own_modules(modules: Modules, tmp_path: Path) -> None:
    assert modules("hello") == Modules(tmp_path / "nowhere")("hello")
    (tmp_path / "hello.wasm").write_bytes(b"the folder's")
    assert modules("hello") == b"the folder's"


def test_an_error_in_the_text_is_shown(modules: Modules) -> None:
    with pytest.raises(UsageError, match=r"broken\.wat(.|\n)*expected(.|\n)*fun"):
        modules("broken")


def test_the_place_of_an_error_in_the_text_names_its_file(modules: Modules, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as failed:
        modules("broken")
    assert f"--> {tmp_path / 'broken.wat'}:2:4" in str(failed.value)


@pytest.mark.parametrize("name", ["avg.c", "avg.rs", "my avg.ts"])
def test_source_text_is_to_be_compiled_first(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("int main(void) { return 0; }")
    with pytest.raises(
        UsageError, match=r"source text, not a module\n  -> compile it first: wasmbed compile "
    ) as failed:
        read_module(path)
    command = str(failed.value).partition("wasmbed compile ")[2]
    assert shlex.split(command) == [str(path), "makes", str(path.with_suffix(".wasm"))]


def test_a_module_that_is_too_large_is_refused_with_its_size() -> None:
    with pytest.raises(UsageError, match="the module has 1,048,577 bytes, an Application holds at most 1,048,576"):
        manifests.application("large", module=bytes((1 << 20) + 1), all_devices=True)


@pytest.mark.parametrize("size", [100, 300, 20_000, 900_000])
def test_a_padded_module_is_the_same_module(modules: Modules, size: int) -> None:
    module = padded(modules("idle"), size)
    assert size - 8 <= len(module) <= size
    assert validate(module, Limits(65_536, 1, 1)).entry == "run"
