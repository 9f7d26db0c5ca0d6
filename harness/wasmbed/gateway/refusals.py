"""The gateway's refusals: exceptions that are raised where the reason is found and sent as ``error`` by the session."""

from __future__ import annotations

from harness.wasmbed.protocol.messages import DeviceMessage, Error, ErrorCode

__all__ = ["RENEW_CERTIFICATE", "PeerRefused", "certificate_invalid", "suspended", "try_again", "unexpected"]

RENEW_CERTIFICATE = "RENEW_CERTIFICATE"


class PeerRefused(Exception):
    """A request is refused. ``closes``: the session ends with it. ``retry_after`` is in seconds."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retry_after: float | None = None,
        action: str | None = None,
        closes: bool = True,
    ) -> None:
        super().__init__(f"{code}: {message}")
        milliseconds = None if retry_after is None else int(retry_after * 1000)
        self.error = Error(code, message, milliseconds, action)
        self.closes = closes


def certificate_invalid(reason: str) -> PeerRefused:
    """Return a refusal of a certificate, or of the key in it: the device needs another one."""
    return PeerRefused(
        ErrorCode.CERTIFICATE_INVALID, f"Certificate validation failed: {reason}", action=RENEW_CERTIFICATE
    )


def try_again(message: str, retry_after: float, code: str = ErrorCode.ENROLLMENT_FAILED) -> PeerRefused:
    """Return a refusal of a peer that is not at fault: it may retry in ``retry_after`` seconds."""
    return PeerRefused(code, message, retry_after=retry_after)


def suspended(name: str, retry_after: float) -> PeerRefused:
    """Return a refusal of a device that people keep away. It may ask again in ``retry_after`` seconds."""
    return try_again(f"device {name} is suspended: its spec.suspended is true", retry_after)


def unexpected(message: DeviceMessage) -> PeerRefused:
    """Return a refusal of a message that is not allowed at the session's present stage."""
    return PeerRefused(ErrorCode.PROTOCOL_ERROR, f"{type(message).__name__} was not expected now")
