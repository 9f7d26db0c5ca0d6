"""Schemas' patterns: RE2, which Kubernetes judges with, and in time linear in the text whatever the pattern.

The library is RE2 itself, in C++; Kubernetes uses Go's ``regexp``. Both read the same syntax except for ``\\C``. Their
error messages differ: those here are Go's, because people and programs compare them.
"""

from __future__ import annotations

import re
from functools import lru_cache

import re2

__all__ = ["BadPattern", "Pattern", "compile_pattern"]

_MEMORY = 32 << 20
"""Bytes that one pattern's program and its matching may take. The library's default, 8 MiB, refuses repetitions of
large classes, such as ``[\\pL\\pN]{1,253}``, that Go takes."""
_TOKEN = re.compile(r"\\Q.*?(?:\\E|\Z)|\\.", re.DOTALL)
_LOOK_BEHIND = ("(?<=", "(?<!")
_WORDS = {
    "bad repetition operator": "invalid nested repetition operator",
    "invalid named capture group": "invalid named capture",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid repetition size": "invalid repeat count",
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "no argument for repetition operator": "missing argument to repetition operator",
}
"""RE2's words and Go's, where they differ."""


class BadPattern(ValueError):
    """A pattern that is not RE2's, in Go's words."""


class Pattern:
    """A compiled pattern."""

    __slots__ = ("_regexp", "size")

    def __init__(self, text: str) -> None:
        """Raises :class:`BadPattern`."""
        options = re2.Options()
        options.log_errors = False
        options.never_capture = True
        options.max_mem = _MEMORY
        try:
            self._regexp = re2.compile(text.encode(), options)
        except re2.error as error:
            raise BadPattern(_in_go_words(text, error.args[0].decode("utf-8", "replace"))) from error
        if r"\C" in _TOKEN.findall(text):
            raise BadPattern(r"error parsing regexp: invalid escape sequence: `\C`")
        self.size: int = self._regexp.programsize
        """Instructions of its program: a search takes at most this many steps a byte of the text."""

    def first(self, text: str) -> str:
        """The first part of ``text`` that matches; empty if none does."""
        found = self._regexp.search(text.encode())
        return found.group(0).decode() if found else ""

    def all(self, text: str) -> list[str]:
        """All parts of ``text`` that match, in order."""
        return [found.group(0).decode() for found in self._regexp.finditer(text.encode())]

    def found_in(self, text: str) -> bool:
        """Whether some part of ``text`` matches."""
        return self._regexp.search(text.encode()) is not None


def _in_go_words(pattern: str, error: str) -> str:
    if error.startswith("pattern too large"):
        return "error parsing regexp: expression too large"
    if error.startswith("trailing \\"):
        return "error parsing regexp: trailing backslash at end of expression: ``"
    what, _, where = error.partition(": ")
    if where in _LOOK_BEHIND:
        what, rest = "invalid named capture group", pattern[pattern.index(where) :]
        where = rest[: rest.find(">") + 1] or rest
    return f"error parsing regexp: {_WORDS.get(what, what)}: `{where}`"


@lru_cache(maxsize=1024)
def compile_pattern(text: str) -> Pattern:
    """A pattern of a schema. Raises :class:`BadPattern`."""
    return Pattern(text)
