"""Validation of modules, before the first byte is sent to a device.

All tiers agree: the command line, the gateway, and virtual boards validate here, and the firmware refuses the same
modules (a test compares). wasmtime checks the binary under the proposals that devices have; the rest compares its
declarations with the host interface and the limits. The messages are written for the author of the module.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import wasmtime

from harness.wasmbed.protocol.messages import Limits
from harness.wasmbed.runtime.declarations import Declarations, Segment, Signature, read_declarations
from harness.wasmbed.runtime.engine import SWITCHES, configuration
from harness.wasmbed.runtime.interface import (
    DEFAULT_ENTRY,
    FUNCTIONS,
    HOST_MODULE,
    INITIALIZE_EXPORT,
    MEMORY_EXPORT,
    PAGE_SIZE,
    TICK_EXPORT,
)
from harness.wasmbed.runtime.limits import MAXIMUM_MODULE, PROPOSALS
from harness.wasmbed.runtime.reader import InvalidModule

__all__ = ["InvalidModule", "ModuleInfo", "validate"]

MAGIC = b"\0asm"
VERSION = (1).to_bytes(4, "little")
_RETURNS_NOTHING = Signature((), ())
_RETURNS_A_NUMBER = Signature((), ("i32",))


@dataclass(frozen=True, slots=True)
class ModuleInfo:
    """The result of validation. Memory is in bytes; ``memory_maximum`` is None if the module declares none."""

    sha256: bytes
    size: int
    entry: str
    imports: tuple[str, ...]
    memory_minimum: int
    memory_maximum: int | None
    has_start: bool
    initializes: bool
    """Whether it exports ``_initialize``."""
    has_tick: bool


def validate(module: bytes, limits: Limits, entry: str = DEFAULT_ENTRY) -> ModuleInfo:
    """Validate ``module``. Raises :class:`InvalidModule`.

    It takes time in proportion to the module's size and releases the interpreter lock, so it suits a worker thread.
    """
    _check_binary(module)
    found = read_declarations(module)
    imports = tuple(_check_import(*imported) for imported in found.imports)
    minimum, maximum = _check_memory(found, limits)
    for segment in found.segments:
        _check_segment(segment, found)
    _check_function(found, entry, "the entry", (_RETURNS_NOTHING, _RETURNS_A_NUMBER))
    initializes, has_tick = (name in found.exports for name in (INITIALIZE_EXPORT, TICK_EXPORT))
    if initializes:
        _check_function(found, INITIALIZE_EXPORT, "called once before the entry", (_RETURNS_NOTHING,))
    if has_tick:
        _check_function(found, TICK_EXPORT, "the optional periodic function", (_RETURNS_A_NUMBER,))
    digest = hashlib.sha256(module).digest()
    has_start = found.start is not None
    return ModuleInfo(digest, len(module), entry, imports, minimum, maximum, has_start, initializes, has_tick)


@lru_cache(maxsize=2)
def _engine(*, lenient: bool = False) -> wasmtime.Engine:
    return wasmtime.Engine(configuration(SWITCHES) if lenient else configuration())


def _check_binary(module: bytes) -> None:
    if len(module) > MAXIMUM_MODULE:
        raise InvalidModule(f"has {len(module):,} bytes, devices take at most {MAXIMUM_MODULE:,} (1 MiB)")
    if not module.startswith(MAGIC):
        raise InvalidModule(
            f"not a WebAssembly binary: it begins with {module[:4].hex() or 'nothing'}, expected {MAGIC.hex()} "
            "(the text format has to be assembled first)"
        )
    if module[4:8] != VERSION:
        raise InvalidModule(
            f"WebAssembly binary version {module[4:8].hex() or 'missing'}, expected {VERSION.hex()}: a core module, "
            "not a component"
        )
    if (reason := _complaint(module, _engine())) is None:
        return
    if _complaint(module, _engine(lenient=True)) is None:
        raise InvalidModule(
            f"uses a proposal that devices do not have: {reason}; they run WebAssembly 1.0 with {', '.join(PROPOSALS)}"
        )
    raise InvalidModule(f"malformed WebAssembly module: {reason}")


def _complaint(module: bytes, engine: wasmtime.Engine) -> str | None:
    try:
        wasmtime.Module.validate(engine, module)
    except wasmtime.WasmtimeError as error:
        return " ".join(str(error).split())
    return None


def _check_import(module: str, name: str, kind: Signature | str) -> str:
    function = FUNCTIONS.get(name) if module == HOST_MODULE else None
    if function is None:
        offered = ", ".join(f"{HOST_MODULE}.{known}" for known in FUNCTIONS)
        raise InvalidModule(f"imports {module}.{name}, which no device offers; devices offer {offered}")
    expected = Signature(function.parameter_types, function.result_types)
    if kind != expected:
        raise InvalidModule(f"imports {module}.{name} as {_describe(kind)}, expected {expected}: {function}")
    return function.name


def _check_memory(found: Declarations, limits: Limits) -> tuple[int, int | None]:
    kind = found.exported(MEMORY_EXPORT)
    if kind != "memory":
        raise InvalidModule(f"must export its linear memory as {MEMORY_EXPORT!r}, found {_describe(kind)}")
    pages, most = found.memories[found.exports[MEMORY_EXPORT][1]]
    minimum = pages * PAGE_SIZE
    if minimum > limits.memory:
        raise InvalidModule(
            f"needs {minimum} bytes of memory ({pages} pages of 64 KiB) from the start, the limit is {limits.memory}: "
            f"allow more (--memory {minimum}, or config.memoryLimit), or link with a smaller stack "
            "(clang: -Wl,-zstack-size=16384; rustc: -Clink-arg=-zstack-size=16384; zig: --stack 16384)"
        )
    return minimum, None if most is None else most * PAGE_SIZE


def _check_segment(segment: Segment, found: Declarations) -> None:
    """Refuse a segment that does not fit: instantiation would fail."""
    if segment.kind == "data":
        room, unit, place = found.memories[0][0] * PAGE_SIZE, "bytes", "memory"
    else:
        room, unit, place = found.tables[segment.table][0], "elements", f"table {segment.table}"
    if segment.offset is not None and segment.offset + segment.size > room:
        raise InvalidModule(
            f"{segment.kind} segment {segment.index} puts {segment.size} {unit} at {segment.offset}, beyond the {room} "
            f"{unit} that {place} begins with"
        )


def _check_function(found: Declarations, name: str, role: str, expected: Sequence[Signature]) -> None:
    kind = found.exported(name)
    wanted = " or ".join(map(str, expected))
    if kind is None:
        functions = ", ".join(sorted(name for name in found.exports if isinstance(found.exported(name), Signature)))
        raise InvalidModule(
            f"must export {name!r} ({role}) as {wanted}, found nothing of that name; "
            f"its exported functions: {functions or 'none'}"
        )
    if kind not in expected:
        raise InvalidModule(f"exports {name!r} ({role}) as {_describe(kind)}, expected {wanted}")


def _describe(kind: Signature | str | None) -> str:
    if kind is None:
        return "nothing of that name"
    return str(kind) if isinstance(kind, Signature) else f"a {kind}"
