"""TLS 1.3 contexts for the two ends of a link (RFC 8446).

Whose word counts, where the machine's time and OpenSSL's own rules differ from the platform's: the dates in a
certificate are judged on the given Clock - the gateway's by the certificate manager, after the handshake, so that it
can answer; the device's at the end of the handshake - and OpenSSL's check of them is off. Its check of what a
key is for cannot be turned off from Python: a device's certificate without client authentication among its extended
usages, or whose key is for neither signatures nor key agreement, ends in the TLS alert ``unsupported_certificate``
like one of an unknown authority in ``unknown_ca``. Every other wrong usage reaches the certificate manager.
"""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Iterable
from typing import Any

from cryptography.hazmat.primitives import serialization

from harness.core.clock import Clock
from harness.core.tls_server import TlsServer
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import Algorithm, algorithm_of
from harness.wasmbed.pki.server_certificates import check_server

__all__ = ["NO_CHECK_TIME", "client_context", "tls_server"]

_SIGNATURES = {Algorithm.P256: 0x0403, Algorithm.ED25519: 0x0807}
"""The schemes of RFC 8446, section 4.2.3."""

NO_CHECK_TIME = 0x200000
"""``X509_V_FLAG_NO_CHECK_TIME`` of OpenSSL, which Python's ssl has no name for."""


def tls_server(identities: Iterable[Identity], device_authority: bytes) -> TlsServer:
    """A gateway's parameters: asks for a client certificate of ``device_authority`` (DER), and also accepts clients
    without one.

    Of several ``identities``, each of another algorithm, a client gets the one that it can verify.
    """
    identities = tuple(identities)

    def make() -> ssl.SSLContext:
        context = _context(ssl.PROTOCOL_TLS_SERVER, identities, device_authority)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VerifyFlags(NO_CHECK_TIME)
        context.num_tickets = 0
        return context

    return TlsServer(make, [_SIGNATURES[algorithm_of(identity.private_key)] for identity in identities])


def client_context(authorities: bytes, identity: Identity | None, clock: Clock | None = None) -> ssl.SSLContext:
    """A device's: trusts gateways signed by one of the ``authorities`` (DER, one after the other), for the host name or
    address it connects to.

    Without a ``clock``, OpenSSL judges the gateway's certificate by the machine's time.
    """
    context = _context(ssl.PROTOCOL_TLS_CLIENT, () if identity is None else (identity,), authorities)
    context.hostname_checks_common_name = False  # RFC 9525
    if clock is not None:
        context.verify_flags |= ssl.VerifyFlags(NO_CHECK_TIME)
    context.sslobject_class = _client_end(clock)
    return context


def _context(protocol: int, identities: tuple[Identity, ...], authority: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=authority)
    for identity in identities:
        _load_identity(context, identity)
    return context


def _load_identity(context: ssl.SSLContext, identity: Identity) -> None:
    # Python's ssl reads keys from files only: this one is the owner's alone and gone when it has been read.
    with tempfile.NamedTemporaryFile(prefix="wasmbed-", suffix=".pem") as file:
        file.write(
            identity.private_key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        file.write(ssl.DER_cert_to_PEM_cert(identity.certificate).encode())
        file.flush()
        context.load_cert_chain(file.name)


def _client_end(clock: Clock | None) -> type[ssl.SSLObject]:
    class ClientEnd(ssl.SSLObject):
        def getpeercert(self, binary_form: bool = False) -> Any:
            """The certificate. The loop asks for its decoded form, which nothing reads, and which may raise."""
            return super().getpeercert(binary_form) if binary_form else {}

        def do_handshake(self) -> None:
            super().do_handshake()
            certificate = self.getpeercert(binary_form=True)
            assert certificate is not None, "OpenSSL requires the server's"
            check_server(certificate, clock)

    return ClientEnd
