"""The defects as data: files of :mod:`tomllib` in ``mutants/defects``, each defect one small replacement in one file.

A defect names its text before and after. Text that is no longer in its file exactly once is stale, and refused by name:
a defect that changes nothing, or something else, would count as missed.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import UsageError

__all__ = ["AREAS", "SIMULATED", "Area", "Defect", "load", "mutated"]

FOLDER = Path(__file__).parent / "defects"
SIMULATED = "sim"
"""The board that scenarios run on: in virtual time, so that a busy machine lets no wait end too early."""


@dataclass(frozen=True, slots=True)
class Area:
    """A part of the product: the end that it belongs to, and the scenarios that touch it, the likeliest first."""

    end: str
    """``platform``, ``board`` or ``firmware``."""
    parties: tuple[str, ...]
    """The parties of which a verdict has to name one."""
    first: tuple[str, ...]
    board: str = SIMULATED
    """The board that the scenarios run on. A board with firmware has its image built anew with each defect."""


@dataclass(frozen=True, slots=True)
class Defect:
    """One defect. ``what`` says in a sentence how the product behaves with it."""

    name: str
    area: str
    file: str
    before: str
    after: str
    what: str
    parties: Sequence[str] = ()
    """Instead of the area's: for code that several parties share."""

    def is_of(self, blamed: str) -> bool:
        """Whether the party that a verdict names, as in ``board pump-1``, is one that has the defect."""
        return any(f"{blamed} ".startswith(f"{party} ") for party in self.parties or AREAS[self.area].parties)

    @property
    def digest(self) -> str:
        """Changes when the defect does, so that a result of another defect of the name does not count."""
        return hashlib.sha256(f"{self.file}\0{self.before}\0{self.after}".encode()).hexdigest()[:12]


def _areas() -> dict[str, Area]:
    content = tomllib.loads((FOLDER.parent / "areas.toml").read_text("utf-8"))
    return {
        name: Area(area["end"], tuple(area["parties"]), tuple(area["first"]), area.get("board", SIMULATED))
        for name, area in content.items()
    }


AREAS = _areas()


def load(root: Path, folder: Path | None = None) -> list[Defect]:
    """Every defect of a folder. Raises UsageError naming those that are stale below ``root``, or named twice."""
    folder = folder or FOLDER
    found = [
        Defect(area=entry.pop("area", content.get("area", "")), **entry)
        for path in sorted(folder.glob("*.toml"))
        for content in [tomllib.loads(path.read_text("utf-8"))]
        for entry in content["defect"]
    ]
    names = [defect.name for defect in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"named twice: {', '.join(twice)}", where=str(folder), do="rename one of each")
    if strange := sorted({defect.area for defect in found} - set(AREAS)):
        raise UsageError(
            f"unknown areas: {', '.join(strange)}", where=str(folder), do=f"the areas are {', '.join(AREAS)}"
        )
    if stale := [defect for defect in found if _count(root, defect) != 1]:
        lines = "".join(f"\n  {each.name}: its text is {_count(root, each)} times in {each.file}" for each in stale)
        raise UsageError(f"{len(stale)} defects are stale:{lines}", where=str(folder), do="write their `before` anew")
    return found


def mutated(root: Path, defect: Defect) -> str:
    """The text of the defect's file, with the defect."""
    return (root / defect.file).read_text("utf-8").replace(defect.before, defect.after, 1)


def _count(root: Path, defect: Defect) -> int:
    path = root / defect.file
    return path.read_text("utf-8").count(defect.before) if path.is_file() else 0
