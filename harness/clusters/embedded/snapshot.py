"""Everything stored, as one JSON document: so that a server can go on where it, or another, left off."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import orjson

from harness.clusters.embedded.state import State
from harness.clusters.embedded.store import StoredObject

__all__ = ["dump_snapshot", "load_snapshot"]

_FORM = "wasmbed-embedded-cluster/2"


def dump_snapshot(state: State) -> bytes:
    """The document."""
    collections = {
        name: [entry.object for _, entry in collection.entries()]
        for name, collection in sorted(state.store.collections(), key=lambda named: named[0])
    }
    version = state.store.version
    digest = _digest(version, collections)
    return orjson.dumps({"form": _FORM, "resourceVersion": version, "sha256": digest, "objects": collections})


def load_snapshot(state: State, document: bytes) -> None:
    """Replace what is stored. Raises :class:`ValueError` with what is wrong, and then changes nothing."""
    read = orjson.loads(document)
    if not isinstance(read, dict) or read.get("form") != _FORM:
        raise ValueError(f"unknown format: expected {_FORM!r}")
    version, objects = read.get("resourceVersion"), read.get("objects")
    if not isinstance(version, int) or not isinstance(objects, dict):
        raise ValueError("it lacks resourceVersion or objects")
    if read.get("sha256") != _digest(version, objects) or orjson.dumps(read) != document:
        raise ValueError("the SHA-256 of the content does not match")
    loaded = []
    try:
        for name, items in objects.items():
            for item in items:
                meta = item["metadata"]
                key = (meta.get("namespace", ""), meta["name"])
                loaded.append((name, key, StoredObject(item, int(meta["resourceVersion"]))))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"an object is incomplete: {error}") from error
    if any(entry.version > version for _, _, entry in loaded):
        raise ValueError("an object in it is newer than the snapshot")
    state.clear()
    for name, key, entry in loaded:
        state.store.collection(name).load(key, entry)
    state.store.restore(version)


def _digest(version: int, objects: dict[str, Any]) -> str:
    return sha256(orjson.dumps([version, objects])).hexdigest()
