"""A device's checks of a gateway's certificate beyond OpenSSL's: virtual boards and firmware accept the same ones.

The firmware's are in ``firmware/wasmbed-node/src/tls/certificate.rs``; both are tested with the same certificates.
"""

from __future__ import annotations

import ssl

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from harness.core.clock import Clock
from harness.wasmbed.pki.certificates import find_extension
from harness.wasmbed.pki.errors import MALFORMED

__all__ = ["check_server"]


def check_server(certificate: bytes, clock: Clock | None) -> None:
    """Check a gateway's certificate, DER, that OpenSSL has accepted. Its dates are checked if there is a ``clock``.

    Raises :class:`ssl.SSLCertVerificationError`.
    """
    try:
        peer = x509.load_der_x509_certificate(certificate)
        usage, extended = find_extension(peer, x509.KeyUsage), find_extension(peer, x509.ExtendedKeyUsage)
    except MALFORMED as error:
        raise ssl.SSLCertVerificationError(f"the server's certificate cannot be read: {error!s:.200}") from error
    if usage is not None and not usage.digital_signature:  # RFC 8446, section 4.4.2.2
        raise ssl.SSLCertVerificationError("the server's certificate is not for signatures")
    if extended is not None and ExtendedKeyUsageOID.SERVER_AUTH not in extended:
        raise ssl.SSLCertVerificationError("the server's certificate is not for a server")
    if clock is not None:
        now = clock.utcnow()
        if now > peer.not_valid_after_utc:
            raise ssl.SSLCertVerificationError("the server's certificate has expired")
        if now < peer.not_valid_before_utc:
            raise ssl.SSLCertVerificationError("the server's certificate is not yet valid")
