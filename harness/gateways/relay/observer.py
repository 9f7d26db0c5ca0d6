"""Writes what passes a relayed link into the history, as the reference gateway writes its own links."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.core.ahead import Ahead, Held
from harness.core.history import Tap
from harness.core.network import Endpoint
from harness.gateways.relay.records import ALERT, alert_name
from harness.wasmbed.gateway.link_recorder import LinkRecorder
from harness.wasmbed.protocol.describe import describe
from harness.wasmbed.protocol.errors import ProtocolError
from harness.wasmbed.protocol.framing import FrameDecoder
from harness.wasmbed.protocol.link import Codec, Direction, new_decoder
from harness.wasmbed.protocol.messages import Error

__all__ = ["CiphertextObserver", "LinkObserver"]

MOST_HELD = 64
"""Events that wait until the gateway has accepted a doubtful certificate."""
ALERT_SIZE = 7
"""Bytes of a record with an alert that is not encrypted; the last is its code."""


class CiphertextObserver:
    """Reports the bytes of a link that the relay does not end: how many, in which direction, and never what they say.

    Where the gateway's first answer is an alert, the link is a refused handshake. ``why`` the bytes are not decoded is
    part of the report.
    """

    device = ""

    def __init__(self, tap: Tap, link: str, address: Endpoint | None, why: str) -> None:
        self._tap, self._link, self._why = tap, link, why
        self._address = f"{address[0]}:{address[1]}" if address is not None else ""
        self._is_open = self._is_over = False
        self._alert: str | None = None

    def passed(self, direction: Direction, data: bytes) -> None:
        """Report bytes; those of the device only after the gateway has answered its ClientHello."""
        if self._is_over:
            return
        if direction is Direction.SENT and not self._is_open:
            if data[0] == ALERT and len(data) >= ALERT_SIZE:
                self._alert = alert_name(data[ALERT_SIZE - 1])
                return
            self._is_open = True
            about = {"address": self._address, "reason": self._why, "link": self._link}
            self._tap("Device", "Gateway", "CiphertextOnly", about, "")
        if self._is_open:
            ends = ("Gateway", "Device") if direction is Direction.SENT else ("Device", "Gateway")
            self._tap(*ends, "Ciphertext", {"size": len(data), "link": self._link}, "")

    def unread(self) -> None:
        """Report nothing: the bytes that were reported say so."""

    def ended(self, *, by_device: bool, reason: str, refused: bool = False) -> None:
        """Report the link's end."""
        if self._is_over:
            return
        self._is_over = True
        if not self._is_open:
            reason = f"TLS alert {self._alert}" if self._alert else reason
            self._tap("Device", "Gateway", "TlsRejected", {"reason": reason}, "")
            return
        ends = ("Device", "Gateway") if by_device else ("Gateway", "Device")
        self._tap(*ends, "ConnectionClosed", {"reason": reason, "device": "", "link": self._link}, "")

    def dismiss(self) -> None:
        """Report nothing: there is no link."""
        self._is_over = True


class LinkObserver:
    """Decodes the bytes of one link in both directions, seen from the gateway, and reports them to ``tap``.

    A device with a certificate that the gateway should refuse has no session yet when its first bytes pass: a TLS 1.3
    client sends them before it knows. Its events wait for the gateway's first answer, and are dropped if that is a
    refusal. An end is reported once, when the first side ends; bytes that pass afterwards are not reported.
    """

    def __init__(self, tap: Tap, link: str, limit: int, codec: Codec) -> None:
        self._tap, self._link = tap, link
        self._decoders: dict[Direction, FrameDecoder | None] = {
            Direction.RECEIVED: new_decoder(codec, limit, from_device=True),
            Direction.SENT: new_decoder(codec, limit, from_device=False),
        }
        self._decode = {Direction.RECEIVED: codec.decode_device, Direction.SENT: codec.decode_gateway}
        self._recorder: LinkRecorder | None = None
        self._held: list[tuple[str, str, str, Mapping[str, Any], str]] | None = None
        self._last_error: Error | None = None
        self._is_over = False

    @property
    def device(self) -> str:
        """The device's name; empty while it is not known."""
        return self._recorder.device if self._recorder is not None else ""

    def opened(
        self, certificate: bytes | None, address: Endpoint | None, own: Endpoint | None, *, is_doubtful: bool
    ) -> None:
        """Report that both handshakes are complete. ``address`` is the device's as the gateway sees it, ``own`` the one
        from which it has connected."""
        self._held = [] if is_doubtful else None
        self._recorder = LinkRecorder(self._report, self._link, address, own)
        self._recorder.opened(certificate, "TLSv1.3")

    def passed(self, direction: Direction, data: bytes) -> None:
        """Report the frames that ``data`` completes. A frame above the limit is reported without its bytes, and nothing
        after it in that direction can be read."""
        if direction is Direction.SENT:
            self._release()
        decoder = self._decoders[direction]
        if decoder is None or self._is_over or self._recorder is None:
            return
        decoder.push(data)
        try:
            while (payload := decoder.pop()) is not None:
                self._frame(self._recorder, direction, payload)
        except ProtocolError as error:
            self._decoders[direction] = None
            self._recorder(direction, error, b"")

    def is_between_frames(self, direction: Direction) -> bool:
        """Whether the frames that have begun to pass in a direction have passed whole."""
        decoder = self._decoders[direction]
        return decoder is not None and not len(decoder)

    def unread(self) -> None:
        """Report that the device does not read: what the gateway sends from now on, and that it ends the link, is not
        seen before the device reads again."""
        if self._recorder is not None and not self._is_over:
            self._recorder.unread()

    def ended(self, *, by_device: bool, reason: str, refused: bool = False) -> None:
        """Report the link's end: as a refused handshake if there was no session."""
        if self._is_over:
            return
        self._is_over = True
        if self._recorder is None or (refused and self._held is not None):
            self._held = None
            self._tap("Device", "Gateway", "TlsRejected", {"reason": reason}, "")
            return
        self._release()
        if self._last_error is not None and not by_device:
            reason = f"{self._last_error.code}: {self._last_error.message}"
        self._recorder.closed(by_device, reason)

    def dismiss(self) -> None:
        """Report nothing: there is no link."""
        self._is_over = True

    def foresee(self, ahead: Ahead, direction: Direction, payload: bytes) -> Held | None:
        """Ask whether a fault is to come before a frame passes."""
        ends = ("Device", "Gateway") if direction is Direction.RECEIVED else ("Gateway", "Device")
        try:
            message = self._decode[direction](payload).message
        except ProtocolError:
            return None
        data = {**describe(message), "device": self.device, "link": self._link}
        return ahead(*ends, type(message).__name__, data, getattr(message, "application_id", None) or self.device)

    def _frame(self, recorder: LinkRecorder, direction: Direction, payload: bytes) -> None:
        try:
            envelope = self._decode[direction](payload)
        except ProtocolError as error:
            recorder(direction, error, payload)
            return
        if direction is Direction.SENT:
            self._last_error = envelope.message if isinstance(envelope.message, Error) else None
        recorder(direction, envelope, payload)

    def _report(self, source: str, target: str, name: str, data: Mapping[str, Any], correlation: str) -> None:
        if self._held is None:
            self._tap(source, target, name, data, correlation)
            return
        self._held.append((source, target, name, data, correlation))
        if len(self._held) > MOST_HELD:
            self._release()

    def _release(self) -> None:
        held, self._held = self._held, None
        for event in held or ():
            self._tap(*event)
