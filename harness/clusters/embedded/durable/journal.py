"""The log of an API server: each request that changes something is one record, on disk before its answer goes out.

What a request changed is written when the request is done (:meth:`Journal.commit`), and made to last in a worker
thread; all that is written while one ``fdatasync`` runs shares the next. Nothing shows a change before it lasts:
answers wait for :meth:`Journal.durable`, watch events for their turn in :meth:`Journal.defer`.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import orjson

from harness.clusters.embedded.durable.folder import StateFolder
from harness.clusters.embedded.durable.records import line
from harness.clusters.embedded.durable.recovery import (
    DROPPED,
    LogFile,
    log_path,
    recover,
    remove_older,
    sync_folder,
    write_snapshot,
)
from harness.clusters.embedded.errors import StatusError
from harness.clusters.embedded.state import State
from harness.clusters.embedded.store import Change, StoredObject
from harness.clusters.embedded.values import Object
from harness.core.errors import RigError, reason
from harness.core.logs import get_log

__all__ = ["Journal"]

LOG_BYTES = 32 << 20
"""The size of a log after which a snapshot is written and another log begins."""
_AHEAD = bytes(256 << 10)
"""Zeros before the records that replace them: a file that does not grow is synced in a tenth of the time."""
_log = get_log(__name__)


class Journal:
    """The log of one server, in a folder that it has locked."""

    def __init__(self, folder: StateFolder, log_bytes: int = LOG_BYTES) -> None:
        self._folder, self.path, self._limit = folder, folder.path, log_bytes
        self._file = -1
        self._size = self._reserved = 0
        """The bytes of the log's records, and with the zeros after them."""
        self.version = 0
        """The resourceVersion up to which everything lasts."""
        self._snapshot_at = log_bytes
        self._batch: list[bytes] = []
        self._written = self._synced = 0
        """Records, counted from the start."""
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._deferred: deque[tuple[int, Callable[[], object]]] = deque()
        self._threads = ThreadPoolExecutor(2, "state")
        self._syncing = self._snapshotting = False
        self._full = ""
        self._failure = ""
        self.failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done, with the reason, once the disk did not keep what was written to it: the server is of no use then."""

    def open(self, state: State, restored: Callable[[], object]) -> None:
        """Make ``state`` what the folder says and call ``restored``; a new folder takes it as it is.

        Raises :class:`RigError` for a damaged folder, or one that cannot be written to.
        """
        self._state, self._restored = state, restored
        try:
            log = self._recover()
            if log is None:
                version = state.store.version
                write_snapshot(self.path, version, self._objects())
                self._begin_log(version)
            else:
                self._file = os.open(log.path, os.O_WRONLY)
                os.ftruncate(self._file, log.end)
                self._size = self._reserved = log.end
                os.fsync(self._file)
            self.version = state.store.version
            state.store.journal = self
        except OSError as error:
            raise RigError(
                f"cannot be written: {reason(error)}", where=str(self.path), do="free the disk, or name another folder"
            ) from error

    def _recover(self) -> LogFile | None:
        log = recover(self.path, self._state)
        if log is not None:
            self._restored()
        return log

    @property
    def is_full(self) -> bool:
        """Whether the disk did not take the last record."""
        return bool(self._full)

    def append(self, collection: str, change: Change) -> None:
        """Take a change of the present request."""
        self._batch.append(orjson.dumps([change.type, collection, *_difference(change)]))

    def dropped(self, collection: str) -> None:
        """Take the end of a type."""
        self._batch.append(orjson.dumps([DROPPED, collection, {}, []]))

    def check_writable(self) -> None:
        """Raise the 500 refusal as long as the disk takes no further record."""
        if self._full:
            try:
                self._reserve(1)
            except OSError as error:
                self._cut()
                raise self._refusal(reason(error)) from error
            self._full = ""

    def commit(self) -> None:
        """Write what the present request changed. Raises the 500 refusal; then nothing of it has happened."""
        if not self._batch:
            return
        record = line(b"[" + b",".join(self._batch) + b"]")
        self._batch.clear()
        try:
            self._reserve(len(record))
            _write(self._file, record, self._size)
        except OSError as error:
            self._full = reason(error)
            self._roll_back()
            raise self._refusal(self._full) from error
        self._size += len(record)
        self._written += 1
        self._sync()

    def _roll_back(self) -> None:
        """Make the state again what the log says."""
        self._cut()
        while self._deferred and self._deferred[-1][0] > self._written:
            self._deferred.pop()
        try:
            self._recover()
        except (OSError, RigError) as error:
            self._fail(error)
        self._state.store.journal = self

    def _reserve(self, size: int) -> None:
        """Have room for a record of ``size`` bytes. Raises :class:`OSError`."""
        if self._size + size > self._reserved:
            zeros = _AHEAD + bytes(size)
            _write(self._file, zeros, self._size)
            self._reserved = self._size + len(zeros)

    def _cut(self) -> None:
        """Take back the part of a record that was written."""
        try:
            os.ftruncate(self._file, self._size)
            self._reserved = self._size
        except OSError as error:
            self._fail(error)

    async def durable(self) -> None:
        """Return when everything up to now lasts. Raises the 500 refusal when it cannot."""
        self.check()
        if self._synced < self._written:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((self._written, future))
            await future
            self.check()

    def check(self) -> None:
        """Raise the 500 refusal if the disk has failed."""
        if self._failure:
            raise self._refusal(self._failure)

    def defer(self, publish: Callable[[], object]) -> None:
        """Call ``publish`` when the present request lasts."""
        self._deferred.append((self._written + 1, publish))

    async def close(self) -> None:
        """Make everything last and let the folder go."""
        try:
            if not self._failure:
                await self.durable()
        except StatusError:
            pass  # ``failed`` has told it.
        finally:
            await asyncio.to_thread(self._threads.shutdown)
            if self._file >= 0:
                self._cut()
                os.close(self._file)
                self._file = -1
            self._folder.unlock()

    def _sync(self) -> None:
        if not self._syncing and self._synced < self._written and not self._failure:
            self._syncing = True
            target, version = self._written, self._state.store.version
            future = asyncio.get_running_loop().run_in_executor(self._threads, os.fdatasync, self._file)
            future.add_done_callback(partial(self._lasts, target, version))

    def _lasts(self, target: int, version: int, done: asyncio.Future[None]) -> None:
        self._syncing = False
        if done.cancelled():
            return
        if (error := done.exception()) is not None:
            self._fail(error)
            return
        self._reached(target, version)
        if self._size >= self._snapshot_at and not self._snapshotting:
            self._rotate()
        self._sync()

    def _reached(self, target: int, version: int) -> None:
        self._synced, self.version = target, version
        while self._deferred and self._deferred[0][0] <= target:
            self._deferred.popleft()[1]()
        self._wake(target)

    def _wake(self, target: int) -> None:
        while self._waiting and self._waiting[0][0] <= target:
            future = self._waiting.popleft()[1]
            if not future.done():
                future.set_result(None)

    def _fail(self, error: BaseException) -> None:
        """Give up: after a failed ``fsync`` nobody knows what the disk holds, until the folder is read again."""
        if not self._failure:
            self._failure = reason(error) if isinstance(error, OSError) else repr(error)
            _log.error("the state folder %s failed: %s", self.path, self._failure)
            self._deferred.clear()
            self._wake(self._written)
            self.failed.set_result(self._failure)

    def _rotate(self) -> None:
        """Begin another log, and write the snapshot that it follows."""
        version = self._state.store.version
        before = self._file
        try:
            os.ftruncate(before, self._size)
            self._reserved = self._size
            os.fdatasync(before)
        except OSError as error:
            self._fail(error)
            return
        self._reached(self._written, version)
        try:
            self._begin_log(version)
        except OSError as error:
            self._postpone(error)
            return
        os.close(before)
        self._snapshotting = True
        work = partial(_snapshot, self.path, version, self._objects())
        asyncio.get_running_loop().run_in_executor(self._threads, work).add_done_callback(self._snapshot_written)

    def _snapshot_written(self, done: asyncio.Future[int]) -> None:
        self._snapshotting = False
        if done.cancelled():
            return
        if (error := done.exception()) is not None:
            self._postpone(error)
        else:  # writing snapshots costs no more than writing logs
            self._snapshot_at = max(self._limit, done.result())

    def _postpone(self, error: BaseException) -> None:
        """Go on with the logs that there are; the next attempt comes after as much as the last."""
        self._snapshot_at = self._size + self._limit
        _log.warning("no snapshot in the state folder %s: %s", self.path, error)

    def _begin_log(self, version: int) -> None:
        file = os.open(log_path(self.path, version), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            sync_folder(self.path)
        except OSError:
            os.close(file)
            log_path(self.path, version).unlink(missing_ok=True)
            raise
        self._file, self._size, self._reserved, self._snapshot_at = file, 0, 0, self._limit

    def _objects(self) -> list[tuple[str, StoredObject]]:
        return [(name, entry) for name, found in self._state.store.collections() for _, entry in found.entries()]

    def _refusal(self, why: str) -> StatusError:
        return StatusError(
            500, "InternalError", f"Internal error occurred: the state cannot be kept in {self.path}: {why}"
        )


def _write(file: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, at)
        at, view = at + written, view[written:]


def _difference(change: Change) -> tuple[Object, list[str]]:
    """The members that are new, and those that went. Members that a request leaves alone stay the same values: the
    status of an application is written without its module."""
    new, old = change.entry.object, change.previous.object if change.previous is not None else {}
    return (
        {name: value for name, value in new.items() if name not in old or old[name] is not value},
        [name for name in old if name not in new],
    )


def _snapshot(folder: Path, version: int, objects: list[tuple[str, StoredObject]]) -> int:
    size = write_snapshot(folder, version, objects)
    remove_older(folder)
    return size
