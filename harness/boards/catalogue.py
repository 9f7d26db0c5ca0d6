"""Which boards can be had here: tiers found by entry point, and the words for choosing among them.

A tier registers under the entry point group ``harness.boards``; its name there is what ``--boards`` calls it. One
that cannot be loaded or cannot run is listed with the reason, and only choosing it is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import entry_points

from harness.boards.board import LINKS, Board, BoardEnvironment, BoardSettings, Tier
from harness.core.errors import RigError, UsageError, reason, suggestion

__all__ = ["GROUP", "BoardKind", "Catalogue", "Selection", "registered"]

GROUP = "harness.boards"
WHERE = "--boards"
LARGEST_COUNT = 100_000
NONE = "none"


@dataclass(frozen=True, slots=True)
class Selection:
    """So many boards of one kind, with that link or with their own."""

    kind: str
    count: int
    link: str | None = None

    def __str__(self) -> str:
        return f"{self.kind}{f'+{self.link}' if self.link else ''}={self.count}"


@dataclass(frozen=True, slots=True)
class BoardKind:
    """A tier of the catalogue. ``unavailable`` says why it cannot run here, and ``kinds`` what it would have, as far as
    it tells."""

    name: str
    load: Callable[[], type[Tier]]
    unavailable: str | None = None
    kinds: tuple[str, ...] = ()


def registered() -> list[BoardKind]:
    """The tiers that are installed, by name, whether they can run here or not."""
    found = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            tier: type[Tier] = point.load()
            unavailable = tier.unavailable()
            kinds = tier().kinds() if unavailable is not None else ()
        except Exception as error:  # whatever a third party's tier does wrong must not take the others along
            found.append(BoardKind(point.name, point.load, f"cannot be loaded: {reason(error)}"))
        else:
            found.append(BoardKind(point.name, lambda tier=tier: tier, unavailable, kinds))  # type: ignore[misc]
    return found


class Catalogue:
    """The tiers there are, each made when it is first needed; :meth:`close` when the boards are off."""

    def __init__(self, entries: Iterable[BoardKind] | None = None) -> None:
        self.entries = {entry.name: entry for entry in (registered() if entries is None else entries)}
        self._tiers: dict[str, Tier] = {}

    @property
    def kinds(self) -> dict[str, str]:
        """The tier of each kind of board that can be had, in the order of the tiers."""
        usable = (entry.name for entry in self.entries.values() if entry.unavailable is None)
        return {kind: name for name in usable for kind in self.tier(name).kinds()}

    @property
    def absent(self) -> dict[str, str]:
        """The tier of each kind that there would be if its tier could run here."""
        return {kind: name for name, entry in self.entries.items() for kind in entry.kinds}

    @property
    def features(self) -> frozenset[str]:
        """What boards can do, those of tiers that cannot run here too, as far as these tell."""
        tiers = [self.tier(name) for name in dict.fromkeys(self.kinds.values())]
        tiers += [self.entries[name].load()() for name in dict.fromkeys(self.absent.values())]
        return frozenset(feature for tier in tiers for kind in tier.kinds() for feature in tier.features(kind))

    @property
    def made(self) -> tuple[Tier, ...]:
        """The tiers that have been needed so far."""
        return tuple(self._tiers.values())

    def tier(self, name: str) -> Tier:
        """The tier of that name. Raises UsageError for an unknown one, RigError where it cannot run here."""
        if name in self._tiers:
            return self._tiers[name]
        entry = self.entries.get(name)
        if entry is None:
            raise UsageError(f"there is no tier {name!r}", where=WHERE, do=self._offer(name))
        if entry.unavailable is not None:
            raise RigError(f"tier {name!r} cannot run here", where=WHERE, do=entry.unavailable)
        self._tiers[name] = entry.load()()
        return self._tiers[name]

    def find(self, name: str, link: str | None = None) -> tuple[Tier, str, str | None]:
        """Tier and kind for a kind's name, or for a tier's, which means the first of its kinds; and the link, which may
        be named with it, ``mps2-an385+ethernet``: None for the kind's own.

        Raises UsageError for an unknown one, RigError for a tier that cannot run here.
        """
        name, plus, named = name.partition("+")
        tier, kind = self._find(name)
        if link is None and plus:
            link = named
        if link is not None and link not in (links := LINKS & tier.features(kind)):
            there = ", ".join(sorted(links)) or "none"
            raise UsageError(f"a {kind} has no link {link!r}", where=WHERE, do=f"its other links: {there}")
        return tier, kind, link

    def _find(self, name: str) -> tuple[Tier, str]:
        if name in self.entries:
            tier = self.tier(name)
            return tier, name if name in tier.kinds() else tier.kinds()[0]
        kinds = self.absent | self.kinds
        if name not in kinds:
            raise UsageError(f"there are no boards of kind {name!r}", where=WHERE, do=self._offer(name))
        return self.tier(kinds[name]), name

    def parse(self, text: str) -> list[Selection]:
        """What ``virtual=5`` or ``virtual=5,mps2-an385`` means; a count left out is 1, the same kind twice adds up.
        A link other than the kind's own follows a plus: ``mps2-an385+ethernet=3``; ``none`` means no boards.

        Raises UsageError saying which part is wrong, RigError for a tier that cannot run here.
        """
        if text.strip() == NONE:
            return []
        counts: dict[tuple[str, str | None], int] = {}
        for part in (part.strip() for part in text.split(",")):
            name, _, number = (piece.strip() for piece in part.partition("="))
            if not name or ("=" in part and not number):
                raise UsageError(f"{part!r} in {text!r} is not KIND=COUNT", where=WHERE, do=self._offer(name))
            _, kind, link = self.find(name)
            counts[kind, link] = counts.get((kind, link), 0) + _count(number or "1", part)
        return [Selection(kind, count, link) for (kind, link), count in counts.items()]

    def make(self, kind: str, settings: BoardSettings, environment: BoardEnvironment) -> Board:
        """A board of that kind or tier, powered off. Raises as :meth:`find` does."""
        tier, kind = self._find(kind)
        return tier.make(kind, settings, environment)

    async def close(self) -> None:
        """Let go of what the tiers hold."""
        tiers, self._tiers = self._tiers, {}
        for tier in tiers.values():
            await tier.close()

    def _offer(self, name: str) -> str:
        usable = [entry.name for entry in self.entries.values() if entry.unavailable is None]
        names = [*usable, *(kind for kind in self.kinds if kind not in usable)]
        there = ", ".join(names) or "none, is the harness installed?"
        absent = [f"{entry.name}: {entry.unavailable}" for entry in self.entries.values() if entry.unavailable]
        missing = f"; cannot run here: {'; '.join(absent)}" if absent else ""
        return f"{suggestion(name, names)}write for example virtual=5; there are: {there}{missing}"


def _count(number: str, part: str) -> int:
    if not number.isascii() or not number.isdigit() or not 0 < int(number[:9]) <= LARGEST_COUNT:
        raise UsageError(
            f"{number!r} in {part!r} is no count of boards",
            where=WHERE,
            do=f"give 1 to {LARGEST_COUNT}, as in virtual=5",
        )
    return int(number)
