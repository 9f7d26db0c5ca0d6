"""A history without what comes from keys, which are never made from a seed: to compare two runs of one simulation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

__all__ = ["canonical"]

_RAW = frozenset({"frame", "frameSize"})
"""The undecoded bytes of a message, which hold keys, certificates, and signatures."""
_OF_SIZES = frozenset({"heap_free_bytes", "heap_used_bytes"})
"""A board's heap holds certificates, whose size depends on their signatures."""
_OF_KEYS = frozenset({"der", "publicKey", "serial", "wasmbed.io/used-by"})
"""The first is an authority's certificate, the last a pairing's annotation with a digest of the key."""
_OF_DOCUMENTS = frozenset({"certificate", "csr"})
"""Signed documents: their digest and size differ too, since signatures are random (FIPS 186-5, section 6.4)."""


def canonical(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a history file, each value that comes from a key replaced by a name: the same one wherever the value
    was the same, numbered in the order in which they appear."""
    names: dict[str, str] = {}

    def named(key: str, value: Any) -> str:
        return names.setdefault(str(value), f"{key} {len(names) + 1}")

    def walk(value: Any, *, signed: bool = False) -> Any:
        if isinstance(value, list):
            return [walk(each, signed=signed) for each in value]
        if not isinstance(value, Mapping):
            return value
        found: dict[str, Any] = {}
        for key, each in value.items():
            if key in _RAW or key in _OF_SIZES or (signed and key == "size"):
                continue
            if each is not None and (key in _OF_KEYS or (signed and key == "sha256")):
                found[key] = named(key, each)
            else:
                found[key] = walk(each, signed=key in _OF_DOCUMENTS)
        return found

    for line in lines:
        yield orjson.dumps(walk(orjson.loads(line)))
