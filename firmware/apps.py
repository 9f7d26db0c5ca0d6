#!/usr/bin/env python3
"""Build the sample applications of `firmware/apps` to WebAssembly, into `firmware/apps/modules/`.

The samples in Rust need a compiler for wasm32, the one in C needs clang and wasm-ld, the one in text needs wat2wasm
or the harness's own Python environment. Samples whose tools are missing are reported and left out; with `--all` that is
an error.
"""

from __future__ import annotations

import argparse
import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tools.toolchain import Failed, Missing, find_toolchain, require

APPS = Path(__file__).resolve().parent / "apps"
MODULES = APPS / "modules"
TARGET = "wasm32-unknown-unknown"
STACK = 32_768
PAGE = 65_536


def build_rust() -> list[Path]:
    """Build the samples in Rust: the examples of the package."""
    toolchain = find_toolchain(TARGET)
    flags = [f"-Clink-arg=-zstack-size={STACK}", f"-Clink-arg=--initial-memory={PAGE}"]
    if toolchain.environment:
        flags.append(f"-Clinker={require('wasm-ld', 'lld')}")
    arguments = ["build", "--quiet", "--locked", "--release", "--examples", f"--target={TARGET}"]
    toolchain.run(arguments, {TARGET: flags}, APPS)
    names = re.findall(r'\[\[example\]\]\nname = "(.+)"', (APPS / "Cargo.toml").read_text("utf-8"))
    built = APPS / "target" / TARGET / "release" / "examples"
    return [_publish(built / f"{name.replace('-', '_')}.wasm", name) for name in names]


def build_c() -> list[Path]:
    """Build the samples in C."""
    clang = require("clang", "clang")
    require("wasm-ld", "lld")
    modules = []
    for source in sorted((APPS / "c").glob("*.c")):
        module = MODULES / f"{source.stem}.wasm"
        options = ["--target=wasm32", "-Oz", "-Wall", "-Wextra", "-Werror", "-nostdlib", "-ffreestanding"]
        options += ["-Wl,--no-entry", "-Wl,--strip-all", f"-Wl,-zstack-size={STACK}", f"-Wl,--initial-memory={PAGE}"]
        subprocess.run([clang, *options, str(source.relative_to(APPS)), "-o", str(module)], cwd=APPS, check=True)
        modules.append(module)
    return modules


def build_text() -> list[Path]:
    """Build the samples in WebAssembly's text format."""
    assemble = _assembler()
    modules = []
    for source in sorted((APPS / "wat").glob("*.wat")):
        module = MODULES / f"{source.stem}.wasm"
        assemble(source, module)
        modules.append(module)
    return modules


def _assembler() -> Callable[[Path, Path], object]:
    if program := shutil.which("wat2wasm"):
        return lambda source, module: subprocess.run([program, str(source), "-o", str(module)], check=True)
    try:
        wasmtime = importlib.import_module("wasmtime")
    except ImportError:
        raise Missing(
            "no assembler for WebAssembly text\n"
            "  -> run this with the harness's environment: .venv/bin/python firmware/apps.py\n"
            "  -> or: apt-get install wabt"
        ) from None
    return lambda source, module: module.write_bytes(wasmtime.wat2wasm(source.read_text("utf-8")))


def _publish(built: Path, name: str) -> Path:
    module = MODULES / f"{name}.wasm"
    shutil.copyfile(built, module)
    return module


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="fail if anything is left out")
    arguments = parser.parse_args()
    MODULES.mkdir(exist_ok=True)
    left_out = False
    for kind, build in (("Rust", build_rust), ("C", build_c), ("text", build_text)):
        try:
            modules = build()
        except Missing as missing:
            left_out = True
            print(f"left out: the samples in {kind}: {missing}", file=sys.stderr)
            continue
        for module in modules:
            print(f"{module.stem:16} {module.stat().st_size:7,} bytes  ({kind})")
    return 1 if left_out and arguments.all else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failed:
        sys.exit(f"{failed}\nerror: the samples in Rust cannot be built: see above")
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: {error.cmd[0]} failed with {error.returncode}; its output is above")
    except KeyboardInterrupt:
        sys.exit(130)
