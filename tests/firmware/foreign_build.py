"""Builds the firmware in ``foreign/`` in its variants. Libraries that are not this project's come from packages."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.boards.qemu import QemuTier

__all__ = ["BOARDS", "LITTLEFS", "MBED_TLS", "MISSING", "Crate", "build"]

SOURCES = Path(__file__).parent / "foreign"
CACHE = Path(__file__).parents[2] / ".cache" / "foreign"
COMPILER = "arm-none-eabi-gcc"
FLAGS = ("-mcpu=cortex-m3", "-mthumb", "-Os", "-g", "-std=c11", "-ffunction-sections", "-nostartfiles")
STRICT = ("-Wall", "-Wextra", "-Werror")
COMMON = ("main.c", "identity.c", "cbor.c", "net.c", "newlib.c")
BOARDS = {
    "mps2-an385": (("mps2-an385.c", "lan9118.c", "-DCLOCK=25000000"), 16384),
    "lm3s6965evb": (("lm3s6965evb.c", "-DCLOCK=12500000"), 4096),
}
"""The sources and flags of each board, and the bytes of its heap."""
HEAP_FOR_TLS = 262144


def _why_not() -> str | None:
    """Why the firmware cannot be built or run here; None if it can."""
    if shutil.which(COMPILER) is None:
        return f"{COMPILER} is not installed; on Debian: apt-get install gcc-arm-none-eabi"
    found = subprocess.run([COMPILER, "-print-file-name=nano.specs"], capture_output=True, text=True, check=True)
    if not Path(found.stdout.strip()).is_absolute():
        return "newlib is not installed; on Debian: apt-get install libnewlib-arm-none-eabi"
    return QemuTier.unavailable_for_images()


MISSING = _why_not()


@dataclass(frozen=True, slots=True)
class Crate:
    """A C library that a crate of crates.io brings with it."""

    name: str
    version: str
    digest: str
    """The SHA-256 of the package."""
    folder: str
    """Where the library is in it."""

    def fetched(self) -> Path:
        """The library's folder. Skips the test where the package cannot be fetched."""
        whole = f"{self.name}-{self.version}"
        folder = CACHE / whole
        if not folder.is_dir():
            _unpack(self._package(), whole, folder)
        return folder / self.folder

    def _package(self) -> bytes:
        wanted = f"the package {self.name} {self.version} of crates.io"
        if shutil.which("cargo") is None:
            pytest.skip(f"{wanted}: cargo is not installed (https://rustup.rs)")
        command = ["cargo", "info", f"{self.name}@{self.version}"]  # which gets it, and nothing on which it depends
        told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=SOURCES)
        home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
        for path in home.glob(f"registry/cache/*/{self.name}-{self.version}.crate"):
            package = path.read_bytes()
            assert hashlib.sha256(package).hexdigest() == self.digest, f"{path} is another package"
            return package
        pytest.skip(f"{wanted} cannot be fetched: {told.stderr.strip().splitlines()[-1]}")


MBED_TLS = Crate(
    "mbedtls-rs-sys", "0.3.1", "ed3d6fe75492994df511a63da8de669a0c59938ada3345e3d4756aec095d2ffb", "mbedtls"
)
"""Mbed TLS 3.6.5."""
LITTLEFS = Crate(
    "littlefs2-sys", "0.4.0", "999d08bb7fae46d63ecb98d2474d28f7af1a6c928a51b4dfe5f1804abf9afc46", "littlefs"
)
"""littlefs 2.9."""


def _unpack(package: bytes, whole: str, into: Path) -> None:
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into.parent) as folder:
        path = Path(folder) / "package"
        path.write_bytes(package)
        with tarfile.open(path) as archive:
            archive.extractall(folder, filter="data")
        if not into.is_dir():
            (Path(folder) / whole).replace(into)


def build(image: Path, *flags: str, board: str = "mps2-an385", tls: bool = False) -> Path:
    """Build the firmware for ``board``. ``flags`` say from where it learns its values: ``-DWORDS=``, ``-DSETTINGS=`` or
    ``-DFILES=ADDRESS``, or ``-DCOMPILED_IN=TEXT``."""
    sources, heap = BOARDS[board]
    own = [*COMMON, *sources, "tls.c" if tls else "plain.c", f'-DBOARD="{board}"', *flags]
    libraries: list[Path] = []
    if tls:
        mbed_tls = MBED_TLS.fetched()
        using = ['-DMBEDTLS_CONFIG_FILE="tls_config.h"', f"-I{SOURCES}", "-isystem", str(mbed_tls / "include")]
        own += [*using, "-DNEEDED=9", "-DROOM_FOR_A_VALUE=1024"]
        heap = HEAP_FOR_TLS
        libraries.append(_library(sorted((mbed_tls / "library").glob("*.c")), using))
    else:
        own += ["-DNEEDED=4", "-DROOM_FOR_A_VALUE=128"]
    if any(flag.startswith("-DSETTINGS=") for flag in flags):
        own.append("zephyr_settings.c")
    if any(flag.startswith("-DFILES=") for flag in flags):
        littlefs = LITTLEFS.fetched()
        using = ["-isystem", str(littlefs), "-DLFS_NO_ASSERT", "-DLFS_NO_DEBUG"]
        own += ["files.c", *using]
        libraries.append(_library([littlefs / "lfs.c", littlefs / "lfs_util.c"], using))
    linking = ["--specs=nano.specs", "-Wl,--gc-sections", "-T", f"{board}.ld", "-o", str(image)]
    command = [COMPILER, *FLAGS, *STRICT, f"-DHEAP={heap}", *own, *map(str, libraries), *linking]
    subprocess.run(command, check=True, cwd=SOURCES)
    return image


def _library(sources: list[Path], using: list[str]) -> Path:
    """Compile a library, once for these flags; its warnings are not ours."""
    digest = hashlib.sha256(repr((sources, using, FLAGS)).encode() + (SOURCES / "tls_config.h").read_bytes())
    library = CACHE / f"{digest.hexdigest()[:16]}.a"
    if not library.is_file():
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            subprocess.run([COMPILER, *FLAGS, *using, "-w", "-c", *sources], check=True, cwd=folder)
            made = Path(folder) / library.name
            subprocess.run(["arm-none-eabi-ar", "rc", made, *Path(folder).glob("*.o")], check=True)
            made.replace(library)
    return library
