"""Reduces an image to the part that is loaded, without symbols; a copy of the flash stays as it is.

Renode reads the symbols again for each machine and keeps them, which takes longer than the rest of the image.
"""

from __future__ import annotations

from pathlib import Path

from elftools.elf.elffile import ELFFile

__all__ = ["is_elf", "loadable"]

_ELF = b"\x7fELF"


def is_elf(image: Path) -> bool:
    """Whether it is an ELF file, not a copy of the flash."""
    with image.open("rb") as file:
        return file.read(len(_ELF)) == _ELF


def loadable(image: Path) -> bytes:
    """Return an ELF file that loads the same bytes as the ELF file ``image``, and has no sections; another file as it
    is."""
    if not is_elf(image):
        return image.read_bytes()
    with image.open("rb") as file:
        elf = ELFFile(file)
        end = max(segment["p_offset"] + segment["p_filesz"] for segment in elf.iter_segments())
        elf.header.update(e_shoff=0, e_shnum=0, e_shstrndx=0)
        header: bytes = elf.structs.Elf_Ehdr.build(elf.header)
        file.seek(len(header))
        return header + file.read(end - len(header))
