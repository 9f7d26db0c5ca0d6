"""Checks of a board's link: connecting, authentication, enrollment, heartbeats, and reconnection."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from functools import partial

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from harness.boards.board import Board, Power
from harness.core.errors import ProductFailure
from harness.testing.bench import Bench
from harness.testing.require import require
from harness.wasmbed.pki.server_authorities import ServerAuthorities
from harness.wasmbed.protocol.framing import frame
from harness.wasmbed.protocol.messages import (
    DeviceInfo,
    DeviceInfoRequest,
    EnrollmentRequest,
    EnrollmentResponse,
    Error,
    ErrorCode,
    Heartbeat,
    HeartbeatAcknowledgment,
)

__all__: list[str] = []

MOST_PAUSES = 7
"""Failed connections after which a board's pauses must have grown."""


async def boots_and_switches_off(bench: Bench) -> None:
    """Power on and power off take effect, and a second power off changes nothing."""
    board = bench.board
    require(board.power is Power.OFF, "the board was on before it was powered on")
    await board.power_on()
    require(board.power is Power.ON, "the board is off after power_on")
    require(board.console.lines, "the console shows nothing after boot")
    peer = await bench.gateway.accept()
    await board.power_off()
    require(board.power is Power.OFF, "the board is on after power_off")
    await peer.until_closed()
    await board.power_off()
    await bench.gateway.silence(1.0)


async def authenticates_with_tls_1_3(bench: Bench) -> None:
    """The board uses TLS 1.3 with its certificate."""
    peer = await bench.connected()
    require(peer.link.tls_version == "TLSv1.3", f"the link is {peer.link.tls_version}")
    require(peer.link.peer_certificate == bench.certificate, "the board did not present its certificate")


async def enrolls_with_certificate(bench: Bench) -> None:
    """The board sends a complete request with the certificate's key, acknowledges the answer with the request's id,
    then sends a heartbeat."""
    peer = await bench.connected()
    request = await peer.enroll(bench.randomness.uuid())
    require(bench.certificate is not None, "no certificate")
    certificate = x509.load_der_x509_certificate(bench.certificate or b"")
    require(request.public_key == _public_key(certificate), "the request's public key is not the certificate's")
    require({"tls", "cbor"} <= set(request.capabilities), f"capabilities {request.capabilities} lack tls or cbor")
    require(request.csr is None and request.pairing_token is None, "a signing request although it has a certificate")
    require(request.device_type and request.firmware_version, "device type or firmware version is empty")


async def enrolls_with_signing_request(bench: Bench) -> None:
    """Without a certificate the board sends signing request and token, connects again with the issued certificate, and
    keeps it."""
    bench.make_board(certificate=False)
    peer = await bench.connected()
    require(peer.link.peer_certificate is None, "the board presented a certificate that it was not given")
    envelope = await peer.receive()
    request = envelope.message
    if not isinstance(request, EnrollmentRequest) or request.csr is None:
        raise ProductFailure(f"the board began with {request}, expected an enrollment request with signing request")
    require(request.pairing_token == bench.pairing_token, "the pairing token is not the board's")
    issued = bench.devices.sign_request(request.csr)
    certificate = x509.load_der_x509_certificate(issued)
    require(_public_key(certificate) == request.public_key, "the signing request is for another key")
    name = certificate.subject.rfc4514_string()
    require(name == f"CN={bench.name}", f"the signing request is for {name}, not CN={bench.name}")
    device_id = bench.randomness.uuid()
    peer.link.send(EnrollmentResponse(device_id, "scripted", "127.0.0.1:0", 1000, issued), envelope.message_id)
    await peer.until_closed()
    again = await bench.gateway.accept()
    require(again.link.peer_certificate == issued, "the board came back without the issued certificate")
    second = await again.enroll(device_id)
    require(second.nonce != request.nonce, "the second enrollment request has the first one's nonce")
    restarts: dict[str, Callable[[], Awaitable[None]]] = {
        "reset": bench.board.reset,
        "storage": partial(_power_cycle, bench.board),
    }
    for restart in (restarts[feature] for feature in restarts if feature in bench.board.features):
        await restart()
        peer = await bench.gateway.accept()
        require(peer.link.peer_certificate == issued, "the issued certificate did not survive")
        await peer.enroll(device_id)


async def waits_when_told_to(bench: Bench) -> None:
    """After a refusal with a retry-after, the board does not connect earlier."""
    peer = await bench.connected()
    envelope = await peer.receive()
    refused = bench.clock.now()
    peer.link.send(
        Error(ErrorCode.DUPLICATE_DEVICE, "another device has this identity", retry_after=1500), envelope.message_id
    )
    await peer.until_closed()
    again = await bench.gateway.accept()
    waited = bench.clock.now() - refused
    require(waited >= 1.4, f"the gateway asked the board to wait 1.5 s, it came back after {waited:.2f} s")
    await again.enroll(bench.randomness.uuid())


async def keeps_its_heartbeat(bench: Bench) -> None:
    """Heartbeats come at the gateway's interval, by the board's own clock."""
    interval = bench.expectations.heartbeat
    peer = await bench.enrolled()
    for _ in range(4):
        await peer.expect(Heartbeat)
    times = [heartbeat.device_time for heartbeat in peer.heartbeats]
    gaps = [(later - earlier) / 1000 for earlier, later in itertools.pairwise(times)]
    require(min(gaps) >= 0.5 * interval, f"told to beat every {interval:g} s, the board's gaps were {gaps}")
    require(sum(gaps) <= 3 * interval * len(gaps), f"told to beat every {interval:g} s, the board's gaps were {gaps}")
    first = peer.heartbeats[0]
    require(first.runtime_status in ("ready", "busy", "unavailable"), f"runtime status {first.runtime_status!r}")


async def gives_up_a_silent_gateway(bench: Bench) -> None:
    """Unanswered heartbeats end the connection, and the board comes back with its device id."""
    peer = await bench.enrolled()
    peer.hold()
    await peer.until_closed()
    again = await bench.gateway.accept()
    heartbeat = await again.expect(Heartbeat)
    require(heartbeat.device_id == peer.device_id, "the board came back with another device id")


async def resumes_after_a_lost_link(bench: Bench) -> None:
    """A cut link stays cut. After it is restored the board resumes with a heartbeat and its device id, not with an
    enrollment."""
    peer = await bench.enrolled()
    await bench.board.cut_link()
    await peer.until_closed()
    require(bench.board.power is Power.ON, "cutting the link powered the board off")
    await bench.gateway.silence(1.0)
    await bench.board.restore_link()
    again = await bench.gateway.accept()
    heartbeat = await again.expect(Heartbeat)
    require(heartbeat.device_id == peer.device_id, f"resumed as {heartbeat.device_id}, not {peer.device_id}")


async def enrolls_anew_when_forgotten(bench: Bench) -> None:
    """If the gateway does not know its device id, the board enrolls again."""
    peer = await bench.enrolled()
    peer.link.abort()
    again = await bench.gateway.accept()
    again.hold()
    await again.expect(Heartbeat)
    again.reply(Error(ErrorCode.ENROLLMENT_FAILED, "unknown device id"))
    again.release()
    await again.enroll(bench.randomness.uuid())


async def comes_back_slower_and_slower(bench: Bench) -> None:
    """While every connection fails, the pauses between them grow."""
    peer = await bench.connected()
    pauses: list[float] = []
    # A pause includes a handshake, which takes long on a busy machine: then only a later pause is twice as long.
    while len(pauses) < 5 or max(pauses[3:]) <= 2 * min(pauses[:2]):
        require(len(pauses) < MOST_PAUSES, f"the pauses were {', '.join(f'{p:.2f} s' for p in pauses)}")
        lost = bench.clock.now()
        peer.link.abort()
        peer = await bench.gateway.accept()
        pauses.append(bench.clock.now() - lost)


async def restarts_with_its_identity(bench: Bench) -> None:
    """A reset ends the connection; the board boots, connects with the same certificate and enrolls again."""
    peer = await bench.enrolled()
    lines = len(bench.board.console.lines)
    await bench.board.reset()
    require(bench.board.power is Power.ON, "the board is off after a reset")
    await peer.until_closed()
    again = await bench.gateway.accept()
    require(again.link.peer_certificate == bench.certificate, "the board came back with another certificate")
    await again.enroll(peer.device_id)
    require(len(bench.board.console.lines) > lines, "the console does not show the boot")


async def restarts_in_the_middle_of_traffic(bench: Bench) -> None:
    """A reset while many bytes are queued for the board loses these bytes, and no later ones."""
    peer = await bench.enrolled()
    for _ in range(5):
        for _ in range(200):
            peer.link.send(HeartbeatAcknowledgment(0))
        await bench.board.reset()
        await peer.until_closed()
        again = await bench.gateway.accept()
        await again.enroll(peer.device_id)
        peer = again


async def leaves_nothing_without_power(bench: Bench) -> None:
    """A power cut ends the connection; the board does not connect, and leaves no task."""
    before = asyncio.all_tasks()
    peer = await bench.enrolled()
    await bench.board.cut_power()
    require(bench.board.power is Power.OFF, "the board is on after cut_power")
    await peer.until_closed()
    left = [task.get_name() for task in asyncio.all_tasks() - before if not task.done()]
    require(not left, f"the board left tasks: {', '.join(left)}")
    await bench.gateway.silence(1.0)
    again = await bench.enrolled()
    require(again.link.peer_certificate == bench.certificate, "the board came back with another certificate")


async def survives_garbage(bench: Bench) -> None:
    """Bytes that are not a message end the connection, not the board: it resumes with its device id."""
    peer = await bench.enrolled()
    for garbage in (
        frame(b"\xff\xff\xff"),
        frame(b"\x83\x01\x01"),
        frame(bytes.fromhex("830201820aa0")),  # [2, 1, [10, {}]]
        (1 << 31).to_bytes(4, "big") + b"oversized",
        bytes(4),
    ):
        peer.write(garbage)
        await peer.until_closed()
        device_id, peer = peer.device_id, await bench.gateway.accept()
        peer.device_id = (await peer.expect(Heartbeat)).device_id
        require(peer.device_id == device_id, f"resumed as {peer.device_id}, not {device_id}")


async def answers_unknown_tags(bench: Bench) -> None:
    """A well-formed message with an unknown tag is answered with an error, and the session continues."""
    peer = await bench.enrolled()
    peer.write(frame(bytes.fromhex("83010b8218c8a0")))  # [1, 11, [200, {}]]
    await peer.expect(Error, 11)
    await peer.expect(Heartbeat)


async def tells_about_itself(bench: Bench) -> None:
    """A request for device information is answered with the request's id."""
    peer = await bench.enrolled()
    information = await peer.expect(DeviceInfo, peer.link.send(DeviceInfoRequest()))
    require(information.memory > 0 and information.architecture, f"incomplete: {information}")


async def refuses_an_unknown_authority(bench: Bench) -> None:
    """The board sends nothing to a gateway whose certificate another authority signed."""
    board = bench.board
    await bench.gateway.stop()
    impostor = bench.make_gateway(ServerAuthorities("Impostors", bench.clock).issue("impostor"))
    impostor.endpoint = bench.gateway.endpoint
    await impostor.start()
    try:
        await board.power_on()
        await impostor.rejected()
        await impostor.silence(0.2)
    finally:
        await impostor.stop()
    await bench.gateway.start()
    await (await bench.gateway.accept()).enroll(bench.randomness.uuid())


async def refuses_a_wrong_server_name(bench: Bench) -> None:
    """The board sends nothing to a gateway whose certificate is for another host."""
    bench.make_board(server_name="other.example")
    await bench.board.power_on()
    await bench.gateway.rejected()
    await bench.gateway.silence(0.2)


async def ignores_what_it_did_not_ask(bench: Bench) -> None:
    """A response without a request changes nothing."""
    peer = await bench.enrolled()
    peer.link.send(HeartbeatAcknowledgment(0))
    peer.link.send(EnrollmentResponse(bench.randomness.uuid(), "other", "127.0.0.1:1", 1))
    await peer.expect(Error)
    heartbeat = await peer.expect(Heartbeat)
    require(heartbeat.device_id == peer.device_id, "the board accepted a device id that it had not requested")


def _public_key(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


async def _power_cycle(board: Board) -> None:
    await board.power_off()
    await board.power_on()
