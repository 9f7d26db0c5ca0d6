"""The limits of a module on every device, and the WebAssembly proposals that devices run.

They are fixed, so that one verdict holds for all tiers: the validator judges by this table before a byte is sent,
virtual boards run under it, and the firmware has the same numbers (``firmware/wasmbed-node/src/runtime/limits.rs``; a
test compares them). ``docs/host-interface.md`` documents them.
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
"""Of a function or block; of its results as many."""
MAXIMUM_LOCALS: Final = 10_000
"""Of a function, its parameters not counted."""
MAXIMUM_BODY: Final = 128 << 10
"""Bytes of a function's code."""
MAXIMUM_TABLES: Final = 8
MAXIMUM_TABLE: Final = 10_000
"""Elements of a table; a growth beyond it is refused."""
MAXIMUM_ELEMENTS: Final = 10_000
"""Elements of all element segments."""
MAXIMUM_SENSORS: Final = 64
"""Sensor channels whose readings are counted for one application."""

DEPLOYMENT_FUEL: Final = 2_000_000
"""Units of fuel at most that a start function and ``_initialize`` share: firmware cannot interrupt them."""
CALL_DEPTH: Final = 512
"""Calls inside each other that firmware allows; a function with many locals reaches fewer on a small board."""
NATIVE_STACK: Final = 56 << 10
"""Bytes of stack of a call on virtual boards, whose engine counts no calls: 500 of functions with eight locals fit."""
