"""``wasmbed deploy`` and ``stop``: applications in the cluster."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any

import click

from harness.cli import completion
from harness.cli.cluster import asynchronous, check_applications, cluster_options, connected
from harness.cli.output import cell, console, say
from harness.core.errors import ProductFailure, UsageError, suggestion

if TYPE_CHECKING:
    from harness.wasmbed.resources.api import ResourceApi
    from harness.wasmbed.resources.views import ApplicationStatus

SETTLED = {"Running", "PartiallyRunning", "Unknown", "Failed", "Error"}
SECONDS = click.FloatRange(min=0)


@click.command()
@click.argument("module", type=click.Path(path_type=Path))
@click.option(
    "--to",
    required=True,
    help="all, labels (site=roof), or device names (pump-1,pump-2).",
    shell_complete=completion.devices,
)
@click.option("--name", help="Name of the application.  [default: the file's name]")
@click.option("--memory", type=click.IntRange(min=1), help="Limit of linear memory, in bytes.")
@click.option("--fuel", type=click.IntRange(min=1), help="Limit of fuel for one call.")
@click.option("--time-limit", type=click.IntRange(min=1), help="Limit of time for one call, in milliseconds.")
@click.option("--entry", help="Exported function to call.  [default: run]")
@click.option(
    "--wait", default=30.0, type=SECONDS, show_default=True, help="Seconds to wait for the devices; 0 does not wait."
)
@cluster_options
@asynchronous
async def deploy(
    module: Path,
    to: str,
    name: str | None,
    memory: int | None,
    fuel: int | None,
    time_limit: int | None,
    entry: str | None,
    wait: float,
    kubeconfig: Path | None,
    namespace: str,
) -> int:
    """Deploy MODULE (.wasm, or .wat text) to devices, and print the result.

    An application with that name is replaced.
    """
    from harness.stack.applications import parse_targets
    from harness.wasmbed.resources import manifests

    check_applications()
    given = {"memoryLimit": memory, "fuel": fuel, "timeLimit": time_limit, "entry": entry}
    config = {key: value for key, value in given.items() if value is not None}
    binary = read_valid_module(module, config)
    name = name or re.sub(r"[^a-z0-9]+", "-", module.stem.lower()).strip("-")
    targets = parse_targets(to)
    manifest = manifests.application(name, module=binary, config=config, **targets)
    async with connected(kubeconfig, namespace) as api:
        if wait:
            await _check_targets(api, to, targets)
        generation = await _apply(api, name, manifest)
        if not wait:
            say(f"application {name} accepted")
            return 0
        with _waiting(f"deploying {name} to {to}"):
            status = await _settled(api, name, generation, wait, lambda status: status.phase in SETTLED)
    numbers = status.statistics
    say(f"application {name}: {status.phase}, running on {numbers.running} of {numbers.target} devices")
    failures = {device: found for device, found in status.device_statuses.items() if found.error}
    for device, found in failures.items():
        say(indent(f"{device}: {found.code or found.state}: {found.error}", "  "), err=True)
    if status.error and not failures:
        say(indent(status.error, "  "), err=True)
    return 0 if status.phase == "Running" else ProductFailure.exit_code


@click.command()
@click.argument("name", shell_complete=completion.applications)
@click.option(
    "--wait",
    default=30.0,
    type=SECONDS,
    show_default=True,
    help="Seconds to wait until it has stopped; 0 does not wait.",
)
@cluster_options
@asynchronous
async def stop(name: str, wait: float, kubeconfig: Path | None, namespace: str) -> None:
    """Stop the application NAME on its devices. Its resource stays, and a new deployment starts it again."""
    from harness.cli.resources import find_application
    from harness.wasmbed.resources.kinds import APPLICATION

    check_applications()
    async with connected(kubeconfig, namespace) as api:
        await find_application(api, name, namespace)
        changed = await api.patch(APPLICATION, name, {"spec": {"stopped": True}})
        if wait:
            with _waiting(f"stopping {name}"):
                await _settled(
                    api, name, changed["metadata"]["generation"], wait, lambda status: status.phase == "Stopped"
                )
    say(f"application {name} {'stopped' if wait else 'is stopping'}")


def read_valid_module(path: Path, config: dict[str, Any]) -> bytes:
    """The module in a file, for an application with this ``config``. Raises UsageError if no device would accept it."""
    from harness.stack.modules import read_module

    binary = read_module(path)
    check_module(binary, config, str(path))
    return binary


def check_module(binary: bytes, config: dict[str, Any], where: str) -> None:
    """Raise UsageError if no device would accept the module of an application with this ``config``."""
    from harness.wasmbed.protocol.messages import Limits
    from harness.wasmbed.resources.views import ApplicationConfig
    from harness.wasmbed.runtime.validation import InvalidModule, validate

    limits = ApplicationConfig(config)
    try:
        validate(binary, Limits(limits.memory_limit, limits.fuel, limits.time_limit), limits.entry)
    except InvalidModule as error:
        raise UsageError(error.reason, where=where, do="see docs/host-interface.md") from error


async def _check_targets(api: ResourceApi, to: str, targets: dict[str, Any]) -> None:
    """Raise UsageError if no device matches."""
    from harness.wasmbed.resources.kinds import DEVICE

    found = (await api.list(DEVICE)).items
    devices = {device["metadata"]["name"]: device["metadata"].get("labels", {}) for device in found}
    if not devices:
        raise UsageError("there are no devices yet", where=f"--to {to}", do="power boards on, or do not wait: --wait 0")
    labels = targets.get("match_labels", {})
    if labels and not any(labels.items() <= those.items() for those in devices.values()):
        there = sorted({f"{key}={value}" for those in devices.values() for key, value in those.items()})
        near = "".join(suggestion(f"{key}={value}", there) for key, value in sorted(labels.items()))
        offer = f"{near}existing labels: {', '.join(there[:20]) or 'none; kubectl label device adds one'}"
        raise UsageError("no device has these labels", where=f"--to {to}", do=offer)
    if absent := sorted(set(targets.get("device_names", ())) - set(devices)):
        near = "".join(suggestion(name, devices) for name in absent)
        offer = f"{near}existing devices: {', '.join(sorted(devices)[:20])}; or do not wait: --wait 0"
        raise UsageError(f"unknown device {', '.join(absent)}", where=f"--to {to}", do=offer)


async def _apply(api: ResourceApi, name: str, manifest: dict[str, Any]) -> int:
    from harness.wasmbed.resources.api import Conflict
    from harness.wasmbed.resources.kinds import APPLICATION

    try:
        written = await api.create(APPLICATION, manifest)
    except Conflict:
        present = await api.get(APPLICATION, name)
        present["spec"] = {**manifest["spec"], "stopped": False}
        written = await api.replace(APPLICATION, name, present)
    return int(written["metadata"]["generation"])


async def _settled(api: ResourceApi, name: str, generation: int, within: float, is_settled: Any) -> ApplicationStatus:
    from harness.core.clock import SystemClock
    from harness.core.identifiers import Randomness
    from harness.wasmbed.resources.informer import Informer
    from harness.wasmbed.resources.kinds import APPLICATION
    from harness.wasmbed.resources.views import Application

    clock, losses = SystemClock(), list[str]()
    selector = f"metadata.name={name}"
    informer = Informer(api, APPLICATION, clock, Randomness(), field_selector=selector, lost=losses.append)
    try:
        async with clock.deadline(within):
            await informer.start()
        found = await informer.wait_for(
            name,
            lambda object: (
                object is not None
                and Application(object).status.observed_generation >= generation
                and is_settled(Application(object).status)
            ),
            within,
        )
    except TimeoutError as error:
        if losses:
            await api.get(APPLICATION, name)  # raises if the cluster is lost, which is not the application's failure
        status = Application(informer.get(name) or {}).status
        numbers = status.statistics
        state = f"is {status.phase} after {within:g} s, running on {numbers.running} of {numbers.target} devices"
        reasons = [str(condition["message"]) for condition in status.conditions if condition.get("message")]
        raise ProductFailure(
            "; ".join([state, *reasons]), where=f"application {name}", do="see wasmbed devices, or wait longer: --wait"
        ) from error
    finally:
        await informer.stop()
    return Application(found or {}).status


def _waiting(what: str) -> Any:
    return console(stderr=True).status(cell(what))
