"""A gateway's own account of itself at one moment, for the record: its sessions and metrics, over its HTTP API.

Judges compare it with what crossed the gateway's links. A gateway that does not answer leaves a note that says so.
"""

from __future__ import annotations

from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from harness.core.clock import Clock
from harness.core.errors import reason
from harness.core.network import Endpoint, Network
from harness.stack.recorder import Recorder

__all__ = ["observe"]

WITHIN = 5.0
"""Seconds for both answers."""


async def observe(
    name: str, endpoint: Endpoint, token: str, recorder: Recorder, clock: Clock, network: Network
) -> None:
    """Ask the gateway of that name, and record the answers, with the number of the next event at the time of asking."""
    since = recorder.record.recorded
    try:
        async with clock.deadline(WITHIN):
            sessions, metrics = await _ask("http://{}:{}".format(*endpoint), token, network)
    except (OSError, aiohttp.ClientError, TimeoutError, ValueError, KeyError) as error:
        recorder.note("gateway not observed", gateway=name, reason=reason(error))
        return
    recorder.note("gateway observed", gateway=name, since=since, sessions=sessions, metrics=metrics)


async def _ask(url: str, token: str, network: Network) -> tuple[list[dict[str, Any]], dict[str, float]]:
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(connector=network.connector(), raise_for_status=True) as client:
        async with client.get(f"{url}/api/v1/sessions", headers=headers) as answer:
            sessions: list[dict[str, Any]] = (await answer.json())["sessions"]
        async with client.get(f"{url}/metrics") as answer:
            return sessions, _read_metrics(await answer.text())


def _read_metrics(text: str) -> dict[str, float]:
    """Each sample's value by its name and labels, as ``wasmbed_gateway_sessions{state=connected}``."""
    values = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{label}={value}" for label, value in sorted(sample.labels.items()))
            values[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return values
