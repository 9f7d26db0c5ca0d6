"""What Renode needs to be a board: the section ``[renode]`` of its ``board.toml``.

=============  ===============================================================================================
key            means
=============  ===============================================================================================
``link``       the UART that is the link to the gateway, as the monitor calls it: ``sysbus.usart2``
``console``    the UART that is the console
``cpu``        the processor; by default ``sysbus.cpu``
``mips``       instructions it does in a microsecond of its own time; by default 100
``quantum``    seconds of virtual time between two synchronisations of the machines of a host; by default 0.005
``commands``   monitor commands after the description was loaded; by default none
=============  ===============================================================================================

``emulator.machine`` names the ``.repl`` file beside it.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.boards.platform import Platform, Region, find_platforms
from harness.boards.renode.requests import Machine, Wire
from harness.core.errors import UsageError

__all__ = ["PROGRAM", "RenodePlatform", "find_renode_platforms"]

PROGRAM = "renode"
MIPS = 100
QUANTUM = 0.005
ZEROED = ("ram", "heap", "retained")


@dataclass(frozen=True, slots=True)
class RenodePlatform:
    """A kind of board, and how Renode is told to be one."""

    platform: Platform
    description: Path
    link: str
    console: str
    cpu: str
    mips: int
    quantum: float
    commands: tuple[str, ...]
    memory: tuple[Region, ...]
    """What is empty when power comes."""
    storage: Region | None
    """What outlives a power cut."""

    def machine(self, name: str, image: Path, link: Path, console: Path) -> Machine:
        """A machine of this kind with that image, its serial lines at those paths."""
        return Machine(
            name,
            str(self.description),
            str(image),
            self.cpu,
            self.mips,
            Wire(self.link, str(link)),
            Wire(self.console, str(console)),
            tuple((region.origin, region.size) for region in self.memory),
            self.commands,
        )


def find_renode_platforms() -> dict[str, RenodePlatform]:
    """Every platform whose emulator is Renode, by name; raises UsageError naming a file and what is wrong in it."""
    return {name: _load(platform) for name, platform in find_platforms(PROGRAM).items()}


def _load(platform: Platform) -> RenodePlatform:
    path = platform.folder / "board.toml"
    facts = tomllib.loads(path.read_text("utf-8"))
    section: dict[str, Any] = facts.get("renode", {})
    try:
        if platform.refused is not None:
            section = {"link": "", "console": ""} | section
        quantum, mips = float(section.get("quantum", QUANTUM)), int(section.get("mips", MIPS))
        if not 0 < quantum <= 1 or mips < 1:
            raise ValueError("quantum must be above 0 and at most 1 second, mips at least 1")
        return RenodePlatform(
            platform,
            (platform.folder / platform.machine).resolve(),
            str(section["link"]),
            str(section["console"]),
            str(section.get("cpu", "sysbus.cpu")),
            mips,
            quantum,
            tuple(str(command) for command in section.get("commands", ())),
            tuple(Region(**facts["memory"][name]) for name in ZEROED if name in facts["memory"]),
            Region(**facts["memory"]["storage"]) if "storage" in facts["memory"] else None,
        )
    except KeyError as error:
        raise UsageError(f"[renode] lacks the key {error}", where=str(path), do="see docs/renode.md") from error
    except (TypeError, ValueError) as error:
        raise UsageError(f"[renode] is wrong: {error}", where=str(path), do="see docs/renode.md") from error
