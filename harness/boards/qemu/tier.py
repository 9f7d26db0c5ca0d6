"""The tier of emulated boards: which kinds there are, and whether QEMU is here."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from functools import cache
from typing import ClassVar

from harness.boards.board import About, Board, BoardSettings, Tier, World
from harness.boards.platform import Platform, find_platforms
from harness.boards.qemu.board import EMULATED, PLAIN_SERIAL, QemuBoard
from harness.core.errors import RigError, UsageError

__all__ = ["QemuTier", "qemu_version"]

PROGRAM = "qemu-system-arm"
AT_ONCE = 2
"""Machines that start at a time: with more, each takes longer than all do in turn."""

MEMORY = 30 << 20
"""Bytes of one machine whose firmware is connected: 29 million were measured (PSS) on QEMU 7.2, eight at a time."""


@cache
def qemu_version() -> tuple[int, ...] | None:
    """The version of the QEMU on the PATH, for example (7, 2, 22); None without one."""
    program = shutil.which(PROGRAM)
    if program is None:
        return None
    words = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=20).stdout
    found = re.search(r"version (\d+(?:\.\d+)*)", words)
    return tuple(int(part) for part in found[1].split(".")) if found else None


class QemuTier(Tier):
    """Every kind in ``platforms/`` that QEMU emulates."""

    name: ClassVar[str] = "qemu"

    def __init__(self) -> None:
        self._platforms = find_platforms(PROGRAM)
        self._boards: list[QemuBoard] = []
        self._places = asyncio.Semaphore(AT_ONCE)

    @classmethod
    def unavailable(cls) -> str | None:
        if qemu_version() is None:
            return f"{PROGRAM} is not installed; on Debian: apt-get install qemu-system-arm"
        images = [platform.image_path for platform in find_platforms(PROGRAM).values() if platform.refused is None]
        if not any(image.exists() for image in images):
            return "no firmware image was built; run `make firmware`"
        return None

    def kinds(self) -> tuple[str, ...]:
        return tuple(self._platforms)

    def features(self, kind: str | None = None) -> frozenset[str]:
        return self._platforms[kind or self.kinds()[0]].features | EMULATED

    def memory(self, kind: str) -> int:
        return MEMORY

    def about(self, kind: str) -> About:
        platform = self._platforms[kind]
        return About(platform.summary, platform.cannot, platform.refused or self._missing(platform))

    def make(self, kind: str, settings: BoardSettings, world: World) -> Board:
        platform = self._platforms.get(kind)
        if platform is None:
            raise UsageError(
                f"no board kind {kind!r}", where="qemu tier", do=f"the kinds are {', '.join(self.kinds())}"
            )
        if platform.refused is not None and settings.link not in platform.features:
            anyway = f', or say link="{PLAIN_SERIAL}"' if PLAIN_SERIAL in platform.features else ""
            do = f"choose another board: `wasmbed boards` lists them{anyway}"
            raise UsageError(platform.refused, where=kind, do=do)
        if (missing := self._too_old(platform)) is not None:
            raise RigError(missing, where=kind, do="install a newer QEMU")
        board = QemuBoard(platform, settings, world, self._places)
        self._boards.append(board)
        return board

    @staticmethod
    def _too_old(platform: Platform) -> str | None:
        version = qemu_version()
        if version is not None and version >= platform.minimum:
            return None
        wanted, found = (".".join(map(str, parts)) if parts else "none" for parts in (platform.minimum, version))
        return f"needs QEMU {wanted} or newer; found: {found}"

    def _missing(self, platform: Platform) -> str | None:
        if not platform.image_path.exists():
            return f"there is no image {platform.image}: run `make firmware`"
        return self._too_old(platform)

    async def close(self) -> None:
        for board in self._boards:
            await board.cut_power()
            board.close()
        self._boards.clear()
