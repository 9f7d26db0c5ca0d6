"""QEMU's arguments for a board."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from harness.boards.platform import Platform

__all__ = ["MEMORY_SIZE", "inherited", "machine_arguments"]

MEMORY_SIZE = 16 << 20
"""Size of the RAM that a file backs, in bytes; its address is a multiple of the size."""


def inherited(file: IO[bytes]) -> str:
    """Return a path to an open file, for a process that inherits its descriptor."""
    return f"/dev/fd/{file.fileno()}"


def machine_arguments(
    platform: Platform, image: Path, blob: Path | str | None, memory: Path | str, address: int | None = None
) -> list[str]:
    """Return QEMU's arguments for a board with that image and provisioning blob, which lies at ``address`` or where the
    platform has its place; ``memory`` is the file behind its RAM."""
    machine, extra = platform.machine, []
    if platform.memory_backend is not None:
        backend = platform.memory_backend
        machine += f",memory-backend={backend}"
        extra = ["-object", f"memory-backend-file,id={backend},size={MEMORY_SIZE},mem-path={memory},share=on"]
    loader = []
    if blob is not None:
        origin = platform.provisioning.origin if address is None else address
        loader = ["-device", f"loader,file={blob},addr={origin:#x},force-raw=on"]
    return [*extra, "-M", machine, *platform.arguments, "-kernel", str(image), *loader]
