"""The tier of boards in Renode: its kinds of boards, and whether Renode is installed."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import ClassVar

from harness.boards.board import About, Board, BoardEnvironment, BoardSettings, Tier
from harness.boards.foreign import ForeignImage
from harness.boards.image import check_image
from harness.boards.platform import GET_IMAGES
from harness.boards.renode.board import RenodeBoard, emulated_features
from harness.boards.renode.farm import MACHINES, Farm
from harness.boards.renode.installation import GET_IT, find_program
from harness.boards.renode.library import has_library
from harness.boards.renode.platform import RenodePlatform, find_renode_platforms
from harness.core.errors import RigError, UsageError

__all__ = ["RenodeTier"]

MACHINES_VARIABLE = "WASMBED_RENODE_MACHINES"
MEMORY = 60 << 20
"""Memory of one machine in a host of eight, with its share of Renode itself, bytes."""
DESCRIPTORS = 5
"""File descriptors of this process for one board: two terminals, the link's two ends, and a share of its host's."""


class RenodeTier(Tier):
    """Every kind in ``platforms/`` that Renode emulates."""

    name: ClassVar[str] = "renode"

    def __init__(self) -> None:
        self._platforms = find_renode_platforms()
        self.farm = Farm(_machines())

    @classmethod
    def unavailable(cls) -> str | None:
        if (missing := cls.unavailable_for_images()) is not None:
            return missing
        kinds = [kind.platform for kind in find_renode_platforms().values() if kind.platform.refused is None]
        if all(platform.missing_image for platform in kinds):
            return f"there is no firmware image for Renode; {GET_IMAGES}"
        return None

    @classmethod
    def unavailable_for_images(cls) -> str | None:
        return None if find_program() is not None or has_library() else f"there is no Renode; {GET_IT}"

    @property
    def virtual_time(self) -> Farm:
        return self.farm

    def kinds(self) -> tuple[str, ...]:
        return tuple(self._platforms)

    def add(self, name: str, image: ForeignImage) -> None:
        kind = self._kind(image.kind)
        if image.connects:
            raise UsageError(
                f"boards of kind {image.kind} have no network, over which a firmware of another project connects",
                where=image.at("kind"),
                do="choose a kind of the tier qemu with Ethernet; for a firmware that does not connect, "
                "source = 'nothing' without a port",
            )
        self._platforms[name] = replace(kind, platform=kind.platform.with_image(name, image))

    def features(self, kind: str | None = None) -> frozenset[str]:
        platform = self._kind(kind or self.kinds()[0]).platform
        return platform.features | emulated_features(platform)

    def memory(self, kind: str) -> int:
        return MEMORY

    def descriptors(self, kind: str) -> int:
        return DESCRIPTORS

    def about(self, kind: str) -> About:
        platform = self._kind(kind).platform
        missing = platform.missing_image
        if missing is not None and platform.foreign is None:
            missing = f"{missing}: {GET_IMAGES}"
        summary = platform.summary
        if platform.foreign is not None:
            summary += f", with the image {platform.foreign.path}"
        return About(summary, platform.cannot, platform.refused or missing)

    def check(self, kind: str) -> None:
        check_image(self._kind(kind).platform)

    def make(self, kind: str, settings: BoardSettings, environment: BoardEnvironment) -> Board:
        found = self._kind(kind)
        if found.platform.refused is not None:
            raise UsageError(found.platform.refused, where=kind, do="choose another board: `wasmbed boards` lists them")
        if not found.description.exists():
            raise RigError(
                f"there is no {found.description.name}", where=kind, do="put it beside board.toml, see docs/renode.md"
            )
        return RenodeBoard(found, settings, environment, self.farm)

    async def close(self) -> None:
        await self.farm.close()

    def _kind(self, kind: str) -> RenodePlatform:
        if kind not in self._platforms:
            raise UsageError(
                f"no board kind {kind!r}", where="renode tier", do=f"the kinds are {', '.join(self.kinds())}"
            )
        return self._platforms[kind]


def _machines() -> int:
    text = os.environ.get(MACHINES_VARIABLE)
    try:
        return int(text) if text is not None else MACHINES
    except ValueError:
        raise UsageError(f"{text!r} is not a number", where=MACHINES_VARIABLE, do="give a number of machines") from None
