"""TLS 1.3 contexts for the two ends of a link (RFC 8446).

Which rule wins where OpenSSL's checks differ from the platform's:

- Dates are checked on the given Clock, and OpenSSL's check of them is off. The gateway's certificate manager checks a
  device's dates after the handshake, so that it can answer. A device checks the gateway's at the end of the handshake.
- OpenSSL's check of key usages cannot be turned off from Python. A device's certificate without client authentication
  among its extended usages, or with a key for neither signatures nor key agreement, gets the TLS alert
  ``unsupported_certificate``, and one of an unknown authority gets ``unknown_ca``. All other wrong usages reach the
  certificate manager.
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

__all__ = ["NO_CHECK_TIME", "client_context", "tls_server", "trust"]

_SIGNATURES = {Algorithm.P256: 0x0403, Algorithm.ED25519: 0x0807}
"""The schemes of RFC 8446, section 4.2.3."""

NO_CHECK_TIME = 0x200000
"""OpenSSL's ``X509_V_FLAG_NO_CHECK_TIME``, which Python's ssl does not name."""


def tls_server(identities: Iterable[Identity], device_authority: bytes) -> TlsServer:
    """Return a gateway's TLS parameters: it asks for a client certificate of ``device_authority`` (DER), and also
    accepts clients without one.

    A client gets the one of ``identities``, each with another algorithm, that it can verify.
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
    """Return a device's TLS context: it trusts gateways that one of the ``authorities`` (DER, concatenated) signed, for
    the host name or address that it connects to.

    Without a ``clock``, OpenSSL checks the dates of the gateway's certificate on the machine's time.
    """
    context = _context(ssl.PROTOCOL_TLS_CLIENT, () if identity is None else (identity,), authorities)
    context.hostname_checks_common_name = False  # RFC 9525
    if clock is not None:
        context.verify_flags |= ssl.VerifyFlags(NO_CHECK_TIME)
    context.sslobject_class = _client_end(clock)
    return context


def trust(context: ssl.SSLContext, authorities: bytes) -> None:
    """Let a context trust ``authorities`` (DER, concatenated). Raises ssl.SSLError for other bytes.

    In Python 3.11, SSLObject.unwrap() may leave an error of another connection behind, its peer's alert: it fails once,
    and is gone.
    """
    try:
        context.load_verify_locations(cadata=authorities)
    except ssl.SSLError:
        context.load_verify_locations(cadata=authorities)


def _context(protocol: int, identities: tuple[Identity, ...], authority: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    trust(context, authority)
    for identity in identities:
        _load_identity(context, identity)
    return context


def _load_identity(context: ssl.SSLContext, identity: Identity) -> None:
    # Python's ssl reads keys from files only. This file has mode 0600 and is deleted after it is read.
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
            """Return the DER. The event loop asks for the decoded form, which is unused and may raise."""
            return super().getpeercert(binary_form) if binary_form else {}

        def do_handshake(self) -> None:
            super().do_handshake()
            certificate = self.getpeercert(binary_form=True)
            assert certificate is not None, "OpenSSL requires the server's"
            check_server(certificate, clock)

    return ClientEnd
