"""Operations on certificates of devices. To issue one is to let a device in, so the rights are those of devices."""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from collections.abc import Callable
from itertools import islice
from typing import Annotated, ParamSpec

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from pydantic import Field
from typing_extensions import TypedDict

from harness.core.clock import Clock
from harness.wasmbed.api.operation import Answer, Body, Call, NoBody, NoQuery, Operation, Right
from harness.wasmbed.api.problems import Problem, of_api_error
from harness.wasmbed.api.shapes import Time
from harness.wasmbed.api.writes import Done, Name
from harness.wasmbed.infrastructure.publication import publish
from harness.wasmbed.infrastructure.register import CertificateStatus, Issued, ListFull, Register, RegisterFull, pem
from harness.wasmbed.pki.errors import MALFORMED, CertificateInvalid
from harness.wasmbed.pki.keys import generate_key, public_key_der
from harness.wasmbed.pki.requests import read_signing_request
from harness.wasmbed.resources.api import ApiError, ResourceApi
from harness.wasmbed.resources.timestamps import format_timestamp

__all__ = ["Certificates"]

P = ParamSpec("P")

Days = Annotated[int, Field(ge=1, le=3650, description="Days for which it is valid.")]


class NewCertificate(Body):
    """A certificate to issue: for the key of a signing request, or for a name and a new key."""

    subject: Annotated[Name | None, Field(description="The device's name; that of the request if there is one.")] = None
    csr: Annotated[str | None, Field(max_length=8192, description="A signing request (PKCS #10) as PEM.")] = None
    validity_days: Days = 365


class Renewal(Body):
    """How long the new certificate is valid."""

    validity_days: Days = 365


class CertificateQuery(Body):
    """Which certificates."""

    status: Annotated[CertificateStatus | None, Field(description="Only certificates with this status.")] = None
    subject: Annotated[Name | None, Field(description="Only certificates of this device.")] = None
    limit: Annotated[int, Field(ge=1, le=10_000, description="Certificates in the answer, at most.")] = 1000
    after: Annotated[
        str, Field(max_length=40, description="Only certificates behind this one: the last `cert_id` of a page.")
    ] = ""


class CertificateShape(TypedDict):
    """A certificate."""

    cert_id: Annotated[str, Field(description="Its serial number in hexadecimal digits.")]
    subject: Annotated[str, Field(description="The device's name.")]
    issuer: str
    not_before: Time
    not_after: Time
    public_key: Annotated[str, Field(description="SubjectPublicKeyInfo, DER in base64.")]
    status: CertificateStatus
    revoked_at: Time | None


class CertificateWithText(CertificateShape):
    """A certificate, and the same as PEM."""

    pem: str


class IssuedShape(TypedDict):
    """A new certificate."""

    cert_id: str
    certificate: CertificateWithText
    private_key: Annotated[str | None, Field(description="The new key as PEM, shown once; None for a request's.")]


class Certificates:
    """The operations. Lists are published one after the other, so that the newest is the last."""

    def __init__(self, register: Register, api: ResourceApi, clock: Clock) -> None:
        self._register, self._api, self._clock = register, api, clock
        self._publishing = asyncio.Lock()

    def operations(self) -> list[Operation]:
        """Return them, for the router and the document."""
        every, one = "/api/v1/certificates", "/api/v1/certificates/{id}"
        return [
            Operation(
                name="listCertificates", method="GET", path=every, run=self._list, answer=list[CertificateShape],
                query=CertificateQuery, right=Right("list", "devices"),
                summary="The certificates that this service issued, oldest first.",
            ),
            Operation(
                name="issueCertificate", method="POST", path=every, run=self._issue, answer=IssuedShape,
                body=NewCertificate, status=201, right=Right("create", "devices"), refusals=(409,),
                summary="Issue a certificate, from a signing request or for a new key.",
            ),
            Operation(
                name="getCertificate", method="GET", path=one, run=self._get, answer=CertificateWithText,
                right=Right("get", "devices"), refusals=(404,), summary="One certificate.",
            ),
            Operation(
                name="renewCertificate", method="POST", path=one + "/renew", run=self._renew, answer=IssuedShape,
                body=Renewal, status=201, right=Right("create", "devices"), refusals=(404, 409),
                summary="Issue a certificate for the same name and key. The present one stays valid.",
            ),
            Operation(
                name="revokeCertificate", method="POST", path=one + "/revoke", run=self._revoke, answer=Done,
                body=NoBody, right=Right("delete", "devices"),
                summary="Revoke a certificate, also one that a gateway issued, and have the gateways know.",
            ),
        ]  # fmt: skip

    async def _list(self, call: Call[NoBody, CertificateQuery]) -> Answer:
        query, now = call.query, self._clock.now()
        fitting = (
            each
            for each in self._register.behind(query.after)
            if query.status in (None, each.status(now)) and query.subject in (None, each.name)
        )
        return Answer([self._shape(each) for each in islice(fitting, query.limit)])

    async def _get(self, call: Call[NoBody, NoQuery]) -> Answer:
        return Answer(self._with_text(self._find(call.names["id"])))

    async def _issue(self, call: Call[NewCertificate, NoQuery]) -> Answer:
        wanted = call.body
        if wanted.csr is None:
            if wanted.subject is None:
                raise Problem(422, "a certificate needs a subject or a csr")
            key = generate_key()
            issued = self._change(self._register.issue, wanted.subject, key.public_key(), wanted.validity_days)
            shown = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            return self._issued(issued, shown.decode())
        try:
            request = read_signing_request(
                x509.load_pem_x509_csr(wanted.csr.encode()).public_bytes(serialization.Encoding.DER)
            )
        except (*MALFORMED, CertificateInvalid) as error:
            detail = f"the csr is not usable: {error}"
            raise Problem(422, detail, [{"field": "csr", "detail": detail}]) from error
        if wanted.subject not in (None, request.name):
            raise Problem(422, f"the csr is for {request.name}, not for {wanted.subject}")
        issued = self._change(self._register.issue, request.name, request.public_key, wanted.validity_days)
        return self._issued(issued, None)

    async def _renew(self, call: Call[Renewal, NoQuery]) -> Answer:
        present = self._find(call.names["id"])
        if present.revoked is not None:
            raise Problem(409, f"certificate {present.id} is revoked; issue another one")
        return self._issued(self._change(self._register.renew, present, call.body.validity_days), None)

    async def _revoke(self, call: Call[NoBody, NoQuery]) -> Answer:
        id = call.names["id"]
        if re.fullmatch("[0-9a-f]{1,40}", id) is None:
            raise Problem(422, f"{id} is not a serial number in hexadecimal digits")
        try:
            async with self._publishing:
                await publish(self._api, self._register.revoke(int(id, 16)))
        except ValueError as error:
            raise Problem(422, f"no certificate has the serial number {id}") from error
        except ListFull as error:
            raise Problem(409, f"certificate {id} is not revoked: {error}") from error
        except (ApiError, OSError) as error:
            reason = of_api_error(error)
            detail = f"certificate {id} is revoked; the gateways do not know yet, repeat the request: {reason.detail}"
            raise Problem(503, detail, headers=reason.headers) from error
        done: Done = {"success": True, "message": f"certificate {id} is revoked, and the list of gateways has it"}
        return Answer(done)

    def _change(self, change: Callable[P, Issued], *arguments: P.args, **more: P.kwargs) -> Issued:
        """Carry out a change of the register."""
        try:
            return change(*arguments, **more)
        except CertificateInvalid as error:
            raise Problem(422, str(error)) from error
        except RegisterFull as error:
            raise Problem(409, str(error)) from error

    def _find(self, id: str) -> Issued:
        found = self._register.get(id)
        if found is None:
            raise Problem(404, f"this service has not issued a certificate {id}")
        return found

    def _issued(self, issued: Issued, key: str | None) -> Answer:
        shape: IssuedShape = {"cert_id": issued.id, "certificate": self._with_text(issued), "private_key": key}
        return Answer(shape, status=201)

    def _with_text(self, issued: Issued) -> CertificateWithText:
        return {**self._shape(issued), "pem": pem(issued.certificate)}

    def _shape(self, issued: Issued) -> CertificateShape:
        certificate = issued.certificate
        return {
            "cert_id": issued.id,
            "subject": issued.name,
            "issuer": str(certificate.issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value),
            "not_before": format_timestamp(certificate.not_valid_before_utc.timestamp()),
            "not_after": format_timestamp(certificate.not_valid_after_utc.timestamp()),
            "public_key": b64encode(public_key_der(certificate.public_key())).decode(),  # type: ignore[arg-type]
            "status": issued.status(self._clock.now()),
            "revoked_at": None if issued.revoked is None else format_timestamp(issued.revoked.timestamp()),
        }
