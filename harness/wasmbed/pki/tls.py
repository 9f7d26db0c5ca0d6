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
from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from harness.core.clock import Clock
from harness.wasmbed.pki.identity import Identity

__all__ = ["NO_CHECK_TIME", "client_context", "server_context"]

NO_CHECK_TIME = 0x200000
"""``X509_V_FLAG_NO_CHECK_TIME`` of OpenSSL, which Python's ssl has no name for."""


def server_context(
    identity: Identity, device_authority: bytes, rejected: Callable[[str], object] | None = None
) -> ssl.SSLContext:
    """A gateway's: asks for a client certificate of ``device_authority`` (DER), and lets in who has none.

    ``rejected`` is told why, whenever a handshake fails on what the peer sent.
    """
    context = _context(ssl.PROTOCOL_TLS_SERVER, identity, device_authority)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= ssl.VerifyFlags(NO_CHECK_TIME)
    context.num_tickets = 0
    context.sslobject_class = _refusing(rejected)
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


def _refusing(rejected: Callable[[str], object] | None) -> type[ssl.SSLObject]:
    class Refusing(ssl.SSLObject):
        """The gateway's end, which tells of a refusal, and lets a peer whose certificate it refuses hear the alert.

        asyncio and uvloop write what OpenSSL has to say when it wants to read, but not when it fails: so it fails at
        the next call, or when the peer has closed, or at the handshake's timeout.
        """

        refusal: ssl.SSLError | None = None

        def do_handshake(self) -> None:
            if self.refusal is not None:
                raise self.refusal
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError as error:
                if rejected is not None:
                    rejected(_reason(error))
                if not isinstance(error, ssl.SSLCertVerificationError):
                    raise
                self.refusal = error
                raise ssl.SSLWantReadError from error

    return Refusing


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


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.verify_message)
    return (error.reason or str(error)).replace("_", " ").lower()
