"""Links whose handshake is TLS and whose data is plain: nobody can tell the difference, except by the bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from harness.core.clock import Clock
from harness.core.errors import UsageError
from harness.sim import Simulation
from harness.sim.sockets import SimulatedSocket
from harness.stack import Stack
from harness.stack.credentials import Certificate
from harness.stack.hosted import HostedStack
from harness.stack.options import StackOptions
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import generate_key
from harness.wasmbed.pki.tls import client_context, tls_server

LARGE = bytes(range(256)) * 8192
"""Two megabytes: more than all buffers between two ends hold."""
OPTIONS = StackOptions(boards="sim")


class End(asyncio.Protocol):
    """One end of a connection, which keeps each call of its transport."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.received = bytearray()
        self.transport: Any = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data

    def pause_writing(self) -> None:
        self.told.append("full")

    def resume_writing(self) -> None:
        self.told.append("empty")

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append(f"lost {type(exc).__name__}")
        self.ended.set_result(None)


Ends = Callable[[End, End, Clock], Coroutine[Any, Any, Any]]


def run(body: Ends, *, plain: bool) -> Any:
    """The result of ``body`` for the two ends of a connection of a simulation."""
    simulation = Simulation(plain=plain)

    async def connected() -> Any:
        clock, network = simulation.clock, simulation.network
        authority, key, accepted = Authority.create("root", clock), generate_key(), []
        server = authority.issue_server("127.0.0.1", ("127.0.0.1",))
        device = Identity(key, authority.issue_device("d", key.public_key()))

        def accept() -> End:
            accepted.append(End())
            return accepted[-1]

        listener = await network.listen(accept, ("127.0.0.1", 0), tls=tls_server((server,), authority.certificate))
        context = client_context(authority.certificate, device, clock)
        here = await network.connect(End, listener.endpoint, tls=context)
        await clock.sleep(1)
        try:
            return await body(here, accepted[0], clock)
        finally:
            for end in (here, accepted[0]):
                if not end.ended.done():
                    end.transport.abort()
            await clock.sleep(1)
            await listener.close()

    with simulation.new_runner() as runner:
        result = runner.run(connected())
    assert simulation.open_sockets == 0
    return result


async def _both_ways(here: End, there: End, clock: Clock) -> Any:
    here.transport.write(LARGE)
    there.transport.writelines([b"a", b"b" * 70_000])
    await clock.sleep(1)
    assert (bytes(there.received), bytes(here.received)) == (LARGE, b"a" + b"b" * 70_000)
    return here.told, there.told


async def _unread(here: End, there: End, clock: Clock) -> Any:
    there.transport.pause_reading()
    for at in range(0, len(LARGE), 1 << 16):
        here.transport.write(LARGE[at : at + (1 << 16)])
    await clock.sleep(1)
    assert "full" in here.told
    assert not there.received
    there.transport.resume_reading()
    await clock.sleep(1)
    assert bytes(there.received) == LARGE
    return here.told, there.told


async def _closed(here: End, there: End, clock: Clock) -> Any:
    here.transport.write(b"the last words")
    here.transport.close()
    await asyncio.gather(here.ended, there.ended)
    assert there.received == b"the last words"
    return here.told, there.told


async def _closed_while_the_peer_sends(here: End, there: End, clock: Clock) -> Any:
    here.transport.close()
    there.transport.write(b"too late")
    await asyncio.gather(here.ended, there.ended)
    return here.told, there.told


async def _closed_by_both(here: End, there: End, clock: Clock) -> Any:
    there.transport.close()
    here.transport.close()
    await asyncio.gather(here.ended, there.ended)
    return here.told, there.told


async def _aborted(here: End, there: End, clock: Clock) -> Any:
    here.transport.write(b"x")
    here.transport.abort()
    await asyncio.gather(here.ended, there.ended)
    return here.told, there.told


async def _of_an_application_that_fails(here: End, there: End, clock: Clock) -> Any:
    def fail(data: bytes) -> None:
        raise ConnectionError("a defect")

    there.data_received = fail  # type: ignore[method-assign]
    here.transport.write(b"x")
    await asyncio.gather(here.ended, there.ended)
    return here.told, there.told


@pytest.mark.parametrize(
    "body",
    [
        _both_ways, _unread, _closed, _closed_while_the_peer_sends, _closed_by_both, _aborted,
        _of_an_application_that_fails,
    ],
)  # fmt: skip
def test_ends_are_told_what_tls_tells(body: Ends) -> None:
    """Data, flow control, and each way to end: both protocols see the same calls as over TLS."""
    assert run(body, plain=True) == run(body, plain=False)


@pytest.mark.parametrize("plain", [True, False])
def test_only_the_data_is_plain(plain: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes between the ends have the data as it is, or do not have it."""
    sent = bytearray()
    send = SimulatedSocket.send

    def spy(self: SimulatedSocket, data: Any, flags: int = 0) -> int:
        sent.extend(data)
        return send(self, data, flags)

    monkeypatch.setattr(SimulatedSocket, "send", spy)

    async def body(here: End, there: End, clock: Clock) -> None:
        assert here.transport.get_extra_info("ssl_object").version() == "TLSv1.3"
        here.transport.write(b"so that it can be found")
        await clock.sleep(1)

    run(body, plain=plain)
    assert (b"so that it can be found" in sent) is plain


def test_records_in_pieces_are_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Handshake, data and end arrive although the sockets take three bytes at a time."""
    send = SimulatedSocket.send
    monkeypatch.setattr(
        SimulatedSocket, "send", lambda self, data, flags=0: send(self, bytes(memoryview(data)[:3]), flags)
    )

    async def body(here: End, there: End, clock: Clock) -> None:
        here.transport.write(b"first")
        here.transport.write(b"second")
        here.transport.close()
        await there.ended
        assert there.received == b"firstsecond"

    run(body, plain=True)


def told_of(certificate: Certificate, link: str) -> list[tuple[str, Any]]:
    """The words of gateway, peer, and history about a peer with this certificate."""
    found: list[tuple[str, Any]] = []

    async def body(stack: Stack) -> None:
        before = len(stack.history)
        try:
            board = await stack.mock_board(certificate=certificate)
            await board.enroll()
        except Exception as error:
            found.append(("peer", f"{type(error).__name__} {str(error)[:60]}"))
        await stack.clock.sleep(1)
        events = [event for event in stack.history if event.n >= before and event.source in ("Device", "Gateway")]
        found.extend((event.name, event.data.get("reason") or event.data.get("version")) for event in events)

    with HostedStack.opened(OPTIONS.replace(link=link), None) as hosted:
        hosted.run(body(hosted.stack))
    return found


@pytest.mark.parametrize("certificate", [each for each in Certificate if each is not Certificate.REQUEST])
def test_a_certificate_is_judged_as_over_tls(certificate: Certificate) -> None:
    """The same alert, the same error message, the same events."""
    plain = told_of(certificate, "plain")
    assert plain == told_of(certificate, "tls")
    names = [name for name, _ in plain]
    refused = certificate in (Certificate.SERVER_ONLY, Certificate.UNKNOWN_AUTHORITY)
    assert ("TlsRejected" in names) is refused
    assert ("EnrollmentResponse" in names) is (certificate is Certificate.VALID)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"boards": "virtual", "link": "tls"}, "is for --boards=sim"),
        ({"boards": "sim-native", "link": "plain"}, "boards of sim-native have TLS of their own"),
        ({"boards": "sim", "link": "quic"}, "must be one of plain, tls"),
    ],
)
def test_links_that_a_run_cannot_have(options: dict[str, str], message: str) -> None:
    with (
        pytest.raises(UsageError, match=message) as caught,
        HostedStack.opened(StackOptions().replace(**options), None),
    ):
        pass
    assert "link" in str(caught.value.where)
