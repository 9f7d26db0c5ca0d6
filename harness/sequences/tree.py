"""The syntax tree of a Mermaid sequence diagram, without layout or meaning.

Texts are kept as written; :func:`plain` returns the text that a reader of the picture sees.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

__all__ = [
    "SECTION_WORDS",
    "Activation",
    "Arrow",
    "Autonumber",
    "Box",
    "Caption",
    "Destroy",
    "Diagram",
    "Fragment",
    "Item",
    "Menu",
    "Note",
    "Participant",
    "Section",
    "Visit",
    "plain",
    "walk",
]

SECTION_WORDS: Mapping[str, str | None] = {
    "loop": None,
    "alt": "else",
    "opt": None,
    "par": "and",
    "par_over": "and",
    "critical": "option",
    "break": None,
    "rect": None,
}
"""The kinds of fragments, each with the keyword of its further sections."""


@dataclass(frozen=True, slots=True)
class Participant:
    """``participant`` or ``actor``; ``settings`` are those between ``@{`` and ``}``."""

    name: str
    label: str | None = None
    actor: bool = False
    created: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    line: int = field(default=0, compare=False)

    @property
    def named(self) -> bool:
        return bool(self.label or self.settings.get("alias"))

    @property
    def title(self) -> str:
        """The title in a picture: the label after ``as``, the alias in the settings, or the name."""
        return self.label or str(self.settings.get("alias") or self.name)


@dataclass(frozen=True, slots=True)
class Box:
    """A group of participants; ``label`` starts with the colour, if there is one."""

    label: str
    participants: tuple[Participant, ...]
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Destroy:
    participant: str
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Arrow:
    """A message. ``form`` is the arrow as written (``->>``); ``activation`` is ``+``, ``-`` or nothing.

    ``column`` is the first column of the message, ``text_column`` that of its text, from 1.
    """

    source: str
    form: str
    target: str
    text: str
    activation: str = ""
    source_centre: bool = False
    target_centre: bool = False
    line: int = field(default=0, compare=False)
    column: int = field(default=0, compare=False)
    text_column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Note:
    """``placement`` is ``over``, ``left of`` or ``right of``; only ``over`` takes two participants."""

    placement: str
    participants: tuple[str, ...]
    text: str
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Activation:
    participant: str
    active: bool
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Autonumber:
    """Numbers as written (``10``, ``0.5``), or ``visible`` false for ``autonumber off``."""

    start: str | None = None
    step: str | None = None
    visible: bool = True
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Menu:
    """``links``, ``link``, ``properties`` or ``details`` of a participant."""

    word: str
    participant: str
    text: str
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Caption:
    """``title``, ``accTitle`` or ``accDescr``."""

    word: str
    text: str
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a fragment: the text after its keyword, and its items."""

    label: str
    items: tuple[Item, ...]
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Fragment:
    """``loop``, ``alt``, ``opt``, ``par``, ``par_over``, ``critical``, ``break`` or ``rect``."""

    kind: str
    sections: tuple[Section, ...]

    @property
    def line(self) -> int:
        return self.sections[0].line


Item = Participant | Box | Destroy | Arrow | Note | Activation | Autonumber | Menu | Caption | Fragment


@dataclass(frozen=True, slots=True)
class Diagram:
    """A whole ``sequenceDiagram``; ``directives`` are the texts between ``%%{`` and ``}%%``."""

    items: tuple[Item, ...]
    front_matter: Mapping[str, Any] = field(default_factory=dict)
    directives: tuple[str, ...] = ()

    @property
    def title(self) -> str | None:
        """The last ``title`` statement, else the front matter's."""
        titles = [step[1].text for step in walk(self.items) if isinstance(step[1], Caption) and step[1].word == "title"]
        title = titles[-1] if titles else self.front_matter.get("title")
        return None if title is None else str(title)

    @property
    def arrows(self) -> list[Arrow]:
        return [item for _, item, _ in walk(self.items) if isinstance(item, Arrow)]

    @property
    def fragments(self) -> list[tuple[int, Fragment]]:
        """All fragments with their depth (0 at the top), in order of appearance."""
        found, depth = [], 0
        for visit, item, _ in walk(self.items):
            if visit is Visit.ENTER and isinstance(item, Fragment):
                found.append((depth, item))
            depth += (visit is Visit.ENTER) - (visit is Visit.LEAVE)
        return found

    @property
    def participants(self) -> list[Participant]:
        """All participants, declared or not, in the order of the columns. The last declaration with a title counts."""
        known: dict[str, Participant] = {}
        for _, item, _ in walk(self.items):
            for participant in _mentioned(item):
                if participant.name not in known or participant.named:
                    known[participant.name] = participant
        return list(known.values())


def _mentioned(item: Item) -> Sequence[Participant]:
    match item:
        case Participant():
            return (item,)
        case Box():
            return item.participants
        case Arrow():
            return (Participant(item.source), Participant(item.target))
        case Note():
            return tuple(Participant(name) for name in item.participants)
        case Activation() | Menu():
            return (Participant(item.participant),)
        case _:
            return ()


class Visit(Enum):
    """The kind of a step of a walk."""

    ITEM = auto()
    ENTER = auto()
    SECTION = auto()
    LEAVE = auto()


def walk(items: Sequence[Item]) -> Iterator[tuple[Visit, Item, int]]:
    """All items in the order of the text, without recursion.

    A fragment appears as ENTER, then SECTION before each further section (with its index), then LEAVE.
    """
    stack: list[tuple[Fragment | None, int, Iterator[Item]]] = [(None, 0, iter(items))]
    while stack:
        fragment, index, rest = stack[-1]
        for item in rest:
            if isinstance(item, Fragment):
                yield Visit.ENTER, item, 0
                stack.append((item, 0, iter(item.sections[0].items)))
                break
            yield Visit.ITEM, item, 0
        else:
            stack.pop()
            if fragment is None:
                continue
            if index + 1 < len(fragment.sections):
                yield Visit.SECTION, fragment, index + 1
                stack.append((fragment, index + 1, iter(fragment.sections[index + 1].items)))
            else:
                yield Visit.LEAVE, fragment, index


_WRAP = re.compile(r"^:?(?:no)?wrap:\s*", re.IGNORECASE)
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_ENTITY = re.compile(r"#(\w+);")


def plain(text: str) -> list[str]:
    """The lines that a reader sees: ``<br/>`` breaks a line; ``#9829;`` and ``#quot;`` are characters."""
    text = _ENTITY.sub(lambda code: html.unescape(f"&{'#' if code[1].isdigit() else ''}{code[1]};"), text)
    return [line.strip() for line in _BREAK.split(_WRAP.sub("", text))]
