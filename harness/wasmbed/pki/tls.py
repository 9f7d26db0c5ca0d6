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

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from harness.core.clock import Clock
from harness.wasmbed.pki.identity import Identity

__all__ = ["NO_CHECK_TIME", "client_context", "server_context"]

NO_CHECK_TIME = 0x200000
"""``X509_V_FLAG_NO_CHECK_TIME`` of OpenSSL, which Python's ssl has no name for."""


def server_context(identity: Identity, device_authority: bytes) -> ssl.SSLContext:
    """A gateway's: asks for a client certificate of ``device_authority`` (DER), and lets in who has none."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, identity, device_authority)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= ssl.VerifyFlags(NO_CHECK_TIME)
    context.num_tickets = 0
    return context


def client_context(authority: bytes, identity: Identity | None, clock: Clock | None = None) -> ssl.SSLContext:
    """A device's: trusts gateways signed by ``authority`` (DER), for the host name or address it connects to.

    Without a ``clock``, OpenSSL judges the gateway's certificate by the machine's time.
    """
    context = _context(ssl.PROTOCOL_TLS_CLIENT, identity, authority)
    if clock is not None:
        context.verify_flags |= ssl.VerifyFlags(NO_CHECK_TIME)
        context.sslobject_class = _checking_dates(clock)
    return context


def _context(protocol: int, identity: Identity | None, authority: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=authority)
    if identity is not None:
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


def _checking_dates(clock: Clock) -> type[ssl.SSLObject]:
    class CheckingDates(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            certificate = self.getpeercert(binary_form=True)
            assert certificate is not None, "OpenSSL requires the server's"
            peer, now = x509.load_der_x509_certificate(certificate), clock.utcnow()
            if now > peer.not_valid_after_utc:
                raise ssl.SSLCertVerificationError("the server's certificate has expired")
            if now < peer.not_valid_before_utc:
                raise ssl.SSLCertVerificationError("the server's certificate is not yet valid")

    return CheckingDates
