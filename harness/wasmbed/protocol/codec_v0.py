"""Protocol version 0, Wasmbed's first wire: messages are ``[tag, ...values]``, for the harness to talk to old gateways.

The values stand in the order of version 1's field numbers. An absent optional one is null, or left out where nothing
follows it; values beyond those this version knows are ignored. Frames, envelope and encoding are version 1's.
"""

from __future__ import annotations

from typing import Any

from harness.wasmbed.protocol.envelope import decode_envelope, encode_envelope, read_fields, write_field
from harness.wasmbed.protocol.messages import Envelope, Message
from harness.wasmbed.protocol.schema import DEVICE_MESSAGES, GATEWAY_MESSAGES, Layout

__all__ = ["VERSION", "decode_device", "decode_gateway", "encode"]

VERSION = 0


def encode(envelope: Envelope) -> bytes:
    """``envelope`` in deterministic encoding. Raises :class:`ValueError` where the contract does not allow a value."""
    return encode_envelope(VERSION, envelope, _write)


def decode_device(data: bytes) -> Envelope:
    """What a device sent. Raises :class:`ProtocolError`, or its child :class:`UnknownTag`."""
    return decode_envelope(VERSION, data, DEVICE_MESSAGES, _read)


def decode_gateway(data: bytes) -> Envelope:
    """What a gateway sent. Raises :class:`ProtocolError`, or its child :class:`UnknownTag`."""
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
