"""Errors of messages and links, with reasons fit for a log line and for the wire."""

from __future__ import annotations

from harness.wasmbed.protocol.messages import Error, ErrorCode

__all__ = ["LinkClosed", "ProtocolError", "UnknownTag", "UnsupportedVersion"]


class ProtocolError(Exception):
    """A peer broke the contract: the session ends with an error message and a log line, and no state changes.

    ``message_id`` is the invalid message's, if it could be read, so that an answer can carry it. ``offset`` is the byte
    of the frame at which the invalid item begins, and ``field`` the number of its field in the message; ``reason``
    contains both.
    """

    code: str = ErrorCode.PROTOCOL_ERROR

    def __init__(
        self, reason: str, *, message_id: int | None = None, offset: int | None = None, field: int | None = None
    ) -> None:
        reason = reason if offset is None else f"{reason} (byte {offset})"
        super().__init__(reason)
        self.reason, self.message_id, self.offset, self.field = reason, message_id, offset, field

    def to_message(self) -> Error:
        """Return the answer to send before closing (for :class:`UnknownTag`: instead of closing)."""
        return Error(self.code, self.reason)


class UnsupportedVersion(ProtocolError):
    """The envelope's version is not the codec's."""


class UnknownTag(ProtocolError):
    """A well-formed message with a tag that this version lacks: the answer is ``error``, and the session continues."""

    def __init__(self, tag: int, *, message_id: int) -> None:
        super().__init__(f"unknown message tag {tag}", message_id=message_id)
        self.tag = tag


class LinkClosed(Exception):
    """The link has ended. ``reason`` says why; ``by_peer`` is False if this side closed it."""

    def __init__(self, reason: str, *, by_peer: bool) -> None:
        super().__init__(reason)
        self.reason, self.by_peer = reason, by_peer
