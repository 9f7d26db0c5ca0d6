"""How a board becomes a Device: by certificate, by signing request, again after a reboot, and when it may not."""

from base64 import b64encode
from contextlib import suppress
from dataclasses import replace

import pytest

from harness.core.history import Kind
from harness.stack import Stack
from harness.wasmbed.pki.keys import load_private_key, public_key_der
from harness.wasmbed.protocol.errors import LinkClosed
from harness.wasmbed.protocol.messages import EnrollmentAcknowledgment, EnrollmentResponse, Error, ErrorCode

pytestmark = pytest.mark.severity("critical")


@pytest.mark.requires("device-phases", "wasm")
async def test_a_device_with_a_certificate_enrolls(stack: Stack) -> None:
    """A board with a certificate becomes a Connected device, and Kubernetes knows all of it."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected", wasm_runtime="ready", health="healthy")

    status = device.status
    assert status.device_status == "Running"
    assert status.gateway == stack.gateway.name
    assert status.device_id
    assert status.connected_since
    assert status.last_heartbeat
    assert status.error is None
    key = load_private_key(stack.boards.credentials(board).private_key, "test")
    assert device.spec.public_key == b64encode(public_key_der(key.public_key())).decode()
    assert {"tls", "cbor"} <= set(device.spec.capabilities)
    assert stack.history.phases(device.name) == ["Pending", "Enrolling", "Enrolled", "Connected"]
    stack.history.follows("device-enrollment")


@pytest.mark.requires("device-phases", "wasm")
async def test_enrollment_goes_step_by_step(stack: Stack) -> None:
    """Handshake, request, resource, confirmation by the controller, response, acknowledgment, heartbeat: in order."""
    board = await stack.boards.power_on()
    name = (await stack.device(board).until(phase="Connected")).name

    history = stack.history
    handshake = await history.until("TlsConnected", about=name, source="Device")
    assert handshake.data["certificate"]["subject"].endswith(name)
    assert handshake.data["version"] == "TLSv1.3"
    step = await history.until("EnrollmentRequest", about=name, source="Device", after=handshake)
    step = await history.until("POST Device", about=name, source="Gateway", code=201, after=step)
    step = await history.until(
        "PATCH Device",
        about=name,
        source="DeviceController",
        after=step,
        status=lambda status: status["phase"] == "Enrolled",
    )
    step = await history.until("EnrollmentResponse", about=name, source="Gateway", after=step)
    assert step.data["deviceId"] == stack.device(board).status.device_id
    assert step.data["heartbeatInterval"] == stack.options.heartbeat * 1000
    step = await history.until("EnrollmentAcknowledgment", about=name, source="Device", after=step)
    step = await history.until("Heartbeat", about=name, source="Device", after=step)
    await history.until("HeartbeatAcknowledgment", about=name, source="Gateway", after=step)
    stack.history.follows("connection-establishment")
    stack.history.follows("device-enrollment")


@pytest.mark.requires("gateway-pairing")
@pytest.mark.requires("csr", "wasm")
async def test_a_device_enrolls_by_signing_request(stack: Stack) -> None:
    """A board without certificate pays with a one-time token, gets a certificate, and comes back with it."""
    board = await stack.boards.power_on(certificate="request")
    device = await stack.device(board).until(phase="Connected")

    history = stack.history
    first = await history.until("TlsConnected", about=device.name, certificate=None)
    request = await history.until("EnrollmentRequest", about=device.name, csr=bool, after=first)
    issued = await history.until("EnrollmentResponse", about=device.name, certificate=bool, after=request)
    second = await history.until("TlsConnected", about=device.name, certificate=bool, after=issued)
    response = await history.until("EnrollmentResponse", about=device.name, certificate=None, after=second)
    assert response.data["deviceId"] == issued.data["deviceId"] == device.status.device_id
    await history.until("DELETE Secret", source="Gateway", code=200)
    stack.history.follows("device-enrollment-by-request")


@pytest.mark.requires("gateway-pairing")
async def test_a_signing_request_is_for_the_key_of_its_device(stack: Stack) -> None:
    """A request whose key is not the one in the signing request gets no certificate."""
    pump = await stack.mock_board("pump", certificate="request")
    other = await stack.mock_board("other")
    asked = pump.send(replace(pump.pairing_request(), public_key=other.public_key))
    assert (await pump.expect(Error, asked)).code == ErrorCode.ENROLLMENT_FAILED
    await pump.until_closed()


@pytest.mark.requires("gateway-pairing")
async def test_a_pairing_token_takes_over_no_registered_device(stack: Stack) -> None:
    """A device is registered with its key: a token for its name is not enough for another key."""
    meter = await stack.mock_board("meter")
    await meter.enroll()
    await stack.device("meter").until(phase="Connected")
    await meter.close()
    await stack.device("meter").until(phase="Disconnected")
    thief = await stack.mock_board("meter", certificate="request")
    error = await thief.expect(Error, thief.send(thief.pairing_request()))
    assert error.code == ErrorCode.ENROLLMENT_FAILED
    assert "registered with another key" in error.message
    await thief.until_closed()


@pytest.mark.requires("gateway-pairing")
async def test_a_paired_device_has_to_come_back_with_its_certificate(stack: Stack) -> None:
    """The gateway issues a certificate and ends the connection, although the device goes on to speak on it."""
    pump = await stack.mock_board("pump", certificate="request")
    issued = await pump.expect(EnrollmentResponse, pump.send(pump.pairing_request()))
    assert issued.certificate
    with suppress(LinkClosed):
        pump.send(EnrollmentAcknowledgment(issued.device_id))
    await pump.until_closed()
    closed = await stack.history.until("ConnectionClosed", about="pump", source="Gateway")
    if "gateway-reasons" in stack.gateway.features:
        assert "connects again with its certificate" in closed.data["reason"]
    assert [event.name for event in stack.history.find(source="Gateway", target="Device", about="pump")] == [
        "EnrollmentResponse",
        "ConnectionClosed",
    ]


@pytest.mark.requires("gateway-pairing")
@pytest.mark.requires("csr")
async def test_a_pairing_token_serves_once(stack: Stack) -> None:
    """A token that was used cannot be used again, for instance by an eavesdropper."""
    board = await stack.boards.power_on(certificate="request")
    device = await stack.device(board).until(phase="Connected")
    await board.power_off()
    await device.until(phase="Disconnected")

    await stack.boards.power_on(twin_of=board)
    refused = await stack.history.until("Error", about=device.name, source="Gateway")
    assert refused.data["code"] == "ENROLLMENT_FAILED"
    assert "token" in refused.data["message"]
    assert device.status.phase == "Disconnected"
    await stack.history.until("ConnectionClosed", about=device.name, after=refused)
    stack.history.follows("enrollment-failure")


@pytest.mark.requires("reset")
async def test_a_device_keeps_its_id_over_a_reboot(stack: Stack) -> None:
    """A board that was reset enrolls anew and is the same device."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    device_id, since = device.status.device_id, device.status.connected_since

    await board.reset()
    await device.until(phase="Connected", connected_since=lambda moment: moment not in (None, since))
    assert device.status.device_id == device_id
    assert len(stack.history.find("EnrollmentRequest", about=device.name)) == 2
    stack.history.follows("device-connection")


@pytest.mark.requires("device-fields", "gateway-device-info")
@pytest.mark.requires("wasm")
@pytest.mark.stack(heartbeat=0.5)
async def test_a_device_says_what_it_is(stack: Stack) -> None:
    """Asked after its enrollment, it tells its memory, architecture, runtime and largest module."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    asked = await stack.history.until("DeviceInfoRequest", about=device.name, source="Gateway")
    said = await stack.history.until("DeviceInfo", about=device.name, source="Device", after=asked)
    assert said.data["messageId"] == asked.data["messageId"]
    await device.until(device_info=lambda information: information.get("memory"))
    information = device.status.device_info
    assert information["architecture"] == device.spec.architecture
    assert information["largestModule"] == device.spec.largest_module
    assert information["memory"] >= 65_536
    assert "sign-extension" in information["runtimeFeatures"]
    stack.history.follows("device-enrollment")


@pytest.mark.requires("claims")
async def test_a_device_of_an_unknown_type_is_refused(stack: Stack) -> None:
    """The gateway says what it knows, and Kubernetes never hears of the device."""
    board = await stack.boards.power_on(device_type="toaster")
    refused = await stack.history.until("Error", about=board.name, source="Gateway")
    assert refused.data["code"] == "ENROLLMENT_FAILED"
    assert "toaster" in refused.data["message"]
    await stack.history.until("ConnectionClosed", about=board.name)
    assert not stack.device(board).exists
    stack.history.follows("enrollment-failure")


@pytest.mark.requires("claims")
@pytest.mark.parametrize("capabilities", [("tls", "cbor", "teleport"), ("wasm",)], ids=["unknown", "missing"])
async def test_a_device_with_unsupported_capabilities_is_refused(stack: Stack, capabilities: tuple[str, ...]) -> None:
    """A device with an unknown capability, or without a required one, is refused; the error names it, and no Device is
    created."""
    board = await stack.boards.power_on(capabilities=capabilities)
    refused = await stack.history.until("Error", about=board.name, source="Gateway")
    assert refused.data["code"] == "UNSUPPORTED_CAPABILITY"
    wrong = ("teleport",) if "teleport" in capabilities else ("tls", "cbor")
    assert any(capability in refused.data["message"] for capability in wrong)
    assert not stack.device(board).exists
    await stack.history.until("ConnectionClosed", about=board.name, after=refused)
    stack.history.follows("enrollment-failure")


async def test_a_second_device_of_the_same_name_is_refused(stack: Stack) -> None:
    """While a device is connected, another one with its identity is asked to retry later; the first stays."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    twin = await stack.boards.power_on(twin_of=board)

    refused = await stack.history.until("Error", about=device.name, code="DUPLICATE_DEVICE")
    assert refused.data["retryAfter"] > 0
    await twin.console.until("DUPLICATE_DEVICE")
    assert device.status.phase == "Connected"
    assert stack.history.phases(device.name).count("Disconnected") == 0
    await stack.history.until("ConnectionClosed", about=device.name, after=refused)
    stack.history.follows("enrollment-failure")


async def test_the_twin_gets_in_when_the_first_has_gone(stack: Stack) -> None:
    """The refusal is for the time being: once the first device's session is over, the second is that device."""
    first = await stack.mock_board("meter")
    await first.enroll()
    await stack.device("meter").until(phase="Connected")
    device_id = stack.device("meter").status.device_id
    await first.close()
    await stack.device("meter").until(phase="Disconnected", error="Connection lost")

    second = await stack.mock_board("meter", credentials=first.credentials)
    assert await second.enroll() == device_id
    await stack.device("meter").until(phase="Connected")
    stack.history.follows("device-connection")


async def test_a_replayed_request_is_refused(stack: Stack) -> None:
    """The very same enrollment request a second time is an attack, by any sender."""
    peer = await stack.mock_board("meter")
    request = peer.request()
    peer.send(request)
    await stack.history.until("EnrollmentResponse", about="meter")
    await peer.close()
    await stack.device("meter").until(phase="Disconnected")

    again = await stack.mock_board("meter", credentials=peer.credentials)
    again.send(request)
    refused = await stack.history.until("Error", about="meter", source="Gateway")
    assert refused.data["code"] == "REPLAYED_MESSAGE"
    assert stack.device("meter").status.phase == "Disconnected"
    await stack.history.until("ConnectionClosed", about="meter", after=refused)
    stack.history.follows("enrollment-failure")


@pytest.mark.requires("wasm")
async def test_many_devices_enroll_at_once(stack: Stack) -> None:
    """A fleet becomes Connected, every device with an id of its own."""
    boards = await stack.boards.power_on(count=stack.options.fleet)
    for board in boards:
        await stack.device(board).until(phase="Connected", within=30)
    ids = {stack.device(board).status.device_id for board in boards}
    assert len(ids) == len(boards)
    requests = [event.correlation for event in stack.history.find("EnrollmentRequest", kind=Kind.MESSAGE)]
    assert sorted(requests) == sorted(board.name for board in boards)
    stack.history.follows("device-enrollment")
