"""A listener that was closed can be opened again at its port: no connection takes it meanwhile."""

from __future__ import annotations

import asyncio
import errno
import ssl
from pathlib import Path

import pytest

from harness.core.network import SystemNetwork
from harness.core.ports import on_free_port
from harness.core.tls_server import TlsServer

FOR_CONNECTIONS = range(*map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()))


@pytest.mark.parametrize("tls", [None, TlsServer(lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), [0x0403])])
async def test_the_port_of_a_listener_is_none_of_those_for_connections(tls: TlsServer | None) -> None:
    listener = await SystemNetwork().listen(asyncio.Protocol, ("127.0.0.1", 0), tls=tls)
    assert listener.endpoint[1] not in FOR_CONNECTIONS
    await listener.close()


def test_a_port_that_is_in_use_is_passed_over() -> None:
    asked: list[int] = []

    def open_at(port: int) -> int:
        asked.append(port)
        if len(asked) < 3:
            raise OSError(errno.EADDRINUSE, "in use")
        return port

    assert on_free_port(open_at) == asked[2]


def test_what_no_other_port_would_change_is_raised_at_once() -> None:
    asked: list[int] = []

    def open_at(port: int) -> None:
        asked.append(port)
        raise OSError(errno.EADDRNOTAVAIL, "no such address")

    with pytest.raises(OSError, match="no such address"):
        on_free_port(open_at)
    assert len(asked) == 1


def test_ports_that_are_all_in_use_are_told() -> None:
    def open_at(port: int) -> None:
        raise OSError(errno.EADDRINUSE, "in use")

    with pytest.raises(OSError, match="no free port from 20000 to 31999"):
        on_free_port(open_at)
