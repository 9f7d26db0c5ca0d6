"""What a machine gets of an image: the part that is loaded, and no symbols.

Renode reads the symbols for each machine anew, which takes longer than all the rest of an image, and keeps them.
"""

from __future__ import annotations

from pathlib import Path

from elftools.elf.elffile import ELFFile

__all__ = ["loadable"]


def loadable(image: Path) -> bytes:
    """An ELF file that loads what the ELF file ``image`` does, and has no sections."""
    with image.open("rb") as file:
        elf = ELFFile(file)
        end = max(segment["p_offset"] + segment["p_filesz"] for segment in elf.iter_segments())
        elf.header.update(e_shoff=0, e_shnum=0, e_shstrndx=0)
        header: bytes = elf.structs.Elf_Ehdr.build(elf.header)
        file.seek(len(header))
        return header + file.read(end - len(header))
