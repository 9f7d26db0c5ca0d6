"""``wasmbed api``: the REST API as a program of its own, until a signal."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.cluster import program
from harness.core.addresses import check_origin
from harness.core.errors import RigError, UsageError, reason
from harness.wasmbed.resources.names import DEFAULT_NAMESPACE

if TYPE_CHECKING:
    from harness.core.network import Endpoint
    from harness.wasmbed.api.server import ApiServer

_VARIABLE = "WASMBED_API_"


@click.command()
@click.option(
    "--http", metavar="HOST:PORT", default="127.0.0.1:3001", envvar=_VARIABLE + "HTTP", show_envvar=True,
    show_default=True, help="Where it serves.",
)  # fmt: skip
@click.option(
    "--origin", "origins", metavar="ORIGIN", multiple=True, envvar=_VARIABLE + "ORIGINS", show_envvar=True,
    help="A web page's origin that may call it, https://HOST; repeatable.  [default: none]",
)  # fmt: skip
@click.option(
    "--infrastructure", metavar="URL", default="", envvar=_VARIABLE + "INFRASTRUCTURE", show_envvar=True,
    help="The infrastructure service, http://HOST:PORT.  [default: none]",
)  # fmt: skip
@click.option(
    "--kubeconfig", type=click.Path(path_type=Path), envvar=_VARIABLE + "KUBECONFIG", show_envvar=True,
    help="Kubeconfig.  [default: the pod's service account]",
)  # fmt: skip
@click.option(
    "--namespace", default=DEFAULT_NAMESPACE, envvar=_VARIABLE + "NAMESPACE", show_envvar=True, show_default=True,
    help="Namespace of Wasmbed's resources.",
)  # fmt: skip
@program
async def api(http: str, origins: tuple[str, ...], infrastructure: str, kubeconfig: Path | None, namespace: str) -> int:
    """Serve the REST API until SIGTERM or Ctrl-C.

    Callers send a bearer token of a ServiceAccount, and may do what RBAC lets them do with devices, applications and
    gateways. "ready http=HOST:PORT" on standard output says that it has read the cluster. /openapi.json describes it.
    """
    from harness.boards.room import board_rooms
    from harness.cli.ending import End
    from harness.core.clock import SystemClock
    from harness.core.descriptors import raise_limit
    from harness.core.identifiers import Randomness
    from harness.core.network import SystemNetwork
    from harness.wasmbed.api import audit
    from harness.wasmbed.api.log_lines import OwnLog, PodLogs
    from harness.wasmbed.api.server import ApiServer
    from harness.wasmbed.api.settings import ApiSettings
    from harness.wasmbed.gateway.settings_file import parse_endpoint
    from harness.wasmbed.resources.kubernetes_api import KubernetesApi

    try:
        endpoint = parse_endpoint(http)
    except ValueError as error:
        raise UsageError(f"invalid address {http!r}: {error}", where="--http", do="write HOST:PORT") from error
    if infrastructure and not infrastructure.startswith(("http://", "https://")):
        raise UsageError(f"invalid URL {infrastructure!r}", where="--infrastructure", do="write http://HOST:PORT")
    for origin in origins:
        try:
            check_origin(origin)
        except ValueError as error:
            do = "write https://HOST[:PORT], without a path"
            raise UsageError(str(error), where="--origin", do=do) from error
    raise_limit()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    kubernetes = await KubernetesApi.open(namespace, kubeconfig=kubeconfig)
    settings = ApiSettings(http=endpoint, origins=origins, boards=board_rooms(), infrastructure=infrastructure)
    clock = SystemClock()
    logs = PodLogs(kubernetes, clock, OwnLog(clock))
    server = ApiServer(settings, kubernetes, clock, Randomness(), SystemNetwork(), audit.note, logs=logs)
    end = End()
    try:
        served = await _listen(server, http)
        if await end.unless(server.read()):
            click.echo("ready http={}:{}".format(*served))
            await end.stop_requested
    finally:
        stopping = asyncio.create_task(server.stop())
        await asyncio.wait([stopping, end.stop_now], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        await kubernetes.close()
    return 0


async def _listen(server: ApiServer, http: str) -> Endpoint:
    try:
        return await server.listen()
    except OSError as error:
        raise RigError(
            f"cannot listen at {http}: {reason(error)}",
            where="--http",
            do="stop the program that uses the port, or choose another (0 is any free one)",
        ) from error
