"""A correct board against a gateway that is late, wrong, repeats itself, is silent, or is an impostor."""

import pytest

from harness.boards.board import Board
from harness.core.errors import ProductFailure
from harness.stack import MockGateway, Stack
from harness.stack.mock_gateway import BoardConnection
from harness.wasmbed.pki.authority import DEVICE_USAGES
from harness.wasmbed.pki.keys import Algorithm
from harness.wasmbed.pki.server_authorities import ServerAuthorities
from harness.wasmbed.protocol.codec import encode
from harness.wasmbed.protocol.framing import frame
from harness.wasmbed.protocol.messages import (
    ApplicationState,
    ApplicationStatus,
    ApplicationStatusRequest,
    ChunkAcknowledgment,
    DeploymentResult,
    DeviceInfo,
    DeviceInfoRequest,
    EnrollmentRequest,
    EnrollmentResponse,
    Envelope,
    Error,
    Heartbeat,
    HeartbeatAcknowledgment,
    ModuleChunk,
    RuntimeFault,
    Stop,
    StopResult,
)

DEVICE_ID = "4b9f2a52-9c3f-4a52-8a57-2f1b8f6f1a11"
OTHER_ID = "11111111-2222-4333-8444-555555555555"
DAY = 86_400.0
DROPS, GROWN = 8, 4
"""Connections that are dropped at most, until a pause is that many times as long as the shortest: more than the share
of a pause that is random, and the first pauses may be long on a busy machine."""
BEAT = 1.0
"""Seconds between two heartbeats where a test waits for some: three of them are time enough on a busy machine."""


async def enrolled(stack: Stack, *, interval: float | None = None) -> tuple[MockGateway, Board, BoardConnection]:
    """A mock gateway, a board, and their connection after the board's enrollment and first heartbeat."""
    gateway = await stack.mock_gateway()
    board = await stack.boards.power_on()
    connection = await gateway.accept()
    await connection.enroll(DEVICE_ID, interval=interval)
    return gateway, board, connection


async def test_a_board_waits_for_the_answer_before_it_says_more(stack: Stack) -> None:
    """While its request is unanswered it sends neither an acknowledgment nor a heartbeat."""
    gateway = await stack.mock_gateway()
    await stack.boards.power_on()
    connection = await gateway.accept()
    await connection.expect(EnrollmentRequest)
    asked = connection.send(DeviceInfoRequest())
    await connection.expect(Error, asked)
    assert not connection.heartbeats


async def test_a_board_acknowledges_and_then_beats_under_the_id_it_got(stack: Stack) -> None:
    """The acknowledgment has the request's id and the device's; every heartbeat has a fresh id and the device's."""
    _, _, connection = await enrolled(stack, interval=BEAT)
    beats = [(await connection.expect(Heartbeat), connection.latest) for _ in range(3)]
    assert len({message_id for _, message_id in beats}) == 3
    assert {beat.device_id for beat, _ in beats} == {DEVICE_ID}
    assert beats[0][0].device_time < beats[1][0].device_time < beats[2][0].device_time


async def test_a_board_takes_the_interval_for_milliseconds(stack: Stack) -> None:
    """3,600,000 is an hour: no second heartbeat comes while it answers questions."""
    _, _, connection = await enrolled(stack, interval=3600)
    for _ in range(5):
        await connection.expect(DeviceInfo, connection.send(DeviceInfoRequest()))
    assert len(connection.heartbeats) == 1


async def test_a_board_tells_its_time_in_milliseconds(stack: Stack) -> None:
    """Two heartbeats that are an interval apart differ by about the interval in milliseconds by its own clock."""
    _, _, connection = await enrolled(stack, interval=BEAT)
    first, second = [await connection.expect(Heartbeat) for _ in range(2)]
    assert second.device_time - first.device_time >= 250
    assert second.metrics["uptime_ms"] - first.metrics["uptime_ms"] >= 250


async def test_a_board_that_hears_nothing_comes_back(stack: Stack) -> None:
    """Three heartbeats without an answer: it ends the connection and resumes under its id."""
    gateway, _, connection = await enrolled(stack, interval=0.3)
    await connection.expect(Heartbeat)
    answered = len(connection.heartbeats)
    connection.hold()
    await connection.until_closed()
    assert len(connection.heartbeats) - answered in (3, 4)  # four if the last answer crossed a heartbeat
    again = await gateway.accept()
    assert (await again.expect(Heartbeat)).device_id == DEVICE_ID


async def test_a_late_answer_is_still_an_answer(stack: Stack) -> None:
    """Answers that are held back for two heartbeats and then come keep the connection."""
    _, _, connection = await enrolled(stack, interval=BEAT)
    connection.hold()
    await connection.expect(Heartbeat)
    await connection.expect(Heartbeat)
    connection.release()
    for _ in range(3):
        await connection.expect(Heartbeat)


async def test_a_board_waits_as_long_as_it_is_told(stack: Stack) -> None:
    """A retry-after is in milliseconds, and the board is not back before."""
    gateway = await stack.mock_gateway()
    await stack.boards.power_on()
    connection = await gateway.accept()
    await connection.expect(EnrollmentRequest)
    refused = stack.clock.now()
    connection.reply(Error("GATEWAY_FULL", "all sessions are in use", retry_after=1_500))
    await connection.until_closed()
    again = await gateway.accept()
    assert stack.clock.now() - refused >= 1.4
    await again.enroll(DEVICE_ID)


async def test_a_board_that_is_told_to_stay_away_while_it_resumes_does(stack: Stack) -> None:
    """A draining gateway names a time in the middle of a session; the board keeps to it when the link ends."""
    gateway, _, connection = await enrolled(stack)
    told = stack.clock.now()
    connection.send(Error("GATEWAY_DRAINING", "the gateway is shutting down", retry_after=1_500))
    await connection.expect(DeviceInfo, connection.send(DeviceInfoRequest()))
    await connection.close()
    again = await gateway.accept()
    assert stack.clock.now() - told >= 1.4
    assert (await again.expect(Heartbeat)).device_id == DEVICE_ID


async def test_a_lie_about_the_time_to_wait_does_not_lose_a_board(stack: Stack) -> None:
    """A gateway asks a board to wait zero and four billion milliseconds: the board returns after the first, and a power
    cycle ends the second."""
    gateway = await stack.mock_gateway()
    board = await stack.boards.power_on()
    connection = await gateway.accept()
    await connection.expect(EnrollmentRequest)
    connection.reply(Error("GATEWAY_FULL", "full", retry_after=0))
    again = await gateway.accept()
    await again.expect(EnrollmentRequest)
    again.reply(Error("GATEWAY_FULL", "full", retry_after=0xFFFF_FFFF))
    await again.until_closed()
    await board.power_off()
    await board.power_on()
    await (await gateway.accept()).enroll(DEVICE_ID)


async def test_the_pauses_of_a_board_grow_and_are_not_the_same(stack: Stack) -> None:
    """A gateway that drops every connection is asked less and less often, and two boards do not march in step."""
    gateway = await stack.mock_gateway()
    await stack.boards.power_on()
    pauses: list[float] = []
    connection = await gateway.accept()
    while len(pauses) < DROPS and not (pauses and pauses[-1] > GROWN * min(pauses)):
        await connection.expect(EnrollmentRequest)
        dropped = stack.clock.now()
        await connection.close()
        connection = await gateway.accept()
        pauses.append(stack.clock.now() - dropped)
    assert max(pauses) > GROWN * min(pauses), pauses


async def test_a_repeated_enrollment_response_changes_nothing(stack: Stack) -> None:
    """A board refuses an EnrollmentResponse that it did not ask for: it takes over neither the id nor the interval."""
    _, _, connection = await enrolled(stack, interval=BEAT)
    sent = connection.send(EnrollmentResponse(OTHER_ID, "other", "127.0.0.1:1", 3_600_000))
    await connection.expect(Error, sent)
    for _ in range(3):
        assert (await connection.expect(Heartbeat)).device_id == DEVICE_ID


async def test_a_board_does_not_answer_two_questions_with_one_id(stack: Stack) -> None:
    """Each answer carries its own question's id, also where the gateway uses one id twice."""
    _, _, connection = await enrolled(stack)
    first, second = connection.send(DeviceInfoRequest()), connection.send(DeviceInfoRequest())
    await connection.expect(DeviceInfo, first)
    await connection.expect(DeviceInfo, second)
    connection.send(DeviceInfoRequest(), second)
    connection.send(DeviceInfoRequest(), 0xFFFF_FFFF)
    await connection.expect(DeviceInfo, second)
    await connection.expect(DeviceInfo, 0xFFFF_FFFF)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param("83010b8207a000", id="a-byte-behind"),
        pytest.param("83010b8206a2006161006162", id="a-key-twice"),
        pytest.param("83020b8207a0", id="another-version"),
        pytest.param("83010b9f07a0ff", id="indefinite-length"),
        pytest.param("8318010b8207a0", id="not-the-shortest"),
        pytest.param("", id="of-length-zero"),
    ],
)
async def test_a_frame_that_is_not_the_contracts_ends_the_connection_and_not_the_board(
    stack: Stack, payload: str
) -> None:
    """Frames that are not deterministic CBOR are not obeyed. The board resumes as who it was."""
    gateway, _, connection = await enrolled(stack)
    connection.write(len(bytes.fromhex(payload)).to_bytes(4, "big") + bytes.fromhex(payload))
    await connection.until_closed()
    again = await gateway.accept()
    assert (await again.expect(Heartbeat)).device_id == DEVICE_ID


async def test_a_frame_to_a_board_may_come_in_pieces(stack: Stack) -> None:
    """Cut at its header, in the middle, and before its last byte: it is answered when all of it is there."""
    _, _, connection = await enrolled(stack)
    for number, cut in enumerate((2, 4, 6, 9)):
        data = frame(encode(Envelope(100 + number, DeviceInfoRequest())))
        connection.write(data[:cut])
        with pytest.raises(ProductFailure, match="did not send DeviceInfo"):
            await connection.expect(DeviceInfo, within=0.2)
        connection.write(data[cut:])
        await connection.expect(DeviceInfo, 100 + number)


async def test_a_board_ignores_fields_that_it_does_not_know(stack: Stack) -> None:
    """A newer gateway's device-info-request has a field more: it is answered."""
    _, _, connection = await enrolled(stack)
    connection.write(frame(bytes.fromhex("8301182a8207a11863f5")))
    await connection.expect(DeviceInfo, 42)


async def test_a_forgotten_board_enrolls_anew(stack: Stack) -> None:
    """A gateway that does not know its id: a request with another nonce, and the new id from then on."""
    gateway, _, connection = await enrolled(stack)
    first = stack.history.find("EnrollmentRequest")[-1].data["nonce"]
    await connection.close()
    again = await gateway.accept()
    again.hold()
    await again.expect(Heartbeat)
    again.reply(Error("ENROLLMENT_FAILED", "unknown device id"))
    again.release()
    await again.enroll(OTHER_ID)
    await stack.recorded()
    assert stack.history.find("EnrollmentRequest")[-1].data["nonce"] != first


async def test_an_impostor_is_told_nothing(stack: Stack) -> None:
    """A server at the gateway's address has a certificate of another authority: no handshake, no message. The board
    goes on asking, and enrolls when the gateway is back."""
    impostor = await stack.mock_gateway(identities=ServerAuthorities("Impostors", stack.clock).issue("impostor"))
    board = await stack.boards.power_on()
    assert await impostor.rejected()
    assert not stack.history.find("EnrollmentRequest")
    await impostor.stop()
    gateway = await stack.mock_gateway("real", listen=impostor.endpoint)
    await (await gateway.accept()).enroll(DEVICE_ID)
    assert board.console.lines


async def test_a_gateway_for_another_name_is_told_nothing(stack: Stack) -> None:
    """The right authority, but the certificate is for another host (RFC 9525)."""
    gateway = await stack.mock_gateway(identities=stack.pki.servers.issue("elsewhere", ["elsewhere.example"]))
    await stack.boards.power_on()
    assert await gateway.rejected()
    assert not stack.history.find("EnrollmentRequest")


async def test_a_device_certificate_makes_no_gateway(stack: Stack) -> None:
    """A server's certificate of the right authority whose key is for clients only is refused."""
    identities = [
        authority.issue_server("gateway", usages=DEVICE_USAGES, algorithm=algorithm)
        for authority, algorithm in zip(stack.pki.servers, (Algorithm.P256, Algorithm.ED25519), strict=True)
    ]
    gateway = await stack.mock_gateway(identities=identities)
    await stack.boards.power_on()
    assert await gateway.rejected()
    assert not stack.history.find("EnrollmentRequest")


@pytest.mark.requires("dates")
async def test_an_expired_gateway_is_told_nothing(stack: Stack) -> None:
    """The gateway's certificate was valid until yesterday. Boards that know the time refuse it."""
    now = stack.clock.now()
    identities = [
        authority.issue_server("gateway", algorithm=algorithm, not_before=now - 30 * DAY, not_after=now - DAY)
        for authority, algorithm in zip(stack.pki.servers, (Algorithm.P256, Algorithm.ED25519), strict=True)
    ]
    gateway = await stack.mock_gateway(identities=identities)
    await stack.boards.power_on()
    assert await gateway.rejected()
    assert not stack.history.find("EnrollmentRequest")


@pytest.mark.requires("applications", "wasm")
async def test_a_module_is_reported_with_the_ids_of_its_announcement(stack: Stack) -> None:
    """Each acknowledgment answers its chunk, the result answers the announcement, and the state follows."""
    _, _, connection = await enrolled(stack)
    result = await connection.deploy("hello", stack.modules("hello"), chunk_size=64)
    assert result.ok
    status = await connection.expect(ApplicationStatus)
    assert (status.application_id, status.state) == ("hello", ApplicationState.RUNNING)
    assert status.publications is not None
    assert [(each.topic, each.payload) for each in status.publications] == [("greeting", b"hello from a module")]
    again = await connection.expect(ApplicationStatus, connection.send(ApplicationStatusRequest("hello")))
    assert again.publications is None


@pytest.mark.requires("wasm")
async def test_nothing_runs_before_the_last_chunk(stack: Stack) -> None:
    """All chunks but the last are there and the last is held back: no result, and the state is receiving."""
    _, board, connection = await enrolled(stack)
    module = stack.modules("hello")
    announced = connection.announce("hello", module, chunk_size=len(module) - 1)
    await connection.expect(ChunkAcknowledgment, connection.send(ModuleChunk("hello", 0, module[:-1])))
    status = await connection.expect(ApplicationStatus, connection.send(ApplicationStatusRequest("hello")))
    assert status.state == ApplicationState.RECEIVING
    assert not any("hello from a module" in line for line in board.console.lines)
    await connection.expect(ChunkAcknowledgment, connection.send(ModuleChunk("hello", 1, module[-1:])))
    assert (await connection.expect(DeploymentResult, announced)).ok


@pytest.mark.requires("wasm")
@pytest.mark.parametrize("how", ["another-digest", "a-byte-more", "a-byte-less", "out-of-order", "of-size-zero"])
async def test_a_module_that_is_not_what_was_announced_does_not_run(stack: Stack, how: str) -> None:
    """Digest, size, order and number of chunks have to be the announcement's. The board says which is not."""
    _, _, connection = await enrolled(stack)
    module = stack.modules("hello")
    half = len(module) // 2 + 1
    digest = bytes(32) if how == "another-digest" else None
    chunks = [(0, module[:half]), (1, module[half:])]
    if how == "a-byte-more":
        chunks[1] = (1, module[half:] + b"\0")
    elif how == "a-byte-less":
        chunks[1] = (1, module[half:-1])
    elif how == "out-of-order":
        chunks.reverse()
    elif how == "of-size-zero":
        chunks[0] = (0, b"")
    announced = connection.announce("hello", module, chunk_size=half, digest=digest)
    for index, data in chunks:
        connection.send(ModuleChunk("hello", index, data))
    envelope = await connection.receive()
    while not isinstance(envelope.message, DeploymentResult):
        envelope = await connection.receive()
    assert (envelope.message_id, envelope.message.ok) == (announced, False)
    assert envelope.message.code == ("HASH_MISMATCH" if how == "another-digest" else "BAD_CHUNK")


@pytest.mark.requires("wasm")
async def test_a_chunk_that_comes_twice_is_acknowledged_twice_and_counted_once(stack: Stack) -> None:
    """A gateway that has not seen a chunk's acknowledgment in time sends the chunk again."""
    _, _, connection = await enrolled(stack)
    module = stack.modules("hello")
    half = len(module) // 2 + 1
    announced = connection.announce("hello", module, chunk_size=half)
    for _ in range(2):
        acknowledgment = await connection.expect(
            ChunkAcknowledgment, connection.send(ModuleChunk("hello", 0, module[:half]))
        )
        assert acknowledgment.index == 0
    await connection.expect(ChunkAcknowledgment, connection.send(ModuleChunk("hello", 1, module[half:])))
    assert (await connection.expect(DeploymentResult, announced)).ok


@pytest.mark.requires("applications", "wasm")
async def test_a_stop_is_answered_and_the_application_is_gone(stack: Stack) -> None:
    """With the stop's id; heartbeats do not name it any more; a second stop is as good; a status says stopped."""
    _, _, connection = await enrolled(stack, interval=BEAT)
    assert (await connection.deploy("idle", stack.modules("idle"))).ok
    await connection.expect(ApplicationStatus)
    while "idle" not in (await connection.expect(Heartbeat)).applications:
        pass
    for _ in range(2):
        assert (await connection.expect(StopResult, connection.send(Stop("idle")))).ok
    assert "idle" not in (await connection.expect(Heartbeat)).applications
    status = await connection.expect(ApplicationStatus, connection.send(ApplicationStatusRequest("idle")))
    assert status.state == ApplicationState.STOPPED


@pytest.mark.requires("applications", "wasm")
async def test_a_second_deployment_of_what_runs_is_refused_and_the_first_goes_on(stack: Stack) -> None:
    """ALREADY_DEPLOYED, with the second announcement's id."""
    _, _, connection = await enrolled(stack)
    assert (await connection.deploy("idle", stack.modules("idle"))).ok
    await connection.expect(ApplicationStatus)
    result = await connection.deploy("idle", stack.modules("hello"))
    assert (result.ok, result.code) == (False, "ALREADY_DEPLOYED")
    status = await connection.expect(ApplicationStatus, connection.send(ApplicationStatusRequest("idle")))
    assert status.state == ApplicationState.RUNNING


@pytest.mark.requires("applications", "wasm")
async def test_a_board_goes_on_beating_while_its_gateway_deploys(stack: Stack) -> None:
    """A deployment, a run and a stop end no heartbeats: a board that is alive says so."""
    _, _, connection = await enrolled(stack, interval=BEAT)
    assert (await connection.deploy("idle", stack.modules("idle"))).ok
    await connection.expect(ApplicationStatus)
    for _ in range(3):
        beat = await connection.expect(Heartbeat)
        assert beat.runtime_status in ("ready", "busy")
    await connection.expect(StopResult, connection.send(Stop("idle")))
    for _ in range(3):
        await connection.expect(Heartbeat)


@pytest.mark.requires("wasm")
async def test_what_broke_without_a_link_is_reported_once_with_one(stack: Stack) -> None:
    """A module that runs on without a link and breaks: the fault comes after the first answered heartbeat, once."""
    gateway, _, connection = await enrolled(stack)
    module = stack.modules("trap")
    half = len(module) // 2 + 1
    connection.announce("trap", module, chunk_size=half)
    await connection.expect(ChunkAcknowledgment, connection.send(ModuleChunk("trap", 0, module[:half])))
    connection.send(ModuleChunk("trap", 1, module[half:]))
    envelope = await connection.receive()
    while not isinstance(envelope.message, RuntimeFault):
        envelope = await connection.receive()
    assert envelope.message.code == "TRAP"
    await connection.close()
    again = await gateway.accept()
    beat = await again.expect(Heartbeat)
    assert beat.applications == {"trap": ApplicationState.ERROR}
    assert beat.status == "degraded"
    status = await again.expect(ApplicationStatus, again.send(ApplicationStatusRequest("trap")))
    assert status.state == ApplicationState.ERROR


@pytest.mark.requires("applications", "wasm")
async def test_a_transfer_that_lost_its_link_leaves_nothing(stack: Stack) -> None:
    """Half a module is there when the connection ends. Heartbeats do not name it, and it can be sent anew."""
    gateway, _, connection = await enrolled(stack)
    module = stack.modules("hello")
    half = len(module) // 2 + 1
    connection.announce("hello", module, chunk_size=half)
    await connection.expect(ChunkAcknowledgment, connection.send(ModuleChunk("hello", 0, module[:half])))
    await connection.close()
    again = await gateway.accept()
    assert "hello" not in (await again.expect(Heartbeat)).applications
    assert (await again.deploy("hello", module)).ok


@pytest.mark.requires("applications", "reset", "wasm")
async def test_nothing_of_an_application_survives_a_reset(stack: Stack) -> None:
    """After a reset the board enrolls, names no application, and has its memory back."""
    gateway, board, connection = await enrolled(stack)
    assert (await connection.deploy("idle", stack.modules("idle"))).ok
    await connection.expect(ApplicationStatus)
    before = connection.heartbeats[0].metrics["memory_used_bytes"]
    await board.reset()
    again = await gateway.accept()
    await again.enroll(DEVICE_ID)
    assert again.heartbeats[0].applications == {}
    assert again.heartbeats[0].metrics["memory_used_bytes"] <= before


@pytest.mark.requires("applications", "wasm")
async def test_an_application_that_was_stopped_leaves_no_memory(stack: Stack) -> None:
    """Deployed and stopped five times: the heartbeat of the next session names no more memory than the first did."""
    gateway, _, connection = await enrolled(stack)
    before = connection.heartbeats[0].metrics["memory_used_bytes"]
    for _ in range(5):
        assert (await connection.deploy("hello", stack.modules("hello"))).ok
        await connection.expect(ApplicationStatus)
        await connection.expect(StopResult, connection.send(Stop("hello")))
    await connection.close()
    beat = await (await gateway.accept()).expect(Heartbeat)
    assert beat.applications == {}
    assert beat.metrics["memory_used_bytes"] <= before


async def test_a_board_goes_on_beating_after_a_message_that_it_does_not_know(stack: Stack) -> None:
    """A message of a kind to come is answered with an error and ends no heartbeats."""
    _, _, connection = await enrolled(stack, interval=BEAT)
    connection.write(frame(bytes.fromhex("830105821863a0")))
    await connection.expect(Error)
    for _ in range(3):
        await connection.expect(Heartbeat)


@pytest.mark.requires("wasm")
async def test_messages_of_an_unknown_application_are_answered_with_an_error(stack: Stack) -> None:
    """A chunk that belongs to no announcement; the session goes on."""
    _, _, connection = await enrolled(stack)
    await connection.expect(Error, connection.send(ModuleChunk("unknown", 0, b"x")))
    await connection.expect(DeviceInfo, connection.send(DeviceInfoRequest()))


async def test_an_unasked_acknowledgment_is_passed_over(stack: Stack) -> None:
    """Acknowledgments that answer no heartbeat, with a time of the past and of the far future: nothing happens."""
    _, _, connection = await enrolled(stack)
    for moment in (0, 1, 0xFFFF_FFFF_FFFF):
        connection.send(HeartbeatAcknowledgment(moment))
    await connection.expect(DeviceInfo, connection.send(DeviceInfoRequest()))
