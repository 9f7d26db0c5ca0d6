"""``wasmbed status``, ``devices``, ``apps`` and ``monitor``: what the cluster holds, for people."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.cluster import asynchronous, cluster_options, connected

if TYPE_CHECKING:
    from rich.table import Table

    from harness.wasmbed.resources.api import Object

__all__ = ["COLOURS", "application_table", "device_table", "gateway_table"]

COLOURS = {
    "Connected": "green",
    "Running": "green",
    "Online": "green",
    "Failed": "red",
    "Error": "red",
    "Disconnected": "yellow",
    "Offline": "yellow",
    "PartiallyRunning": "yellow",
}


@click.command()
@cluster_options
@asynchronous
async def status(kubeconfig: Path | None, namespace: str) -> None:
    """Show how gateways, devices and applications are, in one look."""
    from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY
    from harness.wasmbed.resources.views import Application, Device

    async with connected(kubeconfig, namespace) as api:
        gateways = (await api.list(GATEWAY)).items
        devices = [Device(item) for item in (await api.list(DEVICE)).items]
        applications = [Application(item) for item in (await api.list(APPLICATION)).items]
    _print(gateway_table(gateways), f"no gateway in namespace {namespace}")
    click.echo(f"devices: {_count(device.status.phase for device in devices)}")
    click.echo(f"applications: {_count(application.status.phase for application in applications)}")


@click.command()
@cluster_options
@asynchronous
async def devices(kubeconfig: Path | None, namespace: str) -> None:
    """List the devices: phase, gateway, last heartbeat, error."""
    from harness.wasmbed.resources.kinds import DEVICE

    async with connected(kubeconfig, namespace) as api:
        found = (await api.list(DEVICE)).items
    _print(device_table(found), f"no device in namespace {namespace}")


@click.command()
@cluster_options
@asynchronous
async def apps(kubeconfig: Path | None, namespace: str) -> None:
    """List the applications: phase, how many of their devices run them, error."""
    from harness.wasmbed.resources.kinds import APPLICATION

    async with connected(kubeconfig, namespace) as api:
        found = (await api.list(APPLICATION)).items
    _print(application_table(found), f"no application in namespace {namespace}")


def gateway_table(items: Iterable[Object]) -> Table:
    """Gateways, one a line."""
    from harness.wasmbed.resources.views import Gateway

    table = _table("gateway", "phase", "endpoint", "devices")
    for gateway in map(Gateway, items):
        state = gateway.status
        table.add_row(gateway.name, _phase(state.phase), gateway.spec.endpoint, str(state.connected_devices))
    return table


def device_table(items: Iterable[Object]) -> Table:
    """Devices, one a line."""
    from harness.wasmbed.resources.views import Device

    table = _table("device", "phase", "type", "gateway", "last heartbeat", "error")
    for device in map(Device, items):
        state, kind = device.status, device.spec.device_type
        last = _time(state.last_heartbeat)
        table.add_row(device.name, _phase(state.phase), kind, state.gateway, last, _text(state.error))
    return table


def application_table(items: Iterable[Object]) -> Table:
    """Applications, one a line."""
    from harness.wasmbed.resources.views import Application

    table = _table("application", "phase", "running", "failed", "error")
    for application in map(Application, items):
        state, numbers = application.status, application.status.statistics
        running = f"{numbers.running}/{numbers.target}"
        table.add_row(application.name, _phase(state.phase), running, str(numbers.failed), _text(state.error))
    return table


def _table(*headings: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _print(table: Table, nothing: str) -> None:
    from rich.console import Console

    if table.row_count:
        Console(highlight=False).print(table)
    else:
        click.echo(nothing)


def _text(words: str | None) -> str | None:
    from rich.markup import escape

    return None if words is None else escape(words)


def _time(stamp: str | None) -> str | None:
    """A time of Kubernetes to the second: a table has no room for more."""
    return None if stamp is None else re.sub(r"\.\d+", "", stamp)


def _phase(phase: str) -> str:
    colour = COLOURS.get(phase)
    return f"[{colour}]{phase}[/]" if colour else phase


def _count(phases: object) -> str:
    counted = Counter(phases)  # type: ignore[call-overload]
    return ", ".join(f"{number} {phase}" for phase, number in counted.most_common()) or "none"
