"""Real handshakes: the certificates that TLS itself refuses, and those that the gateway judges."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from harness.core.client_hello import read_client_hello
from harness.core.clock import ManualClock
from harness.core.network import SystemNetwork
from harness.core.tls_listener import Admission
from harness.core.tls_server import HelloRefused, TlsServer
from harness.wasmbed.pki.authority import DAY, DEVICE_USAGES, Authority, Usages
from harness.wasmbed.pki.certificates import CertificateManager
from harness.wasmbed.pki.errors import CertificateInvalid
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.tls import _load_identity, client_context, tls_server, trust
from harness.wasmbed.protocol.errors import LinkClosed
from harness.wasmbed.protocol.link import Link, Side

Provision = Callable[..., Identity]


@dataclass
class World:
    """Authorities, a gateway's identity, and handshakes with devices."""

    clock: ManualClock
    servers: Authority
    devices: Authority
    gateway: Identity

    def handshake(
        self,
        identity: Identity | None,
        *,
        client: ssl.SSLContext | None = None,
        server: TlsServer | None = None,
        server_name: str = "127.0.0.1",
    ) -> tuple[ssl.SSLObject, ssl.SSLObject]:
        """Return the device's and the gateway's end after a complete handshake. Raises what either end raised.

        If the gateway refuses, the device reads its alert: that error is then the cause of the one raised.
        """
        up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = server or tls_server((self.gateway,), self.devices.certificate)
        client = client or client_context(self.servers.certificate, identity, self.clock)
        device = client.wrap_bio(down, up, server_hostname=server_name)
        with suppress(ssl.SSLWantReadError):
            device.do_handshake()
        hello = up.read()
        up.write(hello)
        gateway = server.context_for(read_client_hello(hello)).wrap_bio(up, down, server_side=True)
        try:
            for end in (gateway, device, gateway, device, gateway):  # a second hello, where one is asked for
                with suppress(ssl.SSLWantReadError):
                    end.do_handshake()
        except ssl.SSLError as refusal:
            try:
                device.read()
            except ssl.SSLError as alert:
                raise refusal from alert
            raise
        return device, gateway

    def judge(self, identity: Identity | None) -> str:
        """Return the certificate manager's result for a device after its handshake: its name, or the reason."""
        _, gateway = self.handshake(identity)
        certificate = gateway.getpeercert(binary_form=True)
        assert certificate is not None
        manager = CertificateManager(self.devices.certificate, self.clock)
        manager.update_revocations(self.devices.crl())
        try:
            return manager.check(certificate).name
        except CertificateInvalid as error:
            return error.reason


@pytest.fixture
def world(clock: ManualClock, servers: Authority, devices: Authority, algorithm: str) -> World:
    gateway = servers.issue_server("gateway-1", ["gateway.example", "127.0.0.1"], algorithm=algorithm)
    return World(clock, servers, devices, gateway)


def test_both_ends_know_each_other(world: World, provision: Provision) -> None:
    identity = provision("board-1")
    device, gateway = world.handshake(identity)
    assert device.version() == gateway.version() == "TLSv1.3"
    assert gateway.getpeercert(binary_form=True) == identity.certificate
    assert device.getpeercert(binary_form=True) == world.gateway.certificate
    assert world.judge(identity) == "board-1"


def test_a_client_without_a_certificate_is_accepted_for_pairing(world: World) -> None:
    _, gateway = world.handshake(None)
    assert gateway.getpeercert(binary_form=True) is None


def test_no_session_tickets_are_sent(world: World, provision: Provision) -> None:
    device, _ = world.handshake(provision())
    with pytest.raises(ssl.SSLWantReadError):
        device.read()
    assert device.session is None or not device.session.has_ticket


def test_the_gateway_judges_an_expired_certificate(world: World, provision: Provision) -> None:
    assert world.judge(provision(not_after=world.clock.now() - 1)).startswith("expired: ")


def test_the_gateway_judges_a_certificate_that_is_not_yet_valid(world: World, provision: Provision) -> None:
    assert world.judge(provision(not_before=world.clock.now() + 60)).startswith("not yet valid: ")


def test_the_gateway_judges_a_revoked_certificate(world: World, provision: Provision) -> None:
    identity = provision()
    world.devices.revoke(x509.load_der_x509_certificate(identity.certificate).serial_number)
    assert world.judge(identity) == "revoked"


@pytest.mark.parametrize(
    "usages", [Usages(("key_agreement",), DEVICE_USAGES.extended), Usages()], ids=["key agreement", "not said"]
)
def test_the_gateway_judges_a_wrong_usage_that_openssl_accepts(
    world: World, provision: Provision, usages: Usages
) -> None:
    assert world.judge(provision(usages=usages)).startswith("wrong key usage: ")


@pytest.mark.parametrize(
    "usages",
    [
        Usages(extended=(ExtendedKeyUsageOID.SERVER_AUTH,)),
        Usages(extended=(ExtendedKeyUsageOID.CODE_SIGNING,)),
        Usages(extended=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)),
        Usages(("key_encipherment",), DEVICE_USAGES.extended),
    ],
    ids=["server", "code signing", "any", "encipherment"],
)
def test_a_wrong_usage_that_openssl_knows_is_a_tls_alert(world: World, provision: Provision, usages: Usages) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="unsuitable certificate purpose") as caught:
        world.handshake(provision(usages=usages))
    assert "ALERT_UNSUPPORTED_CERTIFICATE" in str(caught.value.__cause__)


def test_an_unknown_authority_is_a_tls_alert(world: World, provision: Provision) -> None:
    stranger = Authority.create("Wasmbed devices", world.clock)
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer certificate") as caught:
        world.handshake(provision(by=stranger))
    assert "ALERT_UNKNOWN_CA" in str(caught.value.__cause__)


def test_a_certificate_without_its_key_proves_nothing(world: World, provision: Provision) -> None:
    victim, thief = provision("victim"), provision("thief")
    with pytest.raises(ssl.SSLError):
        world.handshake(Identity(thief.private_key, victim.certificate))


def test_older_versions_are_refused(world: World, provision: Provision) -> None:
    older = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    older.load_verify_locations(cadata=world.servers.certificate)
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(HelloRefused, match=r"the client does not offer TLS 1\.3"):
        world.handshake(None, client=older)


def test_a_device_refuses_a_gateway_of_another_authority(world: World, provision: Provision) -> None:
    distrustful = client_context(world.devices.certificate, provision(), world.clock)
    with pytest.raises(ssl.SSLCertVerificationError):
        world.handshake(None, client=distrustful)


def test_a_device_refuses_a_gateway_of_another_name(world: World, provision: Provision) -> None:
    world.handshake(provision(), server_name="gateway.example")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        world.handshake(provision(), server_name="another.example")


def test_a_device_refuses_a_gateway_with_a_devices_certificate(world: World, provision: Provision) -> None:
    server = tls_server((provision(by=world.servers),), world.devices.certificate)
    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        world.handshake(provision(), server=server)


@pytest.mark.parametrize(
    ("dates", "reason"),
    [({"not_after": -DAY}, "has expired"), ({"not_before": DAY}, "is not yet valid")],
)
def test_a_device_judges_the_gateways_dates_on_its_clock(
    world: World, provision: Provision, dates: dict[str, float], reason: str
) -> None:
    moments: dict[str, Any] = {name: world.clock.now() + offset for name, offset in dates.items()}
    server = tls_server((world.servers.issue_server("old", **moments),), world.devices.certificate)
    with pytest.raises(ssl.SSLCertVerificationError, match=reason):
        world.handshake(provision(), server=server)


def test_a_device_without_a_clock_uses_the_machines_time(world: World, provision: Provision) -> None:
    """The world's clock stands in 2023, and its certificates expired in 2024."""
    machine = client_context(world.servers.certificate, provision())
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        world.handshake(None, client=machine)


def test_another_links_alert_fails_no_context(world: World, provision: Provision) -> None:
    """A peer's alert that comes while this end closes stays in OpenSSL's queue of the thread."""
    down, up = ssl.MemoryBIO(), ssl.MemoryBIO()
    authority = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust(authority, world.devices.certificate)
    authority.verify_mode = ssl.CERT_REQUIRED
    _load_identity(authority, world.gateway)
    device = client_context(world.servers.certificate, None, world.clock).wrap_bio(
        down, up, server_hostname="127.0.0.1"
    )
    gateway = authority.wrap_bio(up, down, server_side=True)
    for end in (device, gateway, device):
        with suppress(ssl.SSLWantReadError):
            end.do_handshake()
    with pytest.raises(ssl.SSLError, match="did not return a certificate"):
        gateway.do_handshake()
    device.unwrap()
    client_context(world.servers.certificate, provision("board"), world.clock)


def test_no_key_is_left_on_disk(
    world: World, provision: Provision, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    world.handshake(provision())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_rejected_device_gets_the_alert_over_a_socket(
    world: World, provision: Provision, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    def opened(_: Link) -> None:
        """The device's handshake ends before the gateway's check (RFC 8446, section 4.4.2.4)."""

    def never(_: Link) -> None:
        pytest.fail("the gateway accepted the device")

    async def main() -> None:
        network = SystemNetwork()
        reasons: list[str] = []
        server = tls_server((world.gateway,), world.devices.certificate)
        admission = Admission(rejected=lambda _, reason, __: reasons.append(reason))
        listener = await network.listen(
            lambda: Link(Side.GATEWAY, opened=never), ("127.0.0.1", 0), tls=server, admission=admission
        )
        stranger = Authority.create("Nobody", world.clock)
        client = client_context(world.servers.certificate, provision(by=stranger), world.clock)
        try:
            device = await network.connect(lambda: Link(Side.DEVICE, opened=opened), listener.endpoint, tls=client)
            with pytest.raises(LinkClosed, match="ALERT_UNKNOWN_CA"):
                await device.receive()
        finally:
            await listener.close()
        assert len(reasons) == 1

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(asyncio.wait_for(main(), 10))
