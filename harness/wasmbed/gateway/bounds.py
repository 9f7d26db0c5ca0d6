"""Bounds on a device's messages: the cluster stores their content and sends it to all watches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import get_args

from harness.wasmbed.gateway.refusals import PeerRefused
from harness.wasmbed.protocol.messages import DeviceMessage, ErrorCode, Publication
from harness.wasmbed.runtime.interface import MAXIMUM_PAYLOAD

__all__ = ["LARGEST_NUMBER", "MOST_ENTRIES", "MOST_NAMES", "MOST_TEXT", "check_bounds"]

MOST_ENTRIES = 128
"""Entries in one list or map of a message: metrics, applications, capabilities, lines of a backtrace."""
MOST_TEXT = 32 << 10
"""Characters in all of a message."""
MOST_NAMES = 512
"""Names of metrics in a session: a status keeps each until the device sends a heartbeat without it."""
LARGEST_NUMBER = (1 << 63) - 1
"""Kubernetes' numbers are int64."""

_FIELDS = {kind: tuple(field.name for field in fields(kind)) for kind in get_args(DeviceMessage)}


def check_bounds(message: DeviceMessage, names: set[str]) -> None:
    """Check a message, and add the names of its metrics to the session's ``names``.

    Raises :class:`PeerRefused` with the field and its bound; the session stays open.
    """
    kind, text = type(message), 0
    for name in _FIELDS[kind]:
        value = getattr(message, name)
        if value.__class__ is str:
            text += len(value)
        elif value.__class__ is int:
            if value > LARGEST_NUMBER:
                raise _too_much(f"{kind.__name__}: {name} is {value}, at most {LARGEST_NUMBER} can be recorded")
        elif isinstance(value, dict | tuple):
            if len(value) > MOST_ENTRIES:
                raise _too_much(
                    f"{kind.__name__}: {name} has {len(value)} entries, at most {MOST_ENTRIES} are accepted"
                )
            text += sum(map(len if value.__class__ is dict else _text, value))
    if text > MOST_TEXT:
        raise _too_much(f"{kind.__name__}: {text} characters of text, at most {MOST_TEXT} are accepted")
    metrics: Mapping[str, int] = getattr(message, "metrics", None) or getattr(message, "resource_use", {})
    if not metrics.keys() <= names:
        if len(names | metrics.keys()) > MOST_NAMES:
            raise _too_much(f"{kind.__name__}: metrics of more than {MOST_NAMES} different names in one session")
        names.update(metrics)


def _text(part: str | Publication) -> int:
    if isinstance(part, str):
        return len(part)
    if len(part.payload) > MAXIMUM_PAYLOAD:
        raise _too_much(f"a payload of {len(part.payload)} bytes, at most {MAXIMUM_PAYLOAD} are accepted")
    return len(part.topic)


def _too_much(reason: str) -> PeerRefused:
    return PeerRefused(ErrorCode.PROTOCOL_ERROR, reason, closes=False)
