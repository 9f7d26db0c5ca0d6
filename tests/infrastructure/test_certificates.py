"""Certificates over the service's REST API, and as other projects' programs see them."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from harness.core.clock import ManualClock, SystemClock
from harness.core.errors import UsageError
from harness.wasmbed.infrastructure.register import Register
from harness.wasmbed.pki.certificates import CertificateManager
from harness.wasmbed.pki.errors import CertificateInvalid
from harness.wasmbed.pki.identity import create_signing_request
from harness.wasmbed.pki.keys import generate_key
from harness.wasmbed.resources.kinds import CONFIG_MAP
from harness.wasmbed.resources.names import CRL_CONFIG_MAP, CRL_KEY
from tests.api.world import World

EVERY = "/api/v1/certificates"


def signing_request(name: str) -> str:
    der = create_signing_request(generate_key(), name)
    return x509.load_der_x509_csr(der).public_bytes(serialization.Encoding.PEM).decode()


def of_another_version(csr: str) -> str:
    """The same with the version 2 in its text, which there is not."""
    der = x509.load_pem_x509_csr(csr.encode()).public_bytes(serialization.Encoding.DER)
    text = b64encode(der.replace(b"\x02\x01\x00", b"\x02\x01\x01", 1)).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----\n"


def der_of(shape: dict[str, Any]) -> bytes:
    return x509.load_pem_x509_certificate(shape["pem"].encode()).public_bytes(serialization.Encoding.DER)


async def test_a_certificate_by_name_comes_with_its_key_once(world: World, register: Register) -> None:
    made = await world.ask("POST", EVERY, {"subject": "pump-1", "validity_days": 30}, status=201, role="operator")
    key = serialization.load_pem_private_key(made["private_key"].encode(), None)
    certificate = x509.load_pem_x509_certificate(made["certificate"]["pem"].encode())
    assert certificate.public_key() == key.public_key()
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 30
    peer = CertificateManager(register.authority.certificate, SystemClock()).check(der_of(made["certificate"]))
    assert peer.name == "pump-1"
    one = await world.ask("GET", f"{EVERY}/{made['cert_id']}", role="viewer")
    assert (one["subject"], one["issuer"], one["status"]) == ("pump-1", "Wasmbed devices", "active")
    assert "private_key" not in one


async def test_a_signing_request_gets_a_certificate_for_its_key(world: World) -> None:
    csr = signing_request("pump-2")
    made = await world.ask("POST", EVERY, {"csr": csr}, status=201)
    assert made["private_key"] is None
    asked = x509.load_pem_x509_csr(csr.encode()).public_key()
    assert x509.load_pem_x509_certificate(made["certificate"]["pem"].encode()).public_key() == asked


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "needs a subject or a csr"),
        ({"csr": "nonsense"}, "the csr is not usable"),
        ({"csr": of_another_version(signing_request("pump-2"))}, "the csr is not usable"),
        ({"csr": signing_request("pump-2"), "subject": "pump-3"}, "the csr is for pump-2, not for pump-3"),
        ({"subject": "Not A Name"}, "subject"),
        ({"subject": "pump-1", "validity_days": 0}, "validity_days"),
    ],
)
async def test_a_request_that_does_not_fit_gets_no_certificate(world: World, body: dict[str, Any], reason: str) -> None:
    problem = await world.ask("POST", EVERY, body, status=422)
    assert reason in problem["detail"]
    assert await world.ask("GET", EVERY) == []


async def test_rights_are_those_of_devices(world: World) -> None:
    await world.ask("POST", EVERY, {"subject": "pump-1"}, role="viewer", status=403)
    await world.ask("POST", f"{EVERY}/1/revoke", {}, role="operator", status=403)
    await world.ask("GET", EVERY, role="nobody", status=403)
    await world.ask("GET", EVERY, role="stranger", status=401)
    await world.ask("GET", "/health", role="stranger")


async def test_a_renewed_certificate_has_the_same_key_and_the_old_one_stays(world: World) -> None:
    first = await world.ask("POST", EVERY, {"subject": "pump-1"}, status=201)
    second = await world.ask("POST", f"{EVERY}/{first['cert_id']}/renew", {"validity_days": 10}, status=201)
    assert second["cert_id"] != first["cert_id"]
    assert second["certificate"]["public_key"] == first["certificate"]["public_key"]
    assert [each["status"] for each in await world.ask("GET", EVERY)] == ["active", "active"]
    await world.ask("POST", f"{EVERY}/{first['cert_id']}/revoke", {})
    await world.ask("POST", f"{EVERY}/{first['cert_id']}/renew", {}, status=409)
    await world.ask("POST", f"{EVERY}/abc/renew", {}, status=404)


async def test_a_revocation_reaches_gateways_and_outlives_the_service(
    world: World, register: Register, tmp_path: Path
) -> None:
    made = await world.ask("POST", EVERY, {"subject": "pump-1"}, status=201)
    manager = CertificateManager(register.authority.certificate, SystemClock())
    manager.check(der_of(made["certificate"]))
    await world.ask("POST", f"{EVERY}/{made['cert_id']}/revoke", {})
    published = await world.api.get(CONFIG_MAP, CRL_CONFIG_MAP)
    manager.update_revocations(b64decode(published["binaryData"][CRL_KEY]))
    with pytest.raises(CertificateInvalid, match="revoked"):
        manager.check(der_of(made["certificate"]))
    status = await world.ask("GET", "/api/v1/status")
    assert (status["total_certificates"], status["active_certificates"]) == (1, 0)
    [again] = Register(tmp_path / "devices", SystemClock())
    assert (again.id, again.status(SystemClock().now())) == (made["cert_id"], "revoked")


async def test_a_certificate_that_a_gateway_issued_can_be_revoked(world: World, register: Register) -> None:
    await world.ask("POST", f"{EVERY}/abc123/revoke", {})
    assert register.authority.is_revoked(0xABC123)
    await world.ask("POST", f"{EVERY}/pump-1/revoke", {}, status=422)


async def test_openssl_asks_the_responder_and_reads_the_list(world: World, register: Register, tmp_path: Path) -> None:
    good = await world.ask("POST", EVERY, {"subject": "pump-1"}, status=201)
    bad = await world.ask("POST", EVERY, {"subject": "pump-2"}, status=201)
    await world.ask("POST", f"{EVERY}/{bad['cert_id']}/revoke", {})
    authority = x509.load_der_x509_certificate(register.authority.certificate)
    (tmp_path / "ca.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    for made, expected in ((good, "good"), (bad, "revoked")):
        (tmp_path / "cert.pem").write_text(made["certificate"]["pem"])
        said = await _openssl(
            tmp_path, "ocsp", "-issuer", "ca.pem", "-cert", "cert.pem", "-CAfile", "ca.pem", "-url", f"{world.url}/ocsp"
        )
        assert f"cert.pem: {expected}" in said
        assert "Response verify OK" in said
    (tmp_path / "crl.der").write_bytes(await world.ask("GET", "/crl.der", role="stranger"))
    listed = await _openssl(tmp_path, "crl", "-inform", "DER", "-in", "crl.der", "-CAfile", "ca.pem", "-noout", "-text")
    assert "verify OK" in listed
    assert f"Serial Number: {int(bad['cert_id'], 16):X}" in listed.replace("Number: 0", "Number: ")


async def _openssl(folder: Path, *arguments: str) -> str:
    program = await asyncio.create_subprocess_exec(
        "openssl", *arguments, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await program.communicate()
    assert program.returncode == 0, said
    return said.decode()


async def test_a_request_by_get_has_an_answer_with_its_nonce(world: World, register: Register) -> None:
    made = register.issue("pump-1", generate_key().public_key(), 1)
    authority = x509.load_der_x509_certificate(register.authority.certificate)
    builder = ocsp.OCSPRequestBuilder().add_certificate(made.certificate, authority, hashes.SHA256())
    request = builder.add_extension(x509.OCSPNonce(b"0123456789"), critical=False).build()
    text = b64encode(request.public_bytes(serialization.Encoding.DER)).decode().replace("/", "%2F").replace("+", "%2B")
    async with world.session.get(f"/ocsp/{text}") as answer:
        response = ocsp.load_der_ocsp_response(await answer.read())
    assert response.certificate_status == ocsp.OCSPCertStatus.GOOD
    assert response.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == b"0123456789"


@pytest.mark.parametrize("path", ["/ocsp/AAAA", "/ocsp/***"])
async def test_nonsense_is_malformed(world: World, path: str) -> None:
    async with world.session.get(path) as answer:
        response = ocsp.load_der_ocsp_response(await answer.read())
    assert response.response_status == ocsp.OCSPResponseStatus.MALFORMED_REQUEST


async def test_a_request_about_another_authority_is_not_answered(
    world: World, tmp_path: Path, register: Register
) -> None:
    other = Register(tmp_path / "other", SystemClock())
    made = other.issue("pump-1", generate_key().public_key(), 1)
    issuer = x509.load_der_x509_certificate(other.authority.certificate)
    request = ocsp.OCSPRequestBuilder().add_certificate(made.certificate, issuer, hashes.SHA1()).build()
    headers = {"Content-Type": "application/ocsp-request"}
    body = request.public_bytes(serialization.Encoding.DER)
    async with world.session.post("/ocsp", data=body, headers=headers) as answer:
        response = ocsp.load_der_ocsp_response(await answer.read())
    assert response.response_status == ocsp.OCSPResponseStatus.UNAUTHORIZED


def test_a_certificate_expires(tmp_path: Path) -> None:
    clock = ManualClock()
    register = Register(tmp_path / "devices", clock)
    issued = register.issue("pump-1", generate_key().public_key(), 1)
    assert issued.status(clock.now()) == "active"
    assert issued.status(clock.now() + 90_000) == "expired"


def test_a_file_that_is_not_a_certificate_is_named(tmp_path: Path) -> None:
    register = Register(tmp_path / "devices", SystemClock())
    issued = register.issue("pump-1", generate_key().public_key(), 1)
    file = tmp_path / "devices" / "issued" / f"{issued.id}.der"
    file.write_bytes(b"nonsense")
    with pytest.raises(UsageError, match=f"{issued.id}.der: is not a certificate in DER"):
        Register(tmp_path / "devices", SystemClock())


async def test_a_list_has_pages_and_filters(world: World) -> None:
    ids = [(await world.ask("POST", EVERY, {"subject": f"pump-{n}"}, status=201))["cert_id"] for n in range(3)]
    await world.ask("POST", f"{EVERY}/{ids[1]}/revoke", {})
    for query, expected in (
        ("limit=2", ids[:2]),
        (f"limit=2&after={ids[1]}", ids[2:]),
        ("status=active", [ids[0], ids[2]]),
        ("status=revoked", [ids[1]]),
        ("subject=pump-2", [ids[2]]),
    ):
        assert [each["cert_id"] for each in await world.ask("GET", f"{EVERY}?{query}")] == expected
    await world.ask("GET", f"{EVERY}?status=lost", status=422)


async def test_a_list_that_a_config_map_cannot_hold_is_not_written(
    world: World, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.ask("POST", f"{EVERY}/1/revoke", {})
    monkeypatch.setattr("harness.wasmbed.infrastructure.register._LARGEST_LIST", len(register.authority.crl()))
    problem = await world.ask("POST", f"{EVERY}/2/revoke", {}, status=409)
    assert problem["detail"].startswith("certificate 2 is not revoked: the revocation list has ")
    assert not register.authority.is_revoked(2)
    await world.ask("POST", f"{EVERY}/1/revoke", {})  # to publish it again
