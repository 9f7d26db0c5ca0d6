"""An authority's certificates, revocations, and files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from harness.core.clock import ManualClock
from harness.core.errors import UsageError
from harness.wasmbed.pki.authority import AUTHORITY_KEY_FILE, CRL_FILE, Authority, read_crl
from harness.wasmbed.pki.certificates import CertificateManager
from harness.wasmbed.pki.errors import CertificateInvalid
from harness.wasmbed.pki.identity import AUTHORITY_FILE, Identity, create_signing_request
from harness.wasmbed.pki.keys import generate_key, public_key_der
from harness.wasmbed.pki.requests import read_signing_request
from tests.pki.foreign_keys import foreign_key


def parsed(certificate: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(certificate)


def serial(certificate: bytes) -> int:
    return parsed(certificate).serial_number


def test_an_authority_signs_end_entity_certificates_only(devices: Authority, clock: ManualClock) -> None:
    root = parsed(devices.certificate)
    constraints = root.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = root.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)
    assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature) == (True, True, False)
    assert root.not_valid_before_utc.timestamp() < clock.now() < root.not_valid_after_utc.timestamp()
    root.verify_directly_issued_by(root)


def test_an_unknown_algorithm_is_refused(clock: ManualClock) -> None:
    with pytest.raises(ValueError, match="rsa"):
        Authority.create("x", clock, algorithm="rsa")


def test_a_devices_certificate(devices: Authority, provision: Callable[..., Identity], clock: ManualClock) -> None:
    identity = provision("board-1")
    certificate = parsed(identity.certificate)
    extensions = certificate.extensions
    certificate.verify_directly_issued_by(parsed(devices.certificate))
    assert identity.name == "board-1"
    assert identity.public_key_der == public_key_der(identity.private_key.public_key())
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert certificate.not_valid_before_utc.timestamp() <= clock.now() - 60
    assert certificate.not_valid_after_utc.timestamp() == int(clock.now()) + 365 * 86_400


def test_a_servers_certificate_names_hosts_and_addresses(servers: Authority) -> None:
    identity = servers.issue_server("gateway-1", ["gateway.example", "127.0.0.1", "::1"], algorithm="p256")
    certificate = parsed(identity.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert names.get_values_for_type(x509.DNSName) == ["gateway.example"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert list(usages) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_serial_numbers_differ(provision: Callable[..., Identity]) -> None:
    assert len({serial(provision().certificate) for _ in range(50)}) == 50


@pytest.mark.parametrize("name", ["", "Board", "-board", "board-", "a.b", "a" * 64, "b\u00f6ard", "a b", "a\n"])
def test_an_invalid_resource_name_is_not_signed(devices: Authority, name: str) -> None:
    with pytest.raises(CertificateInvalid, match="is not a DNS label"):
        devices.issue_device(name, generate_key().public_key())


@pytest.mark.parametrize("kind", ["RSA", "P-384"])
def test_a_key_of_another_kind_is_not_signed(devices: Authority, kind: Literal["RSA", "P-384"]) -> None:
    with pytest.raises(CertificateInvalid, match="neither Ed25519 nor P-256"):
        devices.issue_device("board-1", foreign_key(kind).public_key())  # type: ignore[arg-type]


def test_a_signing_request_becomes_a_certificate(devices: Authority, algorithm: str, clock: ManualClock) -> None:
    key = generate_key(algorithm)
    request = create_signing_request(key, "board-7")
    read = read_signing_request(request)
    assert (read.name, read.public_key_der) == ("board-7", public_key_der(key.public_key()))
    peer = CertificateManager(devices.certificate, clock).check(devices.sign_request(request))
    assert (peer.name, peer.public_key) == ("board-7", public_key_der(key.public_key()))


def test_only_name_and_key_of_a_request_count(devices: Authority) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "board-7")])
    builder = x509.CertificateSigningRequestBuilder(name)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    request = builder.sign(key, None).public_bytes(serialization.Encoding.DER)
    certificate = parsed(devices.sign_request(request))
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_request_without_proof_of_possession_is_refused(devices: Authority, algorithm: str) -> None:
    """The request has the victim's public key and another party's signature."""
    victim, thief = generate_key(algorithm), generate_key(algorithm)
    request = create_signing_request(thief, "board-7")
    forged = request.replace(public_key_der(thief.public_key()), public_key_der(victim.public_key()))
    assert forged != request
    with pytest.raises(CertificateInvalid, match="not signed with its own key"):
        devices.sign_request(forged)


def request_for(*common_names: str, key: Any = None) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, each) for each in common_names])
    signed = x509.CertificateSigningRequestBuilder(name).sign(
        key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()
    )
    return signed.public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize(
    ("request_der", "reason"),
    [
        (b"", "not a signing request"),
        (b"\x30\x00", "not a signing request"),
        (request_for("board-7")[:-1], "not a signing request"),
        (request_for(), "exactly one common name"),
        (request_for("a", "b"), "exactly one common name"),
        (request_for("Board 7"), "is not a DNS label"),
    ],
)
def test_an_invalid_signing_request_is_refused(devices: Authority, request_der: bytes, reason: str) -> None:
    with pytest.raises(CertificateInvalid, match=reason):
        devices.sign_request(request_der)


@pytest.mark.parametrize("kind", ["RSA", "P-384"])
def test_a_signing_request_for_a_key_of_another_kind_is_refused(
    devices: Authority, kind: Literal["RSA", "P-384"]
) -> None:
    with pytest.raises(CertificateInvalid, match="neither Ed25519 nor P-256"):
        devices.sign_request(request_for("board-7", key=foreign_key(kind)))


def test_a_revoked_certificate_is_in_the_list(devices: Authority, clock: ManualClock) -> None:
    root = parsed(devices.certificate)
    assert read_crl(devices.crl(), root) == (1, {})
    devices.revoke(5)
    devices.revoke(5)
    devices.revoke(7)
    number, revoked = read_crl(devices.crl(), root)
    assert (number, set(revoked)) == (3, {5, 7})
    assert revoked[5].revocation_date_utc.timestamp() == int(clock.now())


@pytest.mark.parametrize("number", [0, -1, 2**160])
def test_an_impossible_serial_number_cannot_be_revoked(devices: Authority, number: int) -> None:
    with pytest.raises(ValueError, match="serial number"):
        devices.revoke(number)
    assert read_crl(devices.crl(), parsed(devices.certificate)) == (1, {})


def test_an_authority_is_loaded_after_a_restart(devices: Authority, clock: ManualClock, tmp_path: Path) -> None:
    devices.revoke(5)
    devices.save(tmp_path / "ca")
    again = Authority.load(tmp_path / "ca", clock)
    assert again.certificate == devices.certificate
    parsed(again.issue_device("board-1", generate_key().public_key())).verify_directly_issued_by(
        parsed(devices.certificate)
    )
    again.revoke(6)
    number, revoked = read_crl(again.crl(), parsed(devices.certificate))
    assert (number, set(revoked)) == (3, {5, 6})


def test_only_the_owner_can_read_an_authoritys_key(devices: Authority, tmp_path: Path) -> None:
    devices.save(tmp_path)
    assert (tmp_path / AUTHORITY_KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == [AUTHORITY_FILE, AUTHORITY_KEY_FILE, CRL_FILE]


def spoil(path: Path, how: str, other: Path) -> None:
    if how == "missing":
        path.unlink()
    elif how == "garbled":
        path.write_bytes(b"-----BEGIN CERTIFICATE-----")
    else:
        path.write_bytes((other / path.name).read_bytes())


@pytest.mark.parametrize("how", ["missing", "garbled", "another authority's"])
@pytest.mark.parametrize("name", [AUTHORITY_FILE, AUTHORITY_KEY_FILE, CRL_FILE])
def test_an_invalid_file_is_named(devices: Authority, clock: ManualClock, tmp_path: Path, name: str, how: str) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    devices.save(mine)
    Authority.create("Wasmbed devices", clock).save(other)
    spoil(mine / name, how, other)
    with pytest.raises(UsageError) as caught:
        Authority.load(mine, clock)
    # A wrong key is reported as a certificate that is not for it.
    blamed = AUTHORITY_FILE if (name, how) == (AUTHORITY_KEY_FILE, "another authority's") else name
    assert caught.value.where == str(mine / blamed)
    assert caught.value.do
