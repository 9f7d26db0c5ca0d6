"""Find a Rust compiler that can build for bare metal on this machine, and how to call it.

rustup's compiler is used if it has the target. Otherwise Debian's is: it comes with the sources of the standard
library, so that cargo can build `core` and `alloc` for the target, in half a minute.
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
    """A tool is not installed; the message names it and how to get it."""


class Failed(Exception):
    """Cargo failed; the message is its output."""


LINKER, LINKER_PACKAGE = "ld.lld", "lld"
# A function that was left out has no address 0 in the debug data: there is other code.
_OPTIONS = ("-Clink-arg=--nmagic", "-Clink-arg=-zdead-reloc-in-nonalloc=.debug_*=0xffffffff")
# Without frame pointers, a function that never returns does not save its return address, and backtraces lack its
# caller.
_RISCV = ("-Clink-arg=--discard-locals", "-Cforce-frame-pointers=yes")


def linker_flags(*, is_riscv: bool) -> list[str]:
    """Return rustc's flags for the linker of bare metal. Raises Missing."""
    linker = [f"-Clinker={require(LINKER, LINKER_PACKAGE)}", f"-Clinker-flavor={LINKER}"]
    return [*linker, *_OPTIONS, *(_RISCV if is_riscv else ())]


@dataclass(frozen=True)
class Toolchain:
    """``cargo`` with its arguments and environment for a build."""

    cargo: str
    description: str
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    sources: dict[Path, str] = field(default_factory=dict)
    """Folders whose paths would be in the images, and the names that replace them."""
    version: str = ""
    """The output of `rustc -vV`; only of a toolchain for this computer."""

    @property
    def host(self) -> str:
        """Rust's target of this computer, from :attr:`version`."""
        return next((line[6:] for line in self.version.splitlines() if line.startswith("host: ")), "")

    def run(
        self,
        arguments: list[str],
        rustflags: dict[str, list[str]],
        cwd: Path,
        on_line: Callable[[str], object] | None = None,
        **variables: str,
    ) -> None:
        """Run cargo; ``rustflags`` are by target. ``on_line`` gets each line of output. Raises Failed."""
        names = {cwd: "firmware"} | self.sources
        remaps = [f"--remap-path-prefix={path}={name}" for path, name in names.items()]
        config = [
            argument
            for target, flags in rustflags.items()
            for argument in ("--config", f"target.{target}.rustflags={[*flags, *remaps]!r}")
        ]
        # Flags from the caller's environment would replace these.
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
    """Return a toolchain for ``targets``. Raises Missing."""
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


def find_host_toolchain() -> Toolchain:
    """Return a toolchain for this computer: the one on the PATH, or the distribution's. Raises Missing."""
    sources = {Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo")) / "registry" / "src": "crates"}
    for cargo, rustc, description, environment in (
        (shutil.which("cargo"), shutil.which("rustc"), "the Rust on the PATH", {}),
        (
            str(DISTRIBUTION / "cargo"),
            str(DISTRIBUTION / "rustc"),
            "the distribution's Rust",
            {"RUSTC": str(DISTRIBUTION / "rustc")},
        ),
    ):
        if cargo and rustc and Path(cargo).is_file() and Path(rustc).is_file():
            asked = subprocess.run([rustc, "-vV"], capture_output=True, text=True, check=False)
            if asked.returncode == 0:
                return Toolchain(cargo, description, (), environment, sources, asked.stdout)
    raise Missing("no Rust compiler\n  -> install Rust (rustup.rs)\n  -> or, on Debian: apt-get install rustc cargo")


def require(program: str, package: str) -> str:
    """Return the path of ``program``. Raises Missing."""
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
    """Return the folder with the standard library's sources for ``rustc``; None if it is not installed."""
    if not rustc.is_file():
        return None
    asked = subprocess.run([rustc, "--print", "sysroot"], capture_output=True, text=True, check=False)
    library = Path(asked.stdout.strip()) / "lib" / "rustlib" / "src" / "rust" / "library"
    return library if library.is_dir() else None
