"""Everything that a gateway has to refuse: mock boards and HTTP clients that connect, return, or send requests."""

from base64 import b64encode
from contextlib import suppress
from dataclasses import replace

import cbor2
import pytest
from cryptography import x509

from harness.boards.board import Credentials
from harness.stack import MockBoard, Stack
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.keys import Algorithm, generate_key, load_private_key, private_key_der, public_key_der
from harness.wasmbed.protocol.errors import LinkClosed
from harness.wasmbed.protocol.framing import frame
from harness.wasmbed.protocol.messages import (
    ApplicationState,
    ApplicationStatus,
    DeploymentResult,
    EnrollmentAcknowledgment,
    EnrollmentResponse,
    Error,
    ErrorCode,
    HeartbeatAcknowledgment,
    Message,
    RuntimeFault,
)
from harness.wasmbed.resources.kinds import CONFIG_MAP, DEVICE, SECRET

pytestmark = pytest.mark.severity("critical")

CRL = "wasmbed-device-crl"
REMEMBERED = 64
"""The latest message ids of a session, none of which may come again."""


async def enrolled(stack: Stack, name: str) -> MockBoard:
    """A mock board that is Connected."""
    board = await stack.mock_board(name)
    await board.enroll()
    await stack.device(name).until(phase="Connected")
    return board


async def back(stack: Stack, board: MockBoard) -> MockBoard:
    """The same device on a new connection, after its first was lost; it has said nothing yet."""
    await board.close()
    await stack.device(board.name).until(phase="Disconnected")
    again = await stack.mock_board(board.name, credentials=board.credentials)
    again.device_id = board.device_id
    return again


async def refused(stack: Stack, board: MockBoard, code: ErrorCode, reason: str = "", asked: int | None = None) -> None:
    """Assert that the next message is that refusal, of the message ``asked``, that the session ends if it is about
    identity, and that no Device is created."""
    error = await board.expect(Error, asked)
    assert error.code == code
    assert reason in error.message
    if code is ErrorCode.CERTIFICATE_INVALID:
        assert error.action == "RENEW_CERTIFICATE"
        await board.until_closed()
    await stack.history.until("Error", about=board.name, source="Gateway", code=str(code))
    assert not stack.device(board.name).exists or stack.device(board.name).status.phase != "Connected"


def revocations(stack: Stack, *boards: MockBoard, authority: Authority | None = None) -> bytes:
    """A list that revokes these boards beside those that are revoked already."""
    authority = authority or stack.pki.devices
    for board in boards:
        certificate = board.credentials.certificate
        assert certificate is not None
        authority.revoke(x509.load_der_x509_certificate(certificate).serial_number)
    return authority.crl()


async def publish(stack: Stack, crl: bytes) -> None:
    """Write a list where gateways read it."""
    await stack.api.patch(CONFIG_MAP, CRL, {"binaryData": {"crl.der": b64encode(crl).decode()}})


@pytest.mark.requires("gateway-revocation")
async def test_a_revoked_device_cannot_resume(stack: Stack) -> None:
    """A device was away when its certificate was revoked. Its heartbeat on a new session is refused."""
    meter = await enrolled(stack, "meter")
    await meter.close()
    await stack.device("meter").until(phase="Disconnected")
    await stack.pki.revoke(meter.credentials)
    again = await stack.mock_board("meter", credentials=meter.credentials)
    again.send(meter.heartbeat())
    await refused(stack, again, ErrorCode.CERTIFICATE_INVALID, "revoked")
    told = stack.history.find("Error", about="meter", source="Gateway")[-1]
    await stack.history.until("ConnectionClosed", about="meter", after=told)
    stack.history.follows("certificate-invalid", only=["meter"])
    stack.history.follows("device-revoked", only=["meter"])


@pytest.mark.requires("gateway-revocation")
async def test_a_device_with_a_renewed_certificate_is_the_device_that_it_was(stack: Stack) -> None:
    """Refused with what was revoked, as who it was and anew; with another certificate for its key it enrolls, under its
    id."""
    meter = await enrolled(stack, "meter")
    await meter.close()
    await stack.device("meter").until(phase="Disconnected")
    await stack.pki.revoke(meter.credentials)
    again = await stack.mock_board("meter", credentials=meter.credentials)
    again.send(meter.heartbeat())
    await refused(stack, again, ErrorCode.CERTIFICATE_INVALID, "revoked")
    anew = await stack.mock_board("meter", credentials=meter.credentials)
    anew.send(anew.request())
    await refused(stack, anew, ErrorCode.CERTIFICATE_INVALID, "revoked")
    key = load_private_key(meter.credentials.private_key, "test").public_key()
    renewed = replace(meter.credentials, certificate=stack.pki.devices.issue_device("meter", key))
    with_it = await stack.mock_board("meter", credentials=renewed)
    assert await with_it.enroll() == meter.device_id
    await stack.device("meter").until(phase="Connected")
    stack.history.follows("certificate-renewed")


@pytest.mark.requires("gateway-revocation")
async def test_a_list_that_revokes_two_ends_two_sessions_and_no_third(stack: Stack) -> None:
    """Each revoked device gets the reason and is dismissed; the others keep their sessions."""
    one, two, three = [await enrolled(stack, name) for name in ("one", "two", "three")]
    await stack.pki.revoke(one.credentials)
    crl = revocations(stack, two)
    await publish(stack, crl)
    for board in (one, two):
        assert (await board.expect(Error)).code == ErrorCode.CERTIFICATE_INVALID
        await board.until_closed()
        await stack.device(board.name).until(phase="Disconnected")
    stack.history.follows("device-revoked", only=["one", "two"])
    await three.beat()
    assert stack.device("three").status.phase == "Connected"


@pytest.mark.requires("gateway-revocation")
async def test_one_list_that_revokes_two_at_once(stack: Stack) -> None:
    """Both are in the same new list: both sessions end."""
    boards = [await enrolled(stack, name) for name in ("one", "two")]
    spare = await enrolled(stack, "spare")
    await stack.pki.revoke(await stack.pki.credentials("another"))
    await publish(stack, revocations(stack, *boards))
    for board in boards:
        await board.until_closed()
        await stack.device(board.name).until(phase="Disconnected")
    await spare.beat()


@pytest.mark.requires("gateway-revocation")
@pytest.mark.parametrize("how", ["older", "same-number", "strangers", "garbage", "deleted", "emptied"])
async def test_a_list_that_must_not_count_takes_nothing_back(stack: Stack, how: str) -> None:
    """An older list, one with the same number, one of another authority, garbage, and no list leave revocations in
    force."""
    older = stack.pki.devices.crl()
    meter = await enrolled(stack, "meter")
    await stack.pki.revoke(meter.credentials)
    await meter.until_closed()
    await stack.device("meter").until(phase="Disconnected")
    if how == "deleted":
        await stack.api.delete(CONFIG_MAP, CRL)
        garbage = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": CRL},
            "binaryData": {"crl.der": "AA=="},
        }
        await stack.api.create(CONFIG_MAP, garbage)
        await stack.history.until("RevocationListRefused")
    elif how == "emptied":
        await stack.api.patch(CONFIG_MAP, CRL, {"binaryData": None})
        await stack.history.until("RevocationListRefused")
    else:
        if how == "same-number":
            crl = _same_number(stack)
        elif how == "strangers":
            crl = _newer_of_a_stranger(stack)
        else:
            crl = older if how == "older" else b"not a list"
        await publish(stack, crl)
        await stack.history.until("RevocationListRefused")
    again = await stack.mock_board("meter", credentials=meter.credentials)
    again.send(again.request())
    await refused(stack, again, ErrorCode.CERTIFICATE_INVALID, "revoked")


def _newer_of_a_stranger(stack: Stack) -> bytes:
    """Return a list of an authority of the same name with another key, with a higher number."""
    stranger = Authority.create("Wasmbed devices", stack.clock)
    for serial in range(1, 9):
        stranger.revoke(serial)
    return stranger.crl()


def _same_number(stack: Stack) -> bytes:
    """Return a list of the same authority with the number of the current one, without any revocation."""
    devices = stack.pki.devices
    revoked, devices._revoked = devices._revoked, {}
    try:
        return devices.crl()
    finally:
        devices._revoked = revoked


@pytest.mark.requires("gateway-pairing")
@pytest.mark.parametrize("what", ["heartbeat", "acknowledgment", "result", "state", "fault"])
async def test_a_peer_without_a_certificate_may_only_ask_to_enroll(stack: Stack, what: str) -> None:
    """Anything else is refused, also under the id of a device that is connected; that device's session goes on."""
    meter = await enrolled(stack, "meter")
    stranger = await stack.mock_board("stranger", certificate="request")
    messages: dict[str, Message] = {
        "heartbeat": meter.heartbeat(),
        "acknowledgment": EnrollmentAcknowledgment(meter.device_id),
        "result": DeploymentResult("app", ok=True),
        "state": ApplicationStatus("app", ApplicationState.RUNNING),
        "fault": RuntimeFault("app", "TRAP", "unreachable"),
    }
    stranger.send(messages[what])
    assert (await stranger.expect(Error)).code == ErrorCode.ENROLLMENT_FAILED
    await stranger.until_closed()
    await meter.beat()
    assert not stack.device("stranger").exists


@pytest.mark.requires("gateway-stop")
async def test_devices_of_an_expired_authority_are_refused(stack: Stack) -> None:
    """Devices with valid certificates of an expired authority are refused: with the reason, or in the handshake by a
    gateway that gives none."""
    await stack.gateway.stop()
    now = stack.clock.now()
    stack.pki.devices = Authority.create("Expired devices", stack.clock, lifetime=(now - 30 * 86_400, now - 3_600))
    await stack.gateway.start()
    if "gateway-certificate-errors" in stack.gateway.features:
        meter = await stack.mock_board("meter")
        meter.send(meter.request())
        await refused(stack, meter, ErrorCode.CERTIFICATE_INVALID, "expired")
    else:
        with suppress(OSError, LinkClosed):
            meter = await stack.mock_board("meter")
            meter.send(meter.request())
            await meter.until_closed()
        await stack.history.until("TlsRejected", reason=lambda reason: "expired" in reason)
    assert not stack.device("meter").exists


async def test_the_key_of_the_request_has_to_be_the_certificates(stack: Stack) -> None:
    """A valid certificate does not enroll another key."""
    meter = await stack.mock_board("meter")
    asked = meter.send(replace(meter.request(), public_key=public_key_der(generate_key().public_key())), 4711)
    await refused(stack, meter, ErrorCode.CERTIFICATE_INVALID, "key", asked)
    assert not stack.device("meter").exists


async def test_another_key_under_a_known_name_cannot_resume(stack: Stack) -> None:
    """A valid certificate of that name for another key, and the device's id: still not the device."""
    meter = await enrolled(stack, "meter")
    await meter.close()
    await stack.device("meter").until(phase="Disconnected")
    impostor = await stack.mock_board("meter")
    impostor.device_id = meter.device_id
    impostor.send(impostor.heartbeat())
    await refused(stack, impostor, ErrorCode.CERTIFICATE_INVALID)


@pytest.mark.requires("device-phases", "gateway-api-faults")
async def test_a_device_that_has_failed_cannot_resume(stack: Stack) -> None:
    """Its Device became Failed while it was away: a heartbeat is not enough, it has to enroll again."""
    meter = await enrolled(stack, "meter")
    await meter.close()
    await stack.device("meter").until(phase="Disconnected")
    status = {"phase": "Failed", "error": "taken out of service"}
    await stack.device("meter").wrote(await stack.api.patch_status(DEVICE, "meter", {"status": status}))
    await stack.history.until(
        "MODIFIED Device", target="Gateway", about="meter", status=lambda status: status.get("phase") == "Failed"
    )
    again = await stack.mock_board("meter", credentials=meter.credentials)
    again.device_id = meter.device_id
    again.send(again.heartbeat())
    assert (await again.expect(Error)).code == ErrorCode.ENROLLMENT_FAILED
    assert await again.enroll() == meter.device_id
    await stack.device("meter").until(phase="Connected", error=None)


async def test_a_known_device_cannot_resume_under_another_ones_id(stack: Stack) -> None:
    """A device that uses another device's id is refused, and the other is not disturbed; under its own id it may
    return."""
    other = await enrolled(stack, "other")
    again = await back(stack, await enrolled(stack, "meter"))
    own = again.device_id
    again.device_id = other.device_id
    again.send(again.heartbeat())
    await refused(stack, again, ErrorCode.ENROLLMENT_FAILED)
    await other.beat()
    await again.beat(own)
    await stack.device("meter").until(phase="Connected")
    stack.history.follows("device-resumed", only=["meter"])


async def test_a_session_stays_with_the_id_it_began_with(stack: Stack) -> None:
    """A connected device that beats under another one's id is refused, and the other's record says nothing of it."""
    other, meter = await enrolled(stack, "other"), await enrolled(stack, "meter")
    own, meter.device_id = meter.device_id, other.device_id
    meter.send(meter.heartbeat(ghost=ApplicationState.RUNNING))
    assert (await meter.expect(Error)).code == ErrorCode.ENROLLMENT_FAILED
    assert own != other.device_id
    other.runtime_status = "busy"
    await other.beat()
    device = await stack.device("other").until(wasm_runtime="busy", within=30)
    assert "ghost" not in (device.status.applications or ())


async def test_an_acknowledgment_of_another_id_ends_the_session(stack: Stack) -> None:
    """The device acknowledges an id that it was not given: refused, and never Connected."""
    other, meter = await enrolled(stack, "other"), await stack.mock_board("meter")
    meter.send(meter.request())
    await meter.expect(EnrollmentResponse)
    meter.reply(EnrollmentAcknowledgment(other.device_id))
    await refused(stack, meter, ErrorCode.ENROLLMENT_FAILED)
    await meter.until_closed()
    assert "Connected" not in stack.history.phases("meter")
    await other.beat()


async def test_a_nonce_belongs_to_its_device(stack: Stack) -> None:
    """Two devices may use the same nonce; one device may not use it twice, however many enrolled in between."""
    meter = await stack.mock_board("meter")
    request = meter.request()
    meter.send(request)
    await meter.expect(EnrollmentResponse)
    await meter.close()
    await stack.device("meter").until(phase="Disconnected")
    for number in range(5):
        other = await stack.mock_board(f"other-{number}")
        other.send(replace(other.request(), nonce=request.nonce))
        await other.expect(EnrollmentResponse)
    again = await stack.mock_board("meter", credentials=meter.credentials)
    again.send(request)
    await refused(stack, again, ErrorCode.REPLAYED_MESSAGE)


async def test_a_message_id_counts_once_in_a_session_and_once_for_each_device(stack: Stack) -> None:
    """A heartbeat or a fault with an id that came before is refused, and the session goes on; others may use it."""
    meter, other = await enrolled(stack, "meter"), await enrolled(stack, "other")
    sent = meter.send(meter.heartbeat())
    await meter.expect(HeartbeatAcknowledgment, sent)
    meter.send(meter.heartbeat(), sent)
    assert (await meter.expect(Error, sent)).code == ErrorCode.REPLAYED_MESSAGE
    other.send(other.heartbeat(), sent + 1000)
    meter.send(meter.heartbeat(), sent + 1000)
    await other.expect(HeartbeatAcknowledgment, sent + 1000)
    await meter.expect(HeartbeatAcknowledgment, sent + 1000)
    meter.send(RuntimeFault("ghost", "TRAP", "again"), sent)
    assert (await meter.expect(Error, sent)).code == ErrorCode.REPLAYED_MESSAGE
    for _ in range(REMEMBERED - 2):
        await meter.beat()
    meter.send(meter.heartbeat(), sent)
    assert (await meter.expect(Error, sent)).code == ErrorCode.REPLAYED_MESSAGE
    await meter.beat()


async def test_an_enrollment_request_in_a_session_is_refused(stack: Stack) -> None:
    """A connected device that asks to enroll is refused; its session continues under its id."""
    meter = await enrolled(stack, "meter")
    meter.send(meter.request())
    assert (await meter.expect(Error)).code == ErrorCode.DUPLICATE_DEVICE
    await meter.beat()
    await stack.recorded()
    assert len(stack.history.find("POST Device", source="Gateway")) == 1


async def test_a_refused_twin_takes_nothing_from_the_first(stack: Stack) -> None:
    """A twin connects while the first device is connected, and is refused. The first stays Connected, in its
    session."""
    meter = await enrolled(stack, "meter")
    since = stack.device("meter").status.connected_since
    for _ in range(3):
        twin = await stack.mock_board("meter", credentials=meter.credentials)
        twin.send(twin.request())
        error = await twin.expect(Error)
        assert error.code == ErrorCode.DUPLICATE_DEVICE
        assert error.retry_after is not None
        assert 1 <= error.retry_after <= stack.options.heartbeat * 1000
        await twin.until_closed()
        await meter.beat()
    await stack.history.until("ConnectionClosed", about="meter")
    await meter.beat()
    status = stack.device("meter").status
    assert (status.phase, status.connected_since) == ("Connected", since)
    assert stack.history.phases("meter").count("Disconnected") == 0


@pytest.mark.requires("gateway-http", "several-gateways")
@pytest.mark.parametrize("token", ["", "none", "prefix", "longer", "another-gateways", "pairing"])
async def test_only_its_own_token_opens_a_gateways_api(stack: Stack, token: str) -> None:
    """No token, the beginning of it, more than it, another gateway's, a pairing token: 401, and nothing happens."""
    meter = await enrolled(stack, "meter")
    own = await stack.gateway.token()
    given = {
        "": "",
        "none": "x",
        "prefix": own[:-1],
        "longer": own + "0",
        "another-gateways": await (await stack.add_gateway("gateway-2")).token(),
        "pairing": await stack.pki.pair("another"),
    }[token]
    for method, path in (
        ("GET", "/api/v1/sessions"),
        ("GET", "/api/v1/applications/app/devices/meter"),
        ("PUT", "/api/v1/applications/app/devices/meter"),
        ("DELETE", "/api/v1/applications/app/devices/meter"),
    ):
        status, text = await stack.gateway.ask(method, path, token=given)
        assert (status, "sessions" in text and "meter" in text) == (401, False)
    assert (await stack.gateway.ask("GET", "/api/v1/sessions"))[0] == 200
    await meter.beat()
    await stack.recorded()
    assert not stack.history.find("StopApplication")


@pytest.mark.requires("gateway-http")
async def test_a_token_counts_only_as_a_bearers(stack: Stack) -> None:
    """The right token under another HTTP scheme opens nothing (RFC 6750); the scheme's case does not matter."""
    await enrolled(stack, "meter")
    for scheme in ("Basic", "Digest", "Token", "Bearers"):
        status, text = await stack.gateway.ask("GET", "/api/v1/sessions", scheme=scheme)
        assert (status, "meter" in text) == (401, False)
    assert (await stack.gateway.ask("GET", "/api/v1/sessions", scheme="bearer"))[0] == 200


@pytest.mark.requires("gateway-pairing")
@pytest.mark.parametrize("how", ["prefix", "longer", "another-devices", "empty", "none", "not-a-pairing-secret"])
async def test_only_its_own_token_lets_a_device_pair(stack: Stack, how: str) -> None:
    """The beginning of its token, more than it, another device's: refused, and the token itself still serves once."""
    meter = await stack.mock_board("meter", certificate="request")
    request, own = meter.pairing_request(), meter.credentials.pairing_token or ""
    others = await stack.pki.pair("other")
    if how == "not-a-pairing-secret":
        await stack.api.patch(SECRET, "pairing-meter", {"metadata": {"labels": {"wasmbed.io/purpose": None}}})
    given = {"prefix": own[:-1], "longer": own + "0", "another-devices": others, "empty": "", "none": None}.get(
        how, own
    )
    meter.send(replace(request, pairing_token=given))
    await refused(stack, meter, ErrorCode.ENROLLMENT_FAILED, "token")
    assert not stack.device("meter").exists
    if how != "not-a-pairing-secret":
        assert await stack.api.get(SECRET, "pairing-meter")
        again = await stack.mock_board("meter", credentials=meter.credentials)
        again.send(again.pairing_request())
        assert (await again.expect(EnrollmentResponse)).certificate


@pytest.mark.requires("gateway-api-faults", "gateway-pairing")
async def test_a_token_is_spent_before_the_certificate_is_there(stack: Stack) -> None:
    """Two that come with one token at the same time: one certificate, and its issue comes after the token's end."""
    one = await stack.mock_board("meter", certificate="request")
    two = await stack.mock_board("meter", credentials=one.credentials)
    with stack.api_faults.holding("delete", client="Gateway", kind="Secret"):
        one.send(one.pairing_request())
        two.send(two.pairing_request())
        await stack.history.until("EnrollmentRequest", about="meter")
    answers = [(await board.receive()).message for board in (one, two)]
    assert sorted(type(answer).__name__ for answer in answers) == ["EnrollmentResponse", "Error"]
    spent = await stack.history.until("DELETE Secret", source="Gateway", code=200)
    issued = await stack.history.until("EnrollmentResponse", about="meter")
    assert spent.n < issued.n


@pytest.mark.requires("gateway-pairing")
async def test_a_peer_without_a_certificate_may_not_beat(stack: Stack) -> None:
    """It may ask for a certificate; a heartbeat is refused, with any id."""
    meter = await stack.mock_board("meter", certificate="request")
    asked = meter.send(replace(meter.heartbeat(), device_id="00000000-0000-4000-8000-000000000000"))
    assert (await meter.expect(Error, asked)).code == ErrorCode.ENROLLMENT_FAILED
    await meter.until_closed()
    assert not stack.history.find("HeartbeatAcknowledgment")


@pytest.mark.requires("gateway-api-faults", "gateway-pairing")
async def test_a_token_that_could_not_be_deleted_serves_only_the_key_that_used_it(stack: Stack) -> None:
    """The API server refuses to delete a used token. Another key gets nothing for it."""
    meter = await stack.mock_board("meter", certificate="request")
    thief = await stack.mock_board("thief", certificate="request")
    stolen = replace(thief.credentials, pairing_token=meter.credentials.pairing_token)
    with stack.api_faults.failing("delete", client="Gateway", kind="Secret"):
        meter.send(meter.pairing_request())
        assert (await meter.expect(EnrollmentResponse)).certificate
        twin = await stack.mock_board("meter", credentials=stolen)
        twin.send(twin.pairing_request())
        await refused(stack, twin, ErrorCode.ENROLLMENT_FAILED, "token")


@pytest.mark.requires("gateway-pairing")
async def test_a_certificate_that_was_issued_is_for_the_key_and_the_name_that_asked(stack: Stack) -> None:
    """The issued certificate names the device; the device that returns with it enrolls under the same id."""
    first = await stack.mock_board("meter", certificate="request")
    first.send(first.pairing_request())
    issued = await first.expect(EnrollmentResponse)
    assert issued.certificate is not None
    certificate = x509.load_der_x509_certificate(issued.certificate)
    assert certificate.subject.rfc4514_string() == "CN=meter"
    await first.until_closed()
    credentials = replace(first.credentials, certificate=issued.certificate, pairing_token=None)
    second = await stack.mock_board("meter", credentials=credentials)
    assert await second.enroll() == issued.device_id
    await stack.device("meter").until(phase="Connected", device_id=issued.device_id)


@pytest.mark.requires("gateway-pairing")
async def test_a_stranger_may_only_ask_to_pair(stack: Stack) -> None:
    """Without a certificate a heartbeat, under the id of a device that exists, is refused."""
    meter = await enrolled(stack, "meter")
    stranger = await stack.mock_board("stranger", certificate="request")
    stranger.device_id = meter.device_id
    stranger.send(stranger.heartbeat())
    assert (await stranger.expect(Error)).code == ErrorCode.ENROLLMENT_FAILED
    await stranger.until_closed()
    await meter.beat()
    assert stack.device("meter").status.phase == "Connected"


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param("83010b8206a20161610062 6162".replace(" ", ""), id="keys-unsorted"),
        pytest.param("83010b8206a200616101f500", id="a-byte-behind"),
        pytest.param("83010b8206a2006161006162", id="a-key-twice"),
        pytest.param("83010b8206bf0061610 1f5ff".replace(" ", ""), id="indefinite-length"),
        pytest.param("8301180b8206a200616101f5", id="not-the-shortest-id"),
        pytest.param("83011b00000001000000008206a200616101f5", id="an-id-of-33-bits"),
        pytest.param("83012082 06a200616101f5".replace(" ", ""), id="a-negative-id"),
    ],
)
async def test_what_the_contract_does_not_allow_ends_the_session_and_changes_nothing(
    stack: Stack, payload: str
) -> None:
    """A StopResult that is not deterministic CBOR, or not of the contract: an error, and the end. The device may come
    back."""
    meter = await enrolled(stack, "meter")
    meter.write(frame(bytes.fromhex(payload)))
    assert (await meter.expect(Error)).code == ErrorCode.PROTOCOL_ERROR
    await meter.until_closed()
    await stack.device("meter").until(phase="Disconnected")
    assert not stack.history.find("StopResult")
    again = await stack.mock_board("meter", credentials=meter.credentials)
    await again.beat(meter.device_id)
    await stack.device("meter").until(phase="Connected")


@pytest.mark.requires("gateway-http")
@pytest.mark.parametrize("first", ["heartbeat", "report"])
async def test_a_peer_without_a_certificate_can_only_ask_to_enroll(stack: Stack, first: str) -> None:
    """It begins with a heartbeat under an id that exists, or with a report: refused, and it has no session."""
    meter = await enrolled(stack, "meter")
    stranger = await stack.mock_board("stranger", certificate="request")
    stranger.device_id = meter.device_id
    stranger.send(stranger.heartbeat() if first == "heartbeat" else RuntimeFault("app", "TRAP", "it broke"))
    error = await stranger.expect(Error)
    assert error.code == ErrorCode.ENROLLMENT_FAILED
    assert list(await stack.gateway.sessions()) == ["meter"]
    assert await stack.gateway.metric("sessions", state="connected") == 1
    assert not stack.device("stranger").exists


async def test_a_field_that_the_gateway_does_not_know_is_ignored(stack: Stack) -> None:
    """A newer device's enrollment and heartbeat with a field more."""
    meter = await enrolled(stack, "meter")
    fields = {0: meter.device_id, 1: 0, 2: "running", 3: {}, 4: "ready", 5: {}, 99: True}
    meter.write(frame(cbor2.dumps([1, 4242, [0, fields]], canonical=True)))
    await meter.expect(HeartbeatAcknowledgment, 4242)
    await meter.beat()


async def test_credentials_of_another_algorithm_are_as_good(stack: Stack) -> None:
    """A P-256 identity enrolls beside the Ed25519 ones."""
    key = generate_key(Algorithm.P256)
    certificate = stack.pki.devices.issue_device("meter", key.public_key())
    credentials = Credentials(stack.pki.servers.certificates, private_key_der(key), certificate)
    meter = await stack.mock_board("meter", credentials=credentials)
    await meter.enroll()
    await stack.device("meter").until(phase="Connected")
