"""Peers that violate the contract are disconnected, and other devices are not affected."""

import asyncio
import ssl
from contextlib import AsyncExitStack, suppress

import pytest

from harness.boards.board import Board
from harness.core.history import Event
from harness.stack import Stack
from harness.stack.mock_board import MockBoard
from harness.stack.modules import padded
from harness.wasmbed.pki.tls import client_context
from harness.wasmbed.protocol.errors import LinkClosed
from harness.wasmbed.protocol.framing import frame
from harness.wasmbed.protocol.messages import EnrollmentAcknowledgment, Error, Heartbeat

UNKNOWN_DEVICE = "00000000-0000-4000-8000-000000000000"

pytestmark = pytest.mark.severity("critical")


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(frame(b"\xff\xff\xff\xff"), id="not-cbor"),
        pytest.param(frame(bytes.fromhex("830101")), id="cut-short"),
        pytest.param(frame(bytes.fromhex("8301018200a0")), id="fields-missing"),
        pytest.param(frame(bytes.fromhex("8309018200a0")), id="unknown-version"),
        pytest.param(frame(bytes.fromhex("8301018200a000")), id="trailing-bytes"),
        pytest.param(bytes.fromhex("7fffffff"), id="too-long"),
        pytest.param(bytes(4), id="of-length-zero"),
    ],
)
async def test_garbage_ends_the_session_and_changes_nothing(stack: Stack, garbage: bytes) -> None:
    """A frame that violates the contract: an error message, the end of the session, no change of state."""
    peer = await stack.mock_board("vandal")
    peer.write(garbage)
    assert (await peer.expect(Error)).code == "PROTOCOL_ERROR"
    await peer.until_closed()
    assert not stack.device("vandal").exists


@pytest.mark.requires("wasm")
async def test_half_a_frame_does_no_harm(stack: Stack) -> None:
    """A peer that disconnects in the middle of a frame does no harm: the gateway serves the next device."""
    peer = await stack.mock_board("half")
    peer.write(frame(bytes(256))[:100])
    await peer.close()
    await stack.history.until("ConnectionClosed", about="half")
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected", within=60)
    assert not stack.device("half").exists
    stack.history.follows("device-enrollment", only=[board.name])


async def test_messages_out_of_order_are_refused(stack: Stack) -> None:
    """An acknowledgment before any enrollment is an error, not an enrollment."""
    peer = await stack.mock_board("hasty")
    peer.send(EnrollmentAcknowledgment(UNKNOWN_DEVICE))
    assert (await peer.expect(Error)).code == "PROTOCOL_ERROR"
    assert not stack.device("hasty").exists


async def test_an_unknown_message_is_answered_and_the_session_goes_on(stack: Stack) -> None:
    """An unknown tag gets an error; the session continues."""
    peer = await stack.mock_board("future")
    device_id = await peer.enroll()
    peer.write(frame(bytes.fromhex("830105821863a0")))
    assert (await peer.expect(Error)).code == "PROTOCOL_ERROR"
    await peer.beat(device_id)
    await stack.device("future").until(phase="Connected", within=60)


def _hello(group: str) -> bytes:
    """A ClientHello that offers this one key exchange."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ecdh_curve(group)
    sent = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost").do_handshake()
    return sent.read()


@pytest.mark.stack(boards="virtual", heartbeat=5.0)
async def test_a_flood_of_expensive_hellos_disconnects_no_device(stack: Stack) -> None:
    """Hellos that offer only a key exchange of 8,192 bits, from peers without a certificate: each is refused with an
    alert before any computation, and 100 boards keep their heartbeats."""
    boards = await _crowd(stack)
    hello = _hello("ffdhe8192")

    async def connect() -> bytes:
        reader, writer = await asyncio.open_connection(*stack.gateway.endpoint)
        writer.write(hello)
        answer = await reader.read()
        writer.close()
        return answer

    before = stack.history[len(stack.history) - 1]
    for _ in range(20):
        assert set(await asyncio.gather(*(connect() for _ in range(20)))) == {bytes.fromhex("15030300020228")}
    for board in boards:
        await stack.history.until("Heartbeat", about=board.name, after=before, within=60)
    while len(rejected := stack.history.find("TlsRejected")) < 400:
        await stack.history.until("TlsRejected", after=stack.history[-1], within=60)
    if "gateway-reasons" in stack.gateway.features:
        assert {event.data["reason"] for event in rejected} == {
            "no common key exchange groups: the client offers ffdhe8192; the server supports x25519, secp256r1"
        }
    assert len(rejected) == 400
    assert not stack.history.find("ConnectionClosed", after=before)
    late = await stack.boards.power_on(name="late")
    await stack.device(late).until(phase="Connected", within=60)


@pytest.mark.requires("gateway-pairing")
@pytest.mark.stack(boards="virtual", heartbeat=5.0)
async def test_endless_unknown_messages_disconnect_no_other_device(stack: Stack) -> None:
    """Enrolled peers, and one without a certificate, send unknown messages as fast as they can and read no answer: each
    gets a few answers and is closed, and 100 boards keep their heartbeats."""
    boards = await _crowd(stack)
    vandals = [await stack.mock_board(f"vandal-{number}") for number in range(3)]
    for vandal in vandals:
        await vandal.enroll()
    stranger = await stack.mock_board("stranger", certificate="request")
    before = stack.history[-1]
    for peer in (*vandals, stranger):
        peer.write(frame(bytes.fromhex("830105821863a0")) * 5000)
    for peer in (*vandals, stranger):
        await peer.until_closed(within=60)
    closed = [before]
    for _ in (*vandals, stranger):
        closed.append(await stack.history.until("ConnectionClosed", after=closed[-1], within=60))
    reasons = [event.data["reason"] for event in stack.history.find("ConnectionClosed", after=before)]
    assert reasons == ["PROTOCOL_ERROR: more than 32 errors without a heartbeat, the last: unknown message tag 99"] * 4
    assert len(stack.history.find("Error", source="Gateway")) == 4 * 33
    await _all_beat(stack, boards, before)


async def test_errors_are_counted_from_one_heartbeat_to_the_next(stack: Stack) -> None:
    """Twenty unknown messages, a heartbeat, and twenty more: none of them is one too many."""
    meter = await stack.mock_board("meter")
    await meter.enroll()
    for _ in range(2):
        for _ in range(20):
            meter.write(frame(bytes.fromhex("830105821863a0")))
            await meter.expect(Error)
        await meter.beat()


# Not to read for ten seconds comes before three missed heartbeats, also on a starved machine.
@pytest.mark.stack(boards="virtual", heartbeat=15.0)
async def test_a_device_that_never_reads_disconnects_no_other_device(stack: Stack) -> None:
    """Enrolled devices send heartbeats and read no answer: each is closed once a bounded number of bytes has waited for
    ten seconds, and 100 boards keep their heartbeats."""
    boards = await _crowd(stack)
    deaf = [await stack.mock_board(f"deaf-{number}") for number in range(2)]
    before = stack.history[-1]
    floods = []
    ids = [await peer.enroll() for peer in deaf]
    for peer, device_id in zip(deaf, ids, strict=True):
        peer.stop_reading()
        floods.append(asyncio.create_task(_send_on(peer, Heartbeat(device_id, 0, "active", {}, "ready"))))
    for peer in deaf:
        closed = await stack.history.until("ConnectionClosed", about=peer.name, within=240)
        if "gateway-reasons" in stack.gateway.features:
            assert closed.data["reason"] == "the peer did not read for 10 s"
    await asyncio.gather(*floods)
    assert len(stack.history.find("ConnectionClosed", after=before)) == 2
    await _all_beat(stack, boards, before)


@pytest.mark.requires("gateway-http", "gateway-settings", "gateway-stop")
@pytest.mark.stack(heartbeat=60.0)
async def test_a_device_that_reads_nothing_is_given_up(stack: Stack) -> None:
    """A device does not read the module that it gets: the gateway ends its connection when bytes have waited for the
    time that it is set to, and the device is Disconnected."""
    await stack.gateway.restart(write_timeout=0.3, chunk_window=1_000)
    deaf = await stack.mock_board("deaf")
    await deaf.enroll()
    device = await stack.device("deaf").until(phase="Connected")
    deaf.stop_reading()
    await stack.deploy(padded(stack.modules("hello"), 1_000_000), to="deaf", name="large")
    await device.until(phase="Disconnected", error="Connection lost", within=150)  # missed heartbeats would take 180 s
    deaf.read_again()  # on the line, the end comes after all that has waited
    await deaf.until_closed(within=60)
    closed = await stack.history.until("ConnectionClosed", about="deaf", source="Gateway", within=60)
    if "gateway-reasons" in stack.gateway.features:
        assert closed.data["reason"] == "the peer did not read for 0.3 s"


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.stack(boards="virtual", heartbeat=5.0)
async def test_idle_connections_do_not_keep_others_out(stack: Stack) -> None:
    """More idle connections than there are places, at the devices' port and at the HTTP API: a board still enrolls, an
    application is still deployed to it over the HTTP API, and 100 boards keep their heartbeats."""
    boards = await _crowd(stack)
    before = stack.history[-1]
    gateway = stack.gateway.endpoint
    context = client_context((await stack.pki.credentials("idle", "request")).authority, None, stack.clock)
    async with AsyncExitStack() as idle:
        for _ in range(200):
            reader, writer = await asyncio.open_connection(*stack.gateway.http_endpoint)
            idle.callback(writer.close)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n")
            assert b"200 OK" in await reader.readline()
        for _ in range(520):
            _, writer = await asyncio.open_connection(*gateway, ssl=context, server_hostname=gateway[0])
            idle.callback(writer.close)
        late = await stack.boards.power_on(name="late")
        await stack.device(late).until(phase="Connected", within=60)
        application = await stack.deploy("hello", to=late)
        await application.until(phase="Running", within=60)
    await _all_beat(stack, boards, before)


async def _send_on(peer: MockBoard, message: Heartbeat) -> None:
    """Send a message repeatedly, as fast as the gateway reads, until it closes the connection."""
    with suppress(LinkClosed):
        while True:
            peer.send(message)
            await peer.drain()


async def _crowd(stack: Stack) -> list[Board]:
    """A hundred boards, connected. They come in groups: a busy API server has to write each enrollment in time."""
    boards: list[Board] = []
    for _ in range(5):
        boards += (group := await stack.boards.power_on(count=20))
        for board in group:
            await stack.device(board).until(phase="Connected", within=240)
    return boards


async def _all_beat(stack: Stack, boards: list[Board], since: Event) -> None:
    """Assert that each board has a heartbeat answered after that event, and that none was disconnected."""
    for board in boards:
        await stack.history.until("HeartbeatAcknowledgment", about=board.name, after=since, within=60)
        assert not stack.history.find("ConnectionClosed", about=board.name, after=since)
        assert stack.device(board).status.phase == "Connected"
