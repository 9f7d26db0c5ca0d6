"""Fixtures of the pki's tests: two authorities, and a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.core.clock import ManualClock
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import generate_key


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["ed25519", "p256"])
def algorithm(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def servers(clock: ManualClock, algorithm: str) -> Authority:
    return Authority.create("Wasmbed servers", clock, algorithm=algorithm)


@pytest.fixture
def devices(clock: ManualClock, algorithm: str) -> Authority:
    return Authority.create("Wasmbed devices", clock, algorithm=algorithm)


@pytest.fixture
def provision(devices: Authority, algorithm: str) -> Callable[..., Identity]:
    """A function that makes a device's identity; overrides go to ``issue_device``, ``by`` is another authority."""

    def make(name: str = "board-1", *, by: Authority | None = None, **overrides: Any) -> Identity:
        key = generate_key(algorithm)
        return Identity(key, (by or devices).issue_device(name, key.public_key(), **overrides))

    return make
