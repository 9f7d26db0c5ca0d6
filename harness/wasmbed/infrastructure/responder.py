"""Answers for clients that check certificates: the revocation list (RFC 5280), and an OCSP responder (RFC 6960).

They need no token: what they say is signed, and public. A serial number that was not revoked is good (RFC 6960, section
2.2), whether this service or a gateway issued the certificate.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from datetime import UTC, datetime, timedelta

from aiohttp import web
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from harness.core.clock import Clock
from harness.wasmbed.api.problems import Problem
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.errors import MALFORMED
from harness.wasmbed.pki.keys import signature_hash

__all__ = ["Responder"]

_REQUEST = "application/ocsp-request"
_LARGEST = 4096
"""Bytes of a request."""
_VALID = timedelta(hours=1)
"""A client may use an answer for this long."""
_HASHES: dict[str, type[hashes.SHA1 | hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    each.name: each for each in (hashes.SHA1, hashes.SHA256, hashes.SHA384, hashes.SHA512)
}


class Responder:
    """The handlers."""

    def __init__(self, authority: Authority, clock: Clock) -> None:
        self._authority, self._clock = authority, clock
        self._certificate = x509.load_der_x509_certificate(authority.certificate)

    def add_to(self, app: web.Application) -> None:
        """Serve them: ``/crl.der``, ``/ca.der``, and ``/ocsp`` with POST and GET."""
        app.router.add_get("/crl.der", self._crl)
        app.router.add_get("/ca.der", self._authority_certificate)
        app.router.add_post("/ocsp", self._post)
        app.router.add_get("/ocsp/{request:.+}", self._get)

    async def _crl(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=self._authority.crl(), content_type="application/pkix-crl")

    async def _authority_certificate(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=self._authority.certificate, content_type="application/pkix-cert")

    async def _post(self, request: web.Request) -> web.StreamResponse:
        if request.content_type != _REQUEST:
            raise Problem(415, f"the body has to be {_REQUEST}, not {request.content_type}")
        if request.content_length is None or request.content_length > _LARGEST:
            raise Problem(413, f"a request has a length of at most {_LARGEST} bytes")
        return _response(self._judge(await request.read()))

    async def _get(self, request: web.Request) -> web.StreamResponse:
        text = request.match_info["request"]
        try:
            body = b64decode(text, validate=True) if len(text) <= 2 * _LARGEST else b""
        except (binascii.Error, ValueError):
            body = b""
        return _response(self._judge(body))

    def _judge(self, body: bytes) -> ocsp.OCSPResponse:
        try:
            asked = ocsp.load_der_ocsp_request(body)
            algorithm = _HASHES[asked.hash_algorithm.name]()
            nonce = next((each.value for each in asked.extensions if isinstance(each.value, x509.OCSPNonce)), None)
        except (*MALFORMED, UnsupportedAlgorithm, KeyError):
            return ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
        if (asked.issuer_name_hash, asked.issuer_key_hash) != self._hashes(algorithm):
            return ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.UNAUTHORIZED)
        revoked = self._authority.revoked_at(asked.serial_number)
        now = datetime.fromtimestamp(int(self._clock.now()), UTC)
        builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
            issuer_name_hash=asked.issuer_name_hash,
            issuer_key_hash=asked.issuer_key_hash,
            serial_number=asked.serial_number,
            algorithm=algorithm,
            cert_status=ocsp.OCSPCertStatus.GOOD if revoked is None else ocsp.OCSPCertStatus.REVOKED,
            this_update=now,
            next_update=now + _VALID,
            revocation_time=revoked,
            revocation_reason=None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, self._certificate)
        if nonce is not None:
            builder = builder.add_extension(nonce, critical=False)
        key = self._authority.private_key
        return builder.sign(key, signature_hash(key))

    def _hashes(self, algorithm: hashes.SHA1 | hashes.SHA256 | hashes.SHA384 | hashes.SHA512) -> tuple[bytes, bytes]:
        """Return how a request names this authority: the same as one for its own certificate would."""
        request = ocsp.OCSPRequestBuilder().add_certificate(self._certificate, self._certificate, algorithm).build()
        return request.issuer_name_hash, request.issuer_key_hash


def _response(answer: ocsp.OCSPResponse) -> web.Response:
    body = answer.public_bytes(serialization.Encoding.DER)
    return web.Response(body=body, content_type="application/ocsp-response")
