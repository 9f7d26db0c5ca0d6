"""``wasmbed status``, ``devices`` and ``apps``: tables of the cluster's resources, also for ``monitor``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.cluster import (
    asynchronous,
    check_applications,
    cluster_options,
    connected,
    has_applications,
    has_gateways,
)
from harness.cli.output import cell, say, show
from harness.core.errors import UsageError, suggestion

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from harness.wasmbed.resources.api import Object, ResourceApi

__all__ = ["COLOURS", "application_table", "device_table", "entry_table", "find_application", "gateway_table"]

LONGEST = 120
"""The most characters of an application's output."""
COLOURS = {
    "Connected": "green",
    "Running": "green",
    "running": "green",
    "Online": "green",
    "Failed": "red",
    "Error": "red",
    "failed": "red",
    "error": "red",
    "Disconnected": "yellow",
    "Offline": "yellow",
    "PartiallyRunning": "yellow",
    "Unknown": "yellow",
    "unknown": "yellow",
}


@click.command()
@cluster_options
@asynchronous
async def status(kubeconfig: Path | None, namespace: str) -> None:
    """Show gateways, and the numbers of devices and applications by phase."""
    from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY
    from harness.wasmbed.resources.views import Application, Device

    async with connected(kubeconfig, namespace) as api:
        gateways = (await api.list(GATEWAY)).items if has_gateways() else []
        devices = [Device(item) for item in (await api.list(DEVICE)).items]
        known = (await api.list(APPLICATION)).items if has_applications() else []
    if has_gateways():
        _print(gateway_table(gateways), f"no gateways in namespace {namespace}")
    say(f"devices: {_count(device.status.phase for device in devices)}")
    if has_applications():
        say(f"applications: {_count(application.status.phase for application in map(Application, known))}")


@click.command()
@cluster_options
@asynchronous
async def devices(kubeconfig: Path | None, namespace: str) -> None:
    """List the devices: phase, gateway, last heartbeat, error."""
    from harness.wasmbed.resources.kinds import DEVICE

    async with connected(kubeconfig, namespace) as api:
        found = (await api.list(DEVICE)).items
    _print(device_table(found), f"no devices in namespace {namespace}")


@click.command()
@click.argument("name", required=False)
@cluster_options
@asynchronous
async def apps(name: str | None, kubeconfig: Path | None, namespace: str) -> None:
    """List the applications: phase, number of devices where they run, failed, or are unknown (out of reach), and error.

    With NAME, show that application and its state, last output and error on each device.
    """
    from harness.wasmbed.resources.kinds import APPLICATION

    check_applications()
    async with connected(kubeconfig, namespace) as api:
        found = [await find_application(api, name, namespace)] if name else (await api.list(APPLICATION)).items
    _print(application_table(found), f"no applications in namespace {namespace}")
    if name:
        say("")
        _print(entry_table(found[0]), "on no device yet")


async def find_application(api: ResourceApi, name: str, namespace: str) -> Object:
    """The application of that name. Raises UsageError with the existing names."""
    from harness.wasmbed.resources.api import NotFound
    from harness.wasmbed.resources.kinds import APPLICATION

    try:
        return await api.get(APPLICATION, name)
    except NotFound as error:
        known = [item["metadata"]["name"] for item in (await api.list(APPLICATION)).items]
        raise UsageError(
            f"unknown application {name!r}",
            where=f"namespace {namespace}",
            do=f"{suggestion(name, known)}known applications: {', '.join(known[:20]) or 'none; see --namespace'}",
        ) from error


def gateway_table(items: Iterable[Object]) -> Table:
    """Gateways, one a line."""
    from harness.wasmbed.resources.views import Gateway

    table = _table("gateway", "phase", "endpoint", "devices", "error")
    for gateway in map(Gateway, items):
        state = gateway.status
        texts = (gateway.spec.endpoint, str(state.connected_devices), state.error)
        table.add_row(cell(gateway.name), _phase(state.phase), *map(cell, texts))
    return table


def device_table(items: Iterable[Object]) -> Table:
    """Devices, one a line."""
    from harness.wasmbed.resources.views import Device

    table = _table("device", "phase", "type", "gateway", "last heartbeat", "error")
    for device in map(Device, items):
        state, kind = device.status, device.spec.device_type
        texts = (kind, state.gateway, _time(state.last_heartbeat), state.error)
        table.add_row(cell(device.name), _phase(state.phase), *map(cell, texts))
    return table


def application_table(items: Iterable[Object]) -> Table:
    """Applications, one a line."""
    from harness.wasmbed.resources.views import Application

    table = _table("application", "phase", "running", "failed", "unknown", "error")
    for application in map(Application, items):
        state, numbers = application.status, application.status.statistics
        running = f"{numbers.running}/{numbers.target}"
        texts = (running, str(numbers.failed), str(numbers.unknown), state.error)
        table.add_row(cell(application.name), _phase(state.phase), *map(cell, texts))
    return table


def entry_table(item: Object) -> Table:
    """The devices of one application, one a line."""
    from harness.wasmbed.resources.views import Application

    table = _table("device", "state", "last output", "error")
    for device, entry in sorted(Application(item).status.device_statuses.items()):
        output = _short("{topic}: {payload}".format(**entry.output[-1])) if entry.output else None
        error = ": ".join(filter(None, [entry.code, entry.error or entry.deployment.error])) or None
        table.add_row(cell(device), _phase(entry.state or ""), cell(output), cell(error))
    return table


def _table(*headings: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _print(table: Table, nothing: str) -> None:
    if table.row_count:
        show(table)
    else:
        say(nothing)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _time(stamp: str | None) -> str | None:
    """A Kubernetes time without fractions of a second."""
    return None if stamp is None else re.sub(r"\.\d+", "", stamp)


def _phase(phase: str) -> Text:
    return cell(phase, COLOURS.get(phase, ""))


def _count(phases: object) -> str:
    counted = Counter(phases)  # type: ignore[call-overload]
    return ", ".join(f"{number} {phase}" for phase, number in counted.most_common()) or "none"
