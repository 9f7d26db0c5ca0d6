"""``wasmbed controllers``: the controllers as a program of its own, until a signal."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from harness.cli.cluster import program
from harness.cli.probes import probe_endpoint, serving
from harness.wasmbed.resources.names import CONTROLLER_LEASE, DEFAULT_NAMESPACE

if TYPE_CHECKING:
    from harness.core.network import Endpoint
    from harness.wasmbed.controllers.manager import ControllerManager
    from harness.wasmbed.controllers.probes import Probes

F = TypeVar("F", bound=Callable[..., Any])
_VARIABLE = "WASMBED_CONTROLLERS_"
NAMES = ("device", "application", "gateway")


def _option(name: str, **attributes: Any) -> Callable[[F], F]:
    variable = _VARIABLE + name.removeprefix("--").upper().replace("-", "_")
    return click.option(name, envvar=variable, show_envvar=True, **attributes)


@click.command()
@_option(
    "--only",
    type=click.Choice(NAMES),
    help="Run only this controller, under a lease of its own; another program then runs the others.  [default: all]",
)
@_option("--http", metavar="HOST:PORT", default="127.0.0.1:8082", show_default=True, help="Address of its probes.")
@_option("--identity", help="Its name in the lease.  [default: the host's name and a random part]")
@_option(
    "--lease-duration",
    type=click.FloatRange(min=1.0),
    metavar="SECONDS",
    help="How long others wait for a leader that is silent.  [default: 15]",
)
@_option("--kubeconfig", type=click.Path(path_type=Path), help="Kubeconfig.  [default: the pod's service account]")
@_option("--namespace", default=DEFAULT_NAMESPACE, show_default=True, help="Namespace of Wasmbed's resources.")
@program
async def controllers(
    only: str | None,
    http: str,
    identity: str | None,
    lease_duration: float | None,
    kubeconfig: Path | None,
    namespace: str,
) -> int:
    """Run the controllers until SIGTERM or Ctrl-C.

    Of several such programs the holder of the lease acts, and the others are ready to. At the end it finishes the
    present work and gives the lease back; a second signal ends it immediately. "ready http=HOST:PORT" on standard
    output says that it has read the cluster; /healthz, /readyz and /metrics are there from the start.
    """
    from harness.core.clock import SystemClock
    from harness.core.descriptors import raise_limit
    from harness.core.identifiers import Randomness
    from harness.core.network import SystemNetwork
    from harness.wasmbed.controllers.manager import CONTROLLERS, ControllerManager, ControllerSettings, lease_of
    from harness.wasmbed.controllers.probes import Probes
    from harness.wasmbed.resources.kubernetes_api import KubernetesApi

    raise_limit()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    clock, randomness, network = SystemClock(), Randomness(), SystemNetwork()
    endpoint = probe_endpoint(http)
    settings = ControllerSettings(lease_name=lease_of(only) if only else CONTROLLER_LEASE)
    if lease_duration is not None:
        settings = replace(settings, lease_duration=lease_duration)
    api = await KubernetesApi.open(namespace, kubeconfig=kubeconfig)
    try:
        manager = ControllerManager(
            lambda name: api.share(namespace, name),
            clock,
            randomness,
            settings=settings,
            identity=identity or f"{socket.gethostname()}-{randomness.token(4)}",
            network=network,
            controllers=(only,) if only else CONTROLLERS,
        )
        return await _serve(manager, Probes(manager, clock, network), endpoint)
    finally:
        await api.close()


async def _serve(manager: ControllerManager, probes: Probes, endpoint: Endpoint) -> int:
    """Run it until a signal; returns the exit code."""
    from harness.cli.ending import End

    end = End()
    async with serving(probes, endpoint) as served:
        if await end.unless(manager.start()):
            click.echo("ready http={}:{}".format(*served))
            await end.stop_requested
        stopping = asyncio.create_task(manager.stop())
        await asyncio.wait([stopping, end.stop_now], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
    return 0
