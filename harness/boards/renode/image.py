"""Whether an image can be for a board at all: Renode loads any, and one for another board says nothing and hangs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from harness.boards.platform import Region
from harness.core.errors import RigError

__all__ = ["check_image"]


def check_image(image: Path, board: str, memory: Iterable[Region]) -> None:
    """Raise RigError unless all that ``image`` loads lies in ``memory``, where it is stored and where it runs."""
    do = f"run `make firmware` for an image of {board}"
    try:
        with image.open("rb") as file:
            segments = [segment.header for segment in ELFFile(file).iter_segments("PT_LOAD")]
    except (OSError, ELFError) as error:
        raise RigError(f"{image.name} is no image: {error}", where=board, do=do) from error
    regions = tuple(memory)
    for segment in segments:
        if segment.p_memsz == 0:
            continue
        for address, size in ((segment.p_paddr, segment.p_filesz), (segment.p_vaddr, segment.p_memsz)):
            if size and not any(
                region.origin <= address and address + size <= region.origin + region.size for region in regions
            ):
                raise RigError(
                    f"{image.name} is for another board: it has {size} bytes at {address:#010x}, where a {board} has "
                    "no memory",
                    where=board,
                    do=do,
                )
