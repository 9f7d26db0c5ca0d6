"""Peers without a valid certificate get the reason if TLS allows it; otherwise they leave one log line at most."""

import pytest

from harness.stack import Stack

pytestmark = pytest.mark.severity("critical")


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [("expired", "expired"), ("not-yet-valid", "not yet valid"), ("revoked", "revoked"), ("wrong-usage", "usage")],
)
@pytest.mark.requires("gateway-certificate-errors")
async def test_a_bad_certificate_is_refused(stack: Stack, certificate: str, reason: str) -> None:
    """The handshake completes, so that the gateway can ask the device to renew its certificate; it gets no resource."""
    board = await stack.boards.power_on(certificate=certificate)
    refused = await stack.history.until("Error", about=board.name, source="Gateway")
    assert refused.data["code"] == "CERTIFICATE_INVALID"
    assert refused.data["action"] == "RENEW_CERTIFICATE"
    assert reason in refused.data["message"]
    await board.console.until("CERTIFICATE_INVALID")
    await stack.history.until("ConnectionClosed", about=board.name, after=refused)
    assert not stack.device(board).exists
    stack.history.follows("certificate-invalid")


@pytest.mark.parametrize("certificate", ["unknown-authority", "server-only"])
async def test_what_tls_itself_refuses_ends_the_handshake(stack: Stack, certificate: str) -> None:
    """A certificate that another authority signed, or that is for servers: a TLS alert, no session, no resource."""
    board = await stack.boards.power_on(certificate=certificate)
    rejected = await stack.history.until("TlsRejected")
    assert rejected.data["reason"]
    assert not stack.history.find("TlsConnected", about=board.name)
    assert not stack.device(board).exists


@pytest.mark.requires("gateway-revocation")
@pytest.mark.requires("reset")
async def test_a_revoked_device_cannot_come_back(stack: Stack) -> None:
    """Revocation reaches a running gateway: the session ends, and the device is refused from then on."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    await stack.pki.revoke(stack.boards.credentials(board))
    dismissed = await stack.history.until("Error", about=device.name, code="CERTIFICATE_INVALID")
    assert "revoked" in dismissed.data["message"]
    await device.until(phase="Disconnected")
    await board.reset()
    again = await stack.history.until("Error", about=device.name, code="CERTIFICATE_INVALID", after=dismissed)
    assert device.status.phase == "Disconnected"
    await stack.history.until("ConnectionClosed", about=device.name, after=again)
    stack.history.follows("certificate-invalid")


async def test_another_key_under_a_registered_name_is_refused(stack: Stack) -> None:
    """The key that enrolled first is the device's; a valid certificate for another key is not enough."""
    peer = await stack.mock_board("meter")
    await peer.enroll()
    await peer.close()
    await stack.device("meter").until(phase="Disconnected")

    impostor = await stack.mock_board("meter")
    impostor.send(impostor.request())
    refused = await stack.history.until("Error", about="meter", source="Gateway")
    assert refused.data["code"] == "CERTIFICATE_INVALID"
    assert stack.device("meter").status.phase == "Disconnected"
    await stack.history.until("ConnectionClosed", about="meter", after=refused)
    stack.history.follows("certificate-invalid")


@pytest.mark.requires("gateway-pairing")
async def test_without_a_certificate_a_peer_may_only_pair(stack: Stack) -> None:
    """Anything but a signing request with a token from a peer without certificate is refused."""
    peer = await stack.mock_board("unknown", certificate="request")
    peer.send(peer.request())
    refused = await stack.history.until("Error", source="Gateway")
    assert refused.data["code"] == "ENROLLMENT_FAILED"
    await peer.until_closed()
    assert not stack.device("unknown").exists
