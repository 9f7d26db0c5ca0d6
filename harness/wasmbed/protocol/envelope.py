"""What all protocol versions share: the envelope ``[version, message-id, message]`` around a version's own messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cbor2

from harness.wasmbed.protocol.deterministic import check_item
from harness.wasmbed.protocol.errors import ProtocolError, UnknownTag, UnsupportedVersion
from harness.wasmbed.protocol.messages import Envelope, Message
from harness.wasmbed.protocol.schema import LAYOUTS, Field, Layout

__all__ = ["LARGEST_MESSAGE_ID", "decode_envelope", "encode_envelope", "read_fields", "write_field"]

LARGEST_MESSAGE_ID = (1 << 32) - 1

BodyWriter = Callable[[Layout, Any], list[Any]]
"""A message as the elements of its array, tag first. Raises :class:`ValueError`."""
BodyReader = Callable[[Layout, list[Any]], Message]
"""The opposite, for an array whose tag was recognised. Raises :class:`ValueError`."""


def encode_envelope(version: int, envelope: Envelope, write: BodyWriter) -> bytes:
    """``envelope`` in deterministic encoding. Raises :class:`ValueError` where the contract does not allow a value."""
    message_id = envelope.message_id
    if message_id.__class__ is not int or not 0 <= message_id <= LARGEST_MESSAGE_ID:
        raise ValueError(f"message id {message_id!r} is not within 0 to {LARGEST_MESSAGE_ID}")
    layout = LAYOUTS.get(envelope.message.__class__)
    if layout is None:
        raise ValueError(f"{envelope.message!r} is not a message")
    return cbor2.dumps([version, message_id, write(layout, envelope.message)])


def decode_envelope(version: int, data: bytes, layouts: Mapping[int, Layout], read: BodyReader) -> Envelope:
    """The envelope that ``data`` is. Raises :class:`ProtocolError`; nothing else, whatever the bytes."""
    check_item(data)
    try:
        item = cbor2.loads(data)
    except (cbor2.CBORDecodeError, ValueError) as error:
        raise ProtocolError("text that is not UTF-8") from error
    if item.__class__ is not list or len(item) != 3:
        raise ProtocolError("not an envelope of version, message id and message")
    found, message_id, body = item
    if found.__class__ is not int or found != version:
        raise UnsupportedVersion(f"protocol version {found!r:.40}, not {version}")
    if message_id.__class__ is not int or not 0 <= message_id <= LARGEST_MESSAGE_ID:
        raise ProtocolError("a message id that is not a 32-bit unsigned integer")
    if body.__class__ is not list or not body or body[0].__class__ is not int or body[0] < 0:
        raise ProtocolError("a message that does not begin with its tag", message_id=message_id)
    layout = layouts.get(body[0])
    if layout is None:
        raise UnknownTag(body[0], message_id=message_id)
    try:
        return Envelope(message_id, read(layout, body))
    except ValueError as error:
        raise ProtocolError(f"{layout.message.__name__}: {error}", message_id=message_id) from error


def write_field(layout: Layout, field: Field, message: Message) -> Any:
    """One field's value for the wire; None if the message has it not. Raises :class:`ValueError`."""
    value = getattr(message, field.attribute)
    if value is None and not field.required:
        return None
    try:
        return field.kind.write(value)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{layout.message.__name__}.{field.attribute}: {error}") from error


def read_fields(layout: Layout, given: Mapping[int, Any]) -> Message:
    """The message that has the ``given`` values, by field number. Raises :class:`ValueError`."""
    values = {}
    for number, attribute, kind, required in layout.fields:
        if number in given:
            try:
                values[attribute] = kind.read(given[number])
            except ValueError as error:
                raise ValueError(f"field {number} ({attribute}): {error}") from error
        elif required:
            raise ValueError(f"field {number} ({attribute}) is missing")
    message: Message = layout.message(**values)
    return message
