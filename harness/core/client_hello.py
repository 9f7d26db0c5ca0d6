"""The offers in a TLS client's ClientHello, read before a TLS library computes anything for it (RFC 8446, 4.1.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

__all__ = ["LARGEST_RECORD", "ClientHello", "hello_size", "is_handshake", "read_client_hello"]

_HANDSHAKE_RECORD = b"\x16"
_CLIENT_HELLO = b"\x01"
_HEADER = 5
_MESSAGE_HEADER = 4
LARGEST_RECORD = _HEADER + (1 << 14)
"""Bytes (RFC 8446, section 5.1)."""

_SUPPORTED_GROUPS, _SIGNATURE_ALGORITHMS, _SUPPORTED_VERSIONS, _KEY_SHARE = 10, 13, 43, 51


@dataclass(frozen=True, slots=True)
class ClientHello:
    """A client's offers as IANA's numbers, in its order of preference."""

    versions: tuple[int, ...]
    """From ``supported_versions``; empty for a client of TLS 1.2 or older."""
    ciphers: tuple[int, ...]
    groups: tuple[int, ...]
    shares: tuple[int, ...]
    """The groups for which it has sent its key share."""
    signatures: tuple[int, ...]


def is_handshake(data: bytes) -> bool:
    """Whether a stream that begins with ``data`` may be TLS; true of an empty one."""
    return data[:1] in (_HANDSHAKE_RECORD, b"")


def hello_size(data: bytes) -> int:
    """How long a stream that begins with ``data`` has to be to hold a ClientHello, as far as can be said yet.

    A record (RFC 8446, section 5.1) with a handshake message (section 4), which may go on in the next record.
    """
    if len(data) < _HEADER:
        return _HEADER
    record_end = _HEADER + int.from_bytes(data[3:_HEADER], "big")
    if len(data) < record_end or data[_HEADER : _HEADER + 1] != _CLIENT_HELLO:
        return record_end
    return record_end if _holds_message(data, record_end) else record_end + _HEADER + 1


def _holds_message(data: bytes, record_end: int) -> bool:
    """Whether the first record holds its whole handshake message, and not only the beginning of it."""
    content = _HEADER + _MESSAGE_HEADER
    if record_end < content:
        return False
    return content + int.from_bytes(data[_HEADER + 1 : content], "big") <= record_end


def read_client_hello(data: bytes) -> ClientHello | None:
    """The offers in a stream's first record; None if that does not hold one whole, well-formed ClientHello."""
    try:
        record = _Reader(_Reader(data, _HEADER - 2).block(2))
        if data[:1] != _HANDSHAKE_RECORD or record.take(1) != _CLIENT_HELLO:
            return None
        hello = _Reader(record.block(3))
        hello.take(2 + 32)
        hello.block(1)
        ciphers = hello.numbers(2)
        hello.block(1)
        extensions = dict(_extensions(_Reader(hello.block(2)))) if hello.more else {}
        return ClientHello(
            versions=_Reader(extensions.get(_SUPPORTED_VERSIONS, b"\0")).numbers(1),
            ciphers=ciphers,
            groups=_Reader(extensions.get(_SUPPORTED_GROUPS, b"\0\0")).numbers(2),
            shares=tuple(_shares(_Reader(_Reader(extensions.get(_KEY_SHARE, b"\0\0")).block(2)))),
            signatures=_Reader(extensions.get(_SIGNATURE_ALGORITHMS, b"\0\0")).numbers(2),
        )
    except _CutOff:
        return None


def _extensions(reader: _Reader) -> list[tuple[int, bytes]]:
    found = []
    while reader.more:
        found.append((int.from_bytes(reader.take(2), "big"), reader.block(2)))
    return found


def _shares(reader: _Reader) -> list[int]:
    groups = []
    while reader.more:
        groups.append(int.from_bytes(reader.take(2), "big"))
        reader.block(2)
    return groups


class _CutOff(Exception):
    """A length that is longer than what there is."""


class _Reader:
    """Takes TLS's presentation language (RFC 8446, section 3) from bytes."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data, self._at = data, at

    @property
    def more(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            self._cut_off()
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def block(self, width: int) -> bytes:
        """Bytes behind their length, which is ``width`` bytes wide."""
        return self.take(int.from_bytes(self.take(width), "big"))

    def numbers(self, width: int) -> tuple[int, ...]:
        """A block of 16-bit numbers."""
        block = self.block(width)
        if len(block) % 2:
            self._cut_off()
        return tuple(int.from_bytes(block[at : at + 2], "big") for at in range(0, len(block), 2))

    def _cut_off(self) -> NoReturn:
        raise _CutOff
