"""A recording of a board's run with QEMU's record/replay: the files that repeat the run byte for byte.

QEMU's log has the input from outside, with its times in instructions. Image, blob and the board's stored memory are
kept beside it, readable only by their owner, because the blob has a private key. QEMU 7.2 has three limitations while
it records (measured). It delivers a byte for a serial line only when the processor wakes for another reason. It queues
further bytes although the line may have no room, so that a line with a buffer of one byte loses them. And if a byte
from the board finds no room on the harness's side, the log cannot be replayed. Therefore a recorded board requests each
byte of its link (``Bridge``, ``on_request``), wakes every 0.1 ms, less often the longer it waits, and its lines are
roomy (``Machine``).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from harness.boards.platform import Platform
from harness.core.errors import RigError, UsageError, reason

__all__ = ["Recording", "find_recordings"]

DESCRIPTION = "recording.json"
_FACTS = {"board": str, "kind": str, "program": str, "link": int, "image": str}
SHIFT = 2
"""An instruction takes 2 to this power nanoseconds: about the time that QEMU needs for one."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded run of a board, from power-on to its end, in its own folder."""

    folder: Path

    @classmethod
    def begin(cls, parent: Path, platform: Platform, board: str, blob: bytes, memory: IO[bytes]) -> Recording:
        """Begin a recording in a new, numbered folder below ``parent``. ``memory`` is the file behind the board's
        RAM."""
        try:
            parent.mkdir(parents=True, exist_ok=True)
            number = 1 + sum(path.is_dir() for path in parent.iterdir())
            recording = cls(parent / str(number))
            recording.folder.mkdir(mode=0o700)
            digest = hashlib.sha256(platform.image_path.read_bytes()).hexdigest()
            image = parent.parent / f"{platform.name}-{digest[:16]}.elf"
            if not image.exists():
                shutil.copyfile(platform.image_path, image)
            with _private(recording.blob) as file:
                file.write(blob)
            _private(recording._log).close()  # The emulator writes it, and leaves the mode as it is.
            if os.fstat(memory.fileno()).st_blocks:  # the file has data: the board was on before
                memory.seek(0)
                with (
                    _private(recording._kept_memory) as file,
                    gzip.open(file, "wb", compresslevel=1) as target,
                ):
                    shutil.copyfileobj(memory, target)
            facts = {
                "board": board,
                "kind": platform.name,
                "program": platform.program,
                "link": platform.link,
                "image": os.path.relpath(image, recording.folder),
            }
            (recording.folder / DESCRIPTION).write_text(json.dumps(facts, indent=2) + "\n", "utf-8")
        except OSError as error:
            raise RigError(
                f"the recording cannot be kept: {reason(error)}", where=board, do="name another folder with --reports"
            ) from error
        return recording

    @property
    def blob(self) -> Path:
        """The provisioning blob of the run."""
        return self.folder / "blob"

    @property
    def console(self) -> Path:
        """The board's console output."""
        return self.folder / "console"

    @property
    def facts(self) -> dict[str, Any]:
        """The recording's description: ``board``, ``kind``, ``program``, ``link``, ``image``. Raises UsageError if it
        is missing or invalid."""
        try:
            facts: dict[str, Any] = json.loads((self.folder / DESCRIPTION).read_text("utf-8"))
            missing = _FACTS.keys() - facts.keys()
            wrong = [key for key, kind in _FACTS.items() if key in facts and not isinstance(facts[key], kind)]
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            raise UsageError(f"is not a recording: {reason(error)}", where=str(self.folder)) from error
        if missing:
            raise UsageError(
                f"is not a recording: {DESCRIPTION} lacks {', '.join(sorted(missing))}", where=str(self.folder)
            )
        if wrong:
            raise UsageError(
                f"is not a recording: {wrong[0]!r} is {facts[wrong[0]]!r:.80}", where=str(self.folder / DESCRIPTION)
            )
        return facts

    @property
    def image(self) -> Path:
        """The image that ran."""
        return (self.folder / str(self.facts["image"])).resolve()

    def open_console(self) -> IO[bytes]:
        """Create the file for the board's console output."""
        return _private(self.console)

    def arguments(self, mode: str) -> list[str]:
        """Return QEMU's arguments to ``record`` or to ``replay`` it."""
        return ["-icount", f"shift={SHIFT},rr={mode},rrfile={self._log}"]

    def check(self) -> None:
        """Raise UsageError if a file is missing, or if the recording was not finished."""
        missing = [str(path) for path in (self.image, self.blob, self.console, self._log) if not path.exists()]
        if missing:
            raise UsageError(f"is incomplete: there is no {', '.join(missing)}", where=str(self.folder))
        if self._log.stat().st_size == 0:
            raise UsageError(
                "was not finished: the emulator was killed before it wrote its log",
                where=str(self.folder),
                do="record it again, and let the test end by itself",
            )

    def unpack_memory(self, target: IO[bytes]) -> None:
        """Write the memory that the board had kept before the run to ``target``. Raises UsageError if it is damaged."""
        if not self._kept_memory.exists():
            return
        try:
            with gzip.open(self._kept_memory, "rb") as source:
                shutil.copyfileobj(source, target)
        except (OSError, EOFError, zlib.error) as error:
            raise UsageError(
                f"is damaged: {reason(error)}", where=str(self._kept_memory), do="record the board again"
            ) from error

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    @property
    def _kept_memory(self) -> Path:
        return self.folder / "memory.gz"


def _private(path: Path) -> IO[bytes]:
    """Create a file that only its owner can read, because a recording has the board's private key."""
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0)


def find_recordings(path: Path) -> list[Recording]:
    """Return the recordings below ``path``, sorted by name; ``path`` may be a recording itself."""
    return [Recording(found.parent) for found in sorted(path.rglob(DESCRIPTION))]
