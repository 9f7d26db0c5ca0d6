"""``wasmbed gateway``: the gateway as a program of its own, until a signal."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from harness.cli.cluster import program
from harness.core.errors import UsageError
from harness.wasmbed.resources.names import DEFAULT_NAMESPACE

if TYPE_CHECKING:
    from harness.wasmbed.gateway.gateway import Gateway
    from harness.wasmbed.gateway.settings import GatewaySettings
    from harness.wasmbed.pki.identity import Identity

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(path_type=Path)
CLIENT = "Gateway"
"""Its name at the cluster."""
_VARIABLE = "WASMBED_GATEWAY_"


def _option(name: str, **attributes: Any) -> Callable[[F], F]:
    variable = _VARIABLE + name.removeprefix("--").upper().replace("-", "_")
    return click.option(name, envvar=variable, show_envvar=True, **attributes)


@click.command()
@_option("--name", help="Name of its Gateway resource.")
@_option("--listen", metavar="HOST:PORT", help="Address for devices; port 0 is any free one.")
@_option("--http", metavar="HOST:PORT", help="Address of the HTTP API; port 0 is any free one.")
@_option("--advertise", metavar="HOST:PORT", help="Address that is sent to devices.  [default: where it listens]")
@_option("--advertise-http", metavar="URL", help="URL of the HTTP API in its status.  [default: where it listens]")
@_option(
    "--certificate", type=FILE, multiple=True, required=True, help="Its certificate, DER; one for each --key, in order."
)
@_option("--key", type=FILE, multiple=True, required=True, help="The private key of a --certificate, PKCS #8, DER.")
@_option("--device-authority", type=FILE, required=True, help="Certificate of the authority of devices, DER.")
@_option("--device-authority-key", type=FILE, help="Its private key: lets devices pair and get a certificate.")
@_option("--kubeconfig", type=FILE, help="Kubeconfig of the cluster.  [default: the pod's service account]")
@_option("--namespace", default=DEFAULT_NAMESPACE, show_default=True, help="Namespace of Wasmbed's resources.")
@_option("--settings", type=FILE, help="TOML file with settings; options and variables take precedence.")
@_option("--system", type=FILE, help="File of a system whose resource types are its own (system.toml).")
@_option("--seed", type=int, help="Seed of all random values except keys.")
@click.option("--set", "pairs", metavar="NAME=VALUE", multiple=True, help="Another setting of the file.")
@program
async def gateway(
    certificate: Sequence[Path],
    key: Sequence[Path],
    device_authority: Path,
    device_authority_key: Path | None,
    kubeconfig: Path | None,
    namespace: str,
    settings: Path | None,
    system: Path | None,
    seed: int | None,
    pairs: Sequence[str],
    **given: str | None,
) -> int:
    """Run one gateway until SIGTERM or Ctrl-C.

    It then refuses new sessions, tells its devices, and writes what is pending; a second signal ends it immediately.
    SIGHUP reads its certificates and its settings file again; its log names settings that need a restart.
    "ready devices=HOST:PORT http=HOST:PORT" on standard output says that it serves; its log is on standard error.
    """
    from harness.clusters.mapped import MappedApi
    from harness.core.clock import SystemClock
    from harness.core.descriptors import raise_limit
    from harness.core.identifiers import Randomness
    from harness.core.network import SystemNetwork
    from harness.stack.system import read_system
    from harness.wasmbed.gateway.gateway import Gateway
    from harness.wasmbed.pki.authority import Authority
    from harness.wasmbed.pki.certificates import CertificateManager
    from harness.wasmbed.pki.identity import load_certificate
    from harness.wasmbed.resources.kubernetes_api import KubernetesApi

    raise_limit()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    clock, chosen = SystemClock(), _settings(settings, given, pairs)
    identities = _identities(certificate, key)
    trusted = load_certificate(device_authority)
    authority = Authority.of(device_authority, device_authority_key, clock) if device_authority_key else None
    mapping = read_system(system, "--system").mapping if system is not None else None
    client = await KubernetesApi.open(namespace, kubeconfig=kubeconfig, name=CLIENT)
    api = MappedApi(client, mapping) if mapping is not None else client
    serving = Gateway(
        chosen,
        identities,
        CertificateManager(trusted, clock),
        api,
        clock,
        SystemNetwork(),
        Randomness(seed),
        authority=authority,
    )
    try:
        reload = _Reload(serving, lambda: _identities(certificate, key), lambda: _settings(settings, given, pairs))
        return await _serve(serving, reload)
    finally:
        await api.close()


async def _serve(serving: Gateway, reload: Callable[[], object]) -> int:
    """Run it until a signal; returns the exit code."""
    from harness.cli.ending import End

    end, loop = End(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, reload)
    if not await end.unless(serving.start()):
        await serving.kill()
        return 0
    click.echo("ready devices={}:{} http={}:{}".format(*serving.endpoint, *serving.http_endpoint))
    await end.stop_requested
    stopping = asyncio.create_task(serving.stop())
    await asyncio.wait([stopping, end.stop_now], return_when=asyncio.FIRST_COMPLETED)
    if not stopping.done():
        stopping.cancel()
        await serving.kill()
    return 0


class _Reload:
    """Reads certificates and settings again; what is wrong with one of them does not keep the other from being read."""

    def __init__(
        self,
        serving: Gateway,
        identities: Callable[[], Sequence[Identity]],
        settings: Callable[[], GatewaySettings],
    ) -> None:
        self._serving, self._identities, self._settings = serving, identities, settings
        self._log = logging.getLogger(__name__)  # noqa: TID251, the text is our own

    def __call__(self) -> None:
        self._reread_settings()
        try:
            self._serving.reload(self._identities())
        except UsageError as error:
            self._log.error("the certificates were not read again, the present ones stay: %s", error)
        else:
            self._log.info("the certificates were read again")

    def _reread_settings(self) -> None:
        try:
            settings = self._settings()
            changed, kept = self._serving.change(settings)
        except UsageError as error:
            self._log.error("the settings were not read again, the present ones stay: %s", error)
            return
        self._log.info("the settings were read again, changed: %s", ", ".join(changed) or "none")
        if kept:
            self._log.warning("a restart is needed to change %s", ", ".join(kept))


def _settings(path: Path | None, given: dict[str, str | None], pairs: Sequence[str]) -> GatewaySettings:
    from harness.wasmbed.gateway.settings import GatewaySettings
    from harness.wasmbed.gateway.settings_file import parse_setting, read_settings

    values = read_settings(path) if path is not None else {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"{pair!r} has no value", where="--set", do="write --set NAME=VALUE")
        values[name] = parse_setting(name, value, "--set")
    for name, text in given.items():
        if text is not None:
            values[name] = parse_setting(name, text, f"--{name.replace('_', '-')}")
    return GatewaySettings(**values)


def _identities(certificates: Sequence[Path], keys: Sequence[Path]) -> tuple[Identity, ...]:
    from harness.wasmbed.pki.identity import load_identity

    if len(certificates) != len(keys):
        raise UsageError(
            f"{len(certificates)} certificates and {len(keys)} keys",
            where="--certificate, --key",
            do="name one --key for each --certificate, in the same order",
        )
    return tuple(load_identity(*files) for files in zip(certificates, keys, strict=True))
