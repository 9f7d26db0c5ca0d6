"""Parses Mermaid: the text of a ``sequenceDiagram`` becomes a tree, or an error with line, column, and expectation.

The language is that of Mermaid 11: its documentation, and where that is silent its grammar. It is read line by line,
as Mermaid's lexer does: after ``loop`` or ``:`` the rest of the line is text, and a participant may have almost any
name. The parser is not recursive, so diagrams may be nested to any depth.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from harness.sequences.scanner import ACCESSIBLE_DESCRIPTION, DiagramError, Source
from harness.sequences.tree import (
    SECTION_WORDS,
    Activation,
    Arrow,
    Autonumber,
    Box,
    Caption,
    Destroy,
    Diagram,
    Fragment,
    Item,
    Menu,
    Note,
    Participant,
    Section,
)

__all__ = ["parse"]


_ARROW = re.compile(
    r"<<-->>|<<->>|-->>|->>|-->|->|--x|-x|--\)|-\)|--\|\\|--\|/|--\\\\|--//|-\|\\|-\|/|-\\\\|-//"
    r"|/\|--|/\|-|\\\|--|\\\|-|//--|//-|\\\\--|\\\\-",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Za-z_]+(?![\w])")
_NUMBER = re.compile(r"\d+(?:\.\d{1,2})?|\.\d{1,2}")
_KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        "participant actor create destroy box else and option end note activate deactivate autonumber links link "
        "properties details over off",
    )
) | frozenset(SECTION_WORDS)
_CAPTION = re.compile(r"title(?::?\s|$)|acctitle\s*:|accdescr\s*[:{]", re.IGNORECASE)
_ALIAS = re.compile(r"([^<>:,;@\s]+)\s+as(?:\s+(.*))?", re.IGNORECASE)
_BAD_IN_NAME = re.compile(r"[<>:,@]")
_BAD_WHERE_ARROWS_ARE = re.compile(r"^[()/\\-]|[<>:,+]|\(\)|--|(?:-|//|\\\\|[/\\]\|)\s*$")


def parse(text: str, *, file: str = "", line: int = 1) -> Diagram:
    """Read one diagram. ``file`` and ``line`` (of the text's first line) are for errors only.

    Raises :class:`DiagramError`.
    """
    return _Reader(Source(text, file, line)).read()


@dataclass
class _Open:
    """A fragment or box whose ``end`` has not come yet."""

    kind: str
    line: int
    column: int
    label: str
    label_line: int
    items: list[Item] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)

    def close_section(self) -> None:
        self.sections.append(Section(self.label, tuple(self.items), self.label_line))
        self.items = []


class _Reader:
    def __init__(self, source: Source) -> None:
        self._source, self._text = source, source.text
        self._stack = [_Open("", 1, 1, "", 1)]
        self._active: dict[str, int] = {}
        self._pending: dict[str, tuple[str, int]] = {}
        self._known: set[str] = set()
        self._boxes: dict[str, _Open] = {}

    def read(self) -> Diagram:
        for start, end in self._source.statements():
            self._statement(start, end)
        opened = self._stack.pop()
        if self._stack:
            raise DiagramError(
                f"'{opened.kind}' is never closed",
                opened.line,
                opened.column,
                file=self._source.file,
                do="add 'end' after its last statement",
            )
        for word, (name, offset) in self._pending.items():
            do = f"write the message that {word}s {name} next"
            self._source.fail(f"'{word} {name}' has no message after it", offset, do)
        return Diagram(tuple(opened.items), self._source.front_matter, self._source.directives)

    # One statement.

    def _statement(self, start: int, end: int) -> None:
        text = self._text[start:end]
        word_found = _WORD.match(text)
        word = word_found[0].lower() if word_found else ""
        rest = start + (word_found.end() if word_found else 0)
        rest = self._past_blanks(rest, end)
        if self._stack[-1].kind == "box" and word not in ("participant", "actor", "end"):
            self._source.expected("'participant', 'actor' or 'end' inside a box", start)
        match word:
            case "participant" | "actor" | "create":
                self._add(self._participant(word, start, rest, end))
            case "destroy":
                name = self._declared(rest, end, "a participant")
                self._pending["destroy"] = (name, start)
                self._add(Destroy(name, self._source.line(start)))
            case "box":
                self._open(word, start, self._text[rest:end])
            case _ if word in SECTION_WORDS:
                self._open(word, start, self._text[rest:end])
            case "else" | "and" | "option":
                self._section(word, start, self._text[rest:end])
            case "end":
                self._close(start)
            case "note":
                self._add(self._note(start, rest, end))
            case "activate" | "deactivate":
                name = self._declared(rest, end, "a participant")
                self._activate(name, word == "activate", start)
                self._add(Activation(name, word == "activate", self._source.line(start)))
            case "autonumber":
                self._add(self._autonumber(start, rest, end))
            case "links" | "link" | "properties" | "details":
                name, after = self._name_before_colon(rest, end, f"a participant after '{word}'")
                self._add(Menu(word, name, self._text[after:end].strip(), self._source.line(start)))
            case "title" | "acctitle" | "accdescr" if _CAPTION.match(self._text, start):
                self._add(self._caption(word, start, rest, end))
            case _:
                self._add(self._arrow(start, end))

    def _add(self, item: Item) -> None:
        self._stack[-1].items.append(item)

    def _open(self, kind: str, start: int, label: str) -> None:
        line, column = self._source.line(start), self._source.column(start)
        self._stack.append(_Open(kind, line, column, label, line))

    def _section(self, word: str, start: int, label: str) -> None:
        opened = self._stack[-1]
        if SECTION_WORDS.get(opened.kind) != word:
            owner = next(kind for kind, separator in SECTION_WORDS.items() if separator == word)
            inside = f"inside '{opened.kind}' from line {opened.line}" if opened.kind else "outside of any fragment"
            self._source.fail(f"'{word}' belongs to '{owner}', but is {inside}", start, f"open '{owner}' before it")
        opened.close_section()
        opened.label, opened.label_line = label, self._source.line(start)

    def _close(self, start: int) -> None:
        if len(self._stack) == 1:
            self._source.fail("'end' closes nothing", start, "remove it, or open the fragment that it should close")
        opened = self._stack.pop()
        opened.close_section()
        if opened.kind == "box":
            members = tuple(item for item in opened.sections[0].items if isinstance(item, Participant))
            self._add(Box(opened.label, members, opened.line))
        else:
            self._add(Fragment(opened.kind, tuple(opened.sections)))

    # Names and texts.

    def _past_blanks(self, offset: int, end: int) -> int:
        while offset < end and self._text[offset] in " \t":
            offset += 1
        return offset

    def _name(self, start: int, end: int, expected: str) -> str:
        """A name in a message, a note, or a menu, which cannot contain an arrow."""
        name = self._checked(start, end, expected, _BAD_WHERE_ARROWS_ARE)
        if (first := _WORD.match(name)) and first[0].lower() in _KEYWORDS:
            start = self._past_blanks(start, end)
            do = f"give it another name, and declare it: participant X as {name}"
            self._source.expected(f"{expected}, but {first[0]!r} is a keyword", start, do)
        self._known.add(name)
        return name

    def _declared(self, start: int, end: int, expected: str) -> str:
        return self._checked(start, end, expected, _BAD_IN_NAME)

    def _checked(self, start: int, end: int, expected: str, bad: re.Pattern[str]) -> str:
        start = self._past_blanks(start, end)
        if not (name := self._text[start:end]).strip():
            self._source.expected(expected, start)
        if found := bad.search(name):
            self._source.expected(f"{expected}; {found[0]!r} cannot be in its name", start + found.start())
        return name.strip()

    def _name_before_colon(self, start: int, end: int, expected: str) -> tuple[str, int]:
        colon = self._text.find(":", start, end)
        if colon < 0:
            self._name(start, end, expected)
            self._source.expected("':' and a text", end)
        return self._name(start, colon, expected), colon + 1

    def _participant(self, word: str, start: int, rest: int, end: int) -> Participant:
        created = word == "create"
        if created:
            found = _WORD.match(self._text, rest)
            word = found[0].lower() if found else ""
            if word not in ("participant", "actor"):
                self._source.expected("'participant' or 'actor' after 'create'", rest)
            rest = self._past_blanks(rest + len(word), end)
        settings: dict[str, Any] = {}
        label: str | None = None
        expected = f"a name after '{word}'"
        if (brace := self._text.find("@{", rest, end)) >= 0:
            close = self._text.find("}", brace, end)
            if close < 0:
                self._source.expected("'}' to close the participant's settings", end)
            name = self._declared(rest, brace, expected)
            if other := re.search(r"[\s-]", self._text[rest:brace]):
                self._source.expected("'@{' right after a name of letters and digits", rest + other.start())
            settings = self._settings(brace + 2, close)
            if found := re.compile(r"\s+as(?:\s+(.*))?", re.IGNORECASE).fullmatch(self._text, close + 1, end):
                label = found[1]
            elif self._text[close + 1 : end].strip():
                self._source.expected("'as' and a label", close + 1)
        elif found := _ALIAS.fullmatch(self._text, rest, end):
            name, label = found[1], found[2]
        else:
            name = self._declared(rest, end, expected)
        self._declare(name, created, start)
        return Participant(name, label or None, word == "actor", created, settings, self._source.line(start))

    def _declare(self, name: str, created: bool, start: int) -> None:
        if created:
            if name in self._known:
                do = f"give it another name, and its title after 'as': create participant X as {name}"
                self._source.fail(f"'create {name}', but {name} exists already", start, do)
            self._pending["create"] = (name, start)
        if (opened := self._stack[-1]).kind == "box" and self._boxes.setdefault(name, opened) is not opened:
            line = self._boxes[name].line
            self._source.fail(f"{name} is in the box of line {line} already", start, "name it in one of them only")
        self._known.add(name)

    def _settings(self, start: int, end: int) -> dict[str, Any]:
        try:
            content = yaml.safe_load("{" + self._text[start:end] + "}")
        except yaml.YAMLError:
            content = None
        if not isinstance(content, dict):
            self._source.expected('settings such as "type": "database"', start)
        return content

    def _note(self, start: int, rest: int, end: int) -> Note:
        found = re.compile(r"(left[ \t]+of|right[ \t]+of|over)\b", re.IGNORECASE).match(self._text, rest, end)
        if not found:
            self._source.expected("'over', 'left of' or 'right of' after 'note'", rest)
        placement = " ".join(found[1].lower().split())
        colon = self._text.find(":", found.end(), end)
        if colon < 0:
            self._source.expected("':' and the note's text", end)
        names, offset = [], found.end()
        for part in self._text[found.end() : colon].split(","):
            names.append(self._name(offset, offset + len(part), "a participant"))
            offset += len(part) + 1
        most = 2 if placement == "over" else 1
        if len(names) > most:
            self._source.expected(f"at most {most} participant{'s' if most > 1 else ''} and ':'", found.end())
        return Note(placement, tuple(names), self._text[colon + 1 : end].strip(), self._source.line(start))

    def _autonumber(self, start: int, rest: int, end: int) -> Autonumber:
        words: list[str] = self._text[rest:end].split()
        line = self._source.line(start)
        if [word.lower() for word in words] == ["off"]:
            return Autonumber(visible=False, line=line)
        if len(words) > 2 or not all(_NUMBER.fullmatch(word) for word in words):
            self._source.expected("'off', or a start and a step as numbers", rest)
        number, step = (*words, None, None)[:2]
        return Autonumber(number, step, line=line)

    def _caption(self, word: str, start: int, rest: int, end: int) -> Caption:
        if description := ACCESSIBLE_DESCRIPTION.match(self._text, start, end):
            if not description[0].endswith("}"):
                self._source.expected("'}' to close the description", end)
            text = description[1]
        else:
            text = self._text[rest:end].removeprefix(":")
        if not text.strip():
            self._source.expected(f"a text after '{word}'", end)
        name = {"acctitle": "accTitle", "accdescr": "accDescr"}.get(word, word)
        return Caption(name, " ".join(text.split()) if description else text.strip(), self._source.line(start))

    # Messages.

    def _arrow(self, start: int, end: int) -> Arrow:
        colon = self._text.find(":", start, end)
        head_end = end if colon < 0 else colon
        form = _ARROW.search(self._text, start, head_end)
        if not form:
            self._source.expected("a statement (a message is written A->>B: text)", start)
        source_end, target_start = form.start(), form.end()
        source_text = self._text[start:source_end].rstrip()
        source_centre = source_text.endswith("()")
        if source_centre:
            source_end = start + len(source_text) - 2
        source = self._name(start, source_end, "the sender")
        mark = re.compile(r"[ \t]*(\(\)|[+-])?").match(self._text, target_start, head_end)
        change = mark[1] or "" if mark else ""
        target_start = mark.end() if mark else target_start
        if again := _ARROW.search(self._text, target_start, head_end):
            self._source.expected("the receiver", again.start())
        if source_centre and change in ("+", "-"):
            self._source.expected(f"the receiver; {change!r} does not go with '()' at the sender", target_start - 1)
        target = self._name(target_start, head_end, "the receiver")
        if colon < 0:
            self._source.expected("':' and the message's text", end)
        arrow = Arrow(
            source,
            form[0].lower(),
            target,
            self._text[colon + 1 : end].strip(),
            change.strip("()"),
            source_centre,
            change == "()",
            self._source.line(start),
            self._source.column(start),
            self._source.column(self._past_blanks(colon + 1, end)),
        )
        self._settle(arrow, start)
        return arrow

    def _settle(self, arrow: Arrow, start: int) -> None:
        """Apply a message: it completes a ``create`` or ``destroy`` before it, and may start or end an activation."""
        for word, ends in (("create", {arrow.target}), ("destroy", {arrow.source, arrow.target})):
            if word in self._pending:
                name, offset = self._pending.pop(word)
                if name not in ends:
                    from_or = "" if word == "create" else "from or "
                    self._source.fail(f"'{word} {name}' must be followed by a message {from_or}to {name}", offset)
                break
        if arrow.activation:
            self._activate(arrow.target if arrow.activation == "+" else arrow.source, arrow.activation == "+", start)

    def _activate(self, name: str, active: bool, start: int) -> None:
        count = self._active.get(name, 0) + (1 if active else -1)
        if count < 0:
            self._source.fail(f"{name} is not active here", start, f"activate {name} before, or leave the '-' out")
        self._active[name] = count
