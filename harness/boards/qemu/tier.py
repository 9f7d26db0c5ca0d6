"""The tier of boards in QEMU: its kinds of boards, and whether the emulator is installed."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from functools import cache
from typing import ClassVar

from harness.boards.board import About, Board, BoardEnvironment, BoardSettings, Tier
from harness.boards.foreign import ForeignImage
from harness.boards.image import check_image
from harness.boards.platform import GET_IMAGES, Platform, find_platforms
from harness.boards.qemu.board import PLAIN_SERIAL, QemuBoard, emulated_features
from harness.core.errors import RigError, UsageError

__all__ = ["QemuTier", "qemu_version"]

PACKAGES = {"qemu-system-arm": "qemu-system-arm", "qemu-system-riscv32": "qemu-system-misc"}
"""The emulators with their Debian packages."""
AT_ONCE = 2
"""Machines that start at a time. With more, each start takes longer than all starts in turn."""

MEMORY = 30 << 20
"""Memory of one machine whose firmware is connected, bytes: 29 million were measured (PSS) on QEMU 7.2, with eight."""


@cache
def qemu_version(program: str) -> tuple[int, ...] | None:
    """Return the version of that QEMU, a path or a name on the PATH, for example (7, 2, 22); None if it is missing or
    prints no version."""
    try:
        asked = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=20)
    except (OSError, UnicodeDecodeError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"version (\d+(?:\.\d+)*)", asked.stdout)
    return tuple(int(part) for part in found[1].split(".")) if found else None


DESCRIPTORS = 9
"""File descriptors of this process for one machine with Ethernet, the link that takes the most."""


class QemuTier(Tier):
    """Every kind in ``platforms/`` that QEMU emulates."""

    name: ClassVar[str] = "qemu"

    def __init__(self) -> None:
        self._platforms = find_platforms(*PACKAGES)
        self._boards: list[QemuBoard] = []
        self._places = asyncio.Semaphore(AT_ONCE)

    @classmethod
    def unavailable(cls) -> str | None:
        if (missing := cls.unavailable_for_images()) is not None:
            return missing
        if all(platform.missing_image for platform in _platforms() if _no_emulator(platform) is None):
            return f"there is no firmware image; {GET_IMAGES}"
        return None

    @classmethod
    def unavailable_for_images(cls) -> str | None:
        platforms = _platforms()
        if platforms and all(_no_emulator(platform) is not None for platform in platforms):
            return _no_emulator(min(platforms, key=lambda platform: platform.minimum))
        return None

    def kinds(self) -> tuple[str, ...]:
        return tuple(self._platforms)

    def add(self, name: str, image: ForeignImage) -> None:
        platform = self._platforms[image.kind]
        if image.connects and not platform.has_ethernet:
            others = ", ".join(each.name for each in self._platforms.values() if each.has_ethernet)
            raise UsageError(
                f"boards of kind {image.kind} have no Ethernet, over which a firmware of another project connects",
                where=image.at("kind"),
                do=f"choose {others}; for a firmware that does not connect, source = 'nothing' without a port",
            )
        self._platforms[name] = platform.with_image(name, image)

    def features(self, kind: str | None = None) -> frozenset[str]:
        platform = self._platforms[kind or self.kinds()[0]]
        return platform.features | emulated_features(platform)

    def memory(self, kind: str) -> int:
        return MEMORY

    def descriptors(self, kind: str) -> int:
        return DESCRIPTORS

    def about(self, kind: str) -> About:
        platform = self._platforms[kind]
        refused = platform.refused and platform.refused + _anyway(platform, "; ")
        summary = platform.summary
        if platform.foreign is not None:
            summary += f", with the image {platform.foreign.path}"
        return About(summary, platform.cannot, refused or _no_emulator(platform) or _no_image(platform))

    def check(self, kind: str) -> None:
        check_image(self._platforms[kind])

    def make(self, kind: str, settings: BoardSettings, environment: BoardEnvironment) -> Board:
        platform = self._platforms.get(kind)
        if platform is None:
            raise UsageError(
                f"no board kind {kind!r}", where="qemu tier", do=f"the kinds are {', '.join(self.kinds())}"
            )
        if platform.refused is not None and settings.link not in platform.features:
            do = "choose another board: `wasmbed boards` lists them" + _anyway(platform, ", or ")
            raise UsageError(platform.refused, where=kind, do=do)
        if (missing := _no_emulator(platform)) is not None:
            raise RigError(missing, where=kind, do="or choose another board: `wasmbed boards` lists them")
        board = QemuBoard(platform, settings, environment, self._places)
        self._boards.append(board)
        return board

    async def close(self) -> None:
        for board in self._boards:
            await board.cut_power()
            board.close()
        self._boards.clear()


def _platforms() -> list[Platform]:
    return [platform for platform in find_platforms(*PACKAGES).values() if platform.refused is None]


def _anyway(platform: Platform, joint: str) -> str:
    """Return how to get a refused board nevertheless, if it has another link."""
    return f"{joint}ask for {platform.name}+{PLAIN_SERIAL}" if PLAIN_SERIAL in platform.features else ""


def _no_emulator(platform: Platform) -> str | None:
    program = platform.program
    path = shutil.which(program)
    if path is None:
        return f"{program} is not installed; on Debian: apt-get install {PACKAGES[program]}"
    version = qemu_version(path)
    if version is not None and version >= platform.minimum:
        return None
    wanted, found = (".".join(map(str, parts)) if parts else "unknown" for parts in (platform.minimum, version))
    return f"needs QEMU {wanted} or newer; the version of {path} is {found}; install a newer one"


def _no_image(platform: Platform) -> str | None:
    missing = platform.missing_image
    if missing is None or platform.foreign is not None:
        return missing
    return f"{missing}: {GET_IMAGES}"
