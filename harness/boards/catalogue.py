"""Finds the tiers of boards by entry point, and reads the option that selects boards.

A tier registers in the entry point group ``harness.boards``; ``--boards`` uses its name there. A tier that cannot be
loaded or cannot run is listed with the reason; only selecting it is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from harness.boards.board import LINKS, Board, BoardEnvironment, BoardSettings, Tier
from harness.boards.foreign import ForeignImage
from harness.core.entry_points import entry_points
from harness.core.errors import RigError, UsageError, reason, suggestion

__all__ = ["GROUP", "BoardKind", "Catalogue", "Selection", "registered"]

GROUP = "harness.boards"
WHERE = "--boards"
LARGEST_COUNT = 100_000
NONE = "none"


@dataclass(frozen=True, slots=True)
class Selection:
    """A number of boards of one kind, with another link or their own."""

    kind: str
    count: int
    link: str | None = None

    def __str__(self) -> str:
        return f"{self.kind}{f'+{self.link}' if self.link else ''}={self.count}"


@dataclass(frozen=True, slots=True)
class BoardKind:
    """A tier of the catalogue. ``unavailable`` is the reason why it cannot run here; then ``kinds`` are the kinds that
    it would have, if known."""

    name: str
    load: Callable[[], type[Tier]]
    unavailable: str | None = None
    kinds: tuple[str, ...] = ()


def registered(only: str | None = None) -> list[BoardKind]:
    """Return the installed tiers in the order of their names, including those that cannot run here; or ``only`` the
    tier of that name."""
    found = []
    for point in sorted(entry_points(GROUP), key=lambda point: point.name):
        if only is not None and point.name != only:
            continue
        try:
            tier: type[Tier] = point.load()
            unavailable = tier.unavailable()
            kinds = tier().kinds() if unavailable is not None else ()
        except Exception as error:  # an error in a third party's tier must not affect the others
            found.append(BoardKind(point.name, point.load, f"cannot be loaded: {reason(error)}"))
        else:
            found.append(BoardKind(point.name, lambda tier=tier: tier, unavailable, kinds))  # type: ignore[misc]
    return found


class Catalogue:
    """All tiers, each made when it is first needed. Call :meth:`close` when the boards are off.

    ``images`` are kinds of boards with an image of another project, by name; a name can be that of the kind itself."""

    def __init__(
        self, entries: Iterable[BoardKind] | None = None, images: Mapping[str, ForeignImage] | None = None
    ) -> None:
        self.entries = {entry.name: entry for entry in (registered() if entries is None else entries)}
        self.images = dict(images or {})
        if self.images:
            self.entries = {name: _with_images(entry) for name, entry in self.entries.items()}
        self._tiers: dict[str, Tier] = {}

    @property
    def kinds(self) -> dict[str, str]:
        """The tier of each available kind of board, in the order of the tiers."""
        usable = (entry.name for entry in self.entries.values() if entry.unavailable is None)
        return {kind: name for name in usable for kind in self.tier(name).kinds()}

    @property
    def absent(self) -> dict[str, str]:
        """The tier of each kind of board whose tier cannot run here."""
        found = {kind: name for name, entry in self.entries.items() for kind in entry.kinds}
        images = {name: image.kind for name, image in self.images.items()}
        tiers = {**{name: name for name in found.values()}, **found}
        return found | {name: tiers[kind] for name, kind in images.items() if kind in tiers}

    @property
    def features(self) -> frozenset[str]:
        """The features of all kinds of boards, including known ones of tiers that cannot run here."""
        tiers = [self.tier(name) for name in dict.fromkeys(self.kinds.values())]
        tiers += [self.entries[name].load()() for name in dict.fromkeys(self.absent.values())]
        return frozenset(feature for tier in tiers for kind in tier.kinds() for feature in tier.features(kind))

    @property
    def made(self) -> tuple[Tier, ...]:
        """The tiers that were made so far."""
        return tuple(self._tiers.values())

    def tier(self, name: str) -> Tier:
        """Return the tier of that name. Raises UsageError for an unknown name, RigError if the tier cannot run here."""
        if name in self._tiers:
            return self._tiers[name]
        entry = self.entries.get(name)
        if entry is None:
            raise UsageError(f"there is no tier {name!r}", where=WHERE, do=self._offer(name))
        if entry.unavailable is not None:
            raise RigError(f"tier {name!r} cannot run here", where=WHERE, do=entry.unavailable)
        self._tiers[name] = made = entry.load()()
        own = made.kinds()
        for each, image in self.images.items():
            kind = own[0] if image.kind == name else image.kind
            if kind in own:
                made.add(each, replace(image, kind=kind))
        return made

    def find(self, name: str, link: str | None = None) -> tuple[Tier, str, str | None]:
        """Return tier, kind and link for the name of a kind, or of a tier, which means its first kind. The name may
        have a link, ``mps2-an385+ethernet``; the link is None for the kind's own.

        Raises UsageError for an unknown name or link, RigError for a tier that cannot run here.
        """
        name, plus, named = name.partition("+")
        tier, kind = self._find(name)
        if link is None and plus:
            link = named
        if link is not None and link not in (links := LINKS & tier.features(kind)):
            others = ", ".join(sorted(links)) or "none"
            raise UsageError(f"a {kind} has no link {link!r}", where=WHERE, do=f"its other links: {others}")
        return tier, kind, link

    def _find(self, name: str) -> tuple[Tier, str]:
        if name in self.entries:
            tier = self.tier(name)
            return tier, name if name in tier.kinds() else tier.kinds()[0]
        kinds = self.absent | self.kinds
        if name in self.images and name not in kinds:
            image = self.images[name]
            do = self._offer(image.kind)
            raise UsageError(f"there are no boards of kind {image.kind!r}", where=image.at("kind"), do=do)
        if name not in kinds:
            raise UsageError(f"there are no boards of kind {name!r}", where=WHERE, do=self._offer(name))
        return self.tier(kinds[name]), name

    def parse(self, text: str) -> list[Selection]:
        """Parse ``virtual=5`` or ``virtual=5,mps2-an385``. A missing count is 1; counts of the same kind are added.
        Another link than the kind's own follows a plus: ``mps2-an385+ethernet=3``. ``none`` means no boards.

        Raises UsageError naming the invalid part, RigError for a tier that cannot run here.
        """
        if text.strip() == NONE:
            return []
        counts: dict[tuple[str, str | None], int] = {}
        for part in (part.strip() for part in text.split(",")):
            name, _, number = (piece.strip() for piece in part.partition("="))
            if not name or ("=" in part and not number):
                raise UsageError(f"{part!r} in {text!r} is not KIND=COUNT", where=WHERE, do=self._offer(name))
            if name == NONE:
                raise UsageError(
                    f"{part!r} in {text!r} is not KIND=COUNT: {NONE} stands alone and has no count",
                    where=WHERE,
                    do=f"write {NONE} for no boards, or leave it out",
                )
            _, kind, link = self.find(name)
            counts[kind, link] = counts.get((kind, link), 0) + _count(number or "1", part)
        return [Selection(kind, count, link) for (kind, link), count in counts.items()]

    def check(self, kind: str) -> None:
        """Raise RigError or UsageError if boards of that kind could not be switched on because of their image."""
        tier, kind = self._find(kind)
        tier.check(kind)

    def make(self, kind: str, settings: BoardSettings, environment: BoardEnvironment) -> Board:
        """Make a board of that kind or tier, without power. Raises like :meth:`find`."""
        tier, kind = self._find(kind)
        return tier.make(kind, settings, environment)

    async def close(self) -> None:
        """Release the resources of the tiers."""
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


def _with_images(entry: BoardKind) -> BoardKind:
    """The tier for boards with images of other projects, which may lack our own."""
    if entry.unavailable is None or not entry.kinds:
        return entry
    unavailable = entry.load().unavailable_for_images()
    return replace(entry, unavailable=unavailable, kinds=entry.kinds if unavailable is not None else ())


def _count(number: str, part: str) -> int:
    if not number.isascii() or not number.isdigit() or not 0 < int(number[:9]) <= LARGEST_COUNT:
        raise UsageError(
            f"{number!r} in {part!r} is not a valid board count",
            where=WHERE,
            do=f"give 1 to {LARGEST_COUNT}, as in virtual=5",
        )
    return int(number)
