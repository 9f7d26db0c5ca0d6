"""What can be wrong with what a peer sends, in words fit for a log line and for the wire."""

from __future__ import annotations

from harness.wasmbed.protocol.messages import Error, ErrorCode

__all__ = ["LinkClosed", "ProtocolError", "UnknownTag", "UnsupportedVersion"]


class ProtocolError(Exception):
    """A peer broke the contract: the session ends with an error message and a log line, and changes no state.

    ``message_id`` is the offending message's, where it could still be read, so that an answer can carry it. ``offset``
    is the byte of the frame at which the offending item begins, and ``field`` the number of its field in the message;
    ``reason`` tells both.
    """

    code: str = ErrorCode.PROTOCOL_ERROR

    def __init__(
        self, reason: str, *, message_id: int | None = None, offset: int | None = None, field: int | None = None
    ) -> None:
        reason = reason if offset is None else f"{reason} (byte {offset})"
        super().__init__(reason)
        self.reason, self.message_id, self.offset, self.field = reason, message_id, offset, field

    def to_message(self) -> Error:
        """The answer to send before closing (for :class:`UnknownTag`: instead of closing)."""
        return Error(self.code, self.reason)


class UnsupportedVersion(ProtocolError):
    """The envelope's version is not the codec's."""


class UnknownTag(ProtocolError):
    """A well-formed message of a kind this version does not have: answered with ``error``, the session goes on."""

    def __init__(self, tag: int, *, message_id: int) -> None:
        super().__init__(f"unknown message tag {tag}", message_id=message_id)
        self.tag = tag


class LinkClosed(Exception):
    """The link is gone. ``reason`` says why; ``by_peer`` is False if this side closed it."""

    def __init__(self, reason: str, *, by_peer: bool) -> None:
        super().__init__(reason)
        self.reason, self.by_peer = reason, by_peer
