"""The firmware's build tools turn memory maps into linker scripts, and compare images with budgets."""

from __future__ import annotations

import importlib
import importlib.util
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "firmware"))

boards, images, toolchain = (importlib.import_module(f"tools.{name}") for name in ("boards", "images", "toolchain"))
BOARDS: dict[str, Any] = boards.find_boards()


def board_with(tmp_path: Path, old: str, new: str) -> Any:
    """Read the description of mps2-an385 with one change."""
    text = (boards.PLATFORMS / "mps2-an385" / "board.toml").read_text("utf-8")
    assert old in text
    path = tmp_path / "board.toml"
    path.write_text(text.replace(old, new, 1), "utf-8")
    return boards.Board.read(path)


def test_every_board_is_described() -> None:
    assert set(BOARDS) >= {"mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505", "netduinoplus2", "lm3s6965evb"}
    for name, board in BOARDS.items():
        assert board.name == name
        assert board.image == f"{name}.elf"
        assert board.profile in ("full", "no-wasm", "plain")


@pytest.mark.parametrize("name", BOARDS)
def test_the_stack_lies_at_the_bottom_of_ram(name: str) -> None:
    board = BOARDS[name]
    script = board.linker_script()
    top = board.ram.origin + board.stack
    assert f"_stack_start = {top:#x};" in script
    assert f"RAM : ORIGIN = {top:#x}, LENGTH = {board.ram.size - board.stack:#x}" in script
    assert f"_board_provisioning_start = {board.provisioning.origin:#x};" in script
    heap = board.heap or board.ram
    assert f"_board_heap_end = {heap.end:#x};" in script


def test_a_riscv_board_gets_the_names_of_its_runtime() -> None:
    script = BOARDS["riscv32-virt"].linker_script()
    for use, region in (("TEXT", "FLASH"), ("RODATA", "FLASH"), ("DATA", "RAM"), ("BSS", "RAM"), ("STACK", "STACK")):
        assert f'REGION_ALIAS("REGION_{use}", {region});' in script
    assert "REGION_ALIAS" not in BOARDS["mps2-an385"].linker_script()


def test_regions_that_overlap_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"board\.toml: memory\.heap and memory\.provisioning overlap"):
        board_with(tmp_path, "size = 0x00e0_0000", "size = 0x00e0_0001")


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'retained' is missing"):
        board_with(tmp_path, "retained =", "forgotten =")


def test_two_boards_with_one_image_are_refused(tmp_path: Path) -> None:
    text = (boards.PLATFORMS / "mps2-an385" / "board.toml").read_text("utf-8")
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "board.toml").write_text(text.replace('name = "mps2-an385"', f'name = "{name}"'), "utf-8")
    with pytest.raises(ValueError, match=r"second.board\.toml: the image mps2-an385\.elf belongs to first"):
        boards.find_boards(tmp_path)


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"board\.toml: "):
        board_with(tmp_path, "[build]", "[build")


def elf(path: Path, *sections: tuple[int, int, int, int]) -> Path:
    """Write an ELF file that has only section headers: kind, flags, address, size."""
    header = b"\x7fELF\x01\x01".ljust(0x20, b"\0") + struct.pack("<I", 0x34)
    header = header.ljust(0x2E, b"\0") + struct.pack("<HH", 40, len(sections)) + b"\0\0"
    bodies = (
        struct.pack("<10I", 0, kind, flags, address, 0, size, 0, 0, 0, 0) for kind, flags, address, size in sections
    )
    path.write_bytes(header + b"".join(bodies))
    return path


def test_sizes_are_read_from_the_image(tmp_path: Path) -> None:
    board = BOARDS["netduinoplus2"]
    flash, ram = board.flash.origin, board.ram.origin + board.stack
    image = images.measure(
        board, elf(tmp_path / "image", (1, 6, flash, 1000), (1, 3, ram, 100), (8, 3, ram + 100, 50), (1, 0, 0, 9))
    )
    assert (image.flash, image.static) == (1100, 150)
    assert image.heap == board.ram.size - board.stack - 150
    assert image.complaints() == []
    assert "netduinoplus2" in images.table([image])
    assert "1,100" in images.table([image])


def test_an_image_above_its_budget_is_reported_with_what_to_do(tmp_path: Path) -> None:
    board = BOARDS["lm3s6965evb"]
    image = images.Image(board, board.budget["flash"] + 1, board.budget["ram"], "")
    flash, ram = image.complaints()
    assert "bytes of flash, the budget is" in flash
    assert "platforms/lm3s6965evb/board.toml" in ram


def test_a_file_that_is_not_an_image_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"MZ")
    with pytest.raises(ValueError, match="not an ELF file"):
        images.measure(BOARDS["mps2-an385"], path)


def test_a_missing_tool_is_named_with_its_package() -> None:
    with pytest.raises(toolchain.Missing, match=r"no-such-linker is not installed\n  -> apt-get install some-package"):
        toolchain.require("no-such-linker", "some-package")


def build_script() -> Any:
    """Load `firmware/build.py`, by its path because a package has the same name."""
    spec = importlib.util.spec_from_file_location("firmware_build", ROOT / "firmware" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Compiler:
    """A toolchain that cannot link one board."""

    description = "no compiler at all"

    def __init__(self, culprit: str, words: str = "error: region `FLASH' overflowed by 96 bytes") -> None:
        self.culprit, self.words = culprit, words

    def run(self, arguments: list[str], flags: object, cwd: Path, on_line: Any, **variables: str) -> None:
        on_line("   Compiling wasmbed-boards v1.0.0")
        if f"--bin={self.culprit}" in arguments:
            raise toolchain.Failed(self.words)


def test_a_board_that_cannot_be_built_does_not_affect_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = build_script()
    target, stale = tmp_path / "target", tmp_path / "images" / "mps2-an386.elf"
    for name in ("mps2-an385", "mps2-an386", "mps2-an500"):
        folder = target / "thumbv7m-none-eabi" / "release"
        folder.mkdir(parents=True, exist_ok=True)
        elf(folder / name, (1, 6, 0, 1000))
    stale.parent.mkdir()
    stale.write_bytes(b"of yesterday")
    monkeypatch.setattr(script, "FIRMWARE", tmp_path)
    monkeypatch.setattr(script, "IMAGES", tmp_path / "images")
    monkeypatch.setattr(script, "find_toolchain", lambda *targets: Compiler("mps2-an386"))
    monkeypatch.setattr(toolchain, "require", lambda program, package: program)
    monkeypatch.setattr(sys, "argv", ["build.py", "mps2-an385", "mps2-an386", "mps2-an500"])
    assert script.main() == 1
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == ["mps2-an385.elf", "mps2-an500.elf"]
    out, err = capsys.readouterr()
    assert "Compiling" not in out + err
    assert "region `FLASH' overflowed by 96 bytes\nleft out: mps2-an386; the reason" in err


def test_a_target_without_its_tools_does_not_affect_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def find(target: str) -> Compiler:
        if target.startswith("riscv"):
            raise toolchain.Missing(f"no Rust compiler for {target}")
        return Compiler("no-board")

    script = build_script()
    monkeypatch.setattr(script, "find_toolchain", find)
    monkeypatch.setattr(toolchain, "require", lambda program, package: program)
    elf(tmp_path / "image", (1, 6, 0, 1000))
    monkeypatch.setattr(script, "measure", lambda board, path: images.measure(board, tmp_path / "image"))
    chosen = [BOARDS["mps2-an385"], BOARDS["riscv32-virt"]]
    built, failures = script.build(chosen, tmp_path / "target")
    assert [image.board.name for image in built] == ["mps2-an385"]
    assert failures == {"riscv32-virt": "no Rust compiler for riscv32imac-unknown-none-elf"}
    assert "building 1 images for thumbv7m-none-eabi" in capsys.readouterr().out


def test_a_board_without_a_source_is_reported_with_the_steps_for_a_new_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = build_script()
    monkeypatch.setattr(script, "FIRMWARE", tmp_path)
    monkeypatch.setattr(script, "IMAGES", tmp_path)
    monkeypatch.setattr(
        script, "find_toolchain", lambda *targets: Compiler("mps2-an385", "error: no bin target named `x`")
    )
    monkeypatch.setattr(toolchain, "require", lambda program, package: program)
    monkeypatch.setattr(sys, "argv", ["build.py", "mps2-an385"])
    assert script.main() == 1
    assert "the reason is above\n  -> a new board needs its src/bin: see docs/how-to" in capsys.readouterr().err


def test_cargo_is_quoted_only_when_it_fails(tmp_path: Path) -> None:
    cargo = tmp_path / "cargo"
    cargo.write_text('#!/bin/sh\necho "   Compiling a v1" >&2\necho "error: no $2" >&2\nexit 101\n', "utf-8")
    cargo.chmod(0o755)
    lines: list[str] = []
    with pytest.raises(toolchain.Failed, match=r"^error: no board$"):
        toolchain.Toolchain(str(cargo), "").run(["build", "board"], {}, tmp_path, lines.append)
    assert lines == ["   Compiling a v1", "error: no board"]


@pytest.mark.parametrize("script", ["build.py", "apps.py", "check.py"])
def test_ctrl_c_ends_a_build_without_a_traceback(tmp_path: Path, script: str) -> None:
    """The tools get the signal too, as with Ctrl-C in a terminal."""
    for name in ("cargo", "rustup", "rustc", "clang", "ld.lld"):
        tool = tmp_path / name
        tool.write_text("#!/bin/sh\nkill -INT $PPID\nexit 130\n", "utf-8")
        tool.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = [sys.executable, str(ROOT / "firmware" / script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (130, ""), done.stdout
