"""``wasmbed emulators``: an emulator manager as a program of its own, until a signal."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from harness.cli.cluster import program
from harness.cli.probes import probe_endpoint, serving
from harness.core.errors import RigError, UsageError
from harness.wasmbed.resources.names import DEFAULT_NAMESPACE

if TYPE_CHECKING:
    from harness.core.network import Endpoint
    from harness.emulators.manager import EmulatorManager

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(path_type=Path)
_VARIABLE = "WASMBED_EMULATORS_"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")


def _option(name: str, **attributes: Any) -> Callable[[F], F]:
    variable = _VARIABLE + name.removeprefix("--").upper().replace("-", "_")
    return click.option(name, envvar=variable, show_envvar=True, **attributes)


@click.command()
@_option("--gateway", required=True, metavar="HOST:PORT", help="The gateway; its certificate names the host.")
@_option("--gateway-authority", type=FILE, required=True, help="Certificates of the gateways' authorities, DER.")
@_option("--device-authority", type=FILE, required=True, help="Certificate of the authority of devices, DER.")
@_option("--device-authority-key", type=FILE, required=True, help="Its private key, for the boards' identities.")
@_option("--http", metavar="HOST:PORT", default="127.0.0.1:0", show_default=True, help="Address of its probes and API.")
@_option("--advertise-http", metavar="URL", help="URL of its API, for the REST API.  [default: where it listens]")
@_option("--identity", help="Its name among the managers, which no other one has.  [default: the host's name]")
@_option(
    "--lease-duration",
    type=click.FloatRange(min=1.0),
    metavar="SECONDS",
    default=15.0,
    show_default=True,
    help="How long others wait for a manager that is silent.",
)
@_option("--kubeconfig", type=FILE, help="Kubeconfig.  [default: the pod's service account]")
@_option("--namespace", default=DEFAULT_NAMESPACE, show_default=True, help="Namespace of Wasmbed's resources.")
@program
async def emulators(
    gateway: str,
    gateway_authority: Path,
    device_authority: Path,
    device_authority_key: Path,
    http: str,
    advertise_http: str | None,
    identity: str | None,
    lease_duration: float,
    kubeconfig: Path | None,
    namespace: str,
) -> int:
    """Run the boards that Devices ask for (spec.board), until SIGTERM or Ctrl-C.

    Several such programs share the boards; those of one that dies are started again by another. At the end it stops its
    boards and lets the others have them; a second signal ends it immediately. "ready http=HOST:PORT" on standard output
    says that it has read the cluster; /healthz, /readyz and /metrics are there from the start. Its API has the consoles
    of its boards, for the REST API.
    """
    from harness.core.clock import SystemClock
    from harness.core.descriptors import raise_limit
    from harness.core.identifiers import Randomness
    from harness.core.network import SystemNetwork
    from harness.emulators.http_api import ConsoleRoutes
    from harness.emulators.identities import Identities
    from harness.emulators.manager import EmulatorManager, EmulatorSettings
    from harness.emulators.workshop import GatewayAccess
    from harness.stack.board_choice import board_catalogue
    from harness.stack.options import StackOptions
    from harness.wasmbed.controllers.probes import Probes
    from harness.wasmbed.pki.authority import Authority
    from harness.wasmbed.pki.keys import read_file
    from harness.wasmbed.resources.kubernetes_api import KubernetesApi

    raise_limit()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    clock, network, randomness = SystemClock(), SystemNetwork(), Randomness()
    endpoint, probed = _endpoint(gateway), probe_endpoint(http)
    settings = EmulatorSettings(_identity(identity), GatewayAccess(endpoint, endpoint[0]), lease_duration)
    authority = Authority.of(device_authority, device_authority_key, clock)
    trusted = read_file(gateway_authority)
    catalogue = board_catalogue(StackOptions())
    api = await KubernetesApi.open(namespace, kubeconfig=kubeconfig)
    try:
        identities = Identities(api, authority, trusted)
        manager = EmulatorManager(settings, api, identities, catalogue, clock, network, randomness)
        probes = Probes(manager, clock, network, more=ConsoleRoutes(manager.consoles).routes)
        async with serving(probes, probed) as served:
            manager.consoles.served_at(advertise_http or "http://{}:{}".format(*served))
            return await _serve(manager, served)
    finally:
        await catalogue.close()
        await api.close()


async def _serve(manager: EmulatorManager, served: Endpoint) -> int:
    """Run it until a signal, or until it fails; returns the exit code."""
    from harness.cli.ending import End

    end = End()
    try:
        if await end.unless(manager.start()):
            click.echo("ready http={}:{}".format(*served))
            serving = asyncio.create_task(manager.wait())
            await asyncio.wait([end.stop_requested, serving], return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                raise RigError(
                    "the manager ended by an error", where="wasmbed emulators", do="see its log, and start it again"
                ) from serving.exception()
            serving.cancel()
    finally:
        stopping = asyncio.create_task(manager.stop())
        await asyncio.wait([stopping, end.stop_now], return_when=asyncio.FIRST_COMPLETED)
        if not stopping.done():
            stopping.cancel()
            await manager.kill()
    return 0


def _identity(given: str | None) -> str:
    """A name for a Lease. Raises UsageError for one that Kubernetes does not take."""
    name = given if given is not None else re.sub(r"[^a-z0-9]+", "-", socket.gethostname().lower())[:40].strip("-")
    if not _NAME.fullmatch(name):
        do = "write lower-case letters, digits and hyphens, 40 at most"
        raise UsageError(f"invalid name {name!r}", where="--identity", do=do)
    return name


def _endpoint(text: str) -> Endpoint:
    from harness.wasmbed.gateway.settings_file import parse_endpoint

    try:
        return parse_endpoint(text)
    except ValueError as error:
        raise UsageError(f"invalid address {text!r}: {error}", where="--gateway", do="write HOST:PORT") from error
