"""Places at the API server's socket: clients without the token keep nobody out, and a watch keeps its place."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl

import orjson
import pytest
import yaml

from harness.clusters.embedded.http_server import HttpServer
from harness.clusters.embedded.process import EmbeddedProcessCluster
from harness.clusters.embedded.server import ApiServer
from harness.core.clock import ManualClock, SystemClock
from harness.core.http_door import HttpPlaces
from harness.core.identifiers import Randomness
from harness.core.network import SystemNetwork

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
TOKEN = "Authorization: Bearer sesame\r\n"


class Client:
    """One connection, spoken to by hand."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def write(self, path, head="", body=""):
        method = "POST" if body else "GET"
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        self.writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{head}{length}\r\n{body}".encode())

    async def ask(self, path, head="", body=""):
        """The status and the body of an answer of known length."""
        self.write(path, head, body)
        answer = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        lengths = [line.split(":")[1] for line in answer.split("\r\n") if line.lower().startswith("content-length")]
        return int(answer.split()[1]), await self.reader.readexactly(int(lengths[0])) if lengths else b""

    async def ended(self):
        return await self.reader.read()

    async def close(self):
        self.writer.transport.abort()


@pytest.fixture
def clock(request):
    return getattr(request, "param", SystemClock)()


@pytest.fixture
async def server(clock):
    server = ApiServer(clock, Randomness())
    yield server
    server.close()


@pytest.fixture
async def endpoint(server, clock, settings):
    places = HttpPlaces(**{"connections": 8, "per_address": 4, "timeout": 60.0, "idle": 90.0, **settings})
    front = HttpServer(server, clock, SystemNetwork(), token="sesame", places=places)
    yield await front.start(("127.0.0.1", 0))
    server.close()
    await front.stop()


@pytest.fixture
async def connect(endpoint):
    """A function that opens a connection."""
    clients = []

    async def connect():
        clients.append(Client(*await asyncio.open_connection(*endpoint)))
        return clients[-1]

    yield connect
    for client in clients:
        await client.close()


async def test_idle_strangers_make_room_for_each_other_and_keep_nobody_with_the_token_out(connect):
    known = [await connect() for _ in range(3)]
    for client in known:
        assert (await client.ask(CONFIG_MAPS, TOKEN))[0] == 200
    strangers = [await connect() for _ in range(4)]
    for stranger in strangers:
        assert (await stranger.ask("/version"))[0] == 200
    for _ in range(3):
        assert (await (await connect()).ask(CONFIG_MAPS, TOKEN))[0] == 200
    assert [await stranger.ended() for stranger in strangers[:2]] == [b""] * 2
    for client in known:
        assert (await client.ask(CONFIG_MAPS, TOKEN))[0] == 200


async def test_a_wrong_token_is_a_strangers(connect):
    liars = [await connect() for _ in range(4)]
    for liar in liars:
        assert (await liar.ask(CONFIG_MAPS, "Authorization: Bearer wrong\r\n"))[0] == 401
    assert (await (await connect()).ask(CONFIG_MAPS, TOKEN))[0] == 200
    assert await liars[0].ended() == b""


@pytest.mark.parametrize("clock", [ManualClock], indirect=True)
async def test_a_watch_is_no_idle_connection_and_keeps_its_place(server, connect, clock):
    watching, idle = await connect(), await connect()
    watching.write(f"{CONFIG_MAPS}?watch=True&resourceVersion={server.version}", TOKEN)
    await watching.reader.readuntil(b"\r\n\r\n")
    assert (await idle.ask("/version", TOKEN))[0] == 200
    await clock.advance(95)
    assert await idle.ended() == b""
    assert (await (await connect()).ask(CONFIG_MAPS, TOKEN, '{"metadata":{"name":"a"}}'))[0] == 201
    await watching.reader.readline()  # the length of the chunk
    event = orjson.loads(await watching.reader.readline())
    assert event["object"]["metadata"]["name"] == "a"


@pytest.mark.parametrize("clock", [ManualClock], indirect=True)
async def test_the_first_request_and_the_next_one_have_their_times(connect, clock):
    silent, half, asked, known = [await connect() for _ in range(4)]
    half.writer.write(b"GET /version HTTP/1.1\r\nHo")
    assert (await asked.ask("/version"))[0] == 200
    assert (await known.ask("/version", TOKEN))[0] == 200
    await clock.advance(61)
    assert [await client.ended() for client in (silent, half, asked)] == [b""] * 3
    assert (await known.ask("/version", TOKEN))[0] == 200


class DeadlineNoticingClock(ManualClock):
    """A clock with an event that is set when a wait with a deadline begins."""

    def __init__(self):
        super().__init__()
        self.asked = asyncio.Event()

    def deadline(self, seconds):
        self.asked.set()
        return super().deadline(seconds)


@pytest.mark.parametrize("clock", [DeadlineNoticingClock], indirect=True)
async def test_a_body_that_does_not_come_is_not_waited_for(connect, clock):
    client = await connect()
    client.writer.write(f"POST {CONFIG_MAPS} HTTP/1.1\r\nHost: x\r\n{TOKEN}Content-Length: 100\r\n\r\n{{".encode())
    await clock.asked.wait()
    await clock.advance(61)
    assert b"408" in await client.reader.readline()
    await client.reader.readuntil(b"\r\n\r\n")
    assert b'"reason":"Timeout"' in await client.reader.read(1000)


@pytest.mark.parametrize("clock", [ManualClock], indirect=True)
async def test_a_watch_whose_reader_does_not_read_is_ended(server, connect, endpoint, clock):
    loop = asyncio.get_running_loop()
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        await loop.sock_connect(deaf, endpoint)
        await loop.sock_sendall(deaf, f"GET {CONFIG_MAPS}?watch=1 HTTP/1.1\r\nHost: x\r\n{TOKEN}\r\n".encode())
        writing = await connect()
        while not server.watch_count():
            assert (await writing.ask("/version", TOKEN))[0] == 200
        for number in range(100):
            body = orjson.dumps({"metadata": {"name": f"c{number}"}, "data": {"a": "x" * 500_000}}).decode()
            assert (await writing.ask(CONFIG_MAPS, TOKEN, body))[0] == 201
            await clock.advance(61)
        assert server.watch_count() == 0


@pytest.mark.settings(connections=2)
async def test_a_new_connection_is_refused_if_all_places_are_in_use(server, connect):
    for _ in range(2):
        watching = await connect()
        watching.write(f"{CONFIG_MAPS}?watch=1&resourceVersion={server.version}", TOKEN)
        await watching.reader.readuntil(b"\r\n\r\n")
    assert b"503 Service Unavailable" in await (await connect()).ended()


async def test_nine_hundred_idle_tls_connections_do_not_shut_the_server(tmp_path):
    cluster = EmbeddedProcessCluster(SystemClock(), Randomness())
    await cluster.start()
    idle = []
    try:
        await cluster.write_kubeconfig(tmp_path / "kubeconfig")
        config = yaml.safe_load((tmp_path / "kubeconfig").read_text())
        server, token = config["clusters"][0]["cluster"]["server"], config["users"][0]["user"]["token"]
        address = server.removeprefix("https://").split(":")
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE

        async def connect():
            return await asyncio.open_connection(*address, ssl=trusting, ssl_handshake_timeout=300)

        while len(idle) < 905:
            idle.append(await connect())
        reader, writer = await connect()
        writer.write(f"GET /api HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        assert b"200" in await reader.readline()
        writer.transport.abort()
    finally:
        for _, writer in idle:
            writer.transport.abort()
        await cluster.stop()


async def test_what_cannot_be_read_is_refused_and_its_token_not_logged(connect, caplog):
    caplog.set_level(logging.DEBUG)
    for head, body in (
        ("Authorization: Bearer sesame\x01\r\n", ""),
        ("Authorization : Bearer sesame\r\n", ""),
        (f"{TOKEN}X: \x00{'x' * 9000}\r\n", ""),
        (f"{TOKEN}Content-Encoding: gzip\r\n", "sesame"),
        (f"{TOKEN}Transfer-Encoding: chunked\r\n", "ZZsesame\r\n"),
    ):
        client = await connect()
        client.write(CONFIG_MAPS, head, body)
        assert b" 400 " in await client.reader.readline()
    client = await connect()
    client.writer.write(b"GET /?token=sesame HTTP/9.9\r\n\r\n")
    assert b" 505 " in await client.reader.readline()
    assert "sesame" not in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("query", "agent", "indented"),
    [("", "kubectl/v1", False), ("", "curl/8", True), ("?pretty=1", "x", True), ("?pretty=false", "curl/8", False)],
)
async def test_an_answer_is_indented_for_those_who_show_it_as_it_comes(connect, query, agent, indented):
    client = await connect()
    await client.ask(CONFIG_MAPS, TOKEN, '{"metadata":{"name":"a"}}')
    status, body = await client.ask(f"{CONFIG_MAPS}{query}", f"{TOKEN}User-Agent: {agent}\r\n")
    assert (status, len(body.splitlines()) > 1) == (200, indented)
    assert orjson.loads(body)["items"][0]["metadata"]["name"] == "a"


async def test_a_large_list_comes_in_parts(connect):
    client = await connect()
    names = [f"c{number:04}" for number in range(1100)]
    for name in names:
        assert (await client.ask(CONFIG_MAPS, TOKEN, orjson.dumps({"metadata": {"name": name}}).decode()))[0] == 201
    client.write(CONFIG_MAPS, f"{TOKEN}Connection: close\r\n")
    head, _, chunked = (await client.ended()).partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head
    body = b""
    while chunked:
        size, _, rest = chunked.partition(b"\r\n")
        body, chunked = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    assert [item["metadata"]["name"] for item in orjson.loads(body)["items"]] == names
