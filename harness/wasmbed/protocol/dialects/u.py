"""The dialect of the first repository: frames as in version 1 up to 16 MiB, envelope ``[0, id, message]``.

It has two messages, ``[0]`` from the device and ``[1]`` from the gateway. This module is a codec for
:class:`~harness.wasmbed.protocol.link.Link`; the device is known by the key in its certificate.
"""

from __future__ import annotations

from typing import Any, cast

from harness.wasmbed.protocol.dialects.items import UINT32, Reader, array, unsigned
from harness.wasmbed.protocol.dialects.messages import BareHeartbeat, BareHeartbeatAcknowledgment
from harness.wasmbed.protocol.errors import ProtocolError, UnknownTag, UnsupportedVersion
from harness.wasmbed.protocol.messages import Envelope, Message

__all__ = ["VERSION", "decode_device", "decode_gateway", "encode", "read_envelope"]

VERSION = 0

_TAGS: dict[type[Any], int] = {BareHeartbeat: 0, BareHeartbeatAcknowledgment: 1}


def encode(envelope: Envelope) -> bytes:
    """Encode ``envelope``. Raises :class:`ValueError` for a message that the dialect does not have."""
    tag = _TAGS.get(envelope.message.__class__)
    if tag is None:
        raise ValueError(f"{envelope.message!r} is not a message of this dialect")
    return array(3) + unsigned(VERSION) + unsigned(envelope.message_id, UINT32) + array(1) + unsigned(tag)


def decode_device(data: bytes) -> Envelope:
    """Decode a message of a device. Raises :class:`ProtocolError`, or its subclass :class:`UnknownTag`."""
    return _decode(data, BareHeartbeat)


def decode_gateway(data: bytes) -> Envelope:
    """Decode a message of a gateway. Raises :class:`ProtocolError`, or its subclass :class:`UnknownTag`."""
    return _decode(data, BareHeartbeatAcknowledgment)


def read_envelope(reader: Reader) -> int:
    """Read an envelope up to its message; returns the message id. Raises :class:`ProtocolError`."""
    reader.array(3)
    start, version = reader.at, reader.unsigned()
    if version != VERSION:
        raise UnsupportedVersion(f"protocol version {version}, not {VERSION}", offset=start)
    return reader.unsigned(UINT32)


def _decode(data: bytes, kind: type[BareHeartbeat | BareHeartbeatAcknowledgment]) -> Envelope:
    reader = Reader(data)
    message_id = read_envelope(reader)
    try:
        start, size, tag = reader.at, reader.array(), reader.unsigned()
        if tag != _TAGS[kind]:
            raise UnknownTag(tag, message_id=message_id)
        if size != 1:
            raise ProtocolError(f"an array of {size}, not 1", offset=start)
        if reader.at != len(data):
            raise ProtocolError(f"{len(data) - reader.at} bytes after the end of the message", offset=reader.at)
    except ProtocolError as error:
        error.message_id = message_id
        raise
    return Envelope(message_id, cast(Message, kind()))
