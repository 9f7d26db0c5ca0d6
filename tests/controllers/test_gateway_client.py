"""The gateways' HTTP API, over real sockets."""

import asyncio
import socket
from base64 import b64encode

import pytest
from aiohttp import web

from harness.clusters.embedded import EmbeddedCluster
from harness.core.clock import ManualClock, SystemClock
from harness.core.identifiers import Randomness
from harness.wasmbed.controllers.gateway_client import GatewayRefused, HttpGatewayClient
from harness.wasmbed.resources.kinds import SECRET
from harness.wasmbed.resources.views import Gateway


class Server:
    """A gateway that answers what it is told to."""

    def __init__(self):
        self.requests = []
        self.token = "first"
        self.hang_up = False
        self.answer = lambda: web.json_response({"accepted": True}, status=202)

    async def handle(self, request):
        body = await request.read()
        if self.hang_up:
            request.transport.abort()
        self.requests.append((request.method, request.raw_path, body))
        if request.headers["Authorization"] != f"Bearer {self.token}":
            return web.json_response({"error": "who are you?"}, status=401)
        answer = self.answer()
        return await answer if asyncio.iscoroutine(answer) else answer


async def set_token(api, token):
    data = {"token": b64encode(token.encode()).decode()}
    await api.patch(SECRET, "gateway-gateway-1-api", {"data": data})


def play(scenario, clock=None):
    async def main():
        cluster = EmbeddedCluster(clock or SystemClock(), Randomness(1))
        await cluster.start()
        api = cluster.client("ApplicationController")
        server = Server()
        app = web.Application(client_max_size=4 << 20)
        app.router.add_route("*", "/{path:.*}", server.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "gateway-gateway-1-api"}}
        await api.create(SECRET, body)
        await set_token(api, server.token)
        gateway = Gateway({"metadata": {"name": "gateway-1"}, "status": {"apiEndpoint": f"http://127.0.0.1:{port}"}})
        client = HttpGatewayClient(api, clock or SystemClock(), answer_within=5.0)
        try:
            await scenario(client, gateway, server, api)
        finally:
            await client.close()
            await runner.cleanup()
            await cluster.stop()

    asyncio.run(main())


def test_the_two_requests():
    async def scenario(client, gateway, server, api):
        await client.deploy(gateway, "blink", "edge-1", b'{"a":1}')
        await client.stop(gateway, "blink", "edge-1")
        assert server.requests == [
            ("PUT", "/api/v1/applications/blink/devices/edge-1", b'{"a":1}'),
            ("DELETE", "/api/v1/applications/blink/devices/edge-1", b""),
        ]

    play(scenario)


def test_a_large_module_goes_through_whole():
    async def scenario(client, gateway, server, api):
        body = bytes(1_500_000)
        await client.deploy(gateway, "blink", "edge-1", body)
        assert server.requests[0][2] == body

    play(scenario)


def test_a_refusal_says_why():
    async def scenario(client, gateway, server, api):
        server.answer = lambda: web.json_response({"error": "no session"}, status=404)
        with pytest.raises(GatewayRefused, match=r"^no session$") as caught:
            await client.stop(gateway, "blink", "edge-1")
        assert caught.value.status == 404
        server.answer = lambda: web.Response(text="<h1>Bad Gateway</h1>", status=502)
        with pytest.raises(GatewayRefused, match="Bad Gateway"):
            await client.stop(gateway, "blink", "edge-1")

    play(scenario)


@pytest.mark.parametrize(
    ("status", "final"), [(400, True), (413, True), (422, True), (401, False), (404, False), (429, False), (503, False)]
)
def test_which_refusals_are_final(status, final):
    assert GatewayRefused(status, "").final is final


def test_a_token_that_was_replaced_is_read_again():
    async def scenario(client, gateway, server, api):
        await client.stop(gateway, "blink", "edge-1")
        server.token = "second"
        await set_token(api, "second")
        await client.stop(gateway, "blink", "edge-1")
        assert len(server.requests) == 3

    play(scenario)


def test_a_wrong_token_is_refused_once():
    async def scenario(client, gateway, server, api):
        server.token = "other"
        with pytest.raises(GatewayRefused, match="who are you"):
            await client.stop(gateway, "blink", "edge-1")
        assert len(server.requests) == 1
        server.token = "first"
        await client.stop(gateway, "blink", "edge-1")

    play(scenario)


def test_a_missing_secret_is_named():
    async def scenario(client, gateway, server, api):
        await api.delete(SECRET, "gateway-gateway-1-api")
        with pytest.raises(GatewayRefused, match="gateway-gateway-1-api") as caught:
            await client.stop(gateway, "blink", "edge-1")
        assert not caught.value.final

    play(scenario)


def test_nobody_there():
    async def scenario(client, gateway, server, api):
        nobody = Gateway({"metadata": {"name": "gateway-1"}, "status": {"apiEndpoint": "http://127.0.0.1:1"}})
        with pytest.raises(OSError, match=r"127\.0\.0\.1:1"):
            await client.stop(nobody, "blink", "edge-1")

    play(scenario)


def test_a_connection_that_breaks():
    async def scenario(client, gateway, server, api):
        server.hang_up = True
        with pytest.raises(OSError, match="applications/blink"):
            await client.stop(gateway, "blink", "edge-1")

    play(scenario)


def test_no_answer_in_time():
    clock = ManualClock()

    async def scenario(client, gateway, server, api):
        arrived = asyncio.Event()

        async def never():
            arrived.set()
            await asyncio.Event().wait()

        server.answer = never
        asking = asyncio.create_task(client.stop(gateway, "blink", "edge-1"))
        await arrived.wait()
        await clock.advance(4.9)
        assert not asking.done()
        await clock.advance(0.2)
        with pytest.raises(TimeoutError):
            await asking

    play(scenario, clock)


def test_a_gateway_that_is_not_there_is_told_in_words():
    """Python's and aiohttp's messages have the address as a tuple."""

    async def scenario(client, gateway, server, api):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        gone = Gateway({"metadata": {"name": "gateway-1"}, "status": {"apiEndpoint": f"http://127.0.0.1:{port}"}})
        with pytest.raises(ConnectionError) as refused:
            await client.stop(gone, "app", "device")
        path = f"http://127.0.0.1:{port}/api/v1/applications/app/devices/device"
        assert str(refused.value) == f"{path}: Connect call failed 127.0.0.1:{port}: Connection refused"

    play(scenario)
