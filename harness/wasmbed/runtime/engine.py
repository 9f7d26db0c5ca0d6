"""The configuration of wasmtime, which the validator and virtual boards share."""

from __future__ import annotations

import re
from collections.abc import Collection

import wasmtime
from wasmtime import _bindings as c_api

from harness.wasmbed.runtime.limits import NATIVE_STACK, PROPOSALS

__all__ = ["SWITCHES", "configuration"]

_PREFIX = "wasmtime_config_wasm_"
SWITCHES = {
    found[1].replace("_", "-"): getattr(c_api, found[0])
    for name in dir(c_api)
    if (found := re.fullmatch(rf"{_PREFIX}(\w+)_set", name))
}
"""The function that switches each proposal of this wasmtime, by the proposal's name. wasmtime-py wraps only some of
them, so they come from its C API."""


def configuration(proposals: Collection[str] = PROPOSALS) -> wasmtime.Config:
    """Return a configuration for WebAssembly 1.0 with ``proposals`` only, under the limits that all tiers share."""
    config = wasmtime.Config()
    for name, switch in SWITCHES.items():
        switch(config.ptr(), name in proposals)
    config.consume_fuel = True
    config.epoch_interruption = True
    config.max_wasm_stack = NATIVE_STACK
    # Without it, the bits of a NaN depend on the host's processor.
    config.cranelift_nan_canonicalization = True
    config.cranelift_opt_level = "none"
    return config
