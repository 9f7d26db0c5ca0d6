"""The virtual tier: the boards that it makes, and their pauses between attempts to connect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from harness.boards.board import BoardEnvironment, BoardSettings, Credentials
from harness.boards.virtual import Backoff, VirtualTier
from harness.boards.virtual.uplink import reconnect_delay
from harness.core.clock import SystemClock
from harness.core.errors import UsageError
from harness.core.identifiers import Randomness
from harness.core.network import SystemNetwork
from harness.testing.bench import Bench, Expectations
from harness.wasmbed.pki.keys import generate_key, private_key_der


@asynccontextmanager
async def ground() -> AsyncIterator[Bench]:
    """Open a bench with gateway and authorities; its own board stays off."""
    tier = VirtualTier()
    environment = BoardEnvironment(SystemClock(), SystemNetwork(), Randomness(7))
    bench = Bench(
        "pump-1",
        lambda settings, environment: tier.make("virtual", settings, environment),
        environment,
        Expectations(patience=120.0, heartbeat=30.0),
    )
    try:
        async with bench.open():
            yield bench
    finally:
        await tier.close()


def test_backoff_grows_to_its_longest_and_listens_to_the_gateway() -> None:
    backoff, randomness = Backoff(first=1.0, longest=8.0), Randomness(1)
    for failures, nominal in ((0, 1), (1, 2), (2, 4), (3, 8), (4, 8), (5000, 8)):
        for _ in range(20):
            assert 0.5 * nominal <= reconnect_delay(backoff, failures, None, randomness) <= 1.5 * nominal
    assert reconnect_delay(backoff, 0, 20.0, randomness) >= 20.0
    assert reconnect_delay(backoff, 0, 0.001, randomness) >= 0.5
    assert reconnect_delay(backoff, 0, 1e12, randomness) <= 601.0


async def test_the_tier_makes_virtual_boards_only_and_of_good_credentials() -> None:
    tier = VirtualTier()
    assert (tier.unavailable(), tier.kinds()) == (None, ("virtual",))
    assert tier.features() >= {"tls", "wasm", "csr", "ed25519"}
    async with ground() as bench:
        key = generate_key()
        credentials = Credentials(bench.servers.certificates, private_key_der(key))
        settings = BoardSettings("b", credentials, ("127.0.0.1", 1), "localhost")
        assert tier.make("virtual", settings, bench.environment).name == "b"
        with pytest.raises(UsageError, match="no board kind 'quantum'"):
            tier.make("quantum", settings, bench.environment)
        for wrong, words in (
            ({"private_key": b"?"}, "the private key of b"),
            ({"authority": b""}, "OpenSSL refuses"),
            ({"authority": b"not a certificate"}, "OpenSSL refuses"),
            ({"certificate": b"not a certificate"}, "OpenSSL refuses"),
            ({"certificate": bench.devices.issue_device("b", generate_key().public_key())}, "OpenSSL refuses"),
        ):
            broken = replace(settings, credentials=replace(credentials, **wrong))
            with pytest.raises(UsageError, match=words):
                tier.make("virtual", broken, bench.environment)
    await tier.close()


async def test_a_hundred_boards_come_up_and_leave_nothing() -> None:
    async with ground() as bench:
        tier = VirtualTier()
        boards = []
        for number in range(100):
            key = generate_key()
            certificate = bench.devices.issue_device(f"pump-{number}", key.public_key())
            credentials = Credentials(bench.servers.certificates, private_key_der(key), certificate)
            settings = BoardSettings(f"pump-{number}", credentials, bench.gateway.endpoint, "localhost")
            boards.append(tier.make("virtual", settings, bench.environment))
        for board in boards:
            await board.power_on()
        for number in range(100):
            peer = await bench.gateway.accept()
            await peer.enroll(f"00000000-0000-4000-8000-{number:012}")
        await asyncio.gather(*(board.power_off() for board in boards[:50]))
        await asyncio.gather(*(board.cut_power() for board in boards[50:]))
        await tier.close()
