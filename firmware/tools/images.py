"""Measure an image's use of its board's memory, from the ELF file, and compare it with the board's budget."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path

from tools.boards import Board

SECTION_ALLOCATED = 2
NO_BITS = 8

TRANSLATION = 9
"""Heap that a module takes while it is loaded, as a multiple of its size: the module and its translation."""
NODE = 16 << 10
"""Heap for everything except modules: TLS, session, messages."""


def stacks(cells: int) -> int:
    """Return the most heap that the stacks of a call take, for a value stack of ``cells``, as the node reserves it
    (`wasmbed-node/src/runtime/guest.rs`)."""
    growing = cells // 2 if cells > 1024 else 0
    return 8 * (cells + growing) + 24 * min(512, cells // 4)


@dataclass(frozen=True)
class Image:
    """One image; sizes in bytes."""

    board: Board
    flash: int
    static: int
    """RAM of the firmware's variables."""
    sha256: str

    @property
    def heap(self) -> int:
        """The memory for the heap: a region of its own, or the rest of RAM."""
        board = self.board
        return board.heap.size if board.heap else board.ram.size - board.stack - self.static

    def complaints(self) -> list[str]:
        """Return a message for every budget that the image exceeds."""
        need = {"flash": self.flash, "ram": self.static + self.board.stack}
        complaints = [
            f"{self.board.name}: {used:,} bytes of {kind}, the budget is {self.board.budget[kind]:,}: make it smaller, "
            f"or raise budget.{kind} in platforms/{self.board.name}/board.toml"
            for kind, used in need.items()
            if used > self.board.budget[kind]
        ]
        limits, where = self.board.limits, f"platforms/{self.board.name}/board.toml"
        wanted = max(TRANSLATION * limits["module"], limits["memory"] + stacks(limits["value_stack"])) + NODE
        if limits["module"] and self.heap < wanted:
            complaints.append(
                f"{self.board.name}: {self.heap:,} bytes of heap, the largest module takes {wanted:,}: lower "
                f"limits.module or limits.memory in {where}"
            )
        if not self.flash:
            complaints.append(f"{self.board.name}: the image is empty: remove firmware/target and build it again")
        return complaints


def measure(board: Board, elf: Path) -> Image:
    """Read the sizes of an image (ELF32, little-endian)."""
    data = elf.read_bytes()
    flash = static = 0
    for kind, flags, address, size in _sections(data):
        if not flags & SECTION_ALLOCATED:
            continue
        in_ram = board.ram.origin + board.stack <= address < board.ram.end
        static += size if in_ram else 0
        # Initialised variables also take flash, from where they are copied at start-up.
        flash += size if kind != NO_BITS else 0
    return Image(board, flash, static, hashlib.sha256(data).hexdigest())


def _sections(data: bytes) -> list[tuple[int, int, int, int]]:
    if data[:6] != b"\x7fELF\x01\x01":
        raise ValueError("not an ELF file of 32 bits, little-endian")
    (offset,) = struct.unpack_from("<I", data, 0x20)
    entry, count = struct.unpack_from("<HH", data, 0x2E)
    found = []
    for index in range(count):
        _, kind, flags, address, _, size = struct.unpack_from("<6I", data, offset + index * entry)
        found.append((kind, flags, address, size))
    return found


def table(images: list[Image]) -> str:
    """Return a table of the images for people: flash and its share of the board's, variables and stack and their share
    of the budget, heap, and the limits of modules."""
    head = ("board", "flash", "of", "variables", "stack", "of", "heap", "module", "its memory", "SHA-256")
    rows = [
        (
            image.board.name,
            f"{image.flash:,}",
            f"{100 * image.flash / image.board.flash.size:.0f} %",
            f"{image.static:,}",
            f"{image.board.stack:,}",
            f"{100 * (image.static + image.board.stack) / image.board.budget['ram']:.0f} %",
            f"{image.heap:,}",
            f"{image.board.limits['module']:,}",
            f"{image.board.limits['memory']:,}",
            image.sha256[:16],
        )
        for image in images
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = []
    for row in (head, *rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
