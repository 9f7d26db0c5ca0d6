"""The gateway's check of certificates."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.clock import ManualClock
from harness.wasmbed.pki.authority import DAY, DEVICE_USAGES, Authority, Usages, read_crl
from harness.wasmbed.pki.certificates import CertificateManager
from harness.wasmbed.pki.errors import CertificateInvalid
from harness.wasmbed.pki.identity import Identity, create_signing_request
from harness.wasmbed.pki.keys import generate_key
from harness.wasmbed.pki.requests import read_signing_request
from tests.examples import examples

Provision = Callable[..., Identity]


@pytest.fixture
def manager(devices: Authority, clock: ManualClock) -> CertificateManager:
    return CertificateManager(devices.certificate, clock)


def serial(identity: Identity) -> int:
    return x509.load_der_x509_certificate(identity.certificate).serial_number


def test_a_valid_certificate_names_its_device(
    manager: CertificateManager, provision: Provision, clock: ManualClock
) -> None:
    identity = provision("board-1")
    peer = manager.check(identity.certificate)
    assert (peer.name, peer.serial) == ("board-1", serial(identity))
    assert (peer.issuer, peer.public_key) == ("CN=Wasmbed devices", identity.public_key_der)
    assert peer.not_after == int(clock.now()) + 365 * DAY


async def test_an_expired_certificate_is_refused(
    manager: CertificateManager, provision: Provision, clock: ManualClock
) -> None:
    certificate = provision(not_after=clock.now() + 10).certificate

    await clock.advance(9)
    manager.check(certificate)
    await clock.advance(2)
    with pytest.raises(CertificateInvalid, match="expired: the certificate was valid until 2023-11-14 22:13:30"):
        manager.check(certificate)


async def test_a_certificate_that_is_not_yet_valid_is_refused(
    manager: CertificateManager, provision: Provision, clock: ManualClock
) -> None:
    certificate = provision(not_before=clock.now() + 10).certificate

    with pytest.raises(CertificateInvalid, match="not yet valid: the certificate is valid from 2023-11-14 22:13:30"):
        manager.check(certificate)
    await clock.advance(10)
    manager.check(certificate)


def test_a_slow_clock_accepts_a_new_certificate(devices: Authority, clock: ManualClock, provision: Provision) -> None:
    CertificateManager(devices.certificate, ManualClock(clock.now() - 240)).check(provision().certificate)


async def test_an_expired_authority_is_refused(
    manager: CertificateManager, provision: Provision, clock: ManualClock
) -> None:
    certificate = provision(not_after=clock.now() + 20 * 365 * DAY).certificate

    await clock.advance(11 * 365 * DAY)
    with pytest.raises(CertificateInvalid, match="expired: the authority's certificate"):
        manager.check(certificate)


@pytest.mark.parametrize(
    ("usages", "reason"),
    [
        (Usages(extended=(ExtendedKeyUsageOID.SERVER_AUTH,)), "not for client authentication"),
        (Usages(extended=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)), "not for client authentication"),
        (Usages(), "does not say what its key is for"),
        (Usages(("key_agreement",), DEVICE_USAGES.extended), "not for digital signatures"),
        (Usages(("key_encipherment",), DEVICE_USAGES.extended), "not for digital signatures"),
    ],
)
def test_a_key_for_another_use_is_refused(
    manager: CertificateManager, provision: Provision, usages: Usages, reason: str
) -> None:
    with pytest.raises(CertificateInvalid, match=f"^wrong key usage: .*{reason}"):
        manager.check(provision(usages=usages).certificate)


def test_an_authoritys_certificate_is_not_a_devices(manager: CertificateManager, devices: Authority) -> None:
    with pytest.raises(CertificateInvalid, match="wrong key usage"):
        manager.check(devices.certificate)


def by_hand(devices: Authority, *, ca: bool = False, name: str = "board-1", days: int = 9) -> bytes:
    """Return a certificate that the authority has signed although :class:`Authority` would refuse it."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    start = datetime.fromtimestamp(1_700_000_000, UTC) - timedelta(days=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.load_der_x509_certificate(devices.certificate).subject)
        .public_key(key)
        .serial_number(9)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(True, *[False] * 8), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    )
    signing = devices._key
    digest = hashes.SHA256() if isinstance(signing, ec.EllipticCurvePrivateKey) else None
    return builder.sign(signing, digest).public_bytes(serialization.Encoding.DER)


def test_an_invalid_resource_name_is_refused(manager: CertificateManager, devices: Authority) -> None:
    manager.check(by_hand(devices))
    with pytest.raises(CertificateInvalid, match="is not a DNS label"):
        manager.check(by_hand(devices, name="../board"))


def test_a_subordinate_authority_is_not_a_device(manager: CertificateManager, devices: Authority) -> None:
    with pytest.raises(CertificateInvalid, match="wrong key usage: an authority's certificate"):
        manager.check(by_hand(devices, ca=True))


def test_another_authority_of_the_same_name_is_refused(
    manager: CertificateManager, provision: Provision, clock: ManualClock, algorithm: str
) -> None:
    impostor = Authority.create("Wasmbed devices", clock, algorithm=algorithm)
    with pytest.raises(CertificateInvalid, match="invalid signature"):
        manager.check(provision(by=impostor).certificate)


def test_another_authority_is_refused(manager: CertificateManager, provision: Provision, servers: Authority) -> None:
    with pytest.raises(CertificateInvalid, match="not a certificate of the device authority"):
        manager.check(provision(by=servers).certificate)


@pytest.mark.parametrize("garbage", [b"", b"garbage", b"\x30\x03\x02\x01\x01"])
def test_random_bytes_are_not_a_certificate(
    manager: CertificateManager, devices: Authority, clock: ManualClock, garbage: bytes
) -> None:
    with pytest.raises(CertificateInvalid, match="not a certificate"):
        manager.check(garbage)
    with pytest.raises(CertificateInvalid, match="not an authority's certificate"):
        CertificateManager(garbage, clock)
    with pytest.raises(CertificateInvalid, match="not a revocation list"):
        manager.update_revocations(garbage)


def test_a_revoked_device_is_refused(manager: CertificateManager, devices: Authority, provision: Provision) -> None:
    kept, revoked = provision("kept"), provision("revoked")
    devices.revoke(serial(revoked))
    manager.check(revoked.certificate)
    for _ in range(2):
        manager.update_revocations(devices.crl())
    manager.check(kept.certificate)
    with pytest.raises(CertificateInvalid, match=r"^revoked$"):
        manager.check(revoked.certificate)


def test_a_list_of_another_authority_changes_nothing(
    manager: CertificateManager, devices: Authority, provision: Provision, clock: ManualClock, algorithm: str
) -> None:
    identity = provision()
    devices.revoke(serial(identity))
    manager.update_revocations(devices.crl())
    for name in ("Wasmbed devices", "Somebody else"):
        other = Authority.create(name, clock, algorithm=algorithm)
        for number in range(1, 6):
            other.revoke(number)
        with pytest.raises(CertificateInvalid, match="the authority did not sign"):
            manager.update_revocations(other.crl())
    with pytest.raises(CertificateInvalid, match=r"^revoked$"):
        manager.check(identity.certificate)


def test_an_older_list_is_refused(manager: CertificateManager, devices: Authority, provision: Provision) -> None:
    identity = provision()
    before = devices.crl()
    devices.revoke(serial(identity))
    manager.update_revocations(devices.crl())
    with pytest.raises(CertificateInvalid, match="revocation list 1 is older than 2"):
        manager.update_revocations(before)
    with pytest.raises(CertificateInvalid, match=r"^revoked$"):
        manager.check(identity.certificate)


def test_a_long_list_is_taken_over(manager: CertificateManager, devices: Authority, provision: Provision) -> None:
    identity = provision()
    for number in range(1, 1001):
        devices.revoke(number)
    devices.revoke(serial(identity))
    manager.update_revocations(devices.crl())
    with pytest.raises(CertificateInvalid, match=r"^revoked$"):
        manager.check(identity.certificate)


CLOCK = ManualClock()
AUTHORITY = Authority.create("Wasmbed devices", CLOCK)
AUTHORITY.revoke(7)
MANAGER = CertificateManager(AUTHORITY.certificate, CLOCK)
KEY = generate_key()
SAMPLES = {
    "certificate": (AUTHORITY.issue_device("board-1", KEY.public_key()), MANAGER.check),
    "request": (create_signing_request(KEY, "board-1"), read_signing_request),
    "list": (AUTHORITY.crl(), lambda der: set(read_crl(der, x509.load_der_x509_certificate(AUTHORITY.certificate))[1])),
}


# The library only warns of some damage; such bytes then fail the check of the signature.
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@pytest.mark.parametrize("what", SAMPLES)
@settings(max_examples=examples(200))
@given(damage=st.data())
def test_damaged_bytes_are_refused_or_mean_the_same(what: str, damage: st.DataObject) -> None:
    good, read = SAMPLES[what]
    der = bytearray(good)
    for _ in range(damage.draw(st.integers(1, 3))):
        der[damage.draw(st.integers(0, len(der) - 1))] = damage.draw(st.integers(0, 255))
    with suppress(CertificateInvalid):
        # No signature covers the number of unused bits in a signature.
        assert read(bytes(der)) == read(good)
