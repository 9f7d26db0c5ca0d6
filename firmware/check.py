#!/usr/bin/env python3
"""Check the firmware on this computer: formatting, lints for every profile of boards, and the tests. It needs an
ordinary Rust, rustup's for example, with rustfmt and clippy, and neither a board nor an emulator."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

FIRMWARE = Path(__file__).resolve().parent
LINT = ["clippy", "--quiet", "--locked"]
STRICT = ["--", "-D", "warnings"]

STEPS: tuple[tuple[str, Path, list[str]], ...] = (
    ("formatting", FIRMWARE, ["fmt", "--all", "--check"]),
    ("lints", FIRMWARE, [*LINT, "--all-targets", *STRICT]),
    ("lints of the node without a runtime", FIRMWARE, [*LINT, "-p", "wasmbed-node", "--no-default-features", *STRICT]),
    *(
        (f"lints of the {profile} boards", FIRMWARE, [*LINT, "-p=wasmbed-boards", "--lib", f"-F{profile}", *STRICT])
        for profile in ("full", "no-wasm", "plain")
    ),
    ("lints of native boards", FIRMWARE, [*LINT, "-p=wasmbed-native", "--lib", "--profile=native", *STRICT]),
    ("tests", FIRMWARE, ["test", "--quiet", "--locked"]),
    (
        "tests of the node without TLS",
        FIRMWARE,
        ["test", "--quiet", "--locked", "-p=wasmbed-node", "--no-default-features", "--test=node"],
    ),
    ("formatting of the samples", FIRMWARE / "apps", ["fmt", "--check"]),
    ("lints of the samples", FIRMWARE / "apps", [*LINT, "--all-targets", *STRICT]),
)


def main() -> int:
    cargo = shutil.which("cargo")
    if cargo is None:
        print("cargo is not installed\n  -> install Rust with rustfmt and clippy (rustup.rs)", file=sys.stderr)
        return 3
    for step, folder, arguments in STEPS:
        print(step, flush=True)
        if subprocess.run([cargo, *arguments], cwd=folder, check=False).returncode:
            print(f"error: {step}: see above", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
