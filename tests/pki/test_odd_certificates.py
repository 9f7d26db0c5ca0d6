"""Odd certificates that OpenSSL accepts: the platform accepts each or refuses it with a reason, and never crashes."""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.client_hello import read_client_hello
from harness.core.clock import ManualClock
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.certificates import CertificateManager
from harness.wasmbed.pki.errors import CertificateInvalid
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import generate_key
from harness.wasmbed.pki.server_authorities import ServerAuthorities
from harness.wasmbed.pki.tls import client_context, tls_server
from tests.der import (
    ALTERNATIVE_NAME,
    BASIC_CONSTRAINTS,
    END_ENTITY,
    EXTENDED_KEY_USAGE,
    KEY_USAGE,
    USUAL,
    certificate,
    element,
    extension,
    name,
    public_key,
    sequence,
)
from tests.examples import examples
from tests.pki.foreign_keys import foreign_key

# The library only warns of some oddities; as errors they would change the result.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore:Parsed a serial number")

CLOCK = ManualClock(1_800_000_000)
DEVICES = Authority.create("Wasmbed devices", CLOCK)
SERVERS = ServerAuthorities("servers", CLOCK)
MANAGER = CertificateManager(DEVICES.certificate, CLOCK)
ISSUER = name(b"Wasmbed devices")
KEY = generate_key()

FALSE = bytes.fromhex("010100")
UNREADABLE = "not a certificate that can be read: "
UNSAID = "wrong key usage: the certificate does not say what its key is for"

ODD = {
    "critical FALSE, written out": (
        {"extensions": [extension(BASIC_CONSTRAINTS, END_ENTITY, FALSE), *USUAL[1:]]},
        UNREADABLE,
    ),
    "cA FALSE, written out": ({"extensions": [extension(BASIC_CONSTRAINTS, "3003010100"), *USUAL[1:]]}, UNREADABLE),
    "a path length, but not an authority": (
        {"extensions": [extension(BASIC_CONSTRAINTS, "3003020101"), *USUAL[1:]]},
        UNREADABLE,
    ),
    "an authority": (
        {"extensions": [extension(BASIC_CONSTRAINTS, "30030101ff"), *USUAL[1:]]},
        "wrong key usage: an authority's certificate",
    ),
    "no basic constraints": ({"extensions": USUAL[1:]}, None),
    "no key usage": ({"extensions": [USUAL[0], USUAL[2]]}, UNSAID),
    "no extensions": ({"extensions": None}, UNSAID),
    "version 1": ({"version": b"", "extensions": None}, UNSAID),
    "version 2 with extensions": ({"version": bytes.fromhex("a003020101")}, UNREADABLE),
    "version 4": ({"version": bytes.fromhex("a003020103")}, UNREADABLE),
    "month 13": ({"not_after": element(0x17, b"491331235959Z")}, UNREADABLE),
    "a date without seconds": ({"not_after": element(0x17, b"4912312359Z")}, UNREADABLE),
    "a fraction of a second": ({"not_after": element(0x18, b"20491231235959.5Z")}, UNREADABLE),
    "a CN of ISO 8859-1": ({"subject": name(b"b\xf6ard", 0x14)}, UNREADABLE),
    "a CN of IA5 above 127": ({"subject": name(b"b\xf6ard", 0x16)}, UNREADABLE),
    "a CN of bits": ({"subject": name(b"\0a", 0x03)}, UNREADABLE),
    "a CN of UTF-16": ({"subject": name("board-1".encode("utf-16-be"), 0x1E)}, None),
    "an empty CN": ({"subject": name(b"")}, "the common name '' is not a DNS label"),
    "no subject": ({"subject": sequence()}, "a subject without exactly one common name"),
    "a dNSName of ISO 8859-1": (
        {"extensions": [*USUAL, extension(ALTERNATIVE_NAME, sequence(element(0x82, b"b\xf6ard")))]},
        UNREADABLE,
    ),
    "an address of five bytes": (
        {"extensions": [*USUAL, extension(ALTERNATIVE_NAME, sequence(element(0x87, b"12345")))]},
        UNREADABLE,
    ),
    "an X.400 address": (
        {"extensions": [*USUAL, extension(ALTERNATIVE_NAME, sequence(element(0xA3, b"")))]},
        UNREADABLE,
    ),
    "key usage with unused bits set": (
        {"extensions": [USUAL[0], extension(KEY_USAGE, "030207ff"), USUAL[2]]},
        UNREADABLE,
    ),
    "any usage beside client's": (
        {"extensions": [*USUAL[:2], extension(EXTENDED_KEY_USAGE, "3010 0604551d2500 06082b06010505070302")]},
        None,
    ),
}


def odd(case: str) -> tuple[bytes, str | None]:
    changes, reason = ODD[case]
    return certificate(DEVICES._key, ISSUER, public_key(KEY), **changes), reason  # type: ignore[arg-type]


def verdict(der: bytes) -> str | None:
    """Return the reason against the certificate; None if it is accepted."""
    try:
        assert MANAGER.check(der).name == "board-1"
    except CertificateInvalid as error:
        return error.reason
    return None


@pytest.mark.parametrize("case", ODD)
def test_every_certificate_gets_a_reason(case: str) -> None:
    der, reason = odd(case)
    if reason is None:
        assert verdict(der) is None
    else:
        assert (verdict(der) or "accepted").startswith(reason)


@pytest.mark.parametrize("case", ODD)
def test_tls_accepts_odd_certificates_so_that_the_gateway_can_answer(case: str) -> None:
    der, _ = odd(case)
    client = client_context(SERVERS.certificates, Identity(KEY, der), CLOCK)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    device = client.wrap_bio(down, up, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        device.do_handshake()
    hello = up.read()
    up.write(hello)
    server = tls_server(SERVERS.issue("gateway"), DEVICES.certificate)
    gateway = server.context_for(read_client_hello(hello)).wrap_bio(up, down, server_side=True)
    for side in (gateway, device, gateway):  # a second hello, where one is asked for
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    device.do_handshake()
    gateway.do_handshake()
    assert gateway.getpeercert(binary_form=True) == der


@pytest.mark.parametrize("kind", ["P-384", "RSA", "Ed448"])
def test_another_kind_of_key_is_named(kind: Literal["P-384", "RSA", "Ed448"]) -> None:
    der = certificate(DEVICES._key, ISSUER, public_key(foreign_key(kind)))
    assert verdict(der) == "a key that is neither Ed25519 nor P-256"


@settings(max_examples=examples(400))
@given(damage=st.data())
def test_every_signed_certificate_is_accepted_or_refused_with_a_reason(damage: st.DataObject) -> None:
    parts = {
        "version": bytes.fromhex("a003020102"),
        "serial": bytes.fromhex("020109"),
        "not_before": element(0x17, b"200101000000Z"),
        "subject": name(b"board-1"),
        "key": public_key(KEY),
        "extensions": sequence(*USUAL, extension(ALTERNATIVE_NAME, sequence(element(0x82, b"board-1")))),
    }
    changed = damage.draw(st.sampled_from(sorted(parts)))
    der = bytearray(parts[changed])
    for _ in range(damage.draw(st.integers(1, 3))):
        der[damage.draw(st.integers(0, len(der) - 1))] = damage.draw(st.integers(0, 255))
    parts[changed] = bytes(der)
    key, extensions = parts.pop("key"), parts.pop("extensions")
    with suppress(CertificateInvalid):
        MANAGER.check(certificate(DEVICES._key, ISSUER, key, extensions=[extensions[2:]], **parts))
