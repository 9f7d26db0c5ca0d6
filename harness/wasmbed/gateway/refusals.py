"""What the gateway answers to a peer it will not serve, as exceptions: raised where the reason is found, sent as
``error`` by the session that asked."""

from __future__ import annotations

from harness.wasmbed.protocol.messages import Error, ErrorCode

__all__ = ["RENEW_CERTIFICATE", "PeerRefused", "certificate_invalid", "try_again"]

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
    """The certificate, or the key in it, is not one to be trusted: the device needs another."""
    return PeerRefused(
        ErrorCode.CERTIFICATE_INVALID, f"Certificate validation failed: {reason}", action=RENEW_CERTIFICATE
    )


def try_again(message: str, retry_after: float, code: str = ErrorCode.ENROLLMENT_FAILED) -> PeerRefused:
    """Nothing is wrong with the peer; it may come back in ``retry_after`` seconds."""
    return PeerRefused(code, message, retry_after=retry_after)
