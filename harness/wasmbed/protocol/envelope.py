"""The envelope ``[version, message-id, message]``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cbor2

from harness.wasmbed.protocol.deterministic import check_item
from harness.wasmbed.protocol.errors import ProtocolError, UnknownTag, UnsupportedVersion
from harness.wasmbed.protocol.messages import Envelope, Message
from harness.wasmbed.protocol.schema import LAYOUTS, Layout

__all__ = [
    "LARGEST_MESSAGE_ID",
    "BadField",
    "Path",
    "decode_envelope",
    "encode_envelope",
    "read_fields",
    "write_fields",
]

LARGEST_MESSAGE_ID = (1 << 32) - 1

Path = tuple[Any, ...]
"""The way to a part of an item: positions in arrays and keys of maps."""
BodyWriter = Callable[[Layout, Any], list[Any]]
"""Returns a message as the elements of its array, tag first. Raises :class:`ValueError`."""
BodyReader = Callable[[Layout, list[Any]], Message]
"""Returns the message of an array whose tag is known. Raises :class:`BadField`."""
_ENVELOPE = 0x83
"""The first byte of an array of three items."""


class BadField(ValueError):
    """A value in a message breaks the contract.

    ``path`` leads from the message to the value, or with ``is_key`` to the value whose key is invalid. ``field`` is the
    number of the field that it belongs to, if any.
    """

    def __init__(self, reason: str, path: Path, field: int | None = None, *, is_key: bool = False) -> None:
        super().__init__(reason)
        self.path, self.field, self.is_key = path, field, is_key


def encode_envelope(version: int, envelope: Envelope, write: BodyWriter) -> bytes:
    """Encode ``envelope`` deterministically. Raises :class:`ValueError` if the contract does not allow a value."""
    message_id = envelope.message_id
    if message_id.__class__ is not int or not 0 <= message_id <= LARGEST_MESSAGE_ID:
        raise ValueError(f"message id {message_id!r} is not within 0 to {LARGEST_MESSAGE_ID}")
    layout = LAYOUTS.get(envelope.message.__class__)
    if layout is None:
        raise ValueError(f"{envelope.message!r} is not a message")
    return cbor2.dumps([version, message_id, write(layout, envelope.message)])


def decode_envelope(version: int, data: bytes, layouts: Mapping[int, Layout], read: BodyReader) -> Envelope:
    """Decode an envelope. Raises :class:`ProtocolError`, and no other exception, whatever the bytes."""
    item = _decode(version, data)
    if item.__class__ is not list or len(item) != 3:
        raise ProtocolError("not an envelope of version, message id and message", offset=0)
    found, message_id, body = item
    if found.__class__ is not int or found != version:
        raise UnsupportedVersion(f"protocol version {found!r:.40}, not {version}", offset=_offset(item, 0))
    if message_id.__class__ is not int or not 0 <= message_id <= LARGEST_MESSAGE_ID:
        raise ProtocolError("a message id that is not a 32-bit unsigned integer", offset=_offset(item, 1))
    if body.__class__ is not list or not body or body[0].__class__ is not int or body[0] < 0:
        raise ProtocolError(
            "a message that does not begin with its tag", message_id=message_id, offset=_offset(item, 2)
        )
    layout = layouts.get(body[0])
    if layout is None:
        raise UnknownTag(body[0], message_id=message_id)
    try:
        return Envelope(message_id, read(layout, body))
    except BadField as error:
        raise ProtocolError(
            f"{layout.message.__name__}: {error}",
            message_id=message_id,
            offset=_offset(item, 2, *error.path) - (len(_encoded(error.path[-1])) if error.is_key else 0),
            field=error.field,
        ) from error


def _decode(version: int, data: bytes) -> Any:
    try:
        check_item(data)
        try:
            return cbor2.loads(data)
        except (cbor2.CBORDecodeError, ValueError):
            check_item(data, text=True)
            raise ProtocolError("not CBOR", offset=0) from None
    except ProtocolError as error:
        error.message_id = _message_id(version, data)
        raise


def _message_id(version: int, data: bytes) -> int | None:
    """Return the message id of a frame that is valid up to there; None for other frames."""
    if data[:2] != bytes([_ENVELOPE, version]) or len(data) == 2:
        return None
    width = {24: 1, 25: 2, 26: 4}.get(data[2], 0)
    if data[2] > 26 or len(data) < 3 + width:
        return None
    return int.from_bytes(data[3 : 3 + width], "big") if width else data[2]


def _offset(item: Any, *path: Any) -> int:
    """Return the byte at which a part of ``item`` begins.

    This works by encoding the parts before it again: in deterministic encoding they have the same length.
    """
    offset = 0
    for step in path:
        offset += len(_encoded(len(item)))
        if isinstance(item, dict):
            keys = list(item)
            before = keys[: keys.index(step)]
            offset += sum(len(_encoded(key)) + len(_encoded(item[key])) for key in before) + len(_encoded(step))
        else:
            offset += sum(len(_encoded(element)) for element in item[:step])
        item = item[step]
    return offset


def _encoded(item: Any) -> bytes:
    return cbor2.dumps(item, canonical=True)


def write_fields(layout: Layout, message: Message) -> dict[int, Any]:
    """Return the fields that are present for the wire, by number. Raises :class:`ValueError`."""
    fields, attribute = {}, ""
    try:
        for number, attribute, kind, required in layout.fields:
            value = getattr(message, attribute)
            if value is not None or required:
                fields[number] = kind.write(value)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{layout.message.__name__}.{attribute}: {error}") from error
    return fields


def read_fields(layout: Layout, given: Mapping[int, Any], path: Callable[[int | None], Path]) -> Message:
    """Return the message with the ``given`` values, by field number. Raises :class:`BadField`.

    ``path`` returns the way to a field's value, and for None the way to the fields.
    """
    values = {}
    for number, attribute, kind, required in layout.fields:
        if number in given:
            try:
                values[attribute] = kind.read(given[number])
            except ValueError as error:
                raise BadField(f"field {number} ({attribute}): {error}", path(number), number) from error
        elif required:
            raise BadField(f"field {number} ({attribute}) is missing", path(None), number)
    message: Message = layout.message(**values)
    return message
