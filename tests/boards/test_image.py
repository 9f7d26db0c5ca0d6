"""A file that cannot be an image for a board is refused with the reason."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.boards.image import check_image
from harness.boards.platform import IMAGES_VARIABLE, ROOT, Platform, Region, load_platform
from harness.core.errors import RigError

PLATFORMS = {
    platform.name: platform
    for platform in (load_platform(path) for path in sorted((ROOT / "platforms").glob("*/board.toml")))
    if platform.target
}
MPS2 = PLATFORMS["mps2-an385"]
F4, F7 = PLATFORMS["stm32f4-discovery"], PLATFORMS["stm32f746g-disco"]


def built(platform: Platform) -> Path:
    if platform.missing_image is not None:
        pytest.skip(f"{platform.missing_image}: `make firmware`")
    return platform.image_path


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS)
def test_an_image_fits_its_board(platform: Platform) -> None:
    built(platform)
    check_image(platform)


@pytest.mark.parametrize(("image", "board"), [(F4, F7), (F4, MPS2), (MPS2, F4)])
def test_an_image_for_other_memory_is_refused(image: Platform, board: Platform) -> None:
    built(image)
    with pytest.raises(RigError, match=rf"{image.image} is for another board: it has \d+ bytes at 0x"):
        check_image(replace(board, image=image.image))


def test_a_board_with_less_memory_is_another() -> None:
    less = tuple(Region(region.origin, 0x1000) for region in MPS2.program_memory)
    built(MPS2)
    with pytest.raises(RigError, match="where there is no memory"):
        check_image(replace(MPS2, program_memory=less))


def test_an_image_for_another_processor_is_refused() -> None:
    built(MPS2)
    with pytest.raises(RigError, match="another processor: EM_ARM, not EM_RISCV"):
        check_image(replace(MPS2, target="riscv32imac-unknown-none-elf"))


def test_an_image_that_is_cut_off_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beginning = built(MPS2).read_bytes()[:300_000]
    monkeypatch.setenv(IMAGES_VARIABLE, str(tmp_path))
    (tmp_path / MPS2.image).write_bytes(beginning)
    with pytest.raises(RigError, match="is cut off after 300000 bytes"):
        check_image(MPS2)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, rf"there is no image {MPS2.image} in "),
        (lambda path: path.touch(), "is not an image: "),
        (lambda path: path.write_text("not an ELF file"), "is not an image: "),
        (lambda path: path.mkdir(), "is not an image: "),
        (lambda path: path.write_bytes(Path(sys.executable).read_bytes()[:30]), "is not an image: "),
        (lambda path: shutil.copyfile(sys.executable, path), "is for another processor: "),
    ],
    ids=["missing", "empty", "text", "folder", "beginning", "program"],
)
def test_a_file_that_is_not_an_image_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], object], words: str
) -> None:
    monkeypatch.setenv(IMAGES_VARIABLE, str(tmp_path))
    make(tmp_path / MPS2.image)
    with pytest.raises(RigError, match=words) as trouble:
        check_image(MPS2)
    assert "WASMBED_IMAGES" in (trouble.value.do or "")
