"""Runs Renode inside the host's process, through pyrenode3 if that is installed.

Only this module imports it: it loads a .NET runtime, and has one emulation and one monitor per process.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.boards.renode.monitor import Gone, surroundings

__all__ = ["LibraryMonitor", "has_library"]

LIBRARY = "pyrenode3"


def has_library() -> bool:
    """Whether pyrenode3 can be imported here; nothing is loaded."""
    return find_spec(LIBRARY) is not None


class LibraryMonitor:
    """The monitor of a Renode in this process; its files are below ``folder``."""

    via = LIBRARY

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Only the thread that loaded .NET may call it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="renode")
        self._monitor: Any = None

    @property
    def pid(self) -> int:
        return os.getpid()

    async def open(self) -> str:
        os.environ |= surroundings(self._folder)

        def load() -> str:
            self._monitor = import_module(f"{LIBRARY}.wrappers").Monitor()
            # Its `version` command reads the version of the started program, which is Python.
            loaded = import_module("System").AppDomain.CurrentDomain.GetAssemblies()
            names = (assembly.GetName() for assembly in loaded)
            return next((str(name.Version) for name in names if name.Name == "Renode"), "")

        try:
            return await self._call(load)
        except Exception as error:  # any error of the runtime, the library or Renode is shown to the user
            raise Gone(None, f"{LIBRARY}: {error}") from error

    async def execute(self, command: str) -> str:
        def execute() -> str:
            output, error = self._monitor.execute(command)
            return f"{output}\n{error}" if error else str(output)

        return await self._call(execute)

    async def _call(self, function: Callable[[], str]) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    async def ended(self) -> Gone:
        # Renode ends with this process, which the harness notices.
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async def close(self) -> None:
        # All requests were answered, and .NET's shutdown in a process of another program may hang.
        os._exit(0)
