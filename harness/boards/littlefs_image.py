"""Writes an image of a littlefs file system, the one of Zephyr, Arduino and others, with the library of its authors."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import PurePosixPath

from harness.core.errors import RigError

__all__ = ["NoFiles", "littlefs_image"]


class NoFiles(Exception):
    """The files do not fit, or have invalid names."""


def littlefs_image(files: Iterable[tuple[str, bytes]], size: int, block: int) -> bytes:
    """Return a file system of ``size`` bytes in blocks of ``block`` bytes with these files; folders are made.

    Raises NoFiles, and RigError without the library."""
    try:
        littlefs = import_module("littlefs")
    except ImportError as error:
        do = "install it: pip install 'wasmbed-harness[littlefs]'"
        raise RigError("files for a board need the package littlefs-python", do=do) from error
    if size // block < 2:
        raise NoFiles(f"a file system needs two blocks of {block} bytes")
    try:
        system = littlefs.LittleFS(block_size=block, block_count=size // block)
        for name, content in files:
            path = PurePosixPath(name.lstrip("/"))
            if path.parent.name:
                system.makedirs(str(path.parent), exist_ok=True)
            with system.open(str(path), "wb") as file:
                file.write(content)
        return bytes(system.context.buffer)
    except (littlefs.LittleFSError, OSError, ValueError) as error:
        raise NoFiles(str(error)) from error
