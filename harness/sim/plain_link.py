"""TLS whose handshake is real and whose data is plain: the links of a simulation that asks nothing of the cipher.

Handshakes, alerts, and the end of a connection pass through OpenSSL: a certificate is accepted or refused as on every
other link, and each end knows the other's. After the handshake, data passes in records of a content type of its own,
beside TLS's records and in their order.
"""

from __future__ import annotations

import ssl
from asyncio import sslproto
from collections.abc import Sequence
from typing import Any

__all__ = ["PlainLink"]

_PLAIN = 0xFF
"""A content type that TLS does not have (RFC 8446, section 5.1)."""
_HEADER = 5
"""Bytes before a record's content: the type and a length; in TLS, there are two bytes of a version between them."""
_WRAPPED = sslproto.SSLProtocolState.WRAPPED
_Tls: Any = sslproto.SSLProtocol
"""Its parts are asyncio's own, and are the same in Python 3.11 to 3.13; type stubs do not have them."""
_DURING_SHUTDOWN = "[SSL: APPLICATION_DATA_AFTER_CLOSE_NOTIFY] application data after close notify"
"""OpenSSL's error for data that arrives while the connection is being closed."""


class PlainLink(_Tls):  # type: ignore[misc]  # Any
    """asyncio's TLS, with other records for data. State machine, timeouts, and flow control are those of its base."""

    max_size = 512
    """Bytes of TLS that are taken at a time: there are only alerts. Received bytes go to a buffer of all links."""
    _received = memoryview(bytearray(1 << 18))

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._cut = bytearray()
        """The beginning of a record whose end has not arrived."""
        self._of_tls = 0
        """Bytes that are still to come of a record of TLS."""
        self._data: list[bytes] = []
        """The data that has arrived and was not taken."""

    # From the peer.

    def get_buffer(self, n: int) -> memoryview:
        return self._received

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(self._received[:nbytes])
        if (
            data[0] == _PLAIN
            and int.from_bytes(data[1:_HEADER], "big") == nbytes - _HEADER
            and self._state is _WRAPPED
            and not (
                self._of_tls or self._cut or self._data or self._app_reading_paused or self._app_protocol_is_buffer
            )
        ):  # one whole record, as most are
            try:
                self._app_protocol.data_received(data[_HEADER:])
            except Exception as error:
                self._fatal_error(error, "Fatal error on SSL protocol")
            return
        self._sort(data)
        super().buffer_updated(0)  # what TLS does in its present state

    def _sort(self, received: bytes) -> None:
        """Give records to TLS, also in pieces, or to the data. TLS also judges bytes that are not a record."""
        self._cut += received
        while self._cut:
            size = self._of_tls or self._size_of_record()
            if self._cut[0] == _PLAIN and not self._of_tls:
                if not size or size > len(self._cut):
                    return
                self._data.append(bytes(self._cut[_HEADER:size]))
            elif size:
                self._of_tls = max(0, size - len(self._cut))
                self._incoming.write(bytes(self._cut[:size]))
            else:
                return
            del self._cut[:size]

    def _size_of_record(self) -> int:
        """The size of the record that begins here; 0 while its header is not whole."""
        if len(self._cut) < _HEADER:
            return 0
        length = self._cut[1 if self._cut[0] == _PLAIN else 3 : _HEADER]
        return _HEADER + int.from_bytes(length, "big")

    def _do_read__copied(self) -> None:
        if data := self._take():
            self._app_protocol.data_received(data)
        if self._incoming.pending:
            super()._do_read__copied()

    def _do_read__buffered(self) -> None:
        data = self._take()
        while data:
            buffer = self._app_protocol_get_buffer(len(data))
            size = min(len(buffer), len(data))
            buffer[:size], data = data[:size], data[size:]
            self._app_protocol_buffer_updated(size)
        if self._incoming.pending:
            super()._do_read__buffered()

    def _take(self) -> bytes:
        data, self._data = b"".join(self._data), []
        return data

    def _get_read_buffer_size(self) -> int:
        return int(self._incoming.pending) + sum(map(len, self._data))

    # To the peer.

    def _write_appdata(self, list_of_data: Sequence[bytes]) -> None:
        if (
            self._state is _WRAPPED
            and len(list_of_data) == 1
            and not (self._ssl_writing_paused or self._write_backlog or self._outgoing.pending)
        ):  # nothing waits to be written, as is most often so
            self._transport.write(_header(list_of_data[0]) + list_of_data[0])
        else:
            super()._write_appdata(list_of_data)

    def _do_write(self) -> None:
        while self._write_backlog:
            data = self._write_backlog.popleft()
            self._write_buffer_size -= len(data)
            self._outgoing.write(_header(data))
            self._outgoing.write(data)
        self._process_outgoing()

    # The end.

    def _do_shutdown(self) -> None:
        if self._data and not self._eof_received:
            self._on_shutdown_complete(ssl.SSLError(ssl.SSL_ERROR_SSL, _DURING_SHUTDOWN))
        else:
            super()._do_shutdown()


def _header(data: bytes) -> bytes:
    return bytes((_PLAIN,)) + len(data).to_bytes(_HEADER - 1, "big")
