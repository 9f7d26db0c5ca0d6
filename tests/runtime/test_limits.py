"""The limits of all tiers are the same numbers in Python, in Rust, and in the document."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.wasmbed.resources.modules import LARGEST_MODULE
from harness.wasmbed.runtime import interface, limits

ROOT = Path(__file__).parents[2]
FIRMWARE = (ROOT / "firmware/wasmbed-node/src/runtime/limits.rs").read_text("utf-8")
DOCUMENT = " ".join((ROOT / "docs/host-interface.md").read_text("utf-8").split())
NAMES = {
    **{what.upper().replace(" ", "_"): most for what, most in limits.MOST.items()},
    "PARAMETERS": limits.MAXIMUM_PARAMETERS,
    "LOCALS": limits.MAXIMUM_LOCALS,
    "BODY": limits.MAXIMUM_BODY,
    "TABLES": limits.MAXIMUM_TABLES,
    "TABLE": limits.MAXIMUM_TABLE,
    "ELEMENTS": limits.MAXIMUM_ELEMENTS,
    "SENSORS": limits.MAXIMUM_SENSORS,
    "DEPLOYMENT_FUEL": limits.DEPLOYMENT_FUEL,
    "CALL_DEPTH": limits.CALL_DEPTH,
}


def in_rust() -> dict[str, int]:
    found = re.findall(r"^pub const (\w+): (?:u32|u64|usize) = (.+);$", FIRMWARE, re.MULTILINE)
    return {name: eval(value.replace("_", "")) for name, value in found}


def test_applications_and_devices_have_the_same_largest_module() -> None:
    assert LARGEST_MODULE == limits.MAXIMUM_MODULE


def test_the_firmware_has_the_same_numbers() -> None:
    assert in_rust() == NAMES
    proposals = re.search(r"PROPOSALS: .*? = \[(.*?)\];", FIRMWARE, re.DOTALL)
    assert proposals is not None
    assert tuple(re.findall(r'"(.+?)"', proposals[1])) == limits.PROPOSALS


@pytest.mark.parametrize(
    "expected_text",
    [
        " with " + ", ".join(f"`{name}`" for name in limits.PROPOSALS[:-1]) + f" and `{limits.PROPOSALS[-1]}`",
        f"| bytes | {limits.MAXIMUM_MODULE:,};",
        "| types, globals, exports, element segments, data segments | 1,000 of each |",
        f"| functions, imported ones included | {limits.MOST['functions']:,} |",
        f"| parameters of a function or block, and results | {limits.MAXIMUM_PARAMETERS} |",
        f"| locals of a function, without its parameters | {limits.MAXIMUM_LOCALS:,} |",
        f"| bytes of a function's code | {limits.MAXIMUM_BODY:,} |",
        f"| tables, and elements of each | {limits.MAXIMUM_TABLES}, and {limits.MAXIMUM_TABLE:,};",
        f"| elements of all element segments | {limits.MAXIMUM_ELEMENTS:,} |",
        f"at most {limits.DEPLOYMENT_FUEL:,} units",
        f"Firmware allows {limits.CALL_DEPTH} calls inside each other",
        f"{limits.NATIVE_STACK >> 10} KiB of the host's stack",
        f"the first {limits.MAXIMUM_SENSORS} channels",
        f"| `{interface.INITIALIZE_EXPORT}` | `() -> ()` |",
    ],
)
def test_the_document_has_the_same_numbers(expected_text: str) -> None:
    assert expected_text in DOCUMENT
