"""Protocol version 1: encoding and decoding of envelopes, strictly as in ``wasmbed.cddl``."""

from __future__ import annotations

from typing import Any

from harness.wasmbed.protocol.envelope import (
    BadField,
    decode_envelope,
    encode_envelope,
    read_fields,
    write_fields,
)
from harness.wasmbed.protocol.messages import Envelope, Message
from harness.wasmbed.protocol.schema import DEVICE_MESSAGES, GATEWAY_MESSAGES, Layout

__all__ = ["VERSION", "decode_device", "decode_gateway", "encode"]

VERSION = 1


def encode(envelope: Envelope) -> bytes:
    """Encode ``envelope`` deterministically. Raises :class:`ValueError` if the contract does not allow a value."""
    return encode_envelope(VERSION, envelope, _write)


def decode_device(data: bytes) -> Envelope:
    """Decode a message of a device. Raises :class:`ProtocolError`, or its subclass :class:`UnknownTag`."""
    return decode_envelope(VERSION, data, DEVICE_MESSAGES, _read)


def decode_gateway(data: bytes) -> Envelope:
    """Decode a message of a gateway. Raises :class:`ProtocolError`, or its subclass :class:`UnknownTag`."""
    return decode_envelope(VERSION, data, GATEWAY_MESSAGES, _read)


def _write(layout: Layout, message: Message) -> list[Any]:
    return [layout.tag, write_fields(layout, message)]


def _read(layout: Layout, body: list[Any]) -> Message:
    if len(body) != 2 or body[1].__class__ is not dict:
        raise BadField("not a pair of tag and fields", ())
    fields = body[1]
    for number in fields:
        if number.__class__ is not int or number < 0:
            raise BadField("a field number that is not an unsigned integer", (1, number), is_key=True)
    return read_fields(layout, fields, lambda number: (1,) if number is None else (1, number))
