"""The socket in front of the server: TLS, tokens, bodies, and watches whose reader goes away."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl

import aiohttp
import orjson
import pytest

from harness.clusters.embedded.connections import HEAD_LIMIT
from harness.clusters.embedded.http_server import HttpServer
from harness.clusters.embedded.server import ApiServer
from harness.core.clock import SystemClock
from harness.core.errors import RigError
from harness.core.identifiers import Randomness
from harness.core.network import SystemNetwork

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
TOKEN = {"Authorization": "Bearer sesame"}


@pytest.fixture
async def server(settings, told):
    def tap(source, target, name, data, correlation):
        told.append((source, name, correlation))

    server = ApiServer(SystemClock(), Randomness(), tap=tap, **settings)
    yield server
    server.close()


@pytest.fixture
def told():
    """The tap's calls: source, name, correlation."""
    return []


@pytest.fixture
async def session(server):
    """An HTTP client with the token."""
    served = HttpServer(server, SystemClock(), SystemNetwork(), token="sesame")
    host, port = await served.start(("127.0.0.1", 0))
    async with aiohttp.ClientSession(f"http://{host}:{port}", headers=TOKEN) as session:
        yield session
    server.close()
    await served.stop()


async def test_requests_over_a_socket(session):
    body = {"metadata": {"name": "a b%2Fc"[:1]}, "data": {"k": "v"}}
    async with session.post(CONFIG_MAPS, json=body) as response:
        assert response.status == 201
        made = await response.json()
    assert made["metadata"]["name"] == "a"
    async with session.get(f"{CONFIG_MAPS}?fieldSelector=metadata.name%3Da") as response:
        assert [item["data"] for item in (await response.json())["items"]] == [{"k": "v"}]
    async with session.patch(
        f"{CONFIG_MAPS}/a?fieldValidation=Warn",
        data=orjson.dumps({"extra": 1, "data": {"k": None}}),
        headers={"Content-Type": "application/merge-patch+json"},
    ) as response:
        assert response.headers.getall("Warning") == ['299 - "unknown field \\"extra\\""']
        assert "data" not in await response.json()
    async with session.get(f"{CONFIG_MAPS}/x%2Fy") as response:
        assert (response.status, (await response.json())["message"]) == (404, 'configmaps "x/y" not found')


@pytest.mark.parametrize(
    ("header", "code"),
    [(None, 403), ("", 403), ("Basic c2VzYW1l", 403), ("Bearer wrong", 401), ("Bearer s\udce9same", 401)],
)
async def test_requests_without_the_token_are_refused(session, header, code):
    """A client without a token is anonymous, and may read its health; a wrong token is refused."""
    headers = {} if header is None else {"Authorization": header}
    async with aiohttp.ClientSession(str(session._base_url)) as stranger:
        async with stranger.get(CONFIG_MAPS, headers=headers) as response:
            assert response.status == code
            status = await response.json()
            assert (status["kind"], status["code"]) == ("Status", code)
        for path in ("/healthz", "/livez", "/readyz", "/version"):
            async with stranger.get(path, headers=headers) as response:
                assert response.status == (200 if code == 403 else 401)


@pytest.mark.settings(body_limit=4000)
async def test_bodies_have_a_limit(session):
    for size in (5000, 900_000):
        async with session.post(CONFIG_MAPS, data=b"x" * size) as response:
            assert response.status == 413
            assert (await response.json())["reason"] == "RequestEntityTooLarge"
    async with session.post(CONFIG_MAPS, data=b"{", headers={"Content-Type": "application/json"}) as response:
        assert (response.status, (await response.json())["reason"]) == (400, "BadRequest")


async def test_garbage_on_the_socket_does_not_harm_other_clients(session, caplog):
    caplog.set_level(logging.CRITICAL)
    for garbage in (b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/9.9\r\n\r\n", b"\x00" * 5000, b"POST"):
        reader, writer = await asyncio.open_connection(session._base_url.host, session._base_url.port)
        writer.write(garbage)
        writer.write_eof()
        await reader.read()
        writer.close()
        await writer.wait_closed()
    async with session.get("/readyz") as response:
        assert response.status == 200


_HEAD = b"GET /version HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sesame\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    ("request_text", "status", "end"),
    [
        (_HEAD + b"X-A: " + b"a" * 900_000 + b"\r\n\r\n", 200, b"}"),
        (_HEAD + b"".join(b"X-%d: a\r\n" % number for number in range(5000)) + b"\r\n", 200, b"}"),
        (_HEAD + b"X-A: " + b"a" * (HEAD_LIMIT + 1) + b"\r\n\r\n", 431, b"431 Request Header Fields Too Large"),
        (_HEAD + b"X-A: a\r\n" * 16_385 + b"\r\n", 431, b"431 Request Header Fields Too Large"),
        (_HEAD + (b"X-A: " + b"a" * 500_000 + b"\r\n") * 3 + b"\r\n", 431, b"431 Request Header Fields Too Large"),
        (
            _HEAD.replace(b"/version", b"/" + b"a" * (HEAD_LIMIT + 1)) + b"\r\n",
            431,
            b"431 Request Header Fields Too Large",
        ),
        (_HEAD.replace(b"GET", b"BREW") + b"\r\n", 405, b'"code":405}'),
        (_HEAD.replace(b"Host: x\r\n", b"") + b"\r\n", 400, b"400 Bad Request: missing required Host header"),
        (_HEAD.replace(b"/version", b"/%zz") + b"\r\n", 400, b"400 Bad Request"),
        (_HEAD + b"X Y\r\n\r\n", 400, b"400 Bad Request"),
        (_HEAD + b"Transfer-Encoding: gzip\r\n\r\n", 501, b"Unsupported transfer encoding"),
        (b"GET / HTTP/9.9\r\n\r\n", 505, b"unsupported protocol version"),
    ],
)
async def test_what_is_not_http_is_answered_as_go_does_and_not_logged(session, caplog, request_text, status, end):
    reader, writer = await asyncio.open_connection(session._base_url.host, session._base_url.port)
    writer.write(request_text)
    assert int((await reader.readline()).split()[1]) == status
    assert (await reader.read()).rstrip().endswith(end)
    writer.close()
    assert not caplog.records


async def test_a_head_without_an_end_is_cut_off(session, caplog):
    _, writer = await asyncio.open_connection(session._base_url.host, session._base_url.port)
    writer.write(_HEAD)

    async def endless():
        while True:
            writer.write(b"X-A: " + b"a" * 100_000 + b"\r\n")
            await writer.drain()

    with pytest.raises(ConnectionError):
        await endless()
    writer.close()
    assert not caplog.records


async def test_a_client_that_waits_for_a_hundred_is_told_to_continue(session):
    reader, writer = await asyncio.open_connection(session._base_url.host, session._base_url.port)
    body = b'{"metadata":{"name":"a"}}'
    writer.write(_HEAD.replace(b"GET /version", b"POST " + CONFIG_MAPS.encode()))
    writer.write(b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
    assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
    writer.write(body)
    assert await reader.readline() == b"\r\n"
    assert (await reader.readline()).split()[1] == b"201"
    writer.close()


async def test_a_watch_over_a_socket(server, session):
    async with session.get(f"{CONFIG_MAPS}?watch=1&resourceVersion={server.version}") as response:
        assert response.status == 200
        for name in "ab":
            async with session.post(CONFIG_MAPS, json={"metadata": {"name": name}}) as answer:
                assert answer.status == 201
        lines = [orjson.loads(await response.content.readline()) for _ in range(2)]
        assert [(line["type"], line["object"]["metadata"]["name"]) for line in lines] == [
            ("ADDED", "a"),
            ("ADDED", "b"),
        ]
        server.break_watches()
        assert await response.content.readline() == b""
    assert server.watch_count() == 0


async def test_a_watch_ends_when_its_reader_goes(server, session):
    response = await session.get(f"{CONFIG_MAPS}?watch=1")
    assert server.watch_count() == 1
    closed = asyncio.Event()
    (watcher,) = next(hub for hub in server._state.hubs() if hub.watchers()).watchers()
    on_close = watcher._on_close
    watcher.attach(lambda one: (on_close(one), closed.set()))
    response.close()
    await closed.wait()
    assert server.watch_count() == 0


async def test_clients_are_told_apart_by_what_they_call_themselves(session, told):
    for agent in ("kubectl/v1.32.0 (linux/amd64)", "kopf/1.37", "", "curl"):
        name = f"c{len(told)}"
        async with session.post(CONFIG_MAPS, json={"metadata": {"name": name}}, headers={"User-Agent": agent}):
            pass
    assert [source for source, name, _ in told if name == "POST ConfigMap"] == ["User", "kopf", "User", "curl"]


async def test_a_port_that_is_taken_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        front = HttpServer(ApiServer(SystemClock(), Randomness()), SystemClock(), SystemNetwork(), token="t")
        with pytest.raises(RigError, match=rf"127.0.0.1:{port}: the Kubernetes API cannot listen on port {port}"):
            await front.start(("127.0.0.1", port))
        await front.stop()


async def test_the_certificate_is_checked():
    from harness.clusters.embedded import EmbeddedCluster

    cluster = EmbeddedCluster(SystemClock(), Randomness())
    await cluster.start()
    try:
        (host, port), authority, token = await cluster.listen()
        trusting = ssl.create_default_context(cadata=authority)
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(f"https://{host}:{port}", headers=headers) as session:
            async with session.get("/api", ssl=trusting) as response:
                assert response.status == 200
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await session.get("/api", ssl=ssl.create_default_context())
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET /api HTTP/1.1\r\n\r\n")
        await reader.read()
        writer.close()
    finally:
        await cluster.stop()
