"""Whether a module may be sent to a device, judged before a byte of it leaves the gateway.

wasmtime checks the binary; this room compares what it imports and exports with the host interface and what it
declares with the application's limits. The messages are for the person who built the module.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import wasmtime

from harness.wasmbed.protocol.messages import Limits
from harness.wasmbed.runtime.interface import (
    DEFAULT_ENTRY,
    FUNCTIONS,
    HOST_MODULE,
    MEMORY_EXPORT,
    PAGE_SIZE,
    TICK_EXPORT,
)

__all__ = ["InvalidModule", "ModuleInfo", "configuration", "validate"]

MAGIC = b"\0asm"
VERSION = (1).to_bytes(4, "little")


class InvalidModule(ValueError):
    """The module cannot run on any device; ``reason`` says what to change in it."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class ModuleInfo:
    """What validation learned. Memory is in bytes; ``memory_maximum`` is None where the module declares none."""

    sha256: bytes
    size: int
    entry: str
    imports: tuple[str, ...]
    memory_minimum: int
    memory_maximum: int | None
    has_tick: bool


def configuration() -> wasmtime.Config:
    """The WebAssembly that every tier runs: version 1.0 with the extensions compilers emit by default for
    ``wasm32-unknown-unknown`` (bulk memory, multiple values, reference types, sign extension), nothing newer."""
    config = wasmtime.Config()
    config.wasm_relaxed_simd = False
    config.wasm_simd = False
    config.wasm_threads = False
    config.wasm_memory64 = False
    config.wasm_multi_memory = False
    config.wasm_tail_call = False
    config.cranelift_opt_level = "none"
    return config


@lru_cache(maxsize=1)
def _engine() -> wasmtime.Engine:
    return wasmtime.Engine(configuration())


def validate(module: bytes, limits: Limits, entry: str = DEFAULT_ENTRY) -> ModuleInfo:
    """Judge ``module``; raises :class:`InvalidModule`.

    Takes time in proportion to the module's size (wasmtime compiles it) and holds no lock while it does, so it is
    fit for a worker thread.
    """
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
    try:
        compiled = wasmtime.Module(_engine(), module)
    except wasmtime.WasmtimeError as error:
        raise InvalidModule(f"malformed WebAssembly module: {_one_line(error)}") from error
    imports = tuple(_check_import(imported) for imported in compiled.imports)
    exports = {export.name: export.type for export in compiled.exports}
    minimum, maximum = _check_memory(exports, limits)
    _check_function(exports, entry, "the entry", ((), ("i32",)))
    if TICK_EXPORT in exports:
        _check_function(exports, TICK_EXPORT, "the optional periodic function", (("i32",),))
    digest = hashlib.sha256(module).digest()
    return ModuleInfo(digest, len(module), entry, imports, minimum, maximum, TICK_EXPORT in exports)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).removeprefix("failed to parse WebAssembly module").replace("Caused by:", "").split())


def _check_import(imported: wasmtime.ImportType) -> str:
    name = f"{imported.module}.{imported.name}"
    function = FUNCTIONS.get(imported.name or "") if imported.module == HOST_MODULE else None
    if function is None:
        offered = ", ".join(f"{HOST_MODULE}.{known}" for known in FUNCTIONS)
        raise InvalidModule(f"imports {name}, which no device offers; devices offer {offered}")
    expected = _signature(function.parameter_types, function.result_types)
    found = _describe(imported.type)
    if found != expected:
        raise InvalidModule(f"imports {name} as {found}, expected {expected}: {function}")
    return function.name


def _check_memory(exports: Mapping[str, object], limits: Limits) -> tuple[int, int | None]:
    memory = exports.get(MEMORY_EXPORT)
    if not isinstance(memory, wasmtime.MemoryType):
        found = "nothing of that name" if memory is None else _describe(memory)
        raise InvalidModule(f"must export its linear memory as {MEMORY_EXPORT!r}, found {found}")
    minimum = memory.limits.min * PAGE_SIZE
    maximum = None if memory.limits.max is None else memory.limits.max * PAGE_SIZE
    if minimum > limits.memory:
        raise InvalidModule(
            f"needs {minimum} bytes of memory ({memory.limits.min} pages of 64 KiB) from the start, the limit is "
            f"{limits.memory}: raise config.memoryLimit or declare less"
        )
    return minimum, maximum


def _check_function(exports: Mapping[str, object], name: str, role: str, results: Sequence[tuple[str, ...]]) -> None:
    expected = " or ".join(_signature((), result) for result in results)
    found = exports.get(name)
    if found is None:
        functions = ", ".join(sorted(key for key, kind in exports.items() if isinstance(kind, wasmtime.FuncType)))
        raise InvalidModule(
            f"must export {name!r} ({role}) as {expected}, found nothing of that name; "
            f"its exported functions: {functions or 'none'}"
        )
    if _describe(found) not in {_signature((), result) for result in results}:
        raise InvalidModule(f"exports {name!r} ({role}) as {_describe(found)}, expected {expected}")


def _describe(kind: object) -> str:
    if isinstance(kind, wasmtime.FuncType):
        return _signature([str(value) for value in kind.params], [str(value) for value in kind.results])
    return f"a {type(kind).__name__.removesuffix('Type').lower()}"


def _signature(parameters: Sequence[str], results: Sequence[str]) -> str:
    return f"function ({', '.join(parameters)}) -> ({', '.join(results)})"
