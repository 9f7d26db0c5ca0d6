"""Checks that an image fits a board: emulators load any image, and their errors do not name a wrong one."""

from __future__ import annotations

import os

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from harness.boards.platform import GET_IMAGES, Platform
from harness.core.errors import RigError

__all__ = ["check_image"]

MACHINES = {"thumb": "EM_ARM", "riscv": "EM_RISCV"}
"""The ELF name of the processor, by the start of Rust's target."""


def check_image(platform: Platform) -> None:
    """Raise RigError unless there is a complete image for the board's processor, and all that it loads lies in the
    board's memory, both where it is stored and where it runs."""
    if (missing := platform.missing_image) is not None:
        raise RigError(missing, where=platform.name, do=GET_IMAGES)
    if (wrong := _wrong(platform)) is not None:
        raise RigError(f"{platform.image_path} {wrong}", where=platform.name, do=GET_IMAGES)


def _wrong(platform: Platform) -> str | None:
    try:
        with platform.image_path.open("rb") as file:
            elf = ELFFile(file)
            machine = elf["e_machine"]
            segments = [segment.header for segment in elf.iter_segments("PT_LOAD")]
            length = file.seek(0, os.SEEK_END)
    except (OSError, ELFError) as error:
        return f"is not an image: {error}"
    if machine not in (wanted := [name for target, name in MACHINES.items() if platform.target.startswith(target)]):
        return f"is for another processor: {machine}, not {' or '.join(wanted)}"
    for segment in segments:
        if segment.p_offset + segment.p_filesz > length:
            return f"is cut off after {length} bytes"
        for address, size in ((segment.p_paddr, segment.p_filesz), (segment.p_vaddr, segment.p_memsz)):
            if size and not any(region.holds(address, size) for region in platform.program_memory):
                return f"is for another board: it has {size} bytes at {address:#010x}, where there is no memory"
    return None
