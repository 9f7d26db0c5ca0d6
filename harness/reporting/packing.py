"""A compact history for the page: columns for lists and maps, and compressed slices with the events' data.

The page draws 200,000 events from the columns and unpacks a slice of ``CHUNK`` events when one of them is opened.
"""

from __future__ import annotations

import gzip
import sys
from array import array
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from harness.core.history import Event, Kind
from harness.core.plain_json import encode

__all__ = ["CHUNK", "KINDS", "brief", "pack_events", "subject"]

CHUNK = 1024
KINDS = tuple(Kind)
_LEVEL = 6
_TELLING = ("ok", "state", "error", "message", "reason", "board", "gateway")
_BRIEF = 120


def pack_events(events: Sequence[Event]) -> dict[str, Any]:
    """``events`` in the form that the page reads.

    ``columns`` (gzip, base64, little endian) is float64 ``at`` (seconds from the first event), then uint32 ``source``,
    ``target``, ``name``, ``correlation``, ``subject``, ``brief`` (indices in ``strings``), then uint8 ``kind`` (index
    in :data:`KINDS`), with one item for each event. ``chunks`` (gzip, base64) are JSON Lines, each event's data.
    """
    strings: dict[str, int] = {"": 0}
    ids = [array("I") for _ in range(6)]
    start = events[0].at if events else 0.0
    for event in events:
        texts = (event.source, event.target, event.name, event.correlation, subject(event), brief(event))
        for column, text in zip(ids, texts, strict=True):
            column.append(strings.setdefault(text, len(strings)))
    times = array("d", (event.at - start for event in events))
    kinds = bytes(KINDS.index(event.kind) for event in events)
    columns: list[array[Any]] = [times, *ids]
    if sys.byteorder == "big":  # pragma: no cover
        for column in columns:
            column.byteswap()
    return {
        "strings": list(strings),
        "columns": _packed(b"".join([*(column.tobytes() for column in columns), kinds])),
        "chunk": CHUNK,
        "chunks": [
            _packed(b"\n".join(encode(event.data) for event in events[start : start + CHUNK]))
            for start in range(0, len(events), CHUNK)
        ],
    }


def subject(event: Event) -> str:
    """The device, board, gateway or object in the data of an event, which may differ from its correlation."""
    data = event.data
    return str(data.get("device") or data.get("board") or data.get("gateway") or data.get("name") or "")


def brief(event: Event) -> str:
    """A short text for an event: the phase that it sets, its error code, or its message."""
    data = event.data
    if event.kind is Kind.CONSOLE:
        return ""
    status = data.get("status")
    parts: list[object] = []
    if isinstance(code := data.get("code"), str) or (isinstance(code, int) and code >= 400):
        parts.append(code)
    if isinstance(status, Mapping) and status.get("phase"):
        parts.append(status["phase"])
    elif event.kind is Kind.STATE:
        parts.append(", ".join(_changed(data)) or data.get("change"))
    if not parts:
        parts += [data[key] for key in _TELLING if data.get(key) not in (None, "") and data[key] is not True][:1]
    return " ".join(str(part) for part in parts)[:_BRIEF]


def _changed(data: Mapping[str, Any]) -> list[str]:
    parts = (data.get(part) for part in ("status", "spec", "metadata"))
    return [key for part in parts if isinstance(part, Mapping) for key in part][:4]


def _packed(data: bytes) -> str:
    return b64encode(gzip.compress(data, _LEVEL, mtime=0)).decode()
