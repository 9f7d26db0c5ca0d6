"""Records a board's links as the board sees them, for gateways whose side of a link nobody else can read."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from harness.core.history import SEEN_BY, Tap
from harness.core.network import Endpoint
from harness.wasmbed.gateway.link_recorder import LinkRecorder
from harness.wasmbed.protocol.errors import LinkClosed, ProtocolError
from harness.wasmbed.protocol.link import Direction, Link
from harness.wasmbed.protocol.messages import Envelope

__all__ = ["BoardTap", "SeenLink"]

_AT_GATEWAY = {Direction.SENT: Direction.RECEIVED, Direction.RECEIVED: Direction.SENT}


class BoardTap:
    """The tap of one board. Each event says that the board has seen it: a message that the board has sent may never
    have arrived, and one of the gateway's is recorded when the board takes it."""

    def __init__(self, tap: Tap, board: str) -> None:
        self._tap, self._board = tap, board
        self._numbers = itertools.count(1)

    def opened(self, link: Link, certificate: bytes | None, address: Endpoint | None = None) -> SeenLink:
        """Record a link from now on; ``certificate`` (DER) is the board's, ``address`` its end of the connection."""
        recorder = LinkRecorder(self._report, f"{self._board}/{next(self._numbers)}", address)
        return SeenLink(recorder, link, certificate)

    def _report(self, source: str, target: str, name: str, data: Mapping[str, Any], correlation: str) -> None:
        self._tap(source, target, name, {**data, SEEN_BY: "board"}, correlation or self._board)


class SeenLink:
    """One link, which is recorded until :meth:`ended`."""

    def __init__(self, recorder: LinkRecorder, link: Link, certificate: bytes | None) -> None:
        self._recorder: LinkRecorder | None = recorder
        recorder.opened(certificate, link.tls_version)
        link.tap = self._crossed

    def ended(self, closed: LinkClosed | None = None) -> None:
        """Record that the link is over; None: the board has closed it. Does nothing the second time."""
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            is_gateways = closed is not None and closed.by_peer
            recorder.closed(not is_gateways, closed.reason if closed is not None else "closed by the board")

    def _crossed(self, direction: Direction, envelope: Envelope | ProtocolError, payload: bytes) -> None:
        if self._recorder is not None:
            self._recorder(_AT_GATEWAY[direction], envelope, payload)
