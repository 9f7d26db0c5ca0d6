"""Cuts the text of a diagram into statements, and reports errors with their lines and columns."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, NoReturn

import yaml

from harness.core.errors import UsageError

__all__ = ["ACCESSIBLE_DESCRIPTION", "DiagramError", "Source", "is_sequence_diagram"]

_HEADER = re.compile(r"sequenceDiagram\b")
_FRONT_MATTER = re.compile(r"\A\s*---[ \t]*\n(.*?\n)?[ \t]*---[ \t]*(?:\n|\Z)", re.DOTALL)
_DIRECTIVE = re.compile(r"%%\{(.*?)\}%%", re.DOTALL)
_COMMENT = re.compile(r"^[ \t]*%%[^\n]*", re.MULTILINE)
_WHOLE_LINE = re.compile(r"(acctitle|accdescr)[ \t]*:[^\n]*", re.IGNORECASE)
ACCESSIBLE_DESCRIPTION = re.compile(r"accdescr\s*\{([^}]*)\}?", re.IGNORECASE)
_DECLARATION = re.compile(r"(?:create[ \t]+)?(?:participant|actor)\b[^\n;#@]*(?:@\{[^}]*\})?", re.IGNORECASE)
_END = re.compile(r"end\b", re.IGNORECASE)
_STATEMENT = re.compile(r"(?:\#\w+;|[^\n;#])*")


class DiagramError(UsageError):
    """The text is not a sequence diagram; ``line`` and ``column`` count from 1."""

    def __init__(self, what: str, line: int, column: int, *, file: str = "", do: str | None = None) -> None:
        self.line, self.column = line, column
        super().__init__(what, where=f"{file or 'diagram'}:{line}:{column}", do=do)


def is_sequence_diagram(text: str) -> bool:
    """Whether ``text`` starts as a sequence diagram; it may have errors."""
    return _HEADER.match(_COMMENT.sub("", _DIRECTIVE.sub("", _FRONT_MATTER.sub("", text))).lstrip()) is not None


class Source:
    """The text with front matter, directives, and comments blanked, so that lines and columns stay the same."""

    def __init__(self, text: str, file: str, first_line: int) -> None:
        self.text = text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")
        self.file, self._first_line = file, first_line
        self._after_semicolon = False
        self._starts = [0, *(found.end() for found in re.finditer("\n", self.text))]
        self.front_matter: dict[str, Any] = {}
        if found := _FRONT_MATTER.match(self.text):
            self.front_matter = self._front_matter(found)
            self.text = _blank(found) + self.text[found.end() :]
        self.directives = tuple(directive[1].strip() for directive in _DIRECTIVE.finditer(self.text))
        self.text = _COMMENT.sub(_blank, _DIRECTIVE.sub(_blank, self.text))

    def line(self, offset: int) -> int:
        return self._first_line + bisect_right(self._starts, offset) - 1

    def column(self, offset: int) -> int:
        return offset - self._starts[bisect_right(self._starts, offset) - 1] + 1

    def fail(self, what: str, offset: int, do: str | None = None) -> NoReturn:
        if self._after_semicolon:
            hint = "if the ';' before it belongs to a text, write #59; for it"
            do = f"{do}; {hint}" if do else hint
        raise DiagramError(what, self.line(offset), self.column(offset), file=self.file, do=do)

    def expected(self, expected: str, offset: int, do: str | None = None) -> NoReturn:
        """Fail with the expectation and the text that was found."""
        end = self.text.find("\n", offset)
        found = self.text[offset : end if end >= 0 else None].strip()
        seen = f"'{found[:40]}'" if found else "the end of the line" if end >= 0 else "the end of the text"
        self.fail(f"expected {expected}, found {seen}", offset, do)

    def statements(self) -> Iterator[tuple[int, int]]:
        """Start and end of each statement after ``sequenceDiagram``. A line or ``;`` ends it; ``#`` is a comment."""
        text, offset, begun = self.text, 0, False
        while offset < len(text):
            if text[offset].isspace() or (begun and text[offset] == ";"):
                self._after_semicolon = text[offset] == ";" or (self._after_semicolon and text[offset] != "\n")
                offset += 1
            elif begun and (text[offset] == "#" or text.startswith("%%", offset)):
                end = text.find("\n", offset)
                offset = len(text) if end < 0 else end
            elif begun:
                end = self._statement_end(offset)
                yield offset, offset + len(text[offset:end].rstrip())
                offset = end
            elif header := _HEADER.match(text, offset):
                begun, offset = True, header.end()
            else:
                self.expected("'sequenceDiagram'", offset)
        self._after_semicolon = False
        if not begun:
            self.expected("'sequenceDiagram'", len(text))

    def _statement_end(self, offset: int) -> int:
        for alone in (_END, _WHOLE_LINE, ACCESSIBLE_DESCRIPTION):
            if found := alone.match(self.text, offset):
                return found.end()
        if (found := _DECLARATION.match(self.text, offset)) and "@{" in found[0]:
            offset = found.end()
        found = _STATEMENT.match(self.text, offset)
        return found.end() if found else offset

    def _front_matter(self, found: re.Match[str]) -> dict[str, Any]:
        try:
            content = yaml.safe_load(found[1] or "")
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            offset = found.start(1) + (mark.index if mark else 0)
            self.fail(f"invalid YAML in the front matter: {getattr(error, 'problem', error)}", offset)
        if content is not None and not isinstance(content, dict):
            self.fail("expected 'key: value' lines in the front matter", found.start())
        return content or {}


def _blank(found: re.Match[str]) -> str:
    """Blanks of the same length, so that lines and columns stay the same."""
    return re.sub(r"[^\n]", " ", found[0])
