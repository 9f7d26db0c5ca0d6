"""The dialect of the fork on a link: what one read returns holds bare messages, without frames."""

from __future__ import annotations

from collections import deque
from typing import cast

from harness.wasmbed.protocol.dialects import r
from harness.wasmbed.protocol.errors import ProtocolError
from harness.wasmbed.protocol.messages import Envelope, Message

__all__ = ["ReadDecoder", "decode_device", "decode_gateway", "encode"]


def encode(envelope: Envelope) -> bytes:
    """Encode a bare message: its id is not sent. Raises :class:`ValueError` for what the dialect does not have."""
    return r.encode(envelope.message)  # type: ignore[arg-type]


def decode_device(data: bytes) -> Envelope:
    """Decode a device's message. Raises :class:`ProtocolError`, or its subclass :class:`UnknownTag`."""
    return _enveloped(r.decode_device(data))


def decode_gateway(data: bytes) -> Envelope:
    """Decode a gateway's message. Raises :class:`ProtocolError`, or its subclass :class:`UnknownTag`."""
    return _enveloped(r.decode_gateway(data))


def _enveloped(reading: r.Reading) -> Envelope:
    return Envelope(reading.message_id or 0, cast(Message, reading.message))


class ReadDecoder:
    """Cuts what arrives into reads of at most :data:`~.r.LARGEST_READ` bytes, and these into messages.

    Two messages that the transport has joined are two here, where the original loses the second one. After bytes that
    are not a message, the rest of the read is not one either.
    """

    def __init__(self, *, from_device: bool) -> None:
        self._decode = r.decode_device if from_device else r.decode_gateway
        self._reads: deque[bytes] = deque()
        self._size = 0

    def __len__(self) -> int:
        """The number of bytes held."""
        return self._size

    @property
    def missing(self) -> int:
        """Nothing is ever known to be missing."""
        return 0

    def push(self, data: bytes) -> None:
        """Append received bytes."""
        self._reads += [data[at : at + r.LARGEST_READ] for at in range(0, len(data), r.LARGEST_READ)]
        self._size += len(data)

    def pop(self) -> bytes | None:
        """Take the next message's bytes, or what is none; None if there is nothing."""
        if not self._reads:
            return None
        read = self._reads.popleft()
        try:
            end = self._decode(read).end
        except ProtocolError:
            end = len(read)
        if rest := read[end:]:
            self._reads.appendleft(rest)
        self._size -= end
        return read[:end]
