"""Reads the section ``[renode]`` of a ``board.toml``.

=============  ===============================================================================================
key            meaning
=============  ===============================================================================================
``link``       the UART of the link to the gateway, by the monitor's name: ``sysbus.usart2``
``console``    the UART of the console
``cpu``        the processor; by default ``sysbus.cpu``
``mips``       instructions per microsecond of virtual time; by default 100
``quantum``    seconds of virtual time between two synchronisations of a host's machines; by default 0.005
``commands``   monitor commands to execute after the description was loaded; by default none
=============  ===============================================================================================

``emulator.machine`` names the ``.repl`` file in the same folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.boards.platform import Platform, Region, find_platforms, read_description
from harness.boards.renode.image import is_elf
from harness.boards.renode.requests import Machine, Wire
from harness.core.errors import UsageError

__all__ = ["PROGRAM", "RenodePlatform", "find_renode_platforms"]

PROGRAM = "renode"
MIPS = 100
QUANTUM = 0.005
ZEROED = ("ram", "heap", "retained")


@dataclass(frozen=True, slots=True)
class RenodePlatform:
    """A kind of board, with its settings for Renode."""

    platform: Platform
    description: Path
    link: str
    console: str
    cpu: str
    mips: int
    quantum: float
    commands: tuple[str, ...]
    memory: tuple[Region, ...]
    """The memory that is cleared at power-on."""
    storage: Region | None
    """The memory that survives a power cut."""

    def machine(self, name: str, image: Path, link: Path, console: Path) -> Machine:
        """Describe a machine of this kind with that image, and its serial lines at those paths."""
        uarts = (self.console, self.link) if self._console_is_on_the_link else (self.link, self.console)
        return Machine(
            name,
            str(self.description),
            str(image),
            self.cpu,
            self.mips,
            Wire(uarts[0], str(link)),
            Wire(uarts[1], str(console)),
            tuple((region.origin, region.size) for region in self.memory),
            self.commands,
            self.platform.program_memory[0].origin if self._is_copy_of_flash else None,
        )

    @property
    def _is_copy_of_flash(self) -> bool:
        return self.platform.foreign is not None and not is_elf(self.platform.foreign.path)

    @property
    def _console_is_on_the_link(self) -> bool:
        """Whether another project's firmware has its console on the serial line that is the link of ours."""
        foreign = self.platform.foreign
        if foreign is None or (foreign.console is None and foreign.is_ours):
            return False
        return (foreign.console or 0) == self.platform.link


def find_renode_platforms() -> dict[str, RenodePlatform]:
    """Return every platform whose emulator is Renode, by name. Raises UsageError naming an invalid file and its
    error."""
    return {name: _load(platform) for name, platform in find_platforms(PROGRAM).items()}


def _load(platform: Platform) -> RenodePlatform:
    path = platform.folder / "board.toml"
    facts = read_description(path)
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
        raise UsageError(f"[renode] is invalid: {error}", where=str(path), do="see docs/renode.md") from error
