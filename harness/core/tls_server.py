"""A server's TLS 1.3 parameters: the key exchanges it computes, and its answer to a client that offers none of them.

By default OpenSSL accepts finite-field groups of up to 8,192 bits. They cost a hundred times as much as a curve, and a
client needs no certificate to ask for one. Python's ssl can limit a context to one group, but not to several (until
3.15). So a server has one context for each group, and the ClientHello, which the listener reads before it starts a
handshake, selects the context.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from harness.core.client_hello import ClientHello

__all__ = ["ALERT_HANDSHAKE_FAILURE", "GROUPS", "HelloRefused", "ServerEnd", "TlsServer", "handshake_error"]

_TLS_1_3 = 0x0304
_OF_TLS_1_3 = 0x13
"""The first byte of its cipher suites (RFC 8446, appendix B.4)."""
GROUPS = {0x001D: "X25519", 0x0017: "prime256v1"}
"""The groups that are served (RFC 8446, section 4.2.7), in OpenSSL's names, in order of preference."""
_EVERY_CLIENT_HAS = 0x0017
"""The group that RFC 8446, section 9.1, makes mandatory."""
_CIPHERS = frozenset({0x1301, 0x1302, 0x1303})
"""OpenSSL's defaults, which Python's ssl cannot change."""

ALERT_HANDSHAKE_FAILURE = 40
_ALERT_PROTOCOL_VERSION = 70

_NAMES = {
    0x0017: "secp256r1",
    0x0018: "secp384r1",
    0x0019: "secp521r1",
    0x001D: "x25519",
    0x001E: "x448",
    0x0100: "ffdhe2048",
    0x0101: "ffdhe3072",
    0x0102: "ffdhe4096",
    0x0103: "ffdhe6144",
    0x0104: "ffdhe8192",
    0x0403: "ecdsa_secp256r1_sha256",
    0x0503: "ecdsa_secp384r1_sha384",
    0x0603: "ecdsa_secp521r1_sha512",
    0x0804: "rsa_pss_rsae_sha256",
    0x0805: "rsa_pss_rsae_sha384",
    0x0806: "rsa_pss_rsae_sha512",
    0x0807: "ed25519",
    0x0808: "ed448",
    0x1301: "TLS_AES_128_GCM_SHA256",
    0x1302: "TLS_AES_256_GCM_SHA384",
    0x1303: "TLS_CHACHA20_POLY1305_SHA256",
    0x1304: "TLS_AES_128_CCM_SHA256",
    0x1305: "TLS_AES_128_CCM_8_SHA256",
    0x11EC: "X25519MLKEM768",
}
_SHOWN = 8
"""The most offers that a reason lists; a client may send thousands."""


class HelloRefused(Exception):
    """A ClientHello that offers nothing this server supports; ``alert`` is the code to answer (RFC 8446, section 6)."""

    def __init__(self, reason: str, alert: int = ALERT_HANDSHAKE_FAILURE) -> None:
        super().__init__(reason)
        self.reason, self.alert = reason, alert


class TlsServer:
    """A server's contexts. ``make`` is called once for each group; ``signatures`` are the schemes of its identities
    (RFC 8446, section 4.2.3).

    Where Python's ssl cannot limit a context to X25519 (3.11.2, which Debian 12 has), only P-256 is served.
    """

    def __init__(self, make: Callable[[], ssl.SSLContext], signatures: Iterable[int]) -> None:
        self._signatures = frozenset(signatures)
        contexts = {group: _limited(make(), name) for group, name in GROUPS.items()}
        self._contexts: Mapping[int, ssl.SSLContext] = {group: each for group, each in contexts.items() if each}

    @property
    def contexts(self) -> tuple[ssl.SSLContext, ...]:
        """All of them."""
        return tuple(self._contexts.values())

    def context_for(self, hello: ClientHello | None) -> ssl.SSLContext:
        """The context for a client's handshake. A ``hello`` that could not be read is None; OpenSSL then judges it.

        Raises :class:`HelloRefused`.
        """
        if hello is None:
            return self._contexts[_EVERY_CLIENT_HAS]
        if _TLS_1_3 not in hello.versions:
            raise HelloRefused("the client does not offer TLS 1.3, the only version supported", _ALERT_PROTOCOL_VERSION)
        _require("cipher suites", tuple(suite for suite in hello.ciphers if suite >> 8 == _OF_TLS_1_3), _CIPHERS)
        _require("signature algorithms", hello.signatures, self._signatures)
        _require("key exchange groups", hello.groups, self._contexts)
        for offered in (hello.shares, hello.groups):  # without a share the client has to send a second hello
            for group in self._contexts:
                if group in offered:
                    return self._contexts[group]
        raise AssertionError("one of the groups was offered")


def handshake_error(error: OSError) -> str:
    """The reason why a handshake failed, as text for a log."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verification failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    return str(error) or "the peer closed the connection during the handshake"


class ServerEnd(ssl.SSLObject):
    """Keeps the alert of a failed handshake with the error, as ``alert``: the event loop drops it."""

    _outgoing: ssl.MemoryBIO

    @classmethod
    def _create(cls, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, **options: Any) -> ServerEnd:
        made: ServerEnd = super()._create(incoming, outgoing, **options)  # type: ignore[misc]
        made._outgoing = outgoing
        return made

    def getpeercert(self, binary_form: bool = False) -> Any:
        """The certificate. The loop asks for its decoded form, which nothing reads, and which may raise."""
        return super().getpeercert(binary_form) if binary_form else {}

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            error.alert = self._outgoing.read()  # type: ignore[attr-defined]
            raise


def _limited(context: ssl.SSLContext, group: str) -> ssl.SSLContext | None:
    """Limit a context to a group; None where Python's ssl cannot."""
    try:
        context.set_ecdh_curve(group)
    except ssl.SSLError:
        return None
    return context


def _require(what: str, offered: tuple[int, ...], served: Iterable[int]) -> None:
    if not set(served).intersection(offered):
        raise HelloRefused(
            f"no common {what}: the client offers {_names(offered)}; the server supports {_names(served)}"
        )


def _names(numbers: Iterable[int]) -> str:
    known = [_NAMES.get(number, f"0x{number:04x}") for number in numbers]
    shown = ", ".join(known[:_SHOWN]) or "none"
    return shown if len(known) <= _SHOWN else f"{shown} and {len(known) - _SHOWN} more"
