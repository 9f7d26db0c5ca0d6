"""The probes of a program that runs controllers: the option for their address, and how they are served."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from harness.core.errors import RigError, UsageError, reason

if TYPE_CHECKING:
    from harness.core.network import Endpoint
    from harness.wasmbed.controllers.probes import Probes

__all__ = ["probe_endpoint", "serving"]


def probe_endpoint(text: str) -> Endpoint:
    """Return the address that ``--http`` names. Raises UsageError."""
    from harness.wasmbed.gateway.settings_file import parse_endpoint

    try:
        return parse_endpoint(text)
    except ValueError as error:
        raise UsageError(f"invalid address {text!r}: {error}", where="--http", do="write HOST:PORT") from error


@asynccontextmanager
async def serving(probes: Probes, endpoint: Endpoint) -> AsyncIterator[Endpoint]:
    """Serve the probes; yields where. Raises RigError if the port is in use."""
    try:
        served = await probes.start(endpoint)
    except OSError as error:
        raise RigError(
            f"cannot listen at {endpoint[0]}:{endpoint[1]}: {reason(error)}",
            where="--http",
            do="stop the program that uses the port, or choose another (0 is any free one)",
        ) from error
    try:
        yield served
    finally:
        await probes.stop()
