"""The types of a compilation: its source text, its result, and the boards that can hold it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath

from harness.core.errors import RigError
from harness.wasmbed.runtime.validation import ModuleInfo

__all__ = ["BoardRoom", "CannotCompile", "Compiled", "Diagnostic", "Language", "Level", "Source"]


class Language(StrEnum):
    """The languages, with the names that requests use."""

    RUST = "rust"
    C = "c"
    ASSEMBLYSCRIPT = "assemblyscript"
    WAT = "wat"

    @property
    def suffix(self) -> str:
        """The suffix of its files."""
        return _SUFFIXES[self]

    @classmethod
    def of_file(cls, name: str) -> Language | None:
        """Return the language of a file by its suffix; None if no language has it."""
        suffix = PurePath(name).suffix
        return next((language for language, own in _SUFFIXES.items() if own == suffix), None)


_SUFFIXES = {Language.RUST: ".rs", Language.C: ".c", Language.ASSEMBLYSCRIPT: ".ts", Language.WAT: ".wat"}


class Level(StrEnum):
    """The gravity of a diagnostic. Code with an error has no module."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One message of a compiler. Lines and columns count from 1; None: the message is about the whole.

    ``code`` is the compiler's own number of the message, and ``suggestion`` its own proposal of a change.
    """

    level: Level
    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    code: str | None = None
    suggestion: str | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        code = f"[{self.code}]" if self.code else ""
        suggested = f" (suggestion: {self.suggestion})" if self.suggestion else ""
        return f"{f'{place}: ' if place else ''}{self.level}{code}: {self.message}{suggested}"


@dataclass(frozen=True, slots=True)
class Source:
    """A source text, and the name of its file in diagnostics."""

    text: str
    language: Language
    file: str

    @classmethod
    def unnamed(cls, text: str, language: Language) -> Source:
        """Return a source text whose file has no name of its own."""
        return cls(text, language, f"main{language.suffix}")


@dataclass(frozen=True, slots=True)
class BoardRoom:
    """The room that a kind of board has for an application: bytes of its module and of its memory."""

    kind: str
    module: int
    memory: int

    def objection(self, info: ModuleInfo) -> str | None:
        """Return why a board of this kind cannot hold the module; None if it can."""
        if not self.module:
            return f"{self.kind} has no WebAssembly runtime"
        if info.size > self.module:
            return f"the module has {info.size:,} bytes, {self.kind} takes at most {self.module:,}"
        if info.memory_minimum > self.memory:
            return f"the module needs {info.memory_minimum:,} bytes of memory, {self.kind} has {self.memory:,}"
        return None


@dataclass(frozen=True, slots=True)
class Compiled:
    """The result of a compilation. ``module`` and ``info`` are None if the code has an error.

    ``output`` is what the compiler wrote for people, ``compiler`` its name and version.
    """

    source: Source
    compiler: str
    module: bytes | None
    info: ModuleInfo | None
    exports: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...]
    output: str

    def boards(self, rooms: Iterable[BoardRoom]) -> list[str]:
        """Return the kinds of boards that can hold the module."""
        return [room.kind for room in rooms if self.info is not None and room.objection(self.info) is None]


class CannotCompile(RigError):
    """A compiler or the sandbox is missing or does not work here; the message says how to get it."""
