"""One relayed link: two TCP connections, a handshake on each, and the records that pass between them.

The order of the handshakes keeps what each end sees. The relay greets the gateway as soon as the board has greeted the
relay, and answers the board once the gateway has answered: with an alert, if that is the gateway's answer. It shows the
gateway the board's certificate after the board has shown it, and passes bytes on after that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial

from OpenSSL import SSL

from harness.core.client_hello import LARGEST_RECORD, ClientHello, hello_size, is_handshake, read_client_hello
from harness.core.clock import Clock
from harness.core.history import Tap
from harness.gateways.relay.handshake import BoardHandshake, GatewayHandshake, HandshakeFailed
from harness.gateways.relay.observer import CiphertextObserver, LinkObserver
from harness.gateways.relay.passing import Passing, Tamper
from harness.gateways.relay.records import ALERT, CHANGE_CIPHER_SPEC, HANDSHAKE, RecordReader, alert_name
from harness.gateways.relay.stream import Stream
from harness.gateways.relay.valve import MOST_WAITING
from harness.wasmbed.pki.errors import CertificateInvalid
from harness.wasmbed.pki.identity import certified_key
from harness.wasmbed.pki.keys import PrivateKey
from harness.wasmbed.protocol.link import Direction

__all__ = ["KeyOf", "LinkFault", "LinkOptions", "RelayedLink"]

KeyOf = Callable[[bytes], PrivateKey | None]
"""Returns the private key for a public key (SubjectPublicKeyInfo, DER); None if the harness did not issue it."""
_CIPHERS = {0x1301, 0x1302, 0x1303}
_TLS_1_3 = 0x0304
_INTERNAL_ERROR = bytes((2, 80))
_HANDSHAKING = "a handshake is under way"
_CROWDED = "the other end does not read"


@dataclass(frozen=True, slots=True)
class LinkFault:
    """A disturbance of a link: it is cut, nothing passes (``silent``), or all passes ``delay`` seconds later."""

    cut: bool = False
    silent: bool = False
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """The parameters that all links of a relay share; without contexts, the links are tunnels.

    ``signatures``: the schemes of its identities.
    """

    board_contexts: Mapping[int, SSL.Context]
    """By group (RFC 8446, section 4.2.7)."""
    gateway_context: SSL.Context | None
    signatures: frozenset[int]
    key_of: KeyOf
    limit: int
    tap: Tap
    clock: Clock
    tamper: Tamper | None


class _Phase(Enum):
    HELLO = auto()
    """Waiting for the board's ClientHello."""
    ANSWER = auto()
    """Waiting for the gateway's ServerHello."""
    BOARD = auto()
    """In the handshake with the board."""
    GATEWAY = auto()
    """The board's handshake is complete, the gateway's is not."""
    REFUSED = auto()
    """The board has refused the gateway, which gets the board's alert."""
    OPEN = auto()
    RAW = auto()
    """Bytes pass as they are."""
    OVER = auto()
    """Nothing passes but the ends."""


class RelayedLink:
    """Owns the board's connection, ``near``, and the one to the gateway, ``far``."""

    def __init__(
        self,
        name: str,
        options: LinkOptions,
        dial: Callable[[RelayedLink], object],
        named: Callable[[RelayedLink], object],
        over: Callable[[RelayedLink], object],
    ) -> None:
        self.name = name
        self._options, self._dial, self._named, self._over = options, dial, named, over
        self.near, self.far = Stream(self, options.clock), Stream(self, options.clock)
        self._phase = _Phase.HELLO
        self._hello = bytearray()
        self._from_board, self._from_gateway = RecordReader(), RecordReader()
        self._board: BoardHandshake | None = None
        self._gateway: GatewayHandshake | None = None
        self._passing: Passing | None = None
        self._alert = b""
        self._observer: LinkObserver | CiphertextObserver = LinkObserver(options.tap, name, options.limit)
        self._certificate: bytes | None = None
        self._ended: set[Stream] = set()
        self._lost: set[Stream] = set()
        self._is_cut = False

    @property
    def device(self) -> str:
        """The device's name; empty while it is not known."""
        return self._observer.device

    def apply(self, fault: LinkFault) -> None:
        """Disturb the board's connection, or cut it."""
        if fault.cut:
            self._cut()
        elif self._is_cut:
            self.near.reset()
        else:
            self.near.disturb(fault.delay, is_silent=fault.silent)

    def drop(self) -> None:
        """End both connections with a reset."""
        self._note_end(self.far, "the relay was closed")
        self.near.reset()
        self.far.reset()

    def refuse(self) -> None:
        """Reset the board's connection, because there is none to the gateway."""
        self._observer.dismiss()
        self._lost.add(self.far)
        if self.near in self._lost:
            self._over(self)
        else:
            self.near.reset()

    def _cut(self) -> None:
        """Break the link like a pulled cable: the board gets nothing, and the gateway sees a reset."""
        self._is_cut = True
        self._note_end(self.near, "the link was cut during the handshake", "connection lost (the link was cut)")
        self.near.hold(True, "the link is cut")
        self.far.reset()

    # Called by the streams.

    def opened(self, stream: Stream) -> None:
        if stream is self.near:
            self.near.hold(True, _HANDSHAKING)
            self._dial(self)
            return
        if self.near in self._lost:
            self.far.reset()
            return
        if self._options.gateway_context is None:
            self._pass_raw("the relay is a tunnel")
        self._named(self)
        self.near.hold(False, _HANDSHAKING)
        if self._hello:
            self._read_hello()

    def received(self, stream: Stream, data: bytes) -> None:
        if self._phase is _Phase.RAW:
            self._observer.passed(Direction.RECEIVED if stream is self.near else Direction.SENT, data)
            self._other(stream).write(data)
        elif self._phase is _Phase.HELLO and stream is self.near:
            self._hello += data
            if self.far.is_open:  # uvloop reads once before it is held
                self._read_hello()
        elif self._phase is not _Phase.OVER:
            reader = self._from_board if stream is self.near else self._from_gateway
            reader.push(data)
            self._proceed()
            stream.hold(len(reader) > MOST_WAITING, _HANDSHAKING)

    def ended(self, stream: Stream) -> None:
        if self._phase is _Phase.HELLO and self._hello:
            self._pass_raw("it is not a whole ClientHello")
        self._note_end(stream, self._closed_early(stream))
        finish = partial(self._end_other, stream)
        if self._passing is not None:
            direction = Direction.RECEIVED if stream is self.near else Direction.SENT
            rest = (self._from_board if stream is self.near else self._from_gateway).rest()
            self._passing.end(direction, rest, finish)
        else:
            finish()

    def _end_other(self, stream: Stream) -> None:
        self._ended.add(stream)
        if self._phase is not _Phase.REFUSED:
            self._other(stream).end()
        if self._other(stream) in self._ended:
            self.near.close()
            self.far.close()

    def lost(self, stream: Stream, was_reset: bool) -> None:
        self._note_end(stream, self._closed_early(stream), "connection lost" if was_reset else "closed by the peer")
        self._lost.add(stream)
        other = self._other(stream)
        if other in self._lost:
            self._over(self)
        elif self._is_cut:
            return
        elif was_reset:
            other.reset()
        else:
            other.close()

    def crowded(self, stream: Stream, is_full: bool) -> None:
        self._other(stream).hold(is_full, _CROWDED)

    # The handshakes.

    def _other(self, stream: Stream) -> Stream:
        return self.far if stream is self.near else self.near

    def _closed_early(self, stream: Stream) -> str:
        by = "peer" if stream is self.near else "gateway"
        return f"the {by} closed the connection during the handshake"

    def _pass_raw(self, why: str) -> None:
        """Let the gateway itself judge what the relay cannot end."""
        self._phase = _Phase.RAW
        self._observer = CiphertextObserver(self._options.tap, self.name, self.far.local_address, why)
        held, self._hello = bytes(self._hello), bytearray()
        self.far.write(held)

    def _read_hello(self) -> None:
        hello = bytes(self._hello)
        if not is_handshake(hello):
            self._pass_raw("it is not TLS")
        elif len(hello) >= (size := hello_size(hello)):
            context = self._context_for(read_client_hello(hello))
            if context is None:
                self._pass_raw("the relay cannot answer this ClientHello")
            else:
                self._greet_gateway(context)
        elif size > LARGEST_RECORD:
            self._pass_raw("the ClientHello is longer than a record")

    def _context_for(self, hello: ClientHello | None) -> SSL.Context | None:
        """The context for a board's handshake; None if the relay serves nothing that the board offers."""
        options = self._options
        if (
            hello is None
            or _TLS_1_3 not in hello.versions
            or _CIPHERS.isdisjoint(hello.ciphers)
            or options.signatures.isdisjoint(hello.signatures)
        ):
            return None
        offered = (
            group for offer in (hello.shares, hello.groups) for group in options.board_contexts if group in offer
        )
        return next((options.board_contexts[group] for group in offered), None)

    def _greet_gateway(self, board_context: SSL.Context) -> None:
        options = self._options
        assert options.gateway_context is not None, "this is not a tunnel"
        self._from_board.push(bytes(self._hello))
        self._hello.clear()
        self._phase = _Phase.ANSWER
        self._board, self._gateway = BoardHandshake(board_context), GatewayHandshake(options.gateway_context)
        self.far.write(self._gateway.feed())

    def _proceed(self) -> None:
        """Go as far as the records that have arrived allow."""
        before = None
        while before is not self._phase:
            before = self._phase
            if before is _Phase.ANSWER:
                self._take_answer()
            elif before is _Phase.BOARD:
                self._shake_hands_with_board()
            elif before is _Phase.GATEWAY:
                self._shake_hands_with_gateway()
            elif before is _Phase.REFUSED:
                self._pass_refusal()
            elif before is _Phase.OPEN:
                self._pass_records()

    def _take_answer(self) -> None:
        """Process the gateway's records up to its ServerHello: it may ask for a second ClientHello first."""
        assert self._gateway is not None, "it was greeted"
        while self._gateway.protection("SERVER_HANDSHAKE_TRAFFIC_SECRET") is None:
            if (record := self._from_gateway.pop()) is None:
                return
            if record[0] not in (CHANGE_CIPHER_SPEC, HANDSHAKE):
                self._refuse(Direction.SENT, record, _alert_reason(record[-2:]))
                return
            try:
                self.far.write(self._gateway.feed(record))
            except HandshakeFailed as failed:
                self.far.write(failed.answer)
                self._refuse(Direction.SENT, bytes((ALERT, 3, 3, 0, 2)) + _alert_of(failed), failed.reason)
                return
        self._phase = _Phase.BOARD

    def _shake_hands_with_board(self) -> None:
        assert self._board is not None, "the handshake has begun"
        while not self._board.is_done:
            if (record := self._from_board.pop()) is None:
                return
            try:
                answer = self._board.feed(record)
            except HandshakeFailed as failed:
                self.near.write(failed.answer)
                self._observer.ended(by_device=True, reason=_failure(failed))
                self._alert, self._phase = _alert_of(failed), _Phase.REFUSED
                return
            if not self._board.is_done:  # otherwise these are session tickets, which the gateway has not sent
                self.near.write(answer)
        self._certificate = self._board.certificate
        if self._certificate is None or self._identify(self._certificate):
            self._phase = _Phase.GATEWAY

    def _identify(self, certificate: bytes) -> bool:
        assert self._gateway is not None, "it was greeted"
        try:
            key = self._options.key_of(certified_key(certificate))
        except CertificateInvalid:
            key = None
        if key is None:
            self._refuse(
                Direction.SENT,
                self._for_board(_INTERNAL_ERROR),
                "the relay has no key for this certificate, which the harness did not issue: make the relay a tunnel",
            )
            self.far.end()
            return False
        self._gateway.identify(certificate, key)
        return True

    def _shake_hands_with_gateway(self) -> None:
        assert self._gateway is not None, "it was greeted"
        while not self._gateway.is_done:
            if (record := self._from_gateway.pop()) is None:
                return
            try:
                self.far.write(self._gateway.feed(record))
            except HandshakeFailed as failed:
                self.far.write(failed.answer)
                self._refuse(Direction.SENT, self._for_board(_alert_of(failed)), _failure(failed))
                return
        self._open()

    def _pass_refusal(self) -> None:
        """Go on with the gateway's handshake, without an answer, as far as OpenSSL needs it for the alert's key."""
        assert self._gateway is not None, "it was greeted"
        while (protection := self._gateway.protection("CLIENT_HANDSHAKE_TRAFFIC_SECRET")) is None:
            if (record := self._from_gateway.pop()) is None:
                return
            try:
                self._gateway.feed(record)
            except HandshakeFailed:
                break
        if protection is not None:
            self.far.write(protection.seal(ALERT, self._alert))
        self._phase = _Phase.OVER
        if self.near in self._ended:
            self.far.end()

    def _open(self) -> None:
        assert self._board is not None, "its handshake is complete"
        assert self._gateway is not None, "its handshake is complete"
        assert isinstance(self._observer, LinkObserver), "the relay has ended the board's TLS"
        addresses = self.far.local_address, self.near.peer_address
        self._observer.opened(self._certificate, *addresses, is_doubtful=not self._board.verified)
        self._passing = Passing(
            self._board, self._gateway, self.near, self.far, self._observer, self._options.clock, self._options.tamper
        )
        self._phase = _Phase.OPEN
        self._named(self)

    def _pass_records(self) -> None:
        assert self._passing is not None, "the link is open"
        for reader, direction in ((self._from_board, Direction.RECEIVED), (self._from_gateway, Direction.SENT)):
            while (record := reader.pop()) is not None:
                self._passing.record(direction, record)

    def _for_board(self, alert: bytes) -> bytes:
        """A record with an alert for a board that has taken the relay's Finished, or will."""
        assert self._board is not None, "its handshake has begun"
        protection = self._board.protection("SERVER_TRAFFIC_SECRET_0")
        assert protection is not None, "the relay has sent its Finished"
        return protection.seal(ALERT, alert)

    def _refuse(self, direction: Direction, record: bytes, reason: str) -> None:
        """Pass on the record with which one end has refused the other; the ends of the connections follow it."""
        self._phase = _Phase.OVER
        by_device = direction is Direction.RECEIVED
        (self.far if by_device else self.near).write(record)
        self._observer.ended(by_device=by_device, reason=reason, refused=True)

    def _note_end(self, stream: Stream, during_handshake: str, otherwise: str = "closed by the peer") -> None:
        is_open = self._phase in (_Phase.OPEN, _Phase.RAW)
        by_device = stream is self.near
        self._observer.ended(
            by_device=by_device, reason=otherwise if is_open else during_handshake, refused=not by_device
        )


def _alert_of(failed: HandshakeFailed) -> bytes:
    return failed.received or failed.sent or _INTERNAL_ERROR


def _failure(failed: HandshakeFailed) -> str:
    return _alert_reason(failed.received) if failed.received else failed.reason


def _alert_reason(alert: bytes) -> str:
    return f"TLS alert {alert_name(alert[-1])}"
