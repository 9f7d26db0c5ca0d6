"""The tier of emulated boards: which kinds there are, and whether QEMU is here."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from functools import cache
from typing import ClassVar

from harness.boards.board import About, Board, BoardSettings, Tier, World
from harness.boards.platform import GET_IMAGES, Platform, find_platforms
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
    """The version of the QEMU on the PATH, for example (7, 2, 22); None if there is none, or if it does not tell."""
    try:
        asked = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=False, timeout=20)
    except (OSError, UnicodeDecodeError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"version (\d+(?:\.\d+)*)", asked.stdout)
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
        if shutil.which(PROGRAM) is None:
            return f"{PROGRAM} is not installed; on Debian: apt-get install qemu-system-arm"
        platforms = [platform for platform in find_platforms(PROGRAM).values() if platform.refused is None]
        if platforms and (too_old := _too_old(min(platforms, key=lambda platform: platform.minimum))):
            return f"{too_old}; install a newer one"
        if all(platform.missing_image for platform in platforms):
            return f"there is no firmware image; {GET_IMAGES}"
        return None

    def kinds(self) -> tuple[str, ...]:
        return tuple(self._platforms)

    def features(self, kind: str | None = None) -> frozenset[str]:
        return self._platforms[kind or self.kinds()[0]].features | EMULATED

    def memory(self, kind: str) -> int:
        return MEMORY

    def about(self, kind: str) -> About:
        platform = self._platforms[kind]
        return About(platform.summary, platform.cannot, platform.refused or _too_old(platform) or _no_image(platform))

    def make(self, kind: str, settings: BoardSettings, world: World) -> Board:
        platform = self._platforms.get(kind)
        if platform is None:
            raise UsageError(
                f"no board kind {kind!r}", where="qemu tier", do=f"the kinds are {', '.join(self.kinds())}"
            )
        if platform.refused is not None and settings.link not in platform.features:
            anyway = f", or ask for {kind}+{PLAIN_SERIAL}" if PLAIN_SERIAL in platform.features else ""
            do = f"choose another board: `wasmbed boards` lists them{anyway}"
            raise UsageError(platform.refused, where=kind, do=do)
        if (too_old := _too_old(platform)) is not None:
            raise RigError(too_old, where=kind, do="install a newer one, or choose another board")
        board = QemuBoard(platform, settings, world, self._places)
        self._boards.append(board)
        return board

    async def close(self) -> None:
        for board in self._boards:
            await board.cut_power()
            board.close()
        self._boards.clear()


def _too_old(platform: Platform) -> str | None:
    version = qemu_version()
    if version is not None and version >= platform.minimum:
        return None
    wanted, found = (".".join(map(str, parts)) if parts else "unknown" for parts in (platform.minimum, version))
    return f"needs QEMU {wanted} or newer; the version of {shutil.which(PROGRAM) or PROGRAM} is {found}"


def _no_image(platform: Platform) -> str | None:
    missing = platform.missing_image
    return f"{missing}: {GET_IMAGES}" if missing is not None else None
