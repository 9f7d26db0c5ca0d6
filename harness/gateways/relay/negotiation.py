"""The two handshakes of a relayed link, each of which waits for the other.

The relay greets the gateway as soon as the board has greeted the relay, and answers the board once the gateway has
answered: with an alert, if that is the gateway's answer. It shows the gateway the board's certificate after the board
has shown it. So each end sees what it would see of the other.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from OpenSSL import SSL

from harness.gateways.relay.handshake import BoardHandshake, GatewayHandshake, HandshakeFailed
from harness.gateways.relay.records import ALERT, CHANGE_CIPHER_SPEC, HANDSHAKE, RecordReader, alert_name
from harness.gateways.relay.stream import Stream
from harness.wasmbed.pki.errors import CertificateInvalid
from harness.wasmbed.pki.identity import certified_key
from harness.wasmbed.pki.keys import PrivateKey
from harness.wasmbed.protocol.link import Direction

__all__ = ["KeyOf", "Negotiation"]

KeyOf = Callable[[bytes], PrivateKey | None]
"""Returns the private key for a public key (SubjectPublicKeyInfo, DER); None if the harness did not issue it."""
_INTERNAL_ERROR = bytes((2, 80))


class _Stage(Enum):
    ANSWER = auto()
    """Waiting for the gateway's ServerHello."""
    BOARD = auto()
    """In the handshake with the board."""
    GATEWAY = auto()
    """The board's handshake is complete, the gateway's is not."""
    REFUSED = auto()
    """The board has refused the gateway, which is to get the board's alert."""
    DONE = auto()
    OVER = auto()


class Negotiation:
    """Shakes hands with the board at ``near`` and the gateway at ``far``.

    ``ended`` is called with the direction from which a refusal comes, and the reason. After that, or once
    :attr:`is_done`, what has arrived and is not processed is in the two readers.
    """

    def __init__(
        self,
        board_context: SSL.Context,
        gateway_context: SSL.Context,
        key_of: KeyOf,
        near: Stream,
        far: Stream,
        ended: Callable[[Direction, str], object],
    ) -> None:
        self.board, self.gateway = BoardHandshake(board_context), GatewayHandshake(gateway_context)
        self.from_board, self.from_gateway = RecordReader(), RecordReader()
        self.certificate: bytes | None = None
        """The board's, DER; None without one."""
        self._key_of, self._near, self._far, self._ended = key_of, near, far, ended
        self._stage = _Stage.ANSWER
        self._alert = b""
        self._is_left = False

    @property
    def is_done(self) -> bool:
        """Whether both handshakes are complete."""
        return self._stage is _Stage.DONE

    @property
    def is_over(self) -> bool:
        """Whether one end has refused the other: what arrives after that means nothing."""
        return self._stage is _Stage.OVER

    def begin(self, hello: bytes) -> None:
        """Greet the gateway; ``hello`` is the record with the board's ClientHello."""
        self.from_board.push(hello)
        self._far.write(self.gateway.feed())

    def board_left(self) -> None:
        """Close the connection to the gateway, after the alert of a board that has refused it."""
        self._is_left = True
        if self._stage is not _Stage.REFUSED:
            self._far.end()

    def close(self) -> None:
        """End the handshakes, once :attr:`is_done` and the protections are taken; the readers stay."""
        self.board.close()
        self.gateway.close()

    def advance(self) -> None:
        """Go as far as the records that have arrived allow."""
        steps = {
            _Stage.ANSWER: self._take_answer,
            _Stage.BOARD: self._shake_hands_with_board,
            _Stage.GATEWAY: self._shake_hands_with_gateway,
            _Stage.REFUSED: self._pass_refusal,
        }
        before = None
        while before is not self._stage and self._stage in steps:
            before = self._stage
            steps[before]()

    def _take_answer(self) -> None:
        """Process the gateway's records up to its ServerHello: it may ask for a second ClientHello first."""
        while self.gateway.protection("SERVER_HANDSHAKE_TRAFFIC_SECRET") is None:
            if (record := self.from_gateway.pop()) is None:
                return
            if record[0] not in (CHANGE_CIPHER_SPEC, HANDSHAKE):
                self._refuse(record, _alert_reason(record[-2:]))
                return
            try:
                self._far.write(self.gateway.feed(record))
            except HandshakeFailed as failed:
                self._far.write(failed.answer)
                self._refuse(bytes((ALERT, 3, 3, 0, 2)) + _alert_of(failed), failed.reason)
                return
        self._stage = _Stage.BOARD

    def _shake_hands_with_board(self) -> None:
        while not self.board.is_done:
            if (record := self.from_board.pop()) is None:
                return
            try:
                answer = self.board.feed(record)
            except HandshakeFailed as failed:
                self._near.write(failed.answer)
                self._alert, self._stage = _alert_of(failed), _Stage.REFUSED
                self._ended(Direction.RECEIVED, _failure(failed))
                return
            if not self.board.is_done:  # otherwise these are session tickets, which the gateway has not sent
                self._near.write(answer)
        self.certificate = self.board.certificate
        if self.certificate is None or self._identify(self.certificate):
            self._stage = _Stage.GATEWAY

    def _identify(self, certificate: bytes) -> bool:
        try:
            key = self._key_of(certified_key(certificate))
        except CertificateInvalid:
            key = None
        if key is None:
            self._refuse(
                self._for_board(_INTERNAL_ERROR),
                "the relay has no key for this certificate, which the harness did not issue: make the relay a tunnel",
            )
            self._far.end()
            return False
        self.gateway.identify(certificate, key)
        return True

    def _shake_hands_with_gateway(self) -> None:
        while not self.gateway.is_done:
            if (record := self.from_gateway.pop()) is None:
                return
            try:
                self._far.write(self.gateway.feed(record))
            except HandshakeFailed as failed:
                self._far.write(failed.answer)
                self._refuse(self._for_board(_alert_of(failed)), _failure(failed))
                return
        self._stage = _Stage.DONE

    def _pass_refusal(self) -> None:
        """Go on with the gateway's handshake, without an answer, as far as OpenSSL needs it for the alert's key."""
        while (protection := self.gateway.protection("CLIENT_HANDSHAKE_TRAFFIC_SECRET")) is None:
            if (record := self.from_gateway.pop()) is None:
                return
            try:
                self.gateway.feed(record)
            except HandshakeFailed:
                break
        if protection is not None:
            self._far.write(protection.seal(ALERT, self._alert))
        self._stage = _Stage.OVER
        if self._is_left:
            self._far.end()

    def _for_board(self, alert: bytes) -> bytes:
        """A record with an alert for a board that has taken the relay's Finished, or will."""
        protection = self.board.protection("SERVER_TRAFFIC_SECRET_0")
        assert protection is not None, "the relay has sent its Finished"
        return protection.seal(ALERT, alert)

    def _refuse(self, record: bytes, reason: str) -> None:
        """Pass the record with which the gateway has refused the board on to it."""
        self._stage = _Stage.OVER
        self._near.write(record)
        self._ended(Direction.SENT, reason)


def _alert_of(failed: HandshakeFailed) -> bytes:
    return failed.received or failed.sent or _INTERNAL_ERROR


def _failure(failed: HandshakeFailed) -> str:
    return _alert_reason(failed.received) if failed.received else failed.reason


def _alert_reason(alert: bytes) -> str:
    return f"TLS alert {alert_name(alert[-1])}"
