"""The HTTP API: permissions, and the answers to invalid requests."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from harness.wasmbed.protocol.messages import ApplicationState, ApplicationStatus, ApplicationStatusRequest
from tests.gateway.world import World

DEVICE = "/api/v1/applications/app-1/devices/dev-1"


async def test_health_and_readiness_need_no_token(world: World) -> None:
    assert await world.http("GET", "/healthz", token="") == (200, "ok\n")
    assert await world.http("GET", "/readyz", token="") == (200, "ok\n")


async def test_metrics_are_in_the_format_of_prometheus(world: World) -> None:
    device = await world.connected("dev-1")
    await device.beat(status="degraded")
    bad = await world.device("dev-2")
    await bad.refused(bad.request(device_type="toaster"))
    with socket.create_connection(world.gateway.endpoint) as stranger:
        stranger.sendall(b"GET / HTTP/1.0\r\n\r\n")
        await world.until_recorded("TlsRejected")
    await world.make_application()
    await world.deploy()
    await device.accept_deployment()
    await world.state("deployed")
    status, text = await world.http("GET", "/metrics", token="")
    assert status == 200
    values = {
        (sample.name.removeprefix("wasmbed_gateway_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert values["sessions", "connected"] == 1
    assert values["enrollments_total", "ok"] == 1
    assert values["enrollments_total", "ENROLLMENT_FAILED"] == 1
    assert values["tls_rejected_total",] == 1
    assert values["messages_total", "Heartbeat"] == 2
    assert values["jobs_total", "deployment", "ok"] == 1
    assert values["status_writes_total",] >= 4
    assert values["status_pending",] == 1, "the heartbeat, which can wait"


async def test_a_device_is_asked_for_the_state_of_an_application(world: World) -> None:
    """The answer is returned and also written to the status, unless the device lacks the application."""

    await world.make_application()
    assert (await world.http("GET", DEVICE))[0] == 404
    device = await world.connected("dev-1")
    asked = asyncio.create_task(world.http("GET", DEVICE))
    envelope = await device.receive()
    assert envelope.message == ApplicationStatusRequest("app-1")
    device.link.send(ApplicationStatus("app-1", ApplicationState.RUNNING, {"fuel_used": 7}), envelope.message_id)
    expected_answer = {"state": "running", "metrics": {"fuel_used": 7}, "error": None}
    assert await asked == (200, {"application": "app-1", "device": "dev-1", **expected_answer})
    assert (await world.state("running"))["metrics"] == {"fuel_used": 7}

    asked = asyncio.create_task(world.http("GET", DEVICE.replace("app-1", "other")))
    envelope = await device.receive()
    absent = ApplicationStatus("other", ApplicationState.STOPPED, error="not on this board")
    device.link.send(absent, envelope.message_id)
    assert (await asked)[1]["error"] == "not on this board"
    await device.beat()
    assert "other" not in str(world.api.requests)


@pytest.mark.settings(reply_timeout=0.05)
async def test_a_device_that_does_not_answer_is_a_timeout(world: World) -> None:
    device = await world.connected("dev-1")
    status, body = await world.http("GET", DEVICE)
    assert (status, body["error"]) == (504, "device dev-1 did not answer for 0.05 s")
    late = (await device.receive()).message_id
    device.link.send(ApplicationStatus("app-1", ApplicationState.STOPPED), late)
    await device.beat()


async def test_sessions_are_listed(world: World) -> None:
    device = await world.connected("dev-1")
    await world.dial(None)
    await world.make_application()
    await world.deploy()
    await device.accept_deployment()
    await world.state("deployed")
    status, body = await world.http("GET", "/api/v1/sessions")
    assert status == 200
    one, other = body["sessions"]
    assert (one["device"], one["deviceId"], one["state"]) == ("dev-1", device.id, "connected")
    assert one["address"].startswith("127.0.0.1:")
    assert one["connectedSince"] == one["lastHeartbeat"]
    assert one["applications"] == {"app-1": "deployed"}
    assert (other["device"], other["state"], other["lastHeartbeat"]) == (None, "opened", None)


@pytest.mark.parametrize("token", ["", "guess", "é"])
async def test_requests_without_the_token_are_refused(world: World, token: str) -> None:
    await world.connected("dev-1")
    for method, path in (("GET", "/api/v1/sessions"), ("PUT", DEVICE), ("DELETE", DEVICE)):
        status, body = await world.http(method, path, token=token)
        assert status == 401
        assert "Secret gateway-gateway-1-api" in body["error"]


async def test_a_token_that_is_not_text_is_wrong(world: World) -> None:
    reader, writer = await asyncio.open_connection(*world.gateway.http_endpoint)
    writer.write(b"GET /api/v1/sessions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \xff\r\n\r\n")
    assert (await reader.readline()).split()[1] == b"401"
    writer.close()
    await writer.wait_closed()


async def test_a_device_without_a_session_is_not_found(world: World) -> None:
    assert (await world.deploy())[0] == 404
    status, body = await world.stop()
    assert (status, body["error"]) == (404, "device dev-1 has no session at this gateway")
    half = await world.device("dev-1")
    await half.enroll()
    assert (await world.stop())[0] == 404


@pytest.mark.parametrize(
    ("changes", "expected_text"),
    [
        ({"wasmBytes": "!"}, "wasmBytes"),
        ({"sha256": "00"}, "sha256: does not match wasmBytes"),
        ({"limits": None}, "limits"),
        ({"args": "x"}, "args"),
    ],
)
async def test_an_invalid_body_is_refused_with_the_field(
    world: World, changes: dict[str, Any], expected_text: str
) -> None:
    await world.connected("dev-1")
    status, body = await world.deploy(**changes)
    assert status == 400
    assert expected_text in body["error"]


@pytest.mark.settings(http_body_limit=1000)
async def test_an_invalid_request_is_refused(world: World) -> None:
    assert (await world.http("PUT", DEVICE, data=b"{"))[0] == 400
    assert (await world.http("PUT", DEVICE, data=b"x" * 2000))[0] == 413
    assert (await world.http("DELETE", "/api/v1/applications/APP/devices/dev-1"))[0] == 400
    assert (await world.http("DELETE", "/api/v1/applications/app-1/devices/..%2Fx"))[0] in (400, 404)
    status, body = await world.http("GET", "/nothing")
    assert (status, body) == (404, {"error": "Not Found"})
    assert (await world.http("POST", DEVICE))[0] == 405


@pytest.mark.settings(device_queue=2)
async def test_a_bounded_number_of_jobs_waits_for_a_device(world: World) -> None:
    await world.connected("dev-1")
    for n in range(3):
        await world.make_application(f"app-{n}")
        assert (await world.deploy(application=f"app-{n}"))[0] == 202
    status, body = await world.deploy(application="app-3")
    assert (status, body["error"]) == (429, "2 jobs wait for device dev-1")


@pytest.mark.settings(modules=1)
async def test_a_bounded_number_of_modules_is_held(world: World) -> None:
    for name in ("app-1", "app-2"):
        await world.make_application(name)
    device = await world.connected("dev-1")
    assert (await world.deploy())[0] == 202
    assert (await world.deploy(application="app-2"))[0] == 202
    status, body = await world.deploy(application="app-3", module=b"another")
    assert (status, body["error"]) == (429, "1 modules are waiting to be sent")
    for _ in range(2):
        await device.accept_deployment()
    await device.beat()


@pytest.mark.settings(http_timeout=0.1, close_timeout=0.1)
async def test_a_slow_client_is_disconnected(world: World) -> None:
    host, port = world.gateway.http_endpoint
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost")
    assert await asyncio.wait_for(reader.read(), 20) == b""
    writer.close()
    token = await world.token()
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(
        f"PUT {DEVICE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 9\r\n\r\n{{".encode()
    )
    answer = await asyncio.wait_for(reader.readline(), 20)
    assert b"408" in answer
    writer.write(b"too late")  # aiohttp reads the rest of a body for 10 s more before it ends the connection
    await asyncio.wait_for(reader.read(), 20)
    writer.close()


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def ask(stream: Stream, path: str = "/healthz", token: str = "") -> bytes:
    """Send a request on a kept connection and return the status line of the answer."""
    reader, writer = stream
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n{authorization}\r\n".encode())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    await reader.readexactly(length)
    return head.partition(b"\r\n")[0]


@pytest.mark.settings(http_connections=1, http_timeout=60)
async def test_a_bounded_number_of_requests_with_the_token_is_served(world: World) -> None:
    """The idle one of the clients with the token is dropped; one with a request under way stays."""

    token = await world.token()
    idle = await asyncio.open_connection(*world.gateway.http_endpoint)
    assert b"200" in await ask(idle, "/api/v1/sessions", token)
    busy = await asyncio.open_connection(*world.gateway.http_endpoint)
    assert b"200" in await ask(busy, "/api/v1/sessions", token)
    assert await asyncio.wait_for(idle[0].read(), 20) == b""
    busy[1].write(
        f"PUT {DEVICE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nExpect: 100-continue\r\n"
        "Content-Length: 2\r\n\r\n".encode()
    )
    assert b"100" in await asyncio.wait_for(busy[0].readuntil(b"\r\n\r\n"), 20)
    newcomer = await asyncio.open_connection(*world.gateway.http_endpoint)
    assert b"503" in await asyncio.wait_for(newcomer[0].read(), 20)
    busy[1].write(b"{}")
    assert b"400" in await asyncio.wait_for(busy[0].readline(), 20)
    for _, writer in (idle, busy, newcomer):
        writer.close()


async def test_a_body_that_does_not_match_its_headers_is_refused(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    token = await world.token()
    for head in (f"{token}\r\nContent-Encoding: gzip\r\nContent-Length: 9", f"{token}\x01\r\nContent-Length: 9"):
        reader, writer = await asyncio.open_connection(*world.gateway.http_endpoint)
        writer.write(f"PUT {DEVICE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {head}\r\n\r\nnot gzip!".encode())
        assert b"400" in await asyncio.wait_for(reader.readline(), 20)
        writer.close()
    assert token not in caplog.text
    assert "it is not a valid HTTP request (BadHttpMessage)" in caplog.text


@pytest.mark.parametrize(
    "bound",
    [
        pytest.param("total", marks=pytest.mark.settings(http_connections=8)),
        pytest.param("address", marks=pytest.mark.settings(http_per_address=6)),
    ],
)
@pytest.mark.settings(http_timeout=60)
async def test_kept_connections_without_the_token_keep_no_client_out(world: World, bound: str) -> None:
    """The client without the token that was idle longest is dropped for a new one; one with the token never is."""
    token = await world.token()
    known = await asyncio.open_connection(*world.gateway.http_endpoint)
    assert b"200" in await ask(known, "/api/v1/sessions", token)
    strangers = [await asyncio.open_connection(*world.gateway.http_endpoint) for _ in range(6)]
    for stranger in strangers:
        assert b"200" in await ask(stranger)
    assert b"200" in await ask(strangers[0])
    for _ in range(3):
        newcomer = await asyncio.open_connection(*world.gateway.http_endpoint)
        assert b"200" in await ask(newcomer)
        strangers.append(newcomer)
    assert [await asyncio.wait_for(strangers[number][0].read(), 20) for number in (1, 2, 3)] == [b""] * 3
    assert b"200" in await ask(strangers[0])
    assert (await world.http("GET", "/api/v1/sessions"))[0] == 200
    assert b"200" in await ask(known)
    for _, writer in (known, *strangers):
        writer.close()


@pytest.mark.settings(http_timeout=0.1)
async def test_a_connection_without_a_further_request_is_closed(world: World) -> None:
    for token in ("", await world.token()):
        idle = await asyncio.open_connection(*world.gateway.http_endpoint)
        assert b"200" in await ask(idle, token=token)
        idle[1].write(b"GET /healthz HT")
        assert await asyncio.wait_for(idle[0].read(), 20) == b""
        idle[1].close()


@pytest.mark.settings(http_timeout=0.2)
async def test_a_client_that_reads_no_answer_is_dropped(world: World) -> None:
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(deaf, world.gateway.http_endpoint)

    async def ask_on() -> None:
        while True:
            await loop.sock_sendall(deaf, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 100)

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(ask_on(), 20)
    deaf.close()
    assert (await world.http("GET", "/healthz", token=""))[0] == 200


@pytest.mark.settings(http_connections=4, http_timeout=60)
async def test_half_requests_do_not_keep_others_out(world: World) -> None:
    host, port = world.gateway.http_endpoint
    for _ in range(4):
        _, gone = await asyncio.open_connection(host, port)
        gone.close()
        await gone.wait_closed()
    halves = [await asyncio.open_connection(host, port) for _ in range(4)]
    for _, writer in halves:
        writer.write(b"GET /readyz HTTP/1.1\r\nHo")
    assert (await world.http("GET", "/readyz"))[0] == 200
    assert await asyncio.wait_for(halves[0][0].read(), 20) == b""
    for _, writer in halves:
        writer.close()
