"""Frames on a byte stream: a 4-byte big-endian length, then that many bytes."""

from __future__ import annotations

from harness.wasmbed.protocol.errors import ProtocolError

__all__ = ["DEFAULT_LIMIT", "HARD_LIMIT", "HEADER_SIZE", "FrameDecoder", "frame"]

HEADER_SIZE = 4
DEFAULT_LIMIT = 1 << 20
"""Bytes in a frame, without its header, if a side sets no other limit."""
HARD_LIMIT = 16 << 20
"""The highest limit that a side may set, in bytes."""


def frame(payload: bytes, limit: int = HARD_LIMIT) -> bytes:
    """Return ``payload`` with its length before it. Raises :class:`ValueError` if it is empty or above ``limit``."""
    if not 0 < len(payload) <= limit:
        raise ValueError(f"a frame holds 1 to {limit} bytes, not {len(payload)}")
    return len(payload).to_bytes(HEADER_SIZE, "big") + payload


class FrameDecoder:
    """Splits a byte stream into frames, whatever the sizes of its pieces.

    It holds the received bytes that are not taken yet; a header alone reserves no memory. A header with length zero, or
    with more than ``limit``, ends the stream: frames before it can still be taken, bytes after it are dropped.
    """

    __slots__ = ("_broken", "_buffer", "_limit", "_size")

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        if not 0 < limit <= HARD_LIMIT:
            raise ValueError(f"a frame limit is 1 to {HARD_LIMIT} bytes, not {limit}")
        self._limit = limit
        self._buffer = bytearray()
        self._size = 0
        self._broken = False

    def __len__(self) -> int:
        """The number of bytes held, headers included."""
        return len(self._buffer)

    @property
    def missing(self) -> int:
        """The number of bytes missing from the next frame; 0 if it is complete, or if :meth:`pop` would raise."""
        if not self._size and not self._read_header():
            return HEADER_SIZE - len(self._buffer)
        return 0 if self._broken else max(0, HEADER_SIZE + self._size - len(self._buffer))

    def push(self, data: bytes) -> None:
        """Append received bytes."""
        if not self._broken:
            self._buffer += data

    def pop(self) -> bytes | None:
        """Take the next payload; None until it is complete. Raises :class:`ProtocolError` on an invalid length."""
        if not self._size and not self._read_header():
            return None
        if self._broken:
            if not self._size:
                raise ProtocolError("a frame of length zero")
            raise ProtocolError(f"a frame of {self._size} bytes is above the limit of {self._limit}")
        end = HEADER_SIZE + self._size
        if len(self._buffer) < end:
            return None
        payload = bytes(memoryview(self._buffer)[HEADER_SIZE:end])
        del self._buffer[:end]
        self._size = 0
        return payload

    def feed(self, data: bytes) -> list[bytes]:
        """Append received bytes and take every complete frame.

        Raises :class:`ProtocolError` on an invalid length, once the frames before it have been returned.
        """
        self.push(data)
        frames: list[bytes] = []
        try:
            while (payload := self.pop()) is not None:
                frames.append(payload)
        except ProtocolError:
            if not frames:
                raise
        return frames

    def _read_header(self) -> bool:
        if self._broken:
            return True
        if len(self._buffer) < HEADER_SIZE:
            return False
        self._size = int.from_bytes(self._buffer[:HEADER_SIZE], "big")
        if not 0 < self._size <= self._limit:
            self._broken = True
            self._buffer = bytearray()
        return True
