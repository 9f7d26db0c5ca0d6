"""The folder of a server's state: whose it is, and which process has it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
from pathlib import Path

import orjson

from harness.clusters.files import replace_file
from harness.core.errors import RigError, UsageError, reason

__all__ = ["StateFolder"]

_FORM, _VERSION = "wasmbed-state", 1
_IDENTITY, _LOCK = "wasmbed-state.json", "lock"
_DRAFTS = ".wasmbed-"
_ENDS_WITHIN = 10.0
"""Seconds; a server whose ``wasmbed up`` was killed finishes the request that it is working on."""


class StateFolder:
    """A folder that one server at a time keeps its state in."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def check(self) -> None:
        """Make the folder if it is not there. Raises :class:`UsageError` unless it is empty or holds such a state."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            identity = self.path / _IDENTITY
            if not identity.exists():
                if any(not each.name.startswith(_DRAFTS) for each in self.path.iterdir()):
                    raise UsageError(
                        "holds files, but not the state of a cluster",
                        where=str(self.path),
                        do="name a new or an empty folder, or the one of an earlier wasmbed up --state",
                    )
                replace_file(identity, orjson.dumps({"form": _FORM, "version": _VERSION}))
            self._check_identity(identity)
        except OSError as error:
            raise self._unusable(error) from error

    @staticmethod
    def _check_identity(identity: Path) -> None:
        try:
            read = orjson.loads(identity.read_bytes())
            form, version = read["form"], read["version"]
        except (ValueError, TypeError, KeyError):
            form = version = None
        if form != _FORM:
            raise UsageError(
                "not written by wasmbed up --state", where=str(identity), do="name another folder, or restore this file"
            )
        if version != _VERSION:
            raise UsageError(
                f"the state has version {version}, and this program reads version {_VERSION}",
                where=str(identity),
                do="use the version of wasmbed that wrote it, or begin with a new folder",
            )

    async def lock(self, starter: int) -> None:
        """Check the folder and take it for this process, which process ``starter`` asked to run (or which is that one).

        Raises as :meth:`check` does, and :class:`RigError` naming the process that has the folder.
        """
        self.check()
        try:
            descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            if not _taken(descriptor):
                holder, started_by = _read(descriptor)
                user = started_by if _is_alive(started_by) else holder
                if user == started_by or not await asyncio.to_thread(_ended, holder) or not _taken(descriptor):
                    raise RigError(
                        f"in use by another wasmbed (process {user or 'unknown'})",
                        where=str(self.path),
                        do=f"stop it (kill {user or 'PID'}), or name another folder",
                    )
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, b"%d %d\n" % (os.getpid(), starter), 0)
        except OSError as error:
            os.close(descriptor)
            raise self._unusable(error) from error
        except BaseException:
            os.close(descriptor)
            raise
        self._lock = descriptor

    def unlock(self) -> None:
        """Let another process have the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _unusable(self, error: OSError) -> UsageError:
        return UsageError(
            f"cannot be used for the state: {reason(error)}",
            where=str(self.path),
            do="name a folder that you may write to, on a disk with room",
        )


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(descriptor: int) -> tuple[int, int]:
    """The process that has the folder, and the one that asked for it; zeros where it did not write them yet."""
    numbers = os.pread(descriptor, 64, 0).split()
    return (int(numbers[0]), int(numbers[1])) if len(numbers) == 2 else (0, 0)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _ended(process: int) -> bool:
    """Wait for a process that is about to end; False if it does not."""
    try:
        descriptor = os.pidfd_open(process)
    except OSError:
        return True
    try:
        ready, _, _ = select.select([descriptor], [], [], _ENDS_WITHIN)
    finally:
        os.close(descriptor)
    return bool(ready)
