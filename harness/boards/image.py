"""Checks that an image fits a board: emulators load any image, and their errors do not name a wrong one."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import IO

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import ARMAttributesSection

from harness.boards.foreign import ForeignImage, Source
from harness.boards.platform import GET_IMAGES, Platform, Region
from harness.core.errors import HarnessError, RigError, UsageError, reason

__all__ = ["check_image"]

MACHINES = {"thumb": "EM_ARM", "riscv": "EM_RISCV"}
"""The ELF name of the processor, by the start of Rust's target."""
_ELF = b"\x7fELF"
_HARD_FLOAT = 0x400
"""The flag of an ELF file for Arm which passes floating-point numbers in registers of an FPU (ELF for the Arm
architecture, section 5.2)."""
_WITHOUT_FPU = ("thumbv6m", "thumbv7m", "thumbv8m.base")
_MICROCONTROLLER = ord("M")
_VECTORS = struct.Struct("<II")


def check_image(platform: Platform) -> None:
    """Raise RigError unless there is a complete image for the board's processor, and all that it loads lies in the
    board's memory, both where it is stored and where it runs; UsageError if the image is another project's."""
    if (missing := platform.missing_image) is not None:
        raise _error(platform, missing, "build it, or correct the path")
    if (wrong := _wrong(platform)) is not None:
        raise _error(platform, f"{platform.image_path} {wrong}", _how_to_build(platform))


def _error(platform: Platform, what: str, do: str) -> HarnessError:
    if platform.foreign is None:
        return RigError(what, where=platform.name, do=GET_IMAGES)
    return UsageError(what, where=platform.foreign.at("image"), do=do)


def _how_to_build(platform: Platform) -> str:
    memory = ", ".join(f"{region.origin:#010x} to {region.origin + region.size:#010x}" for region in _memory(platform))
    return f"build it for {platform.hardware} ({platform.target}); its memory: {memory}"


def _memory(platform: Platform) -> tuple[Region, ...]:
    return platform.program_memory if platform.foreign is None else platform.foreign_memory


def _wrong(platform: Platform) -> str | None:
    try:
        with platform.image_path.open("rb") as file:
            if platform.foreign is not None and file.read(len(_ELF)) != _ELF:
                return _wrong_flash(platform, platform.foreign, file)
            return _wrong_elf(platform, file)
    except OSError as error:
        return f"is not an image: {reason(error)}"
    except ELFError as error:
        return f"is not an image: {error}"


def _wrong_elf(platform: Platform, file: IO[bytes]) -> str | None:
    elf = ELFFile(file)
    machine = elf["e_machine"]
    segments = [segment.header for segment in elf.iter_segments("PT_LOAD")]
    length = file.seek(0, os.SEEK_END)
    if machine not in (wanted := [name for target, name in MACHINES.items() if platform.target.startswith(target)]):
        return f"is for another processor: {machine}, not {' or '.join(wanted)}"
    if platform.foreign is not None and (wrong := _wrong_build(platform.target, elf)) is not None:
        return wrong
    for segment in segments:
        if segment.p_offset + segment.p_filesz > length:
            return f"is cut off after {length} bytes"
        for address, size in ((segment.p_paddr, segment.p_filesz), (segment.p_vaddr, segment.p_memsz)):
            if size and not any(region.holds(address, size) for region in _memory(platform)):
                return f"is for another board: it has {size} bytes at {address:#010x}, where there is no memory"
    if platform.foreign is None:
        return None
    if not any(segment.p_filesz for segment in segments):
        return f"has nothing to load: it is {elf['e_type']}, not a linked program"
    taken = [Region(s.p_paddr, s.p_filesz) for s in segments] + [Region(s.p_vaddr, s.p_memsz) for s in segments]
    return _covered(platform.foreign, taken)


def _wrong_build(target: str, elf: ELFFile) -> str | None:
    """Why a program for this processor family does not run on ``target``."""
    if elf.elfclass != 32 or not elf.little_endian:
        return f"is for another processor: {elf.elfclass} bit, {'little' if elf.little_endian else 'big'} endian"
    if elf["e_machine"] != "EM_ARM":
        return None
    if (profile := next(_profiles(elf), None)) not in (None, 0, _MICROCONTROLLER):
        return f"is for another processor: Arm's profile {chr(profile)}, not M"
    if not profile and elf["e_type"] == "ET_EXEC" and not elf["e_entry"] & 1:
        return "is for another processor: it starts with Arm code, and a Cortex-M has only Thumb"
    if elf["e_flags"] & _HARD_FLOAT and target.startswith(_WITHOUT_FPU):
        return "is for another processor: it passes numbers in registers of an FPU (e_flags), which the board lacks"
    return None


def _profiles(elf: ELFFile) -> Iterator[int]:
    """The profiles of Arm processors for which the program says that it was built: ``A``, ``R``, ``M``."""
    section = elf.get_section_by_name(".ARM.attributes")
    for subsection in section.iter_subsections() if isinstance(section, ARMAttributesSection) else ():
        for part in subsection.iter_subsubsections():
            for attribute in part.iter_attributes("TAG_CPU_ARCH_PROFILE"):
                yield int(attribute.value)


def _wrong_flash(platform: Platform, foreign: ForeignImage, file: IO[bytes]) -> str | None:
    """Why a file without ELF header is not the flash of a Cortex-M: that begins with the stack's address and the
    address of the first instruction."""
    length, flash = file.seek(0, os.SEEK_END), platform.program_memory[0]
    if not platform.target.startswith("thumb"):
        return "is not an ELF file"
    if length > flash.size:
        return f"is for another board: it has {length} bytes, and the flash only {flash.size}"
    file.seek(0)
    start = file.read(_VECTORS.size)
    stack, entry = _VECTORS.unpack(start.ljust(_VECTORS.size, b"\0"))
    in_memory = any(region.holds(stack - 1, 1) for region in platform.foreign_memory)
    if not (in_memory and entry & 1 and Region(flash.origin, length).holds(entry & ~1, 1)):
        words = f"{stack:#010x} and {entry:#010x}"
        return f"is neither an ELF file nor a copy of the flash: no stack and program of this board are at {words}"
    return _covered(foreign, [Region(flash.origin, length)])


def _covered(foreign: ForeignImage, taken: list[Region]) -> str | None:
    """Why the place of words, settings or files is not free."""
    if foreign.source not in (Source.WORDS, Source.SETTINGS, Source.FILES):
        return None
    end = foreign.address + foreign.size
    for region in taken:
        if region.size and region.origin < end and foreign.address < region.origin + region.size:
            what = f"has {region.size} bytes of code or data at {region.origin:#010x}"
            return f"{what}, where its {foreign.source} go ({foreign.address:#010x} to {end:#010x})"
    return None
