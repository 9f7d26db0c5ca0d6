"""The API server's TLS listener refuses costly key exchanges as the gateway's does."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from harness.clusters.embedded import EmbeddedCluster
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness
from tests.tls_groups import needs_any_group


def hello_of(group: str) -> bytes:
    """The first bytes of a client that offers one key exchange group."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ecdh_curve(group)
    sent = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost").do_handshake()
    return sent.read()


@needs_any_group
@pytest.mark.parametrize(
    ("group", "refused"), [("X25519", False), ("prime256v1", False), ("secp384r1", True), ("ffdhe8192", True)]
)
async def test_only_cheap_groups_are_computed(tmp_path: Path, group: str, refused: bool) -> None:
    cluster = EmbeddedCluster(SystemClock(), Randomness())
    await cluster.start()
    try:
        await cluster.write_kubeconfig(tmp_path / "kubeconfig")
        config = yaml.safe_load((tmp_path / "kubeconfig").read_text())
        server = urlsplit(config["clusters"][0]["cluster"]["server"])
        reader, writer = await asyncio.open_connection(server.hostname, server.port)
        writer.write(hello_of(group))
        answer = await reader.readexactly(7)
        assert (answer == bytes.fromhex("15030300020228")) is refused  # fatal, handshake_failure
        writer.close()
    finally:
        await cluster.stop()
