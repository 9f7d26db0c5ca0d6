"""Reads a kind of board from its folder in ``platforms/``: the same facts for emulator, linker and scenarios.

``platforms/README.md`` describes the keys.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.boards.foreign import ForeignImage
from harness.core.data_files import data_folder
from harness.core.errors import UsageError, reason

__all__ = ["GET_IMAGES", "Platform", "Region", "find_platforms", "load_platform", "read_description"]

ROOT = Path(__file__).resolve().parents[2]
PLATFORMS_VARIABLE = "WASMBED_PLATFORMS"
IMAGES_VARIABLE = "WASMBED_IMAGES"
GET_IMAGES = f"run `make firmware` in the repository, or name the folder of its images in {IMAGES_VARIABLE}"
PROGRAM_MEMORY = ("flash", "ram", "heap")


@dataclass(frozen=True, slots=True)
class Region:
    """A range of memory: start address, and size in bytes."""

    origin: int
    size: int

    def holds(self, address: int, size: int) -> bool:
        """Whether the ``size`` bytes from ``address`` lie in it."""
        return self.origin <= address and address + size <= self.origin + self.size


@dataclass(frozen=True, slots=True)
class Platform:
    """One kind of board, from its ``board.toml``."""

    name: str
    summary: str
    image: str
    features: frozenset[str]
    cannot: tuple[str, ...]
    refused: str | None
    """Why a board of this kind is not started; None for those that are."""
    program: str
    """The emulator's program."""
    machine: str
    """The emulator's name for the board."""
    minimum: tuple[int, ...]
    """The oldest version of the emulator that has the machine."""
    arguments: tuple[str, ...]
    """Further arguments for the emulator."""
    memory_backend: str | None
    """The RAM that a file can back, so that ``storage`` outlives a power cut."""
    has_ethernet: bool
    """Whether the emulated board has an Ethernet controller."""
    link: int
    """The index of the serial line that is the link; the other one is the console."""
    target: str
    """Rust's target of the image; empty for a board without an image."""
    program_memory: tuple[Region, ...]
    """The memory in which an image may lie and run."""
    provisioning: Region
    storage: Region | None
    peripherals: Region | None
    """The words for sensors and pins, in the RAM that a file backs."""
    """The memory that the firmware writes and that survives a power cut."""
    largest_module: int
    """Bytes of a module; 0: the board has no WebAssembly runtime."""
    largest_memory: int
    """Bytes of one application's linear memory."""
    folder: Path
    """The folder with its ``board.toml`` and the emulator's other files."""
    foreign: ForeignImage | None = None
    """The image of another project, if its boards have one."""

    def with_image(self, name: str, image: ForeignImage) -> Platform:
        """Return a kind of the same boards with another image."""
        features = image.features
        if features is None:
            features = self.features if image.is_ours else frozenset()
        return replace(
            self, name=name, foreign=image, features=features, refused=None, cannot=(), image=image.path.name
        )

    @property
    def hardware(self) -> str:
        """The kind of board in `platforms/`, also with another image."""
        return self.foreign.kind if self.foreign is not None else self.name

    @property
    def foreign_memory(self) -> tuple[Region, ...]:
        """The memory that a firmware may use which is not ours."""
        return (*self.program_memory, self.provisioning, *((self.storage,) if self.storage is not None else ()))

    @property
    def image_path(self) -> Path:
        """The image that ``make firmware`` builds, or another project's."""
        if self.foreign is not None:
            return self.foreign.path
        return Path(os.environ.get(IMAGES_VARIABLE) or ROOT / "firmware" / "images") / self.image

    @property
    def missing_image(self) -> str | None:
        """A message that there is no image; None if there is one."""
        if self.image_path.exists():
            return None
        return f"there is no image {self.image_path.name} in {self.image_path.parent}"


def find_platforms(*programs: str) -> dict[str, Platform]:
    """Return every platform with one of these emulators, or with any, by name: those with the most features first,
    refused ones last.

    The folder is the repository's ``platforms/``, or the one that ``WASMBED_PLATFORMS`` names.
    """
    folder = Path(os.environ.get(PLATFORMS_VARIABLE) or data_folder("platforms"))
    found = [load_platform(path) for path in sorted(folder.glob("*/board.toml"))]
    found.sort(key=lambda platform: (platform.refused is not None, -len(platform.features), platform.name))
    return {platform.name: platform for platform in found if not programs or platform.program in programs}


def load_platform(path: Path) -> Platform:
    """Read one ``board.toml``. Raises UsageError naming the file and the invalid key."""
    try:
        return _platform(path.read_text(encoding="utf-8"), path.parent)
    except (OSError, tomllib.TOMLDecodeError, TypeError, ValueError) as error:
        raise UsageError(
            f"is not a board description: {reason(error)}", where=str(path), do="see platforms/README.md"
        ) from error
    except KeyError as error:
        raise UsageError(f"lacks the key {error}", where=str(path), do="see platforms/README.md") from error


def read_description(path: Path) -> Mapping[str, Any]:
    """The keys of a ``board.toml``. A text that was read before is not parsed again: each tier asks for all of them.

    Raises OSError, ValueError.
    """
    return _parsed(path.read_text(encoding="utf-8"))


@lru_cache(maxsize=64)
def _parsed(text: str) -> Mapping[str, Any]:
    return tomllib.loads(text)


def _features_of(limits: Mapping[str, Any]) -> frozenset[str]:
    return frozenset({"several-applications"} if limits.get("applications", 0) > 1 else ())


@lru_cache(maxsize=64)
def _platform(text: str, folder: Path) -> Platform:
    facts = _parsed(text)
    emulator, serial, memory = facts["emulator"], facts["serial"], facts["memory"]
    return Platform(
        name=str(facts["name"]),
        summary=str(facts["summary"]),
        image=str(facts["image"]),
        features=frozenset(facts["features"]) | _features_of(facts.get("limits", {})),
        cannot=tuple(facts.get("cannot", ())),
        refused=facts.get("refused"),
        program=str(emulator["program"]),
        machine=str(emulator["machine"]),
        minimum=tuple(int(part) for part in str(emulator["minimum"]).split(".")),
        arguments=tuple(str(argument) for argument in emulator.get("arguments", ())),
        memory_backend=emulator.get("memory_backend"),
        has_ethernet=bool(emulator.get("ethernet", "ethernet" in facts["features"])),
        link=int(serial["link"]),
        target=str(facts["build"]["target"]) if "build" in facts else "",
        program_memory=tuple(Region(**memory[name]) for name in PROGRAM_MEMORY if name in memory),
        provisioning=Region(**memory["provisioning"]),
        storage=Region(**memory["storage"]) if "storage" in memory else None,
        peripherals=Region(**memory["peripherals"]) if "peripherals" in memory else None,
        largest_module=int(facts["limits"]["module"]),
        largest_memory=int(facts["limits"].get("memory", 0)),
        folder=folder,
    )
