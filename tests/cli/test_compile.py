"""``wasmbed compile``, with the text format, which needs no compiler of another project."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli.main import run

GOOD = '(module (import "wasmbed" "clock_ms" (func (result i64))) (memory (export "memory") 1) (func (export "run")))'


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "clock.wat"
    file.write_text(GOOD)
    return file


def test_a_module_is_written_beside_its_source_and_described(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compile", str(source), "--target-board", "netduinoplus2"]) == 0
    assert source.with_suffix(".wasm").read_bytes().startswith(b"\0asm")
    said = capsys.readouterr().out
    assert "imports  clock_ms" in said
    assert "netduinoplus2" in said
    assert "lm3s6965evb" not in said


def test_output_and_language_can_be_named(source: Path, tmp_path: Path) -> None:
    other = source.rename(tmp_path / "-clock.txt")
    assert run(["compile", "--language=wat", "-o", str(tmp_path / "made"), str(other)]) == 0
    assert (tmp_path / "made").exists()


def test_an_error_is_shown_as_the_compiler_shows_it(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source.write_text('(module\n  (func (export "run")\n    i32.cnst 1))')
    assert run(["compile", str(source)]) == 2
    said = capsys.readouterr().err
    assert "--> clock.wat:3:5" in said
    assert said.rstrip().endswith("-> correct what the compiler names above")
    assert not source.with_suffix(".wasm").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["absent.wat"], "cannot be read"),
        (["{source}", "--target-board=virtaul"], "did you mean"),
        (["{source}", "--target-board=lm3s6965evb"], "lm3s6965evb has no WebAssembly runtime"),
        (["{source}", "-o", "/absent/made.wasm"], "cannot be written"),
        (["{folder}", "--language=wat"], "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said(
    source: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    given = [each.format(source=source, folder=source.parent) for each in arguments]
    assert run(["compile", *given]) == 2
    assert reason in capsys.readouterr().err


def test_a_suffix_that_no_language_has_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("")
    assert run(["compile", str(tmp_path / "a.txt")]) == 2
    assert "add --language: rust, c, assemblyscript, wat" in capsys.readouterr().err
