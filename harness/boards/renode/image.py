"""Reduces an image to the part that is loaded, without symbols.

Renode reads the symbols again for each machine and keeps them, which takes longer than the rest of the image.
"""

from __future__ import annotations

from pathlib import Path

from elftools.elf.elffile import ELFFile

__all__ = ["loadable"]


def loadable(image: Path) -> bytes:
    """Return an ELF file that loads the same bytes as the ELF file ``image``, and has no sections."""
    with image.open("rb") as file:
        elf = ELFFile(file)
        end = max(segment["p_offset"] + segment["p_filesz"] for segment in elf.iter_segments())
        elf.header.update(e_shoff=0, e_shnum=0, e_shstrndx=0)
        header: bytes = elf.structs.Elf_Ehdr.build(elf.header)
        file.seek(len(header))
        return header + file.read(end - len(header))
