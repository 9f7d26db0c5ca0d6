"""The records of an open link: opened, looked at, and protected again for the other end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from harness.core.ahead import Ahead
from harness.core.clock import Clock
from harness.core.identifiers import Randomness
from harness.gateways.relay.faults import LinkFault
from harness.gateways.relay.handshake import Handshake
from harness.gateways.relay.observer import LinkObserver
from harness.gateways.relay.records import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    BadRecord,
    Protection,
    alert_name,
)
from harness.gateways.relay.stream import Stream
from harness.gateways.relay.valve import Valve
from harness.wasmbed.protocol.framing import HARD_LIMIT, HEADER_SIZE, frame
from harness.wasmbed.protocol.link import Direction

__all__ = ["Passing", "Tamper", "Tampered"]

Tampered = Iterable[tuple[float, bytes]]
Tamper = Callable[[Direction, bytes], Tampered]
"""Called with the payload of each frame; returns the payloads to pass on in its place, each with seconds of delay."""
_KEY_UPDATE = 24
_LARGEST_CONTENT = 1 << 14
_CLOSE_NOTIFY = 0
_UNTIL_ENDED = 0.001
"""Seconds after the beginning of a fault in which the relay sees that an end has gone, before a held frame goes on."""


class _Way:
    """One direction: the secrets of its two halves, and where it leads."""

    def __init__(
        self,
        reading: Protection | None,
        writing: Protection | None,
        to: Stream,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        assert reading is not None, "the handshake is complete"
        assert writing is not None, "the handshake is complete"
        self.reading, self.writing, self.to = reading, writing, to
        self.held = bytearray()
        """The beginning of a frame that may be altered."""
        self.is_closing = False
        """Whether its sender has said that it ends."""
        self.is_raw = False
        """Whether no further frame can be found."""
        self.is_framed = False
        """Whether its frames are taken one by one."""
        self.is_spoiled = False
        """Whether a record was wrong: its receiver ends the connection, and reads nothing that comes after it."""
        self.frames = 0
        self.valve = Valve(clock, lambda is_full: None, randomness)

    def write(self, content_type: int, content: bytes) -> None:
        self.to.write(self.writing.seal(content_type, content))

    def write_wrong(self, content: bytes) -> None:
        """Write a record of data whose last byte, a part of its authentication tag, is wrong."""
        sealed = self.writing.seal(APPLICATION_DATA, content)
        self.to.write(sealed[:-1] + bytes((sealed[-1] ^ 1,)))


class Passing:
    """Passes each record on as one record; with ``tamper``, frames in its place."""

    def __init__(
        self,
        board: Handshake,
        gateway: Handshake,
        near: Stream,
        far: Stream,
        observer: LinkObserver,
        clock: Clock,
        randomness: Randomness,
        tamper: Tamper | None,
        ahead: Ahead | None = None,
    ) -> None:
        """``ahead`` is asked before each frame that it expects."""
        client, server = "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"
        self._ways = {
            Direction.RECEIVED: _Way(board.protection(client), gateway.protection(client), far, clock, randomness),
            Direction.SENT: _Way(gateway.protection(server), board.protection(server), near, clock, randomness),
        }
        self._observer, self._tamper, self._ahead, self._clock = observer, tamper, ahead, clock
        self._drop = self._corrupt = 0
        self._slow_close = 0.0
        for way in self._ways.values():
            way.is_framed = tamper is not None

    def clear(self) -> None:
        """Lose what waits in both directions: the link is broken."""
        for way in self._ways.values():
            way.valve.clear()

    def disturb(self, fault: LinkFault) -> None:
        """From now on lose or spoil frames in each direction, and let ends pass late, as ``fault`` says."""
        self._drop, self._corrupt, self._slow_close = fault.drop, fault.corrupt, fault.slow_close
        for way in self._ways.values():
            way.frames = 0

    def record(self, direction: Direction, record: bytes) -> None:
        """Take a record from one end. One that its secret does not open passes as it is: its receiver judges it."""
        if record[0] == CHANGE_CIPHER_SPEC:
            return
        way = self._ways[direction]
        try:
            content_type, content = way.reading.open(record)
        except BadRecord:
            way.to.write(record)
            return
        if content_type == APPLICATION_DATA:
            self._data(direction, way, content)
        elif content_type == ALERT:
            self._alert(direction, way, content)
        elif content[:1] == bytes((_KEY_UPDATE,)):
            way.write(content_type, content)
            way.reading.update()
            way.writing.update()
        # What is left are session tickets: the board could not use those of the relay's handshake.

    def end(self, direction: Direction, rest: bytes, finish: Callable[[], object]) -> None:
        """Pass on the beginning of a record at the end of a direction, and then call ``finish``. What is held for a
        fault is lost if its sender has ended without a word."""
        way = self._ways[direction]
        if way.valve.is_held and not way.is_closing:
            way.valve.clear()
            finish()
            return
        self._pass_held(direction, way)
        way.valve.push(partial(way.to.write, rest))
        self.finish(direction, finish)

    def finish(self, direction: Direction, finish: Callable[[], object]) -> None:
        """Call ``finish`` when the end of a direction has passed, behind all that came before."""
        self._ways[direction].valve.push(finish, delay=self._slow_close)

    def _data(self, direction: Direction, way: _Way, content: bytes) -> None:
        if not way.is_framed and (self._drop or self._corrupt or self._is_expected(direction)):
            way.is_framed = self._observer.is_between_frames(direction)
        if not way.is_framed:
            self._observer.passed(direction, content)
            way.write(APPLICATION_DATA, content)
            return
        way.held += content
        while not way.is_raw and len(way.held) >= HEADER_SIZE:
            end = HEADER_SIZE + int.from_bytes(way.held[:HEADER_SIZE], "big")
            way.is_raw = not HEADER_SIZE < end <= HEADER_SIZE + HARD_LIMIT
            if way.is_raw or len(way.held) < end:
                break
            payload = bytes(way.held[HEADER_SIZE:end])
            del way.held[:end]
            for delay, altered in self._tamper(direction, payload) if self._tamper is not None else ((0.0, payload),):
                self._push(direction, way, altered, delay)
        if way.is_raw:
            self._pass_held(direction, way)

    def _is_expected(self, direction: Direction) -> bool:
        ends = ("Device", "Gateway") if direction is Direction.RECEIVED else ("Gateway", "Device")
        return self._ahead is not None and self._ahead.expects(*ends)

    def _push(self, direction: Direction, way: _Way, payload: bytes, delay: float) -> None:
        """Let a frame pass in its turn: where a fault is to come first, only a part of it until then."""
        data, held = frame(payload), None
        if self._ahead is not None and self._is_expected(direction):
            held = self._observer.foresee(self._ahead, direction, payload)
        if held is None:
            way.valve.push(partial(self._send_frame, direction, way, data), delay=delay)
            return
        first = int(len(data) * held.part)
        send = partial(self._send, direction, way)
        if direction is Direction.SENT:  # the record has what the gateway sees: for it, the whole frame is sent
            self._observer.passed(direction, data)
            send = partial(self._write, way)
        way.valve.push(partial(send, data[:first]), delay=delay)
        way.valve.hold()
        way.valve.push(partial(send, data[first:]), delay=delay)
        held.until.add_done_callback(lambda _: self._clock.call_later(_UNTIL_ENDED, way.valve.release))

    def _pass_held(self, direction: Direction, way: _Way) -> None:
        """Pass on what is not a whole frame."""
        held = bytes(way.held)
        way.held.clear()
        if held:
            way.valve.push(partial(self._send, direction, way, held))

    def _send_frame(self, direction: Direction, way: _Way, data: bytes) -> None:
        """Send a frame, spoil it, or lose it: the record has what the gateway sees, so its own frames are in it."""
        way.frames += 1
        is_lost = way.is_spoiled or (bool(self._drop) and way.frames % self._drop == 0)
        is_wrong = bool(self._corrupt) and way.frames % self._corrupt == 0
        if not is_lost and not is_wrong:
            self._send(direction, way, data)
            return
        if direction is Direction.SENT:
            self._observer.passed(direction, data)
        if is_wrong and not is_lost:
            way.is_spoiled = True
            way.write_wrong(data[:_LARGEST_CONTENT])

    def _send(self, direction: Direction, way: _Way, data: bytes) -> None:
        self._observer.passed(direction, data)
        self._write(way, data)

    def _write(self, way: _Way, data: bytes) -> None:
        for at in range(0, len(data), _LARGEST_CONTENT):
            way.write(APPLICATION_DATA, data[at : at + _LARGEST_CONTENT])

    def _alert(self, direction: Direction, way: _Way, alert: bytes) -> None:
        self._pass_held(direction, way)
        way.is_closing = True
        by_device = direction is Direction.RECEIVED
        is_orderly = alert[-1:] == bytes((_CLOSE_NOTIFY,))
        reason = "closed by the peer" if is_orderly else f"TLS alert {alert_name(alert[-1])}"
        end = partial(self._observer.ended, by_device=by_device, reason=reason, refused=not by_device)
        if self._slow_close and not by_device:  # the gateway has ended the link, whenever the board hears of it
            end()
        self.finish(direction, lambda: way.write(ALERT, alert))
        way.valve.push(end)
