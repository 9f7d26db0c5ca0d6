"""The reader of commands that list once: which kubeconfigs it takes, pages, refusals, and other servers' answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from harness.clusters.embedded import EmbeddedCluster
from harness.core.clock import SystemClock
from harness.core.errors import UsageError
from harness.core.identifiers import Randomness
from harness.wasmbed.resources.api import ApiError, NotFound
from harness.wasmbed.resources.blocking_reader import BlockingReader
from harness.wasmbed.resources.kinds import DEVICE


class Server(BaseHTTPRequestHandler):
    """Answers with three pages of devices, or with ``answer``."""

    protocol_version = "HTTP/1.1"
    answer: tuple[int, Any] | None = None
    seen: list[dict[str, str]]

    def log_message(self, *arguments: object) -> None: ...

    def do_GET(self) -> None:
        target = urlsplit(self.path)
        query = {key: value for key, (value,) in parse_qs(target.query).items()}
        type(self).seen.append({"path": target.path, "token": self.headers.get("Authorization", ""), **query})
        page = int(query.get("continue", "0"))
        items = [{"metadata": {"name": f"d-{page}"}}]
        more = {"continue": str(page + 1)} if page < 2 else {}
        body = {"kind": "DeviceList", "metadata": {"resourceVersion": "7", **more}, "items": items}
        code, content = type(self).answer or (200, body)
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def server() -> Iterator[type[Server]]:
    handler = type("Handler", (Server,), {"seen": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        handler.port = listening.server_address[1]  # type: ignore[attr-defined]
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield handler
        listening.shutdown()
        thread.join()


def config(port: int, user: dict[str, Any] | None = None, **cluster: Any) -> dict[str, Any]:
    return {
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "b", "user": "c"}}],
        "clusters": [{"name": "b", "cluster": {"server": f"http://127.0.0.1:{port}", **cluster}}],
        "users": [{"name": "c", "user": {} if user is None else user}],
    }


def opened(folder: Path, content: Any) -> BlockingReader | None:
    (folder / "kubeconfig").write_text(yaml.safe_dump(content))
    return BlockingReader.open(folder / "kubeconfig", "factory", "User")


async def test_all_pages_are_read_with_the_token_of_a_file(tmp_path: Path, server: Any) -> None:
    (tmp_path / "token").write_text("secret\n")
    reader = opened(tmp_path, config(server.port, {"tokenFile": "token"}))
    assert reader is not None
    found = await reader.list(DEVICE)
    reader.close()
    assert [item["metadata"]["name"] for item in found.items] == ["d-0", "d-1", "d-2"]
    assert found.resource_version == "7"
    assert {seen["token"] for seen in server.seen} == {"Bearer secret"}
    assert {seen["path"] for seen in server.seen} == {"/apis/wasmbed.io/v1/namespaces/factory/devices"}
    assert [seen.get("continue") for seen in server.seen] == [None, "1", "2"]


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ((404, {"kind": "Status", "message": "no such device", "reason": "NotFound"}), NotFound, "no such device"),
        ((502, b"bad gateway"), ApiError, "bad gateway"),
        ((200, b"<html>"), ConnectionError, "is not a Kubernetes API server"),
    ],
)
async def test_a_refusal_is_as_the_other_clients(
    tmp_path: Path, server: Any, answer: tuple[int, Any], error: type[Exception], words: str
) -> None:
    server.answer = answer
    reader = opened(tmp_path, config(server.port))
    assert reader is not None
    with pytest.raises(error, match=words):
        await reader.get(DEVICE, "pump-1")
    reader.close()


@pytest.mark.parametrize(
    "content",
    [
        config(1, {"exec": {"command": "plugin"}}),
        config(1, {"username": "a", "password": "b"}),
        config(1, {"token": "a", "as": "somebody"}),
        config(1, {"token": 5}),
        config(1, **{"proxy-url": "http://127.0.0.1:2"}),
        config(1, **{"insecure-skip-tls-verify": True}),
        config(1, server="https://127.0.0.1:1/clusters/five"),
        {**config(1), "current-context": "absent"},
        "not a kubeconfig",
    ],
)
def test_what_needs_the_other_client_is_left_to_it(tmp_path: Path, content: Any) -> None:
    assert opened(tmp_path, content) is None


def test_a_proxy_is_left_to_the_other_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert opened(tmp_path, config(1)) is not None
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:2")
    assert opened(tmp_path, config(1)) is None


def test_certificates_that_do_not_load_are_a_usage_error(tmp_path: Path) -> None:
    for user in ({"client-certificate-data": "eA==", "client-key-data": "eA=="}, {"client-certificate": "absent"}):
        with pytest.raises(UsageError, match="not a usable Kubernetes configuration"):
            opened(tmp_path, config(1, user, server="https://127.0.0.1:1"))


async def test_a_server_of_another_authority_is_refused(tmp_path: Path) -> None:
    clusters = [EmbeddedCluster(SystemClock(), Randomness(seed), "factory") for seed in (1, 2)]
    contents = []
    for number, cluster in enumerate(clusters):
        await cluster.start()
        await cluster.write_kubeconfig(tmp_path / str(number))
        contents.append(yaml.safe_load((tmp_path / str(number)).read_text()))
    try:
        first, second = (content["clusters"][0]["cluster"] for content in contents)
        first["certificate-authority-data"] = second["certificate-authority-data"]
        reader = opened(tmp_path, contents[0])
        assert reader is not None
        with pytest.raises(OSError, match="certificate verify failed"):
            await in_thread(reader)
        reader.close()
    finally:
        for cluster in clusters:
            await cluster.stop()


async def in_thread(reader: BlockingReader) -> None:
    """List in a thread: the server is on this event loop, which a call would block."""
    import asyncio

    await asyncio.to_thread(lambda: reader.list(DEVICE).send(None))
