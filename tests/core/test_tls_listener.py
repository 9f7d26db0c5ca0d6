"""Honest clients of a TLS listener complete their handshakes during floods of other peers."""

from __future__ import annotations

import asyncio
import datetime
import os
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from harness.core.handshake_queue import Budget
from harness.core.loop import give_way
from harness.core.network import Admission, Listener, SystemNetwork
from harness.core.places import Places
from harness.core.tls_server import TlsServer
from tests.tls_groups import needs_any_group

FRAGMENT = bytes.fromhex("160301000101160301000200")
"""A TLS record with the first byte of a ClientHello, and the beginning of the next: OpenSSL waits for the rest."""
ECDSA_SECP256R1_SHA256 = 0x0403
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[TlsServer, ssl.SSLContext]:
    """A server's and a client's, of one self-signed certificate."""
    folder: Path = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, start, start.replace(year=2120))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, private, serialization.NoEncryption()))

    def make() -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        return context

    return TlsServer(make, [ECDSA_SECP256R1_SHA256]), ssl.create_default_context(cafile=str(folder / "cert.pem"))


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)
        self.transport.close()


class ListenerUnderTest:
    """A listener, its rejections, and ways to connect to it."""

    def __init__(self, client: ssl.SSLContext) -> None:
        self.client = client
        self.rejected: list[str] = []
        self.refused = 0
        self._changed: asyncio.Event = asyncio.Event()
        self.listener: Listener | None = None
        self.peers = ExitStack()

    def reject(self, address: tuple[str, int], reason: str, refused: bool) -> None:
        assert address[0].startswith("127.0.0.")
        self.rejected.append(reason)
        self.refused += refused
        self._changed.set()

    async def until_rejected(self, count: int) -> list[str]:
        async with asyncio.timeout(120):
            while len(self.rejected) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.rejected

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        assert self.listener is not None
        return self.peers.enter_context(socket.create_connection(self.listener.endpoint, source_address=(source, 0)))

    async def talk(self) -> bytes:
        assert self.listener is not None
        host, port = self.listener.endpoint
        async with asyncio.timeout(120):
            reader, writer = await asyncio.open_connection(host, port, ssl=self.client, server_hostname="localhost")
            writer.write(b"hello")
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
        return answer


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner
        left = asyncio.all_tasks(runner.get_loop())
        assert not left, f"tasks left behind: {left}"


@pytest.fixture
async def world(
    contexts: tuple[TlsServer, ssl.SSLContext], settings: dict[str, Any]
) -> AsyncIterator[ListenerUnderTest]:
    """A listener with the bounds that the marker ``settings`` names."""
    server, client = contexts
    world = ListenerUnderTest(client)
    failures: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))
    admission = Admission(rejected=world.reject, **settings)
    world.listener = await SystemNetwork().listen(Echo, ("localhost", 0), tls=server, admission=admission)
    yield world
    await world.listener.close()
    world.peers.close()
    assert failures == [], "nothing fails inside the listener"


@pytest.mark.settings(handshakes=2)
async def test_honest_peers_complete_their_handshakes(world: ListenerUnderTest) -> None:
    assert await world.talk() == b"hello"
    assert await asyncio.gather(*(world.talk() for _ in range(10))) == [b"hello"] * 10
    assert world.rejected == []


async def test_bytes_that_are_not_tls_are_reported(world: ListenerUnderTest) -> None:
    with world.connect() as garbage:
        garbage.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert await world.until_rejected(1) == ["http request"]
    with world.connect() as cut:
        cut.sendall(b"\x16\x03\x01")
    assert "handshake" in (await world.until_rejected(2))[1]


def hello_of(*, group: str | None = None) -> bytes:
    """The first bytes that OpenSSL's client sends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if group is not None:
        context.set_ecdh_curve(group)
    sent = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost").do_handshake()
    return sent.read()


async def answer(peer: socket.socket) -> bytes:
    """Everything that the listener sends until it closes."""
    peer.setblocking(False)
    received = b""
    async with asyncio.timeout(120):
        while part := await asyncio.get_running_loop().sock_recv(peer, 4096):
            received += part
    return received


@needs_any_group
@pytest.mark.parametrize("group", ["ffdhe2048", "ffdhe8192", "secp384r1"])
@pytest.mark.settings(failures=Budget(1, 0.001))
async def test_an_expensive_key_exchange_is_refused_with_an_alert(world: ListenerUnderTest, group: str) -> None:
    world.connect().sendall(hello_of(group=group))
    peer = world.connect()
    peer.sendall(hello_of(group=group))
    assert await answer(peer) == bytes.fromhex("15030300020228")  # fatal, handshake_failure
    assert set(await world.until_rejected(2)) == {
        f"no common key exchange groups: the client offers {group}; the server supports x25519, secp256r1"
    }
    assert world.refused == 2
    assert await world.talk() == b"hello"


@needs_any_group
@pytest.mark.parametrize("group", [None, "X25519", "prime256v1"])
async def test_both_cheap_groups_are_accepted(world: ListenerUnderTest, group: str | None) -> None:
    if group is not None:
        world.client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        world.client.check_hostname, world.client.verify_mode = False, ssl.CERT_NONE
        world.client.set_ecdh_curve(group)
    assert await world.talk() == b"hello"


@pytest.mark.settings(failures=Budget(1, 0.001))
async def test_a_hello_whose_sender_has_left_starts_no_handshake(world: ListenerUnderTest) -> None:
    peer = world.connect()
    peer.sendall(hello_of())
    peer.close()
    assert await world.until_rejected(1) == ["the peer closed the connection before its handshake"]
    assert await world.talk() == b"hello"


@pytest.mark.settings(failures_of_one=Budget(2, 0.001))
async def test_a_host_that_never_finishes_handshakes_uses_up_its_budget(world: ListenerUnderTest) -> None:
    hello = hello_of()
    flood = [world.connect("127.0.0.2") for _ in range(6)]
    for peer in flood:
        peer.sendall(hello)
    assert [await world.talk() for _ in range(6)] == [b"hello"] * 6
    for peer in flood:
        peer.setblocking(False)
    computed = 0
    for peer in flood:
        with suppress(BlockingIOError):
            computed += bool(peer.recv(4096))
    assert computed == 2


@pytest.mark.settings(silence=0.05)
async def test_silent_peers_are_dropped_after_the_time_limit(world: ListenerUnderTest) -> None:
    with world.connect() as first, world.connect() as second:
        assert await world.until_rejected(2) == ["no ClientHello within 0.05 s"] * 2
        assert (first.recv(1), second.recv(1)) == (b"", b"")
        assert world.refused == 0


@pytest.mark.settings(waiting=8)
async def test_many_silent_peers_do_not_keep_others_out(world: ListenerUnderTest) -> None:
    crowd = [world.connect() for _ in range(100)]
    assert await world.talk() == b"hello"
    assert len(await world.until_rejected(92)) <= 93
    assert set(world.rejected) == {"made room for a newer connection"}
    for peer in crowd:
        peer.close()


@pytest.mark.settings(handshakes=2, waiting=3, patience=0.05)
async def test_slow_handshakes_make_room_for_waiting_peers(world: ListenerUnderTest) -> None:
    slow = [world.connect() for _ in range(6)]
    for peer in slow:
        peer.sendall(FRAGMENT)
    assert await world.talk() == b"hello"
    assert set(await world.until_rejected(4)) == {
        "no handshake within 0.05 s while others waited",
        "made room for a newer connection",
    }


@pytest.fixture
def behind(settings: dict[str, Any]) -> Places:
    """One place behind the listener."""
    settings["behind"] = Places(1)
    return settings["behind"]


@needs_any_group
@pytest.mark.settings(silence=60.0, patience=60.0, handshake=60.0)
async def test_no_handshake_starts_while_all_places_behind_are_taken(behind: Places, world: ListenerUnderTest) -> None:
    await behind.take()
    waiting = asyncio.create_task(behind.take())
    await give_way()
    clients = [asyncio.create_task(world.talk()) for _ in range(5)]
    for _ in range(3):  # a refusal needs no handshake
        refused = world.connect()
        refused.sendall(hello_of(group="ffdhe2048"))
        assert await answer(refused)
    assert not any(task.done() for task in clients)
    behind.give_back(0, in_time=True)
    assert await asyncio.gather(*clients) == [b"hello"] * 5
    await waiting
    assert len(world.rejected) == 3


@pytest.mark.settings(handshake=0.05)
async def test_a_handshake_has_a_deadline(world: ListenerUnderTest) -> None:
    with world.connect() as slow:
        slow.sendall(FRAGMENT)
        (reason,) = await world.until_rejected(1)
        assert "taking longer than 0.05 seconds" in reason


@pytest.mark.parametrize("start", ["16", "160301", "1603010200", "160301020001", "160301000101", "160301000401ffffff"])
@pytest.mark.settings(waiting=4, silence=0.2)
async def test_a_peer_with_half_a_hello_counts_as_silent(world: ListenerUnderTest, start: str) -> None:
    for _ in range(20):
        world.connect().sendall(bytes.fromhex(start))
    assert await world.talk() == b"hello"
    assert await world.until_rejected(20) == [
        *["made room for a newer connection"] * 17,
        *["no ClientHello within 0.2 s"] * 3,
    ]


async def test_a_hello_may_arrive_byte_by_byte(world: ListenerUnderTest) -> None:
    with world.connect() as slow:
        slow.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in bytes.fromhex("16030100050100000102"):
            slow.sendall(bytes([byte]))
            assert await world.talk() == b"hello"
        assert "length" in (await world.until_rejected(1))[0]


async def test_closing_drops_silent_peers(world: ListenerUnderTest) -> None:
    with world.connect() as silent:
        assert await world.talk() == b"hello"
        assert world.listener is not None
        await world.listener.close()
        assert world.rejected == ["the listener was closed"]
        assert silent.recv(1) == b""


@pytest.mark.settings(handshakes=1, patience=20, silence=0.05)
async def test_closing_drops_handshakes_and_waiting_peers(world: ListenerUnderTest) -> None:
    with world.connect() as shaking, world.connect() as queued, world.connect():
        shaking.sendall(FRAGMENT)
        queued.sendall(FRAGMENT)
        await world.until_rejected(1)
        assert world.listener is not None
        await world.listener.close()
        assert world.rejected == ["no ClientHello within 0.05 s", *["the listener was closed"] * 2]


async def test_closing_drops_a_handshake_that_has_not_begun(world: ListenerUnderTest) -> None:
    """Its task exists and has not run yet, as it may be where the order of what is ready is drawn."""
    loop, began, closing = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    async def late(handshake: Coroutine[Any, Any, None]) -> None:
        began.set()
        await closing.wait()
        await handshake

    def make(loop: asyncio.AbstractEventLoop, work: Any, **named: Any) -> asyncio.Task[Any]:
        return asyncio.Task(late(work) if "_shake_hands" in work.__qualname__ else work, loop=loop, **named)

    loop.set_task_factory(make)
    try:
        with world.connect() as peer:
            peer.sendall(FRAGMENT)
            await began.wait()
            assert world.listener is not None
            loop.call_soon(closing.set)
            await world.listener.close()
            assert world.rejected == ["the listener was closed"]
            with pytest.raises(ConnectionResetError):
                peer.recv(1)
    finally:
        loop.set_task_factory(None)


@pytest.mark.settings(handshake=600)
@pytest.mark.parametrize("runner", LOOPS[:1], indirect=True)
async def test_closing_drops_a_handshake_whose_connection_is_not_made(
    world: ListenerUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """asyncio has the transport, and has not told its protocol of it: it would ignore that the transport is closed."""
    loop, began, held = asyncio.get_running_loop(), asyncio.Event(), list[Callable[[], object]]()
    call_soon = loop.call_soon

    def late(callback: Callable[..., object], *arguments: Any, **named: Any) -> asyncio.Handle | None:
        if getattr(callback, "__name__", "") not in ("connection_made", "_add_reader"):
            return call_soon(callback, *arguments, **named)
        held.append(lambda: callback(*arguments))
        began.set()
        return None

    with world.connect() as peer:
        monkeypatch.setattr(loop, "call_soon", late)
        peer.sendall(FRAGMENT)
        await began.wait()
        assert world.listener is not None
        await world.listener.close()
        monkeypatch.undo()
        for each in held:
            each()
        assert world.rejected == ["the listener was closed"]
        peer.setblocking(False)
        async with asyncio.timeout(120):
            with suppress(ConnectionResetError):  # it was closed with data that nobody has read
                assert await loop.sock_recv(peer, 1) == b""


@contextmanager
def file_descriptors_left(count: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    gaps = [os.dup(0)]
    while gaps[-1] <= highest:
        gaps.append(os.dup(0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (gaps[-1] + 1 + count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in gaps:
            os.close(descriptor)


async def test_without_file_descriptors_silent_peers_are_dropped_first(world: ListenerUnderTest) -> None:
    for _ in range(8):
        world.connect()
    with file_descriptors_left(3):
        assert set(await world.until_rejected(3)) == {"the machine has run out of file descriptors"}
    assert await world.talk() == b"hello"


@pytest.mark.settings(handshakes=1, patience=20)
async def test_a_handshake_without_a_file_descriptor_frees_its_place(world: ListenerUnderTest) -> None:
    world.connect().sendall(FRAGMENT)
    with file_descriptors_left(1):
        assert await world.until_rejected(1) == ["the machine has run out of file descriptors"]
    assert await world.talk() == b"hello"
