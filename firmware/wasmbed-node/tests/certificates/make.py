"""Make the certificates that `certificates.rs` judges. Run it with the harness's environment, in this folder.

Virtual boards judge those in `usages.txt` too, in `tests/pki/test_server_usages.py`.
"""

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
ANY, GATED = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE, ObjectIdentifier("2.16.840.1.113730.4.1")
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


USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def usage(*usages: str) -> tuple[x509.KeyUsage, bool]:
    return x509.KeyUsage(**{each: each in usages for each in USAGES}), True


def purposes(*purposes: ObjectIdentifier, critical: bool = False) -> tuple[x509.ExtendedKeyUsage, bool]:
    return x509.ExtendedKeyUsage(purposes), critical


def main() -> None:
    p256, edwards = ec.derive_private_key(43, ec.SECP256R1()), ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
    server = ec.derive_private_key(42, ec.SECP256R1())
    authority = (x509.BasicConstraints(True, None), True)
    named = (x509.SubjectAlternativeName(NAMES), False)
    for_servers, signs = purposes(SERVER), usage("digital_signature")
    issue("authority-p256", "Authority", p256, "Authority", p256, authority, last=AFTER_2050)
    issue("authority-ed25519", "Authority", edwards, "Authority", edwards, authority, last=AFTER_2050)
    issue("authority-other-name", "Somebody", p256, "Somebody", p256, authority)
    issue("server-p256", "gateway", server, "Authority", p256, signs, for_servers, named)
    issue("server-ed25519", "gateway", edwards, "Authority", edwards, signs, for_servers, named)
    issue("server-without-usages", "gateway", server, "Authority", p256, named)
    issue("server-without-names", "gateway.example", server, "Authority", p256, signs, for_servers)
    usages = {
        "server-for-clients": [purposes(CLIENT)],
        "server-for-encryption": [usage("key_encipherment")],
        "server-for-agreement": [usage("key_agreement"), for_servers],
        "server-for-certificates": [usage("key_cert_sign")],
        "server-for-signatures": [signs],
        "server-for-signatures-and-encryption": [usage("digital_signature", "key_encipherment"), for_servers],
        "server-for-servers": [for_servers],
        "server-for-servers-critical": [purposes(SERVER, critical=True)],
        "server-for-both-sides": [signs, purposes(CLIENT, SERVER)],
        "server-for-anything": [signs, purposes(ANY)],
        "server-for-anything-and-servers": [signs, purposes(ANY, SERVER)],
        "server-for-gated-cryptography": [signs, purposes(GATED)],
    }
    for file, extensions in usages.items():
        issue(file, "gateway", server, "Authority", p256, *extensions, named)
    strange = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\5\0")
    issue("server-with-strange-extension", "gateway", server, "Authority", p256, named, (strange, True))
    issue("server-with-other-curve", "gateway", ec.generate_private_key(ec.SECP384R1()), "Authority", p256, named)
    issue("device", "board-1", server, "Authority", p256, purposes(CLIENT))


main()
