"""Build the library of native boards for this computer, unless the one that is there has the same sources.

It is built with the ordinary compiler of this computer: neither a bare-metal target nor the sources of the standard
library are needed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from tools.toolchain import Toolchain, find_host_toolchain

NAME = "native"
LIBRARY = "wasmbed-native.so"
CRATES = ("wasmbed-protocol", "wasmbed-node", "wasmbed-native")
PROFILE = "native"


def sources_digest(firmware: Path, compiler: str) -> str:
    """Return a digest of all that determines the library: the crates, their dependencies, and the compiler."""
    digest = hashlib.sha256(compiler.encode())
    crates = [path for crate in CRATES for path in (firmware / crate).rglob("*") if path.suffix in (".rs", ".toml")]
    for path in sorted([firmware / "Cargo.toml", firmware / "Cargo.lock", *crates]):
        digest.update(f"{path.relative_to(firmware)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def build_library(
    firmware: Path, images: Path, target_folder: Path, jobs: int | None, on_line: Callable[[str], object]
) -> bool:
    """Build the library into ``images``; False: it is there already, of the same sources. Raises Missing, and Failed;
    then no library is there: one of older sources would be misleading."""
    library, record = images / LIBRARY, images / f"{LIBRARY}.sources"
    try:
        toolchain = find_host_toolchain()
        digest = sources_digest(firmware, toolchain.version)
        if library.exists() and record.exists() and record.read_text("utf-8") == digest:
            return False
        print(f"building the library of native boards with {toolchain.description}", flush=True)
        _compile(toolchain, firmware, target_folder, jobs, on_line)
    except Exception:
        library.unlink(missing_ok=True)
        raise
    images.mkdir(exist_ok=True)
    # A program that has loaded the old one keeps it.
    new = images / f"{LIBRARY}.{os.getpid()}"
    shutil.copyfile(target_folder / PROFILE / "libwasmbed_native.so", new)
    new.replace(library)
    record.write_text(digest, "utf-8")
    return True


def _compile(
    toolchain: Toolchain, firmware: Path, target_folder: Path, jobs: int | None, on_line: Callable[[str], object]
) -> None:
    arguments = ["build", "--locked", f"--profile={PROFILE}", "--package=wasmbed-native"]
    arguments += [f"--target-dir={target_folder}", *([f"--jobs={jobs}"] if jobs else [])]
    toolchain.run(arguments, {toolchain.host: []}, firmware, on_line)
