"""Protocol version 0, with which the harness talks to old gateways: messages are ``[tag, ...values]``.

The values are in the order of version 1's field numbers. An absent optional value is null, or left out at the end.
Further values are ignored. Frames, envelope, and encoding are the same as in version 1.
"""

from __future__ import annotations

from typing import Any

from harness.wasmbed.protocol.envelope import decode_envelope, encode_envelope, read_fields, write_field
from harness.wasmbed.protocol.messages import Envelope, Message
from harness.wasmbed.protocol.schema import DEVICE_MESSAGES, GATEWAY_MESSAGES, Layout

__all__ = ["VERSION", "decode_device", "decode_gateway", "encode"]

VERSION = 0


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
    values = [write_field(layout, field, message) for field in layout.fields]
    while values and values[-1] is None:
        values.pop()
    return [layout.tag, *values]


def _read(layout: Layout, body: list[Any]) -> Message:
    numbers = [field.number for field in layout.fields]
    given = dict(zip(numbers, body[1:], strict=False))
    present = {number: value for number, value in given.items() if value is not None}
    return read_fields(layout, present, lambda number: () if number is None else (1 + numbers.index(number),))
