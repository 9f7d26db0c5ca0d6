"""The declarations of a WebAssembly binary, read from its sections (WebAssembly Core Specification 2.0, 5.5).

wasmtime validates a binary but shows only its exports, not its tables, segments, locals, or start function. Reading
stops at the first count above a limit of all devices, so that a hostile module costs little.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from harness.wasmbed.runtime.limits import (
    MAXIMUM_BODY,
    MAXIMUM_ELEMENTS,
    MAXIMUM_LOCALS,
    MAXIMUM_TABLE,
    MAXIMUM_TABLES,
    MOST,
)
from harness.wasmbed.runtime.reader import Reader, at_most

__all__ = ["Declarations", "Segment", "Signature", "read_declarations"]

_KINDS = dict(enumerate(("function", "table", "memory", "global")))


@dataclass(frozen=True, slots=True)
class Signature:
    """A function's type, with WebAssembly's names of value types."""

    parameters: tuple[str, ...]
    results: tuple[str, ...]

    def __str__(self) -> str:
        return f"function ({', '.join(self.parameters)}) -> ({', '.join(self.results)})"


@dataclass(frozen=True, slots=True)
class Segment:
    """A data or element segment that instantiation copies: ``size`` bytes or elements, to ``offset``.

    ``offset`` is None if it depends on an imported global.
    """

    kind: str
    index: int
    table: int
    offset: int | None
    size: int


@dataclass(slots=True)
class Declarations:
    """The content of the sections.

    Memories (in pages) and tables (in elements) have a minimum and optionally a maximum. ``functions`` are by index,
    imported ones first. ``exports`` have a kind and an index, by name.
    """

    imports: list[tuple[str, str, Signature | str]] = field(default_factory=list)
    types: list[Signature] = field(default_factory=list)
    functions: list[Signature] = field(default_factory=list)
    tables: list[tuple[int, int | None]] = field(default_factory=list)
    memories: list[tuple[int, int | None]] = field(default_factory=list)
    exports: dict[str, tuple[str, int]] = field(default_factory=dict)
    segments: list[Segment] = field(default_factory=list)
    start: int | None = None

    def exported(self, name: str) -> Signature | str | None:
        """Return the signature of the exported function of that name, the kind of another export, or None."""
        kind, index = self.exports.get(name, (None, 0))
        return self.functions[index] if kind == "function" else kind


def read_declarations(module: bytes) -> Declarations:
    """Read a valid module. Raises :class:`InvalidModule` if it declares more than devices accept."""
    reader, found = Reader(module), Declarations()
    for section, _, _ in reader.sections():
        if section in _SECTIONS:
            _SECTIONS[section](reader, found)
    return found


def _types(reader: Reader, found: Declarations) -> None:
    for _ in range(reader.count("types")):
        reader.one_of({0x60: None}, "type")
        found.types.append(Signature(reader.value_types(), reader.value_types()))


def _imports(reader: Reader, found: Declarations) -> None:
    for _ in range(reader.count("functions")):
        module, name, kind = reader.name(), reader.name(), reader.one_of(_KINDS, "kind of import")
        if kind == "function":
            signature = found.types[reader.u32()]
            found.functions.append(signature)
            found.imports.append((module, name, signature))
            continue
        found.imports.append((module, name, kind))
        if kind == "memory":
            found.memories.append(reader.limits())
        elif kind == "table":
            reader.value_type()
            found.tables.append(reader.limits())
        else:
            reader.value_type()
            reader.byte()


def _functions(reader: Reader, found: Declarations) -> None:
    count = reader.u32()
    at_most(MOST["functions"], len(found.functions) + count, "functions")
    found.functions += [found.types[reader.u32()] for _ in range(count)]


def _tables(reader: Reader, found: Declarations) -> None:
    for _ in range(at_most(MAXIMUM_TABLES, reader.u32(), "tables")):
        reader.value_type()
        table = reader.limits()
        at_most(MAXIMUM_TABLE, table[0], "elements of a table")
        found.tables.append(table)


def _memories(reader: Reader, found: Declarations) -> None:
    found.memories += [reader.limits() for _ in range(reader.u32())]


def _globals(reader: Reader, _found: Declarations) -> None:
    for _ in range(reader.count("globals")):
        reader.value_type()
        reader.byte()
        reader.constant()


def _exports(reader: Reader, found: Declarations) -> None:
    for _ in range(reader.count("exports")):
        name = reader.name()
        found.exports[name] = reader.one_of(_KINDS, "kind of export"), reader.u32()


def _start(reader: Reader, found: Declarations) -> None:
    found.start = reader.u32()


def _elements(reader: Reader, found: Declarations) -> None:
    total = 0
    for index in range(reader.count("element segments")):
        flags = reader.u32()
        is_active, has_table, are_expressions = not flags & 1, flags & 2, flags & 4
        table = reader.u32() if is_active and has_table else 0
        offset = reader.offset() if is_active else None
        if flags & 3:
            reader.value_type() if are_expressions else reader.byte()
        size = reader.u32()
        total = at_most(MAXIMUM_ELEMENTS, total + size, "elements of all segments")
        for _ in range(size):
            reader.constant() if are_expressions else reader.u32()
        if is_active:
            found.segments.append(Segment("element", index, table, offset, size))


def _code(reader: Reader, _found: Declarations) -> None:
    for _ in range(reader.u32()):
        size = at_most(MAXIMUM_BODY, reader.u32(), "bytes of one function's code")
        end = reader.at + size
        total = 0
        for _ in range(reader.u32()):
            total = at_most(MAXIMUM_LOCALS, total + reader.u32(), "locals of one function")
            reader.value_type()
        reader.at = end


def _data(reader: Reader, found: Declarations) -> None:
    for index in range(reader.count("data segments")):
        flags = reader.u32()
        if flags == 2:
            reader.u32()
        offset = reader.offset() if flags != 1 else None
        size = reader.u32()
        reader.at += size
        if flags != 1:
            found.segments.append(Segment("data", index, 0, offset, size))


_SECTIONS: dict[int, Callable[[Reader, Declarations], None]] = {
    1: _types,
    2: _imports,
    3: _functions,
    4: _tables,
    5: _memories,
    6: _globals,
    7: _exports,
    8: _start,
    9: _elements,
    10: _code,
    11: _data,
}
