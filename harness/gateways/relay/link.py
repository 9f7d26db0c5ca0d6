"""One relayed link: two TCP connections, and what passes between them.

First the handshakes (see :mod:`.negotiation`), then records. What the relay cannot end passes as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial

from OpenSSL import SSL

from harness.core.ahead import Ahead
from harness.core.client_hello import LARGEST_RECORD, ClientHello, hello_size, is_handshake, read_client_hello
from harness.core.clock import Clock
from harness.core.history import Tap
from harness.core.identifiers import Randomness
from harness.core.network import Endpoint
from harness.gateways.relay.faults import NO_FAULT, LinkFault
from harness.gateways.relay.negotiation import KeyOf, Negotiation
from harness.gateways.relay.observer import CiphertextObserver, LinkObserver
from harness.gateways.relay.passing import Passing, Tamper, Tampered
from harness.gateways.relay.records import RecordReader
from harness.gateways.relay.stream import Stream
from harness.gateways.relay.valve import MOST_WAITING
from harness.wasmbed.protocol.link import Codec, Direction, Side

__all__ = ["LinkOptions", "RelayedLink"]

_CIPHERS = {0x1301, 0x1302, 0x1303}
_TLS_1_3 = 0x0304
_HANDSHAKING = "a handshake is under way"
_CROWDED = "the other end does not read"


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
    codec: Codec
    tap: Tap
    clock: Clock
    tamper: Tamper | None
    randomness: Randomness
    is_by_hand: Callable[[Endpoint | None], bool]
    """Whether a test drives the device at an address: what it sends is not altered."""
    ahead: Ahead | None = None


class _Phase(Enum):
    HELLO = auto()
    """Waiting for the board's ClientHello."""
    HANDSHAKES = auto()
    OPEN = auto()
    RAW = auto()
    """Bytes pass as they are."""


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
        self.near, self.far = (Stream(self, options.clock, options.randomness) for _ in range(2))
        self._phase = _Phase.HELLO
        self._hello = bytearray()
        self._negotiation: Negotiation | None = None
        self._passing: Passing | None = None
        self._observer: LinkObserver | CiphertextObserver = LinkObserver(
            options.tap, name, options.limit, options.codec
        )
        self._ended: set[Stream] = set()
        self._lost: set[Stream] = set()
        self._believing: Stream | None = None
        """The end of a broken link that still takes it for open."""
        self._fault = NO_FAULT
        self._has_ended = False
        """Whether the board has ended its side before the gateway was connected."""
        self._is_unread = False
        """Whether more waits for the board than it reads, so that the gateway is not read either."""

    @property
    def device(self) -> str:
        """The device's name; empty while it is not known."""
        return self._observer.device

    def apply(self, fault: LinkFault) -> None:
        """Disturb the board's connection, or break it."""
        self._fault = fault
        if fault.cut or fault.half_open is Side.DEVICE:
            self._break(self.near)
        elif fault.half_open is Side.GATEWAY:
            self._break(self.far)
        elif self._believing is not None:
            self._believing.reset()
        else:
            self.near.disturb(fault.delay, jitter=fault.jitter, bandwidth=fault.bandwidth, is_silent=fault.silent)
            if self._passing is not None:
                self._passing.disturb(fault)

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

    def _break(self, believing: Stream) -> None:
        """Reset the other end. This one hears nothing of that, and what it sends is lost."""
        if self._believing is not None:
            return
        self._believing = believing
        if self._passing is not None:
            self._passing.clear()
        if believing is self.near:
            self._note_end(self.near, "the link was cut during the handshake", "connection lost (the link was cut)")
        self._other(believing).reset()

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
        if self._has_ended:
            self.ended(self.near)

    def received(self, stream: Stream, data: bytes) -> None:
        if self._believing is self.near:
            return
        if self._phase is _Phase.RAW:
            self._observer.passed(self._direction(stream), data)
            self._other(stream).write(data)
        elif self._phase is _Phase.HELLO and stream is self.near:
            self._hello += data
            if self.far.is_open:  # uvloop reads once before it is held
                self._read_hello()
        elif self._negotiation is not None:
            reader = self._reader(self._direction(stream))
            reader.push(data)
            self._proceed()
            if self._negotiation.is_over:
                reader.rest()
            stream.hold(len(reader) > MOST_WAITING, _HANDSHAKING)

    def ended(self, stream: Stream) -> None:
        if stream is self.near and not self.far.is_open and self.far not in self._lost:
            self._has_ended = True  # for the gateway, once it is connected
            return
        if self._phase is _Phase.HELLO and self._hello:
            self._pass_raw("it is not a whole ClientHello")
        if stream is self._believing:
            self._note_end(stream, self._closed_early(stream))
            stream.close()
            return
        finish = partial(self._end_other, stream)
        self._note_gateways_end(stream)
        if self._passing is not None:
            direction = self._direction(stream)
            self._passing.end(direction, self._reader(direction).rest(), finish)
        else:
            finish()

    def _note_gateways_end(self, stream: Stream) -> None:
        """The record has what the gateway sees: its own end also if that arrives late."""
        if stream is self.far and self._fault.slow_close:
            self._note_end(stream, self._closed_early(stream))

    def _end_other(self, stream: Stream) -> None:
        """End the other side, after what was held back: the record has the end when the other side sees it."""
        self._note_end(stream, self._closed_early(stream))
        self._ended.add(stream)
        if stream is self.near and self._negotiation is not None:
            self._negotiation.board_left()
        else:
            self._other(stream).end()
        if self._other(stream) in self._ended:
            self.near.close()
            self.far.close()

    def lost(self, stream: Stream, was_reset: bool) -> None:
        lose = partial(self._lose, stream, was_reset)
        self._note_gateways_end(stream)
        if self._passing is not None and self._fault.slow_close:
            self._passing.finish(self._direction(stream), lose)
        else:
            lose()

    def _lose(self, stream: Stream, was_reset: bool) -> None:
        other = self._other(stream)
        if other is not self._believing:
            self._note_end(stream, self._closed_early(stream), "connection lost" if was_reset else "closed by the peer")
        self._lost.add(stream)
        if other in self._lost:
            self._over(self)
        elif other is self._believing:
            return
        elif was_reset:
            other.reset()
        else:
            other.close()

    def crowded(self, stream: Stream, is_full: bool) -> None:
        self._other(stream).hold(is_full, _CROWDED)
        if stream is self.near:
            self._is_unread = is_full
            asyncio.get_running_loop().call_soon(self._note_unread)  # after the records that have arrived

    def _note_unread(self) -> None:
        if self._is_unread:
            self._observer.unread()

    # The handshakes.

    def _other(self, stream: Stream) -> Stream:
        return self.far if stream is self.near else self.near

    def _direction(self, stream: Stream) -> Direction:
        return Direction.RECEIVED if stream is self.near else Direction.SENT

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
        self._phase = _Phase.HANDSHAKES
        self._negotiation = Negotiation(
            board_context, options.gateway_context, options.key_of, self.near, self.far, self._refused
        )
        hello, self._hello = bytes(self._hello), bytearray()
        self._negotiation.begin(hello)

    def _proceed(self) -> None:
        """Process what has arrived."""
        assert self._negotiation is not None, "the board has greeted the relay"
        if self._phase is _Phase.HANDSHAKES:
            self._negotiation.advance()
            if self._negotiation.is_done:
                self._open(self._negotiation)
        if self._passing is not None:
            for direction in Direction:
                reader = self._reader(direction)
                while (record := reader.pop()) is not None:
                    self._passing.record(direction, record)

    def _reader(self, direction: Direction) -> RecordReader:
        assert self._negotiation is not None, "the board has greeted the relay"
        is_board = direction is Direction.RECEIVED
        return self._negotiation.from_board if is_board else self._negotiation.from_gateway

    def _open(self, negotiation: Negotiation) -> None:
        assert isinstance(self._observer, LinkObserver), "the relay has ended the board's TLS"
        addresses = self.far.local_address, self.near.peer_address
        self._observer.opened(negotiation.certificate, *addresses, is_doubtful=not negotiation.board.verified)
        options, ends = self._options, (self.near, self.far)
        tamper = self._tampered if options.tamper is not None else None
        self._passing = Passing(
            negotiation.board,
            negotiation.gateway,
            *ends,
            self._observer,
            options.clock,
            options.randomness,
            tamper,
            options.ahead,
        )
        self._passing.disturb(self._fault)
        negotiation.close()
        self._phase = _Phase.OPEN
        self._named(self)

    def _tampered(self, direction: Direction, payload: bytes) -> Tampered:
        assert self._options.tamper is not None, "it is called where there is one"
        if direction is Direction.RECEIVED and self._options.is_by_hand(self.near.peer_address):
            return [(0.0, payload)]
        return self._options.tamper(direction, payload)

    def _refused(self, direction: Direction, reason: str) -> None:
        self._observer.ended(by_device=direction is Direction.RECEIVED, reason=reason, refused=True)

    def _note_end(self, stream: Stream, during_handshake: str, otherwise: str = "closed by the peer") -> None:
        is_open = self._phase in (_Phase.OPEN, _Phase.RAW)
        by_device = stream is self.near
        self._observer.ended(
            by_device=by_device, reason=otherwise if is_open else during_handshake, refused=not by_device
        )
