"""Makes the certificates that `certificates.rs` judges: run it with the harness's environment, in this folder."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

FIRST, LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2049, 12, 31, tzinfo=UTC)
AFTER_2050 = datetime(2060, 1, 1, tzinfo=UTC)
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
NAMES = [x509.DNSName("gateway.example"), x509.DNSName("*.wild.example"), x509.IPAddress(ip_address("127.0.0.1"))]
Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def issue(
    file: str,
    subject: str,
    key: Key,
    issuer: str,
    issuer_key: Key,
    *extensions: tuple[x509.ExtensionType, bool],
    last: datetime = LAST,
) -> None:
    builder = x509.CertificateBuilder(
        name(issuer),
        name(subject),
        key.public_key(),
        42,
        FIRST,
        last,
        [x509.Extension(e.oid, c, e) for e, c in extensions],
    )
    algorithm = None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    Path(f"{file}.der").write_bytes(builder.sign(issuer_key, algorithm).public_bytes(Encoding.DER))


def usage(digital_signature: bool) -> x509.KeyUsage:
    others = dict.fromkeys(
        ("content_commitment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign", "encipher_only")
    )
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_encipherment=not digital_signature,
        decipher_only=False,
        **dict.fromkeys(others, False),
    )


def main() -> None:
    p256, edwards = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
    server = ec.derive_private_key(42, ec.SECP256R1())
    authority = (x509.BasicConstraints(True, None), True)
    named = (x509.SubjectAlternativeName(NAMES), False)
    for_servers = (x509.ExtendedKeyUsage([SERVER]), False)
    signs = (usage(True), True)
    issue("authority-p256", "Authority", p256, "Authority", p256, authority, last=AFTER_2050)
    issue("authority-ed25519", "Authority", edwards, "Authority", edwards, authority, last=AFTER_2050)
    issue("authority-other-name", "Somebody", p256, "Somebody", p256, authority)
    issue("server-p256", "gateway", server, "Authority", p256, signs, for_servers, named)
    issue("server-ed25519", "gateway", edwards, "Authority", edwards, signs, for_servers, named)
    issue("server-without-usages", "gateway", server, "Authority", p256, named)
    issue("server-without-names", "gateway.example", server, "Authority", p256, signs, for_servers)
    issue("server-for-clients", "gateway", server, "Authority", p256, (x509.ExtendedKeyUsage([CLIENT]), False), named)
    issue("server-for-encryption", "gateway", server, "Authority", p256, (usage(False), True), named)
    strange = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\5\0")
    issue("server-with-strange-extension", "gateway", server, "Authority", p256, named, (strange, True))
    issue("server-with-other-curve", "gateway", ec.generate_private_key(ec.SECP384R1()), "Authority", p256, named)
    issue("device", "board-1", server, "Authority", p256, (x509.ExtendedKeyUsage([CLIENT]), False))


main()
