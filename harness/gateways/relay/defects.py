"""Defects on the wire: what a wrong gateway or board would send, made by the relay from what a right one sends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import cbor2

from harness.core.errors import UsageError, suggestion
from harness.gateways.relay.grammar import Field, MessageType, message_types
from harness.gateways.relay.passing import Tamper, Tampered
from harness.wasmbed.protocol.link import Direction

__all__ = ["WireDefect", "find_defect", "wire_defects"]

DELAY = 2.0
"""Seconds by which a late message and all behind it are held back."""

_STARTS = frozenset(
    {
        "heartbeat", "enrollment-request", "application-status", "runtime-error", "deploy", "stop", "module-chunk",
        "device-info-request", "application-status-request",
    }
)  # fmt: skip
"""Messages that start an exchange: one fresh message id is as good as another, but each has to be fresh."""
_SAME = 7
"""The message id that each message has whose end does not count them."""

_MOST_SIGNED = 2**63 - 1

Alter = Callable[[list[Any]], list[Any] | None]
"""Returns the altered envelope ``[version, message id, [tag, fields]]``; None where there is nothing to alter."""


@dataclass(frozen=True, slots=True)
class WireDefect:
    """One defect, for each message of one type from one end."""

    name: str
    what: str
    """In words: what the end does wrong."""
    message: MessageType
    change: Callable[[bytes, list[Any]], list[tuple[float, bytes]] | None]
    """Returns what is sent instead of a frame's payload, each with its delay; None where there is nothing to alter."""

    def tamper(self, applied: Callable[[], object]) -> Tamper:
        """Return the function for a relay; ``applied`` is called each time that something is altered."""

        def tamper(direction: Direction, payload: bytes) -> Tampered:
            if direction is self.message.direction and (envelope := _read(payload, self.message.tag)) is not None:
                changed = self.change(payload, envelope)
                if changed is not None:
                    applied()
                    return changed
            return [(0.0, payload)]

        return tamper


@cache
def wire_defects() -> Mapping[str, WireDefect]:
    """Every defect by its name, for example ``gateway.deploy.drop`` and ``device.heartbeat.field-0``."""
    found = [defect for message in message_types() for defect in _of(message)]
    return {defect.name: defect for defect in found}


def find_defect(name: str) -> WireDefect:
    """Return the defect of that name. Raises UsageError for an unknown name."""
    known = wire_defects()
    if name not in known:
        do = f"{suggestion(name, known)}`wasmbed mutate --list` lists all of them"
        raise UsageError(f"unknown wire defect {name!r}", where="--wire-defect", do=do)
    return known[name]


def _of(message: MessageType) -> list[WireDefect]:
    head, whose = f"{message.sender}.{message.name}", f"the {message.sender}'s {message.name}"
    found = [
        WireDefect(f"{head}.drop", f"{whose} is not sent", message, lambda payload, _: []),
        WireDefect(
            f"{head}.repeat", f"{whose} is sent twice", message, lambda payload, _: [(0.0, payload), (0.0, payload)]
        ),
        WireDefect(f"{head}.delay", f"{whose} is {DELAY:g} s late", message, lambda payload, _: [(DELAY, payload)]),
    ]
    starts = message.name in _STARTS
    what = f"{whose} has {'the same message id each time' if starts else 'another message id'}"
    found.append(WireDefect(f"{head}.message-id", what, message, _altered(_same_id if starts else _other_id)))
    for field in message.fields:
        wrong = "seconds, not milliseconds," if field.type == "milliseconds" else "another value"
        what = f"{whose} has {wrong} in field {field.number}"
        found.append(WireDefect(f"{head}.field-{field.number}", what, message, _altered(_other_value(field))))
        if field.optional:
            what = f"{whose} lacks field {field.number}, which it should have"
            found.append(WireDefect(f"{head}.field-{field.number}.lost", what, message, _altered(_without(field))))
    return found


def _read(payload: bytes, tag: int) -> list[Any] | None:
    """The envelope in a frame's payload, if it is a message of that tag."""
    try:
        envelope: Any = cbor2.loads(payload)
    except (cbor2.CBORError, ValueError, RecursionError):
        return None
    if not isinstance(envelope, list) or len(envelope) != 3 or not isinstance(envelope[2], list):
        return None
    is_message = len(envelope[2]) == 2 and envelope[2][0] == tag and isinstance(envelope[2][1], dict)
    return envelope if is_message else None


def _altered(alter: Alter) -> Callable[[bytes, list[Any]], list[tuple[float, bytes]] | None]:
    def change(_: bytes, envelope: list[Any]) -> list[tuple[float, bytes]] | None:
        altered = alter(envelope)
        return None if altered is None else [(0.0, cbor2.dumps(altered, canonical=True))]

    return change


def _other_id(envelope: list[Any]) -> list[Any] | None:
    version, message_id, message = envelope
    return [version, message_id ^ 0x40000000, message]


def _same_id(envelope: list[Any]) -> list[Any] | None:
    version, message_id, message = envelope
    return None if message_id == _SAME else [version, _SAME, message]


def _without(field: Field) -> Alter:
    def alter(envelope: list[Any]) -> list[Any] | None:
        return envelope if envelope[2][1].pop(field.number, None) is not None else None

    return alter


def _other_value(field: Field) -> Alter:
    def alter(envelope: list[Any]) -> list[Any] | None:
        fields = envelope[2][1]
        if field.number not in fields:
            return None
        value = fields[field.number]
        # A millisecond more is not wrong; another unit is.
        other = value // 1000 if field.type == "milliseconds" and value >= 1000 else _other(value, field.choices)
        if other is None:
            return None
        fields[field.number] = other
        return envelope

    return alter


def _other(value: Any, choices: tuple[str, ...]) -> Any:
    """Another value of the same type; None where there is none. A text keeps its length, so that sizes still hold."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1 if value < _MOST_SIGNED else value - 1
    if isinstance(value, str):
        if choices:
            return choices[(choices.index(value) + 1) % len(choices)] if value in choices else choices[0]
        return value[:-1] + ("0" if value[-1] != "0" else "1") if value else "0"
    if isinstance(value, bytes):
        return value[:-1] + bytes((value[-1] ^ 1,)) if value else None
    if isinstance(value, list):
        return value[1:] if value else None
    if isinstance(value, dict):
        return _other_map(value)
    return None


def _other_map(value: dict[Any, Any]) -> dict[Any, Any] | None:
    """A map without its last entry; one with numbered fields keeps them, with another value in the first."""
    if not value:
        return None
    if all(isinstance(key, int) for key in value):
        first = min(value)
        return {**value, first: _other(value[first], ())}
    return dict(list(value.items())[:-1])
