"""Read the boards of `platforms/` for the build, and make the linker script of each from its memory map."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PLATFORMS = Path(__file__).resolve().parents[2] / "platforms"
RISCV_REGIONS = {"TEXT": "FLASH", "RODATA": "FLASH", "DATA": "RAM", "BSS": "RAM", "HEAP": "RAM", "STACK": "STACK"}
"""The memory region of each section, by riscv-rt's names."""


@dataclass(frozen=True)
class Region:
    """A range of memory, in bytes."""

    origin: int
    size: int

    @property
    def end(self) -> int:
        return self.origin + self.size


RETAINED = 16
"""Bytes of ``retained`` that the firmware uses itself."""


@dataclass(frozen=True)
class Board:
    """The part of ``board.toml`` that the image depends on."""

    name: str
    image: str
    target: str
    profile: str
    flash: Region
    ram: Region
    stack: int
    heap: Region | None
    provisioning: Region
    storage: Region
    retained: Region
    peripherals: Region | None
    """The words for sensors and pins, where an emulator can reach them; else they are in ``retained``."""
    limits: dict[str, int]
    budget: dict[str, int]

    @classmethod
    def read(cls, path: Path) -> Board:
        """Read one ``board.toml``. Raises ValueError naming the file and the error."""
        try:
            data = tomllib.loads(path.read_text("utf-8"))
            memory: dict[str, Any] = data["memory"]

            def region(name: str) -> Region:
                return Region(memory[name]["origin"], memory[name]["size"])

            board = cls(
                data["name"],
                data["image"],
                data["build"]["target"],
                data["build"]["profile"],
                *(region("flash"), region("ram"), memory["stack"]),
                region("heap") if "heap" in memory else None,
                *(region("provisioning"), region("storage"), region("retained")),
                region("peripherals") if "peripherals" in memory else None,
                data["limits"],
                data["budget"],
            )
        except KeyError as error:
            raise ValueError(f"{path}: {error} is missing") from error
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"{path}: {error}") from error
        board._check(path)
        return board

    def _check(self, path: Path) -> None:
        names = ("flash", "ram", "heap", "provisioning", "storage", "retained", "peripherals")
        regions = [(name, region) for name in names if (region := getattr(self, name)) is not None]
        for index, (name, region) in enumerate(regions):
            for other_name, other in regions[index + 1 :]:
                if region.origin < other.end and other.origin < region.end:
                    raise ValueError(f"{path}: memory.{name} and memory.{other_name} overlap")

    @property
    def is_riscv(self) -> bool:
        """Whether the processor is RISC-V; the others are Arm."""
        return self.target.startswith("riscv")

    def linker_script(self) -> str:
        """Return ``memory.x`` for the ``link.x`` of cortex-m-rt or riscv-rt.

        The stack lies at the bottom of RAM. When it overflows it leaves RAM, which is a fault.
        """
        flash, ram, stack = self.flash, self.ram, self.stack
        heap = self.heap or Region(0, 0)
        numbers = {
            "ram_size": ram.size + heap.size,
            "stack_start": ram.origin,
            "stack_size": stack,
            "provisioning_start": self.provisioning.origin,
            "provisioning_size": self.provisioning.size,
            "storage_start": self.storage.origin,
            "storage_size": self.storage.size,
            "retained_start": self.retained.origin,
            "peripherals_start": self.peripherals.origin if self.peripherals else self.retained.origin + RETAINED,
            "largest_module": self.limits["module"],
            "largest_memory": self.limits["memory"],
            "largest_frame": self.limits["frame"],
            "largest_record": self.limits["record"],
            "value_stack": self.limits["value_stack"],
            "applications": self.limits["applications"],
        }
        lines = [
            f"/* Made from platforms/{self.name}/board.toml. */",
            "MEMORY {",
            f"  FLASH : ORIGIN = {flash.origin:#x}, LENGTH = {flash.size:#x}",
            f"  RAM : ORIGIN = {ram.origin + stack:#x}, LENGTH = {ram.size - stack:#x}",
            f"  STACK : ORIGIN = {ram.origin:#x}, LENGTH = {stack:#x}",
            "}",
            *(f'REGION_ALIAS("REGION_{use}", {region});' for use, region in RISCV_REGIONS.items() if self.is_riscv),
            f"_stack_start = {ram.origin + stack:#x};",
            f"_stack_end = {ram.origin:#x};",
            f"_board_heap_start = {f'{heap.origin:#x}' if self.heap else '__sheap'};",
            f"_board_heap_end = {heap.end if self.heap else ram.end:#x};",
            *(f"_board_{name} = {value:#x};" for name, value in numbers.items()),
        ]
        return "\n".join(lines) + "\n"


def find_boards(folder: Path = PLATFORMS) -> dict[str, Board]:
    """Return every board with an image, by name. Raises ValueError for an invalid description, and for two images of
    the same name."""
    paths = (path for path in sorted(folder.glob("*/board.toml")) if "[build]" in path.read_text("utf-8"))
    boards: dict[str, Board] = {}
    for path in paths:
        board = Board.read(path)
        if (other := next((each.name for each in boards.values() if each.image == board.image), None)) is not None:
            raise ValueError(f"{path}: the image {board.image} belongs to {other}; give each board its own image")
        boards[board.name] = board
    return boards
