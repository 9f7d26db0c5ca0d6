"""``wasmbed infrastructure``: the infrastructure service as a program of its own, until a signal."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import click

from harness.cli.cluster import program
from harness.core.errors import RigError, UsageError, reason
from harness.wasmbed.resources.names import DEFAULT_NAMESPACE

_VARIABLE = "WASMBED_INFRASTRUCTURE_"


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--device-authority", type=click.Path(path_type=Path), envvar=_VARIABLE + "DEVICE_AUTHORITY", show_envvar=True,
    help="Certificate of the authority for a new FOLDER, DER.  [default: a new authority]",
)  # fmt: skip
@click.option(
    "--device-authority-key", type=click.Path(path_type=Path), envvar=_VARIABLE + "DEVICE_AUTHORITY_KEY",
    show_envvar=True, help="Its private key.",
)  # fmt: skip
@click.option(
    "--http", metavar="HOST:PORT", default="127.0.0.1:30460", envvar=_VARIABLE + "HTTP", show_envvar=True,
    show_default=True, help="Where it serves.",
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
async def infrastructure(
    folder: Path,
    device_authority: Path | None,
    device_authority_key: Path | None,
    http: str,
    kubeconfig: Path | None,
    namespace: str,
) -> int:
    """Serve certificates of devices, secrets, logs and metrics until SIGTERM or Ctrl-C.

    FOLDER is the one of "wasmbed secrets". It is made if it is not there, with a new authority or with
    --device-authority. Callers send a bearer token of a ServiceAccount; the rights are those of devices, and of
    secrets.wasmbed.io. "ready http=HOST:PORT" on standard output says that the gateways' revocation list is published.
    /crl.der, /ocsp and /metrics need no token.
    """
    from harness.cli.ending import End
    from harness.core.clock import SystemClock
    from harness.core.network import SystemNetwork
    from harness.wasmbed.gateway.settings_file import parse_endpoint
    from harness.wasmbed.infrastructure.register import Register, adopt
    from harness.wasmbed.infrastructure.server import InfrastructureServer, InfrastructureSettings
    from harness.wasmbed.pki.authority import Authority
    from harness.wasmbed.resources.api import ApiError
    from harness.wasmbed.resources.kubernetes_api import KubernetesApi

    try:
        endpoint = parse_endpoint(http)
    except ValueError as error:
        raise UsageError(f"invalid address {http!r}: {error}", where="--http", do="write HOST:PORT") from error
    clock = SystemClock()
    if (device_authority is None) != (device_authority_key is None):
        do = "give --device-authority and --device-authority-key, or neither"
        raise UsageError("a certificate and its key belong together", where="--device-authority", do=do)
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if device_authority is not None and device_authority_key is not None:
            adopt(folder / "devices", Authority.of(device_authority, device_authority_key, clock), clock)
        register = Register(folder / "devices", clock)
    except OSError as error:
        raise UsageError(f"cannot be used: {reason(error)}", where=str(folder), do="name another folder") from error
    kubernetes = await KubernetesApi.open(namespace, kubeconfig=kubeconfig)
    server = InfrastructureServer(InfrastructureSettings(http=endpoint), register, kubernetes, clock, SystemNetwork())
    handlers = [logging.StreamHandler(), server.log_book]
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", handlers=handlers)
    end = End()
    try:
        try:
            served = await server.listen()
        except OSError as error:
            do = "stop the program that uses the port, or choose another (0 is any free one)"
            raise RigError(f"cannot listen at {http}: {reason(error)}", where="--http", do=do) from error
        try:
            await server.publish()
        except (ApiError, OSError) as error:
            do = "check the kubeconfig, and that it may write ConfigMaps"
            raise RigError(f"the revocation list cannot be published: {error}", where="cluster", do=do) from error
        click.echo("ready http={}:{}".format(*served))
        await end.stop_requested
    finally:
        stopping = asyncio.create_task(server.stop())
        await asyncio.wait([stopping, end.stop_now], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        await kubernetes.close()
    return 0
