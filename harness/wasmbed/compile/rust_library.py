"""The Rust compiler of this computer, and the libraries for WebAssembly that it needs.

rustup's compiler is used if it has the target. Debian's comes with the sources of the library instead: cargo builds
`core` and `alloc` from them once, into the user's cache, which takes half a minute of processor time. The crate of the
host interface (`firmware/apps/src/lib.rs`) is compiled once, too.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.core.data_files import data_folder
from harness.wasmbed.compile.compiler import cache_folder, need
from harness.wasmbed.compile.program import answer
from harness.wasmbed.compile.results import CannotCompile

__all__ = ["CRATE", "OPTIONS", "Toolchain", "find_compiler", "find_toolchain"]

_TARGET = "wasm32-unknown-unknown"
_DISTRIBUTION = Path("/usr/bin")
CRATE = "wasmbed_guest"
_LIBRARY = f"lib{CRATE}.rlib"
OPTIONS = (
    f"--target={_TARGET}", "--edition=2024", "-Copt-level=z", "-Cpanic=abort", "-Ccodegen-units=1", "-Cstrip=symbols",
)  # fmt: skip
"""Of all crates."""
_MANIFEST = """\
[workspace]
[package]
name = "sysroot"
version = "1.0.0"
edition = "2024"
[profile.release]
opt-level = "z"
lto = true
codegen-units = 1
panic = "abort"
"""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A compiler with its libraries.

    ``options`` are for every run, ``reads`` are the folders that it needs, and ``library`` is the crate of the host
    interface.
    """

    rustc: Path
    version: str
    options: tuple[str, ...]
    reads: tuple[Path, ...]
    library: Path


async def find_toolchain() -> Toolchain:
    """Return the toolchain; what it lacks is made first. Raises :class:`CannotCompile`."""
    rustc, sysroot = await find_compiler()
    about = await answer(rustc, "-vV")
    guest = data_folder("firmware/apps/src") / "lib.rs"
    key = hashlib.sha256(f"{rustc} {about} {OPTIONS} {_MANIFEST}".encode() + guest.read_bytes())
    place = cache_folder() / f"rust-{key.hexdigest()[:16]}"
    options: tuple[str, ...] = ()
    if sysroot is None:
        options = (f"--sysroot={place}", f"-Clinker={need('wasm-ld', 'lld')}")
    if not _exist(place):
        os.makedirs(place.parent, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix="new-rust-") as work:
            await _make(rustc, guest, Path(work), has_library=sysroot is not None)
            _publish(Path(work, "made"), place)
    reads = (place,) if sysroot is None else (place, sysroot)
    return Toolchain(rustc, about.partition(" (")[0], options, reads, place / _LIBRARY)


async def find_compiler() -> tuple[Path, Path | None]:
    """Return the compiler, and its own folder if that has the library for the target. Raises :class:`CannotCompile`."""
    if (found := shutil.which("rustc")) is not None:
        try:
            libraries = await answer(Path(found), "--print=target-libdir", f"--target={_TARGET}")
            if _has_core(Path(libraries)):
                sysroot = Path(await answer(Path(found), "--print=sysroot"))
                return sysroot / "bin" / "rustc", sysroot
        except CannotCompile:
            pass  # rustup's command without a toolchain
    rustc, cargo = _DISTRIBUTION / "rustc", _DISTRIBUTION / "cargo"
    if _exist(rustc, cargo):
        sources = Path(await answer(rustc, "--print=sysroot"), "lib", "rustlib", "src", "rust", "library")
        if _exist(sources):
            return rustc, None
    raise CannotCompile(
        "there is no Rust compiler for WebAssembly",
        do=f"rustup target add {_TARGET}, or on Debian: apt-get install rustc-web cargo-web rust-web-src lld",
    )


def _exist(*paths: Path) -> bool:
    return all(path.exists() for path in paths)


def _has_core(libraries: Path) -> bool:
    return any(libraries.glob("libcore-*.rlib"))


async def _make(rustc: Path, guest: Path, work: Path, *, has_library: bool) -> None:
    """Make the libraries in the folder ``made`` of ``work``."""
    made = work / "made"
    os.mkdir(made)
    arguments = [f"--crate-name={CRATE}", "--crate-type=rlib", *OPTIONS, "-Clinker-plugin-lto"]
    if not has_library:
        _lay_out(work)
        variables = {name: value for name, value in os.environ.items() if "RUSTFLAGS" not in name}
        await answer(
            _DISTRIBUTION / "cargo", "build", "--quiet", "--release", f"--target={_TARGET}", "--target-dir=target",
            "-Zbuild-std=core,alloc", "-Zbuild-std-features=compiler-builtins-mem",
            cwd=work, variables={**variables, "RUSTC": str(rustc), "RUSTC_BOOTSTRAP": "1"},
        )  # fmt: skip
        _collect(work / "target" / _TARGET / "release" / "deps", made / "lib" / "rustlib" / _TARGET / "lib")
        arguments.append(f"--sysroot={made}")
    names = f"--remap-path-prefix={guest.parent}={CRATE}"
    await answer(rustc, *arguments, names, str(guest), "-o", str(made / _LIBRARY))


def _lay_out(work: Path) -> None:
    """Write a package whose only purpose is that cargo builds what every package needs."""
    (work / "Cargo.toml").write_text(_MANIFEST, "utf-8")
    (work / "src").mkdir()
    (work / "src" / "lib.rs").write_text("#![no_std]\n", "utf-8")


def _collect(built: Path, folder: Path) -> None:
    """Copy the libraries to where rustc looks for them."""
    folder.mkdir(parents=True)
    for name in ("core", "alloc", "compiler_builtins"):
        for library in built.glob(f"lib{name}-*.rlib"):
            shutil.copy2(library, folder)


def _publish(made: Path, place: Path) -> None:
    try:
        made.rename(place)
    except OSError:
        if not place.is_dir():  # otherwise another process was faster
            raise
