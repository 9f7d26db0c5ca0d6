"""The tier of boards in QEMU without an emulator: its kinds, and its messages when something is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.boards.board import BoardEnvironment, BoardSettings, Credentials
from harness.boards.platform import IMAGES_VARIABLE
from harness.boards.qemu import QemuTier
from harness.boards.qemu import tier as room
from harness.core.clock import SystemClock
from harness.core.errors import RigError, UsageError
from harness.core.identifiers import Randomness
from harness.core.network import SystemNetwork

SETTINGS = BoardSettings("pump-1", Credentials(b"", b""), ("127.0.0.1", 1), "localhost")
WORLD = BoardEnvironment(SystemClock(), SystemNetwork(), Randomness(1))


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    room.qemu_version.cache_clear()
    yield
    room.qemu_version.cache_clear()


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program on the PATH, instead of QEMU, that prints this version."""
    path = tmp_path / "qemu-system-arm"
    says(path, "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)")
    monkeypatch.setenv("PATH", str(tmp_path))
    return path


def says(program: Path, words: str) -> None:
    program.write_text(f"#!/bin/sh\necho '{words}'\n")
    program.chmod(0o755)
    room.qemu_version.cache_clear()


def test_a_missing_qemu_is_reported_with_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert room.qemu_version("qemu-system-arm") is None
    assert "apt-get install qemu-system-arm" in (QemuTier.unavailable() or "")
    with pytest.raises(RigError, match="mps2-an385: qemu-system-arm is not installed; on Debian"):
        QemuTier().make("mps2-an385", SETTINGS, WORLD)


def test_one_emulator_without_the_other(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RigError, match="apt-get install qemu-system-misc"):
        QemuTier().make("riscv32-virt", SETTINGS, WORLD)
    assert "qemu-system-riscv32 is not installed" in (QemuTier().about("riscv32-virt").unavailable or "")
    monkeypatch.setenv(IMAGES_VARIABLE, str(tmp_path))
    (tmp_path / "riscv32-virt.elf").touch()
    assert "make firmware" in (QemuTier.unavailable() or "")
    program.rename(tmp_path / "qemu-system-riscv32")
    assert QemuTier.unavailable() is None
    assert QemuTier().make("riscv32-virt", SETTINGS, WORLD).kind == "riscv32-virt"


def test_missing_images_are_reported_with_how_to_get_them(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(IMAGES_VARIABLE, str(tmp_path))
    assert re.search("make firmware.*WASMBED_IMAGES", QemuTier.unavailable() or "")
    (tmp_path / "mps2-an500.elf").touch()
    assert QemuTier.unavailable() is None


def test_an_image_that_is_only_for_refused_boards_does_not_count(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(IMAGES_VARIABLE, str(tmp_path))
    (tmp_path / "stm32vldiscovery.elf").touch()
    assert "make firmware" in (QemuTier.unavailable() or "")


@pytest.mark.parametrize(("words", "found"), [("QEMU emulator version 6.1.9", "6.1.9"), ("what?", "unknown")])
def test_a_qemu_that_is_too_old_is_named(program: Path, words: str, found: str) -> None:
    says(program, words)
    expected = f"needs QEMU 7.2 or newer; the version of {program} is {found}"
    assert (QemuTier.unavailable() or "").startswith(expected)
    with pytest.raises(RigError, match=f"mps2-an385: {re.escape(expected)}"):
        QemuTier().make("mps2-an385", SETTINGS, WORLD)


def test_a_program_that_cannot_run_is_no_qemu(program: Path) -> None:
    program.write_bytes(b"\0\1")
    assert room.qemu_version("qemu-system-arm") is None
    assert "is unknown; install a newer one" in (QemuTier.unavailable() or "")


def test_versions_are_numbers(program: Path) -> None:
    says(program, "QEMU emulator version 10.0.2 (Debian)")
    assert room.qemu_version("qemu-system-arm") == (10, 0, 2)
    assert QemuTier().make("mps2-an385", SETTINGS, WORLD).kind == "mps2-an385"


def test_a_board_that_only_a_newer_qemu_has(program: Path) -> None:
    with pytest.raises(RigError, match=r"olimex-stm32-h405: needs QEMU 8\.\d+ or newer; .* is 7\.2\.22"):
        QemuTier().make("olimex-stm32-h405", SETTINGS, WORLD)


def test_a_refused_board_is_reported_with_its_other_link(program: Path) -> None:
    with pytest.raises(UsageError, match=r"stm32vldiscovery: .*\n.*, or ask for stm32vldiscovery\+plain-serial"):
        QemuTier().make("stm32vldiscovery", SETTINGS, WORLD)
    about = QemuTier().about("stm32vldiscovery").unavailable or ""
    assert about.startswith("it cannot do TLS in 8 KiB of RAM")
    assert about.endswith("; ask for stm32vldiscovery+plain-serial")


def test_an_unknown_kind_is_the_callers_mistake(program: Path) -> None:
    with pytest.raises(UsageError, match="no board kind 'quantum'"):
        QemuTier().make("quantum", SETTINGS, WORLD)


def test_the_default_can_do_most() -> None:
    tier = QemuTier()
    kinds = tier.kinds()
    assert kinds[0].startswith("mps2-")
    assert kinds[-1] == "stm32vldiscovery"
    assert {"mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505", "netduinoplus2", "lm3s6965evb"} <= set(kinds)
    assert tier.features() == tier.features(kinds[0]) >= {"tls", "wasm", "csr", "storage", "watchdog"}
    assert "storage" not in tier.features("netduinoplus2")
    assert "wasm" not in tier.features("lm3s6965evb")
