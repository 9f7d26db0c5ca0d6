"""A product with a defect and without, in one process: Python's functions get other code, and native boards another
library, which is built with the defect."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from abc import ABC, abstractmethod
from pathlib import Path

from harness.boards.platform import IMAGES_VARIABLE
from harness.core.errors import UsageError
from mutants.defect import Defect, mutated
from mutants.swap import can_swap, swap

__all__ = ["Variant", "variant_of"]

CRATES = ("wasmbed-protocol", "wasmbed-node", "wasmbed-native")
SOURCES = ("Cargo.toml", "Cargo.lock", "wasmbed-boards", "wasmbed-host", *CRATES)


class Variant(ABC):
    """The product with a defect, once it is put in."""

    tier = "sim"

    @abstractmethod
    def put_in(self) -> None:
        """Let the process have the defect."""

    @abstractmethod
    def take_out(self) -> None:
        """Let it be as it was."""


class _PythonVariant(Variant):
    def __init__(self, root: Path, defect: Defect) -> None:
        self._root, self._file = root, defect.file
        self._before, self._after = (root / defect.file).read_text("utf-8"), mutated(root, defect)
        if not can_swap(self._before, self._after):
            raise UsageError(f"{defect.name} changes more than the bodies of functions", do="write it as a smaller one")

    def put_in(self) -> None:
        swap(self._root, self._file, self._before, self._after)

    def take_out(self) -> None:
        swap(self._root, self._file, self._after, self._before)


class _NodeVariant(Variant):
    tier = "sim-native"

    def __init__(self, root: Path, defect: Defect) -> None:
        self._images, self._usual = _built(root, defect), os.environ.get(IMAGES_VARIABLE)

    def put_in(self) -> None:
        os.environ[IMAGES_VARIABLE] = str(self._images)

    def take_out(self) -> None:
        os.environ.pop(IMAGES_VARIABLE)
        if self._usual is not None:
            os.environ[IMAGES_VARIABLE] = self._usual


def variant_of(root: Path, defect: Defect) -> Variant:
    """The variant of a defect; one of the node is built, which takes some time. Raises UsageError for a defect that
    cannot be put into a running program."""
    return _NodeVariant(root, defect) if defect.file.startswith("firmware/") else _PythonVariant(root, defect)


def _built(root: Path, defect: Defect) -> Path:
    """The folder of the library with a defect: one copy of the sources serves all, one after the other."""
    copy = root / ".cache" / "mutants" / "node"
    copy.mkdir(parents=True, exist_ok=True)
    images = copy / f"images-{defect.digest}"
    with (copy / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        firmware, target = root / "firmware", copy / "target"
        for name in SOURCES:
            _synchronize(firmware / name, copy / name)
        if not target.exists() and (firmware / "target" / "native").exists():  # with the crates that it depends on
            shutil.copytree(firmware / "target" / "native", target / "native")
        (copy / Path(defect.file).relative_to("firmware")).write_text(mutated(root, defect), "utf-8")
        sys.path.insert(0, str(firmware))
        from tools.native import build_library  # type: ignore[import-not-found]

        build_library(copy, images, target, 1, lambda line: None)
    return images


def _synchronize(source: Path, copy: Path) -> None:
    """Copy what differs: cargo builds what is newer than its last build."""
    for path in [source] if source.is_file() else sorted(each for each in source.rglob("*") if each.is_file()):
        other = copy / path.relative_to(source) if path != source else copy
        if not other.exists() or other.read_bytes() != path.read_bytes():
            other.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, other)
