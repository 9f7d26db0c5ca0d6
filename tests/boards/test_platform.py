"""The descriptions in ``platforms/`` are consistent, and an invalid one is reported with its error."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.boards.platform import (
    IMAGES_VARIABLE,
    PLATFORMS_VARIABLE,
    ROOT,
    Platform,
    Region,
    find_platforms,
    load_platform,
)
from harness.boards.qemu.arguments import machine_arguments
from harness.core.errors import UsageError

FILES = sorted((ROOT / "platforms").glob("*/board.toml"))
GOOD = (ROOT / "platforms" / "mps2-an385" / "board.toml").read_text("utf-8")


def written(folder: Path, text: str, name: str = "board") -> Path:
    path = folder / name / "board.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_each_board_is_described(path: Path) -> None:
    platform = load_platform(path)
    assert platform.name == path.parent.name
    assert platform.image == f"{platform.name}.elf"
    assert platform.link in (0, 1)
    assert platform.provisioning.size >= 2048
    known = {"tls", "wasm", "several-applications", "csr", "storage", "watchdog", "ethernet", "plain-serial"}
    assert platform.features <= known
    assert ("wasm" in platform.features) == (platform.largest_module > 0)
    assert platform.summary
    # What it cannot do is said in words wherever a feature is missing.
    assert platform.cannot or platform.features >= {"tls", "wasm", "csr", "storage", "watchdog"}


def test_images_lie_where_the_firmware_is_built_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(IMAGES_VARIABLE, raising=False)
    platform = load_platform(ROOT / "platforms" / "mps2-an385" / "board.toml")
    assert platform.image_path == ROOT / "firmware" / "images" / "mps2-an385.elf"
    monkeypatch.setenv(IMAGES_VARIABLE, str(tmp_path))
    assert platform.image_path == tmp_path / "mps2-an385.elf"


def test_a_folder_of_ones_own_boards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PLATFORMS_VARIABLE, str(tmp_path))
    assert find_platforms("qemu-system-arm") == {}
    less = GOOD.replace('name = "mps2-an385"', 'name = "a-less"').replace(', "watchdog"', "")
    refused = f'refused = "it is too small"\n{GOOD}'.replace('name = "mps2-an385"', 'name = "a-refused"')
    other = GOOD.replace("qemu-system-arm", "qemu-system-riscv32").replace('name = "mps2-an385"', 'name = "other"')
    for number, text in enumerate((less, refused, other, GOOD)):
        written(tmp_path, text, f"b{number}")
    platforms = find_platforms("qemu-system-arm")
    assert list(platforms) == ["mps2-an385", "a-less", "a-refused"]
    assert platforms["a-refused"].refused == "it is too small"
    assert list(find_platforms("qemu-system-riscv32")) == ["other"]


def test_a_board_may_need_more_of_its_emulator(tmp_path: Path) -> None:
    text = GOOD.replace("[build]", 'arguments = ["-bios", "none"]\n\n[build]')
    platform = load_platform(written(tmp_path, text))
    assert platform.arguments == ("-bios", "none")
    command = machine_arguments(platform, Path("image"), "blob", "memory")
    assert " ".join(command).endswith("-bios none -kernel image -device loader,file=blob,addr=0x21e00000,force-raw=on")


def test_every_key_of_a_description_is_read(tmp_path: Path) -> None:
    platform = load_platform(written(tmp_path, GOOD.replace('minimum = "7.2"', 'minimum = "10.0.1"')))
    assert isinstance(platform, Platform)
    assert platform.minimum == (10, 0, 1)
    assert platform.provisioning == Region(0x21E0_0000, 0x1_0000)
    assert platform.storage == Region(0x21F0_0000, 0x1_0000)
    assert (platform.machine, platform.memory_backend, platform.link) == ("mps2-an385", "mps.ram", 0)
    assert platform.arguments == ()


@pytest.mark.parametrize(
    ("pattern", "replacement", "words"),
    [
        (r"^image = .*$", "", "lacks the key 'image'"),
        (r"^link = .*$", "", "lacks the key 'link'"),
        (r"^\[serial\]$", "[parallel]", "lacks the key 'serial'"),
        (r"^provisioning = .*$", "provisioning = { origin = 0 }", "size"),
        (r"^provisioning = .*$", "provisioning = { origin = 0, size = 1, colour = 2 }", "colour"),
        (r"^minimum = .*$", 'minimum = "newest"', "newest"),
        (r"^link = .*$", 'link = "first"', "first"),
        (r"^name = .*$", "name = ", "Invalid value"),
    ],
)
def test_a_bad_description_is_named(tmp_path: Path, pattern: str, replacement: str, words: str) -> None:
    text = re.sub(pattern, replacement, GOOD, count=1, flags=re.MULTILINE)
    assert text != GOOD
    path = written(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        load_platform(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "platforms/README.md" in str(caught.value)


def test_a_description_that_is_not_text_or_is_missing(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    path.write_bytes(b"\xff\xfe\x00")
    for bad in (path, tmp_path / "absent" / "board.toml"):
        with pytest.raises(UsageError, match="is not a board description"):
            load_platform(bad)
