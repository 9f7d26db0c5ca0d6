"""``wasmbed status``, ``devices`` and ``apps``: tables of the cluster's resources, also for ``monitor``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli import completion
from harness.cli.cluster import check_applications, cluster_options, has_applications, has_gateways
from harness.cli.forms import form_option, show_change, show_document
from harness.cli.output import say
from harness.cli.reading import check_namespace, read
from harness.cli.tables import Cell, Table
from harness.core.errors import UsageError, suggestion
from harness.wasmbed.resources.api import NotFound
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY

if TYPE_CHECKING:
    from harness.cli.shapes import ApplicationRow, DeviceRow, StatusDocument
    from harness.wasmbed.resources.api import Object
    from harness.wasmbed.resources.blocking_reader import Reader

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
    "Unreachable": "yellow",
    "Offline": "yellow",
    "PartiallyRunning": "yellow",
    "Unknown": "yellow",
    "unknown": "yellow",
}
watch_option = click.option("-w", "--watch", is_flag=True, help="Continue with each change until Ctrl-C.")


@click.command()
@form_option
@watch_option
@cluster_options
def status(form: str, watch: bool, kubeconfig: Path | None, namespace: str) -> None:
    """Show gateways, and the numbers of devices and applications by phase."""
    kinds = [GATEWAY] * has_gateways() + [DEVICE] + [APPLICATION] * has_applications()

    def show(found: dict[str, list[Object]]) -> None:
        from harness.cli.rows import gateway_row

        gateways = found.get("Gateway", [])
        document: StatusDocument = {
            "gateways": [gateway_row(item) for item in gateways],
            "devices": _count(found["Device"]),
            "applications": _count(found.get("Application", [])),
        }
        shown = show_change if watch else show_document
        if shown(form, document, [f"gateway/{row['name']}" for row in document["gateways"]]):
            return
        if has_gateways():
            gateway_table(gateways, wide=form == "wide").show(f"no gateways in namespace {namespace}")
        say(f"devices: {_counted(document['devices'])}")
        if has_applications():
            say(f"applications: {_counted(document['applications'])}")

    async def work(api: Reader) -> dict[str, list[Object]]:
        found = {kind.kind: (await api.list(kind)).items for kind in kinds}
        if not any(found.values()):
            await check_namespace(api, namespace)
        return found

    if watch:
        from harness.cli.watching import watch_all

        watch_all(kinds, show, kubeconfig, namespace)
    else:
        show(read(work, kubeconfig, namespace))


@click.command()
@form_option
@watch_option
@cluster_options
def devices(form: str, watch: bool, kubeconfig: Path | None, namespace: str) -> None:
    """List the devices: phase, gateway, last heartbeat, error.

    With --watch a line shows each change of a device but that of its last heartbeat.
    """
    from harness.cli.rows import device_row

    if watch:
        from harness.cli.watching import Changes, watch_each

        changes = Changes(form, "device", _device_table(form), lambda row: _device_cells(row, form), device_row)
        watch_each(DEVICE, changes, kubeconfig, namespace)
        return

    async def work(api: Reader) -> list[Object]:
        return await _listed(api, DEVICE, namespace)

    found = read(work, kubeconfig, namespace)
    rows = [device_row(item) for item in found]
    if not show_document(form, {"devices": rows}, [f"device/{row['name']}" for row in rows]):
        device_table(found, wide=form == "wide").show(f"no devices in namespace {namespace}")


@click.command()
@click.argument("name", required=False, shell_complete=completion.applications)
@form_option
@watch_option
@cluster_options
def apps(name: str | None, form: str, watch: bool, kubeconfig: Path | None, namespace: str) -> None:
    """List the applications: phase, number of devices where they run, failed, or are unknown (out of reach), and error.

    With NAME, show that application and its state, last output and error on each device.
    """
    from harness.cli.rows import application_row, entry_rows

    check_applications()
    if watch and name:
        raise UsageError("watches all applications", where="--watch", do=f"omit {name}, or --watch")
    if watch:
        from harness.cli.watching import Changes, watch_each

        table = _application_table(form)
        changes = Changes(form, "application", table, lambda row: _application_cells(row, form), application_row)
        watch_each(APPLICATION, changes, kubeconfig, namespace)
        return

    async def work(api: Reader) -> list[Object]:
        return [await find_application(api, name, namespace)] if name else await _listed(api, APPLICATION, namespace)

    found = read(work, kubeconfig, namespace)
    rows = [application_row(item) for item in found]
    document: dict[str, Any] = {"applications": rows}
    if name:
        document = {"application": rows[0], "devices": entry_rows(found[0])}
    if show_document(form, document, [f"application/{row['name']}" for row in rows]):
        return
    application_table(found, wide=form == "wide").show(f"no applications in namespace {namespace}")
    if name:
        say("")
        entry_table(found[0]).show("on no device yet")


async def find_application(api: Reader, name: str, namespace: str) -> Object:
    """The application of that name. Raises UsageError with the existing names."""
    try:
        return await api.get(APPLICATION, name)
    except NotFound as error:
        known = [item["metadata"]["name"] for item in await _listed(api, APPLICATION, namespace)]
        raise UsageError(
            f"unknown application {name!r}",
            where=f"namespace {namespace}",
            do=f"{suggestion(name, known)}known applications: {', '.join(known[:20]) or 'none; see --namespace'}",
        ) from error


def gateway_table(items: Iterable[Object], *, wide: bool = False) -> Table:
    """Gateways, one a line."""
    from harness.cli.rows import gateway_row

    table = Table("gateway", "phase", "endpoint", "devices", *["version", "last seen"] * wide, "error")
    for row in map(gateway_row, items):
        more = [row["version"], _time(row["lastSeen"])] * wide
        table.add(row["name"], _phase(row["phase"]), row["endpoint"], str(row["connectedDevices"]), *more, row["error"])
    return table


def device_table(items: Iterable[Object], *, wide: bool = False) -> Table:
    """Devices, one a line."""
    from harness.cli.rows import device_row

    form = "wide" if wide else "table"
    table = _device_table(form)
    for row in map(device_row, items):
        table.add(*_device_cells(row, form))
    return table


def _device_table(form: str) -> Table:
    more = ["health", "runtime", "connected since", "labels"] * (form == "wide")
    return Table("device", "phase", "type", "gateway", "last heartbeat", *more, "error")


def _device_cells(row: DeviceRow, form: str) -> list[Cell]:
    cells: list[Cell] = [row["name"], _phase(row["phase"]), row["type"], row["gateway"], _time(row["lastHeartbeat"])]
    if form == "wide":
        labels = ",".join(f"{key}={value}" for key, value in sorted(row["labels"].items()))
        cells += [row["health"], row["wasmRuntime"], _time(row["connectedSince"]), labels]
    return [*cells, row["error"]]


def application_table(items: Iterable[Object], *, wide: bool = False) -> Table:
    """Applications, one a line."""
    from harness.cli.rows import application_row

    form = "wide" if wide else "table"
    table = _application_table(form)
    for row in map(application_row, items):
        table.add(*_application_cells(row, form))
    return table


def _application_table(form: str) -> Table:
    more = ["deployed", "health", "last update"] * (form == "wide")
    return Table("application", "phase", "running", "failed", "unknown", *more, "error")


def _application_cells(row: ApplicationRow, form: str) -> list[Cell]:
    running = f"{row['running']}/{row['target']}"
    cells: list[Cell] = [row["name"], _phase(row["phase"]), running, str(row["failed"]), str(row["unknown"])]
    if form == "wide":
        cells += [str(row["deployed"]), row["health"], _time(row["lastUpdate"])]
    return [*cells, row["error"]]


def entry_table(item: Object) -> Table:
    """The devices of one application, one a line."""
    from harness.cli.rows import entry_rows

    table = Table("device", "state", "last output", "error")
    for row in entry_rows(item):
        error = ": ".join(filter(None, [row["code"], row["error"]]))
        table.add(row["device"], _phase(row["state"] or ""), _short(row["lastOutput"] or ""), error)
    return table


async def _listed(api: Reader, kind: Any, namespace: str) -> list[Object]:
    items = (await api.list(kind)).items
    if not items:
        await check_namespace(api, namespace)
    return items


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _time(stamp: str | None) -> str | None:
    """A Kubernetes time without fractions of a second."""
    return None if stamp is None else re.sub(r"\.\d+", "", stamp)


def _phase(phase: str) -> tuple[str, str]:
    return phase, COLOURS.get(phase, "")


def _count(items: Iterable[Object]) -> dict[str, int]:
    """The number of objects in each phase, the largest first."""
    phases = Counter(str((item.get("status") or {}).get("phase") or "Pending") for item in items)
    return dict(phases.most_common())


def _counted(numbers: dict[str, int]) -> str:
    return ", ".join(f"{number} {phase}" for phase, number in numbers.items()) or "none"
