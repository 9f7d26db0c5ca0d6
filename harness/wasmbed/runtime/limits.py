"""The limits of a module on every device, and the WebAssembly proposals that devices run.

They are fixed, so that one result of validation holds for all tiers: the validator uses this table before a byte is
sent, virtual boards run under it, and the firmware has the same numbers (a test compares them with
``firmware/wasmbed-node/src/runtime/limits.rs``). ``docs/host-interface.md`` documents them.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "CALL_DEPTH",
    "DEPLOYMENT_FUEL",
    "MAXIMUM_ELEMENTS",
    "MAXIMUM_LOCALS",
    "MAXIMUM_MODULE",
    "MAXIMUM_PARAMETERS",
    "MAXIMUM_SENSORS",
    "MAXIMUM_TABLE",
    "MAXIMUM_TABLES",
    "MOST",
    "NATIVE_STACK",
    "PROPOSALS",
]

PROPOSALS: Final = (
    "bulk-memory",
    "extended-const",
    "multi-value",
    "mutable-globals",
    "reference-types",
    "saturating-float-to-int",
    "sign-extension",
)
"""The proposals beyond WebAssembly 1.0 that every device runs: ``runtime-features`` on the wire. All others are off."""

MAXIMUM_MODULE: Final = 1 << 20
"""Bytes of a module."""
MOST: Final = {
    "types": 1_000,
    "functions": 10_000,
    "globals": 1_000,
    "exports": 1_000,
    "element segments": 1_000,
    "data segments": 1_000,
}
"""Entries of the module's sections; imported functions count as functions."""
MAXIMUM_PARAMETERS: Final = 32
"""Parameters of a function or block, and as many results."""
MAXIMUM_LOCALS: Final = 10_000
"""Locals of a function, without its parameters."""
MAXIMUM_BODY: Final = 128 << 10
"""Bytes of a function's code."""
MAXIMUM_TABLES: Final = 8
MAXIMUM_TABLE: Final = 10_000
"""Elements of a table; growing beyond it is refused."""
MAXIMUM_ELEMENTS: Final = 10_000
"""Elements of all element segments."""
MAXIMUM_SENSORS: Final = 64
"""Sensor channels whose readings are counted for one application."""

DEPLOYMENT_FUEL: Final = 2_000_000
"""Units of fuel that a start function and ``_initialize`` may use together: firmware cannot interrupt them."""
CALL_DEPTH: Final = 512
"""The depth of nested calls that firmware allows; with many locals a small board reaches less."""
NATIVE_STACK: Final = 56 << 10
"""Bytes of stack on virtual boards, whose engine does not count calls: 500 nested calls with eight locals fit."""
