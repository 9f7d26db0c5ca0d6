"""One end of a link that does what a test says: the part that a mock gateway and a mock board have in common.

A mock sends any message in any order, with any id, and holds back what a good program would answer. It answers nothing
by itself, except what its subclass names as an aside.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, TypeVar, cast

from harness.core.clock import Clock, time_to_wait
from harness.core.errors import ProductFailure, reason
from harness.wasmbed.protocol.errors import LinkClosed, ProtocolError
from harness.wasmbed.protocol.link import Link
from harness.wasmbed.protocol.messages import Envelope, Message

__all__ = ["MockEnd", "MockLink"]

M = TypeVar("M", bound=Message)
SMALLEST = 1
"""Bytes that TLS keeps for a reader that does not read."""


class MockLink(Link):
    """A link past which bytes can be sent, and from which reading can stop."""

    __slots__ = ("raw",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.raw = cast(asyncio.Transport, transport)
        super().connection_made(transport)


class MockEnd:
    """One end of one connection.

    ``patience`` is how many seconds the other end has for each thing that is expected of it, unless a call says
    ``within``.
    """

    other: ClassVar[str]
    """The name of the other end in messages."""

    def __init__(self, name: str, link: MockLink, clock: Clock, patience: float) -> None:
        self.name, self.link, self.patience = name, link, patience
        self._clock = clock
        self.latest: int | None = None
        """The id of the message that was received last."""

    def send(self, message: Message, message_id: int | None = None) -> int:
        """Send a message with that id, or with the next one; returns the id. Raises LinkClosed without a connection."""
        return self.link.send(message, message_id)

    def reply(self, message: Message) -> int:
        """Send a message with the id of the one that was received last; returns the id."""
        return self.send(message, self.latest)

    def write(self, data: bytes) -> None:
        """Send these bytes as they are."""
        self.link.raw.write(data)

    async def drain(self) -> None:
        """Wait while the other end takes less than was sent. Raises LinkClosed once the connection is over."""
        await self.link.drain()

    def stop_reading(self) -> None:
        """Read nothing from now on, so that what the other end sends waits there, beyond what the two sockets take.

        The socket's receive buffer stays as it is: Linux drops segments that a buffer made smaller has no room for,
        with the acknowledgments in them, and then neither end gets on.
        """
        if (limit := getattr(self.link.raw, "set_read_buffer_limits", None)) is not None:
            limit(high=SMALLEST, low=0)  # TLS reads on until a quarter of a megabyte waits
        self.link.raw.pause_reading()

    def read_again(self) -> None:
        """Undo :meth:`stop_reading`."""
        self.link.raw.resume_reading()

    async def receive(self, *, within: float | None = None) -> Envelope:
        """The next message that is not an aside. Raises ProductFailure if none comes or it breaks the contract."""
        return await self._receive((), "a message", within)

    async def expect(self, kind: type[M], reply_to: int | None = None, *, within: float | None = None) -> M:
        """The next message that is not an aside; asides count if ``kind`` is theirs.

        Raises ProductFailure if it is of another kind, if it does not carry the id ``reply_to``, or if none comes.
        """
        envelope = await self._receive((kind,), kind.__name__, within)
        message = envelope.message
        if not isinstance(message, kind):
            raise self._failure(f"sent {message}, expected {kind.__name__}")
        if reply_to is not None and envelope.message_id != reply_to:
            found = f"{kind.__name__} carried message id {envelope.message_id}"
            raise self._failure(f"replied with the wrong id: {found}, expected its request's, {reply_to}")
        return message

    async def until_closed(self, *, within: float | None = None) -> str:
        """Wait until the other end has closed the connection, whatever it sends before; returns the reason.

        Raises ProductFailure if it does not.
        """
        seconds = self._seconds(within)
        try:
            async with self._clock.deadline(seconds):
                while True:
                    self._is_aside(await self.link.receive(), ())
        except LinkClosed as error:
            self._over(error)
            return error.reason
        except TimeoutError:
            raise self._failure(f"did not end the connection within {seconds:g} s") from None

    async def close(self) -> None:
        """Drop the connection, if there is one."""
        self.link.abort()
        await self.link.close()
        self._over(LinkClosed("dropped by the test", by_peer=False))

    async def _receive(self, wanted: tuple[type, ...], what: str, within: float | None) -> Envelope:
        seconds = self._seconds(within)
        try:
            async with self._clock.deadline(seconds):
                while self._is_aside(envelope := await self.link.receive(), wanted):
                    pass
        except TimeoutError:
            raise self._failure(f"did not send {what} within {seconds:g} s") from None
        except LinkClosed as error:
            self._over(error)
            raise self._failure(f"ended the connection where {what} was expected: {error.reason}") from error
        except ProtocolError as error:
            raise self._failure(f"broke the protocol: {reason(error)}") from error
        self.latest = envelope.message_id
        return envelope

    def _is_aside(self, envelope: Envelope, wanted: tuple[type, ...]) -> bool:
        """Whether a message was dealt with, or passed over, because the test did not ask for its kind."""
        raise NotImplementedError

    def _over(self, closed: LinkClosed) -> None:
        """The connection has ended. May be called more than once."""

    def _seconds(self, within: float | None) -> float:
        return self.patience if within is None else time_to_wait(within)

    def _failure(self, what: str) -> ProductFailure:
        return ProductFailure(f"{self.other} {what}", where=self.name, party=self._party())

    def _party(self) -> str:
        """The other end, for a verdict."""
        return self.other.removeprefix("the ")
