"""Objects to protobuf and back, by the tables of messages."""

from __future__ import annotations

import base64
import struct as binary
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from harness.clusters.embedded.errors import StatusError
from harness.clusters.embedded.protobuf import wire
from harness.clusters.embedded.protobuf.messages import Field, Message, list_of, message_of, struct
from harness.clusters.embedded.protobuf.unions import UNIONS
from harness.clusters.embedded.values import NESTING_LIMIT, Object

__all__ = ["PROTOBUF", "decode", "encode"]

PROTOBUF = "application/vnd.kubernetes.protobuf"

_MAGIC = b"k8s\x00"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def decode(body: bytes) -> Object:
    """The object in a body. Raises the 415 refusal for kinds that have no such form, ValueError for garbage."""
    if not body:
        raise ValueError("empty data")
    if not body.startswith(_MAGIC):
        raise ValueError("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    try:
        envelope = dict(wire.fields(body[len(_MAGIC) :]))
        about = dict(wire.fields(wire.piece(envelope.get(1, b""))))
        api_version, kind = (wire.piece(about.get(number, b"")).decode() for number in (1, 2))
        members = _read_kind(api_version, kind, wire.piece(envelope.get(2, b"")))
    except (OverflowError, binary.error) as error:
        raise ValueError(str(error)) from error
    return {"apiVersion": api_version, "kind": kind, **members}


def _read_kind(api_version: str, kind: str, data: bytes) -> Object:
    if (items := list_of(api_version, kind)) is not None:
        inside = [(number, wire.piece(value)) for number, value in wire.fields(data)]
        metadata = [
            _read(struct(items.file, "ListMeta"), value, NESTING_LIMIT) for number, value in inside if number == 1
        ]
        found = [_read(items, value, NESTING_LIMIT) for number, value in inside if number == 2]
        return {"metadata": metadata[-1] if metadata else {}, "items": found}
    if (message := message_of(api_version, kind)) is not None:
        return _read(message, data, NESTING_LIMIT)
    text = f"{api_version} {kind} has no form in protobuf; send it as application/json"
    raise StatusError(415, "UnsupportedMediaType", text)


def encode(value: Object) -> bytes | None:
    """An object, a list or a Status in its envelope; None if its kind has no form in protobuf."""
    api_version, kind = value.get("apiVersion", "v1"), value.get("kind", "")
    if (items := list_of(api_version, kind)) is not None and "items" in value:
        metadata = wire.nested(1, _write(struct(items.file, "ListMeta"), value.get("metadata") or {}))
        raw = metadata + b"".join(wire.nested(2, _write(items, item)) for item in value["items"])
    elif (message := message_of(api_version, kind)) is not None:
        raw = _write(message, value)
    else:
        return None
    about = wire.text(1, api_version) + wire.text(2, kind)
    return _MAGIC + wire.nested(1, about) + wire.nested(2, raw) + wire.text(3, "") + wire.text(4, "")


def _write(message: Message, value: Object) -> bytes:
    parts: list[bytes] = []
    embedded: dict[int, Object] = {}
    for name, item in value.items():
        described = message.names.get(name)
        if described is None or item is None:
            continue
        if isinstance(described, int):
            embedded.setdefault(described, {})[name] = item
        elif described.many == "[":
            parts += [_field(message, described, one) for one in item]
        elif described.many == "{":
            for key in sorted(item):
                pair = wire.text(1, key) + _field(message, described, item[key], number=2)
                parts.append(wire.nested(described.number, pair))
        else:
            parts.append(_field(message, described, item))
    for number, members in embedded.items():
        inner = message.numbers[number]
        assert isinstance(inner, Message), "names lead to embedded messages by their numbers"
        parts.append(wire.nested(number, _write(inner, members)))
    return b"".join(parts)


def _field(message: Message, described: Field, item: Any, number: int = 0) -> bytes:
    number, kind = number or described.number, described.kind
    if kind in _NUMBERS:
        return wire.number(number, int(item))
    if kind == "double":
        return wire.fixed(number, binary.pack("<d", item))
    if kind in _WRITERS:
        return wire.nested(number, _WRITERS[kind](item))
    if kind in UNIONS:
        item = UNIONS[kind].spread(item)
    return wire.nested(number, _write(struct(message.file, kind), item))


def _time(text: str) -> bytes:
    since = datetime.fromisoformat(text.upper()) - _EPOCH
    nanoseconds = since.microseconds * 1000
    return wire.number(1, since // timedelta(seconds=1)) + (wire.number(2, nanoseconds) if nanoseconds else b"")


def _number_or_text(item: Any) -> bytes:
    if isinstance(item, int):
        return wire.number(1, 0) + wire.number(2, item) + wire.text(3, "")
    return wire.number(1, 1) + wire.number(2, 0) + wire.text(3, str(item))


_SCALARS = ("string", "int32", "int64", "bool", "double", "bytes", "intstr")
"""The types whose zeros Go leaves out of JSON."""
_NUMBERS = ("int32", "int64", "bool")
_WRITERS: dict[str, Callable[[Any], bytes]] = {
    "string": lambda item: str(item).encode(),
    "bytes": base64.b64decode,
    "time": _time,
    "microtime": _time,
    "quantity": lambda item: wire.text(1, str(item)),
    "intstr": _number_or_text,
    "any": lambda item: wire.nested(1, orjson.dumps(item)),
    "ExtraValue": lambda item: b"".join(wire.text(1, one) for one in item),
    "Verbs": lambda item: b"".join(wire.text(1, one) for one in item),
}
"""The bytes of values that are not messages of a table."""


def _read(message: Message, data: bytes, depth: int) -> Object:
    if depth == 0:
        raise ValueError(f"it is nested more than {NESTING_LIMIT} times")
    found: Object = {}
    for number, value in wire.fields(data):
        described = message.numbers.get(number)
        if isinstance(described, Message):
            found.update(_read(described, wire.piece(value), depth - 1))
        elif described is None:
            continue
        elif described.many == "[":
            found.setdefault(described.name, []).append(_value(message, described, value, depth))
        elif described.many == "{":
            pair = dict(wire.fields(wire.piece(value)))
            key = wire.piece(pair.get(1, b"")).decode()
            members = found.setdefault(described.name, {})
            members[key] = _value(message, described, pair.get(2, _nothing(described)), depth)
        else:
            item = _value(message, described, value, depth)
            if item is not None and (described.keeps_zero or described.kind not in _SCALARS or item not in ("", 0)):
                found[described.name] = item
    return found


def _nothing(described: Field) -> bytes | int:
    return 0 if described.kind in _NUMBERS else b""


def _value(message: Message, described: Field, value: bytes | int, depth: int) -> Any:
    kind = described.kind
    if kind == "bool":
        return bool(wire.whole(value))
    if kind in _NUMBERS:
        return wire.whole(value)
    data = wire.piece(value)
    if kind == "double":
        return binary.unpack("<d", data)[0]
    if kind in _READERS:
        return _READERS[kind](data)
    found = _read(struct(message.file, kind), data, depth - 1)
    return UNIONS[kind].gather(found) if kind in UNIONS else found


def _moment(data: bytes) -> datetime | None:
    parts = dict(wire.fields(data))
    if not parts:
        return None
    seconds, nanoseconds = (wire.whole(parts.get(number, 0)) for number in (1, 2))
    return _EPOCH + timedelta(seconds=seconds, microseconds=nanoseconds // 1000)


def _read_time(data: bytes) -> str | None:
    moment = _moment(data)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def _read_micro_time(data: bytes) -> str | None:
    moment = _moment(data)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment else None


def _read_number_or_text(data: bytes) -> int | str:
    parts = dict(wire.fields(data))
    if parts.get(1, 0) == 1:
        return wire.piece(parts.get(3, b"")).decode()
    return wire.whole(parts.get(2, 0))


def _first(data: bytes) -> bytes:
    return wire.piece(dict(wire.fields(data)).get(1, b""))


def _texts(data: bytes) -> list[str]:
    return [wire.piece(value).decode() for number, value in wire.fields(data) if number == 1]


def _json(data: bytes) -> Any:
    raw = _first(data)
    return orjson.loads(raw) if raw else None


_READERS: dict[str, Callable[[bytes], Any]] = {
    "string": bytes.decode,
    "bytes": lambda data: base64.b64encode(data).decode(),
    "time": _read_time,
    "microtime": _read_micro_time,
    "quantity": lambda data: _first(data).decode() or "0",
    "intstr": _read_number_or_text,
    "any": _json,
    "ExtraValue": _texts,
    "Verbs": _texts,
}
"""The reverse of :data:`_WRITERS`."""
