"""Which Rust compiler can build for bare metal here, and how it has to be called.

rustup's is taken where it has the target. Otherwise Debian's, which brings the sources of the standard library, so
that cargo can build it: `core` and `alloc` for the target, in half a minute.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

PACKAGES = Path(__file__).resolve().parents[2] / "system-packages.txt"
DISTRIBUTION = Path("/usr/bin")


class Missing(Exception):
    """A tool is not here; the message says which one and how to get it."""


class Failed(Exception):
    """Cargo failed; the message is what it said."""


@dataclass(frozen=True)
class Linker:
    """A linker for bare metal, Debian's package of it, what rustc calls its kind, and what it needs to be told."""

    program: str
    package: str
    flavor: str
    options: tuple[str, ...] = ()

    def flags(self) -> list[str]:
        """What to tell rustc. Raises Missing."""
        linker = [f"-Clinker={require(self.program, self.package)}", f"-Clinker-flavor={self.flavor}"]
        return [*linker, "-Clink-arg=--nmagic", *self.options]


ARM_LINKER = Linker("arm-none-eabi-ld", "gcc-arm-none-eabi", "ld")
# Without frame pointers, a function that does not return forgets who called it, and no backtrace shows that.
RISCV_LINKER = Linker("ld.lld", "lld", "ld.lld", ("-Clink-arg=--discard-locals", "-Cforce-frame-pointers=yes"))


@dataclass(frozen=True)
class Toolchain:
    """``cargo`` and what to give it, to build for ``targets``."""

    cargo: str
    description: str
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    sources: dict[Path, str] = field(default_factory=dict)
    """Folders that would be named in the images, and what they are called there instead."""

    def run(
        self,
        arguments: list[str],
        rustflags: dict[str, list[str]],
        cwd: Path,
        on_line: Callable[[str], object] | None = None,
        **variables: str,
    ) -> None:
        """Run cargo; ``rustflags`` by target. ``on_line`` gets each line that it says. Raises Failed."""
        names = {cwd: "firmware"} | self.sources
        remaps = [f"--remap-path-prefix={path}={name}" for path, name in names.items()]
        config = [
            argument
            for target, flags in rustflags.items()
            for argument in ("--config", f"target.{target}.rustflags={[*flags, *remaps]!r}")
        ]
        # Flags of the caller would be in the way of these.
        inherited = {name: value for name, value in os.environ.items() if "RUSTFLAGS" not in name}
        command = [self.cargo, *arguments, *self.arguments, *config]
        said = []
        with subprocess.Popen(
            command, cwd=cwd, env=inherited | self.environment | variables, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                said.append(line)
                if on_line is not None:
                    on_line(line.rstrip())
        if process.returncode:
            progress = ("Compiling ", "Finished ", "Downloading ", "Downloaded ", "Blocking ", "Updating ", "Fresh ")
            raise Failed("".join(line for line in said if not line.lstrip().startswith(progress)).strip())


def find_toolchain(*targets: str) -> Toolchain:
    """A toolchain for ``targets``. Raises Missing."""
    cargo = shutil.which("cargo")
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    registry = home / "registry" / "src"
    if cargo and set(targets) <= _rustup_targets():
        return Toolchain(cargo, "rustup's Rust", sources={registry: "crates"})
    library = _library(DISTRIBUTION / "rustc")
    if library and (DISTRIBUTION / "cargo").is_file():
        return Toolchain(
            str(DISTRIBUTION / "cargo"),
            "the distribution's Rust, with core and alloc built from its sources",
            ("-Zbuild-std=core,alloc", "-Zbuild-std-features=compiler-builtins-mem"),
            {"RUSTC": str(DISTRIBUTION / "rustc"), "RUSTC_BOOTSTRAP": "1"},
            {registry: "crates", library: "rust", library.resolve(): "rust"},
        )
    raise Missing(
        f"no Rust compiler for {' and '.join(targets)}\n"
        f"  -> rustup target add {' '.join(targets)}\n"
        f"  -> or, on Debian: apt-get install rustc-web cargo-web rust-web-src"
    )


def require(program: str, package: str) -> str:
    """The path of ``program``. Raises Missing."""
    path = shutil.which(program)
    if path is None:
        raise Missing(f"{program} is not installed\n  -> apt-get install {package} (all packages: {PACKAGES.name})")
    return path


def _rustup_targets() -> set[str]:
    if not shutil.which("rustup"):
        return set()
    listed = subprocess.run(["rustup", "target", "list", "--installed"], capture_output=True, text=True, check=False)
    return set(listed.stdout.split())


def _library(rustc: Path) -> Path | None:
    """The sources of the standard library that belong to ``rustc``."""
    if not rustc.is_file():
        return None
    asked = subprocess.run([rustc, "--print", "sysroot"], capture_output=True, text=True, check=False)
    library = Path(asked.stdout.strip()) / "lib" / "rustlib" / "src" / "rust" / "library"
    return library if library.is_dir() else None
