"""Reads a state folder: the oldest snapshot that it keeps, then every request since.

Starting from the oldest one gives watches their past back: a client goes on from a resourceVersion of before the
restart as long as the log reaches back to it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import orjson

from harness.clusters.embedded.durable.records import Lines, damaged, line
from harness.clusters.embedded.state import State
from harness.clusters.embedded.store import Change, StoredObject
from harness.core.errors import RigError

__all__ = ["DROPPED", "LogFile", "log_path", "recover", "remove_older", "sync_folder", "write_snapshot"]

DROPPED = "DROPPED"
"""The entry of a log for a type that is no longer served."""
_SNAPSHOT, _LOG = "objects-{:020d}.snapshot", "requests-{:020d}.log"
_SNAPSHOTS, _LOGS = "objects-*.snapshot", "requests-*.log"


class LogFile(NamedTuple):
    """The log that goes on, and the byte after its last whole record."""

    path: Path
    end: int


def log_path(folder: Path, version: int) -> Path:
    """The log of the requests that follow resourceVersion ``version``."""
    return folder / _LOG.format(version)


def _number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def _snapshots(folder: Path) -> list[Path]:
    return sorted(folder.glob(_SNAPSHOTS))


def _logs(folder: Path) -> list[Path]:
    return sorted(folder.glob(_LOGS))


def write_snapshot(folder: Path, version: int, objects: Iterable[tuple[str, StoredObject]]) -> int:
    """Write the objects that there were at ``version``; returns the bytes. Raises :class:`OSError`; the folder then has
    no part of it."""
    path = folder / _SNAPSHOT.format(version)
    draft = path.with_name(f".{path.name}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            number = 0
            for name, entry in objects:
                file.write(line(orjson.dumps([name, entry.object])))
                number += 1
            file.write(line(orjson.dumps({"resourceVersion": version, "objects": number})))
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        draft.replace(path)
        sync_folder(folder)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return size


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_older(folder: Path) -> None:
    """Remove what is older than the snapshot before the last. Raises :class:`OSError`."""
    kept = _snapshots(folder)[-2:]
    for path in (*_snapshots(folder), *_logs(folder)):
        if kept and _number(path) < _number(kept[0]):
            path.unlink()


def recover(folder: Path, state: State) -> LogFile | None:
    """Make ``state`` what the folder says; None for a folder that has no state yet.

    Raises :class:`RigError` with file and byte for one that is damaged or lacks a file, :class:`OSError`.
    """
    for draft in folder.glob(f".{_SNAPSHOTS}"):
        draft.unlink()
    snapshots, logs = _snapshots(folder), _logs(folder)
    if not snapshots:
        if logs:
            raise _missing(folder, f"the snapshot before {logs[0].name} is missing")
        return None
    version = _number(snapshots[0])
    state.clear()
    _load(snapshots[0], version, state)
    last: LogFile | None = None
    logs = [path for path in logs if _number(path) >= version]
    for path in logs:
        if _number(path) != state.store.version:
            raise _missing(folder, f"the requests from {state.store.version + 1} to {_number(path)} are missing")
        lines = Lines(path)
        for place, entries in lines:
            _apply(path, place, entries, state)
        last = LogFile(path, lines.end)
        if path is not logs[-1] and lines.end != path.stat().st_size:
            raise damaged(path, lines.end, "the end of the last record is missing")
    if last is None:
        raise _missing(folder, f"the log after {snapshots[0].name} is missing")
    if state.store.version < _number(snapshots[-1]):
        raise _missing(folder, f"the requests from {state.store.version + 1} to {_number(snapshots[-1])} are missing")
    return last


def _load(path: Path, version: int, state: State) -> None:
    end: Any = None
    number = place = 0
    for place, value in Lines(path):
        if end is not None:
            raise damaged(path, place, "a record after the end")
        if isinstance(value, dict):
            end = value
        else:
            name, stored = value
            meta = stored["metadata"]
            entry = StoredObject(stored, int(meta["resourceVersion"]))
            state.store.collection(name).load((meta.get("namespace", ""), meta["name"]), entry)
            number += 1
    if end != {"resourceVersion": version, "objects": number}:
        raise damaged(path, place, "objects are missing")
    state.store.restore(version)


def _apply(path: Path, place: int, entries: Any, state: State) -> None:
    """Do again what a request did."""
    store = state.store
    for kind, name, members, removed in entries:
        if kind == DROPPED:
            store.drop(name)
            continue
        meta = members["metadata"]
        version = int(meta["resourceVersion"])
        if version != store.version + 1:
            raise damaged(path, place, f"a change to {version} follows one to {store.version}")
        collection, key = store.collection(name), (meta.get("namespace", ""), meta["name"])
        previous = collection.get(key)
        if (previous is None) != (kind == "ADDED"):
            raise damaged(path, place, f"{kind} {name} {'/'.join(key)} does not fit what is there")
        store.version = version
        stored = {**previous.object, **members} if previous is not None else members
        for member in removed:
            del stored[member]
        done = cast(Literal["ADDED", "MODIFIED", "DELETED"], kind)
        collection.record(Change(done, key, StoredObject(stored, version), previous))


def _missing(folder: Path, what: str) -> RigError:
    return RigError(what, where=str(folder), do="restore the state folder from a copy, or begin with a new one")
