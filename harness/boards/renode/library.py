"""Renode inside the host's own process, through pyrenode3 where that is installed.

It is imported here only: it loads a .NET runtime, and its emulation and monitor are there once a process.
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
    """The monitor of a Renode that lives in this process; its files are below ``folder``."""

    via = LIBRARY

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # .NET wants to be called by the thread that loaded it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="renode")
        self._monitor: Any = None

    @property
    def pid(self) -> int:
        return os.getpid()

    async def open(self) -> str:
        os.environ |= surroundings(self._folder)

        def load() -> str:
            self._monitor = import_module(f"{LIBRARY}.wrappers").Monitor()
            # Its own `version` asks the program that was started, and that is Python.
            loaded = import_module("System").AppDomain.CurrentDomain.GetAssemblies()
            names = (assembly.GetName() for assembly in loaded)
            return next((str(name.Version) for name in names if name.Name == "Renode"), "")

        try:
            return await self._call(load)
        except Exception as error:  # whatever the runtime, the library or Renode say: it is told to a person
            raise Gone(None, f"{LIBRARY}: {error}") from error

    async def execute(self, command: str) -> str:
        def execute() -> str:
            said, failed = self._monitor.execute(command)
            return f"{said}\n{failed}" if failed else str(said)

        return await self._call(execute)

    async def _call(self, function: Callable[[], str]) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    async def ended(self) -> Gone:
        # It ends with this process, and the harness sees that.
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async def close(self) -> None:
        # Everything was answered by now, and .NET's own way out of a process that it does not own may hang.
        os._exit(0)
