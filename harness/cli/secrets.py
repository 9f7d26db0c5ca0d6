"""``wasmbed secrets``: the certificates and keys of an installation, as Secrets for ``kubectl apply -f -``."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from harness.cli.output import say
from harness.core.addresses import check_host
from harness.core.errors import UsageError, reason
from harness.wasmbed.resources.names import DEFAULT_NAMESPACE

IDENTITY, GATEWAYS, DEVICES = "wasmbed-gateway-identity", "wasmbed-gateway-authority", "wasmbed-device-authority"
"""The names that the manifests in ``deploy`` mount."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--host",
    "hosts",
    multiple=True,
    required=True,
    help="A host name or address at which devices reach the gateways; may be given several times.",
)
@click.option("--namespace", default=DEFAULT_NAMESPACE, show_default=True, help="Namespace of the Secrets.")
def secrets(folder: Path, hosts: Sequence[str], namespace: str) -> int:
    """Print three Secrets: the gateways' identity, their authorities, and the authority of devices.

    FOLDER keeps the authorities; it is made at the first call. Each call issues a new identity: apply it before the old
    one expires, in a year, and send the gateways SIGHUP or restart them.
    """
    import yaml

    from harness.core.clock import SystemClock
    from harness.wasmbed.pki.authority import AUTHORITY_KEY_FILE, Authority
    from harness.wasmbed.pki.identity import AUTHORITY_FILE
    from harness.wasmbed.pki.keys import private_key_der
    from harness.wasmbed.pki.server_authorities import ServerAuthorities

    for host in hosts:
        _check(host)
    clock = SystemClock()
    parts = folder / "gateways", folder / "devices"
    is_new = not all(part.exists() for part in parts)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        servers = ServerAuthorities("Wasmbed gateways", clock, parts[0])
        devices = Authority.kept_in(parts[1], "Wasmbed devices", clock)
    except OSError as error:
        raise UsageError(f"cannot be written: {reason(error)}", where=str(folder), do="name another folder") from error
    if is_new:
        note = "devices that know the authorities of another folder will refuse these gateways, and these gateways them"
        say(f"note: {folder} is made with new authorities; {note}", err=True)
    identity: dict[str, bytes] = {}
    for number, each in enumerate(servers.issue("wasmbed-gateway", hosts), 1):
        identity |= {f"cert-{number}.der": each.certificate, f"key-{number}.der": each.private_key_der}
    found = {
        IDENTITY: identity,
        GATEWAYS: {AUTHORITY_FILE: servers.certificates},
        DEVICES: {AUTHORITY_FILE: devices.certificate, AUTHORITY_KEY_FILE: private_key_der(devices.private_key)},
    }
    click.echo(yaml.safe_dump_all([_secret(name, namespace, files) for name, files in found.items()]), nl=False)
    return 0


def _check(host: str) -> None:
    """Raise UsageError for what no device finds in a certificate."""
    try:
        check_host(host)
    except ValueError as error:
        do = "name it alone, without a port: gateways.example, '*.gateways.example', or 192.0.2.1"
        raise UsageError(str(error), where="--host", do=do) from error


def _secret(name: str, namespace: str, files: Mapping[str, bytes]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": "wasmbed"}},
        "type": "Opaque",
        "data": {file: b64encode(content).decode() for file, content in files.items()},
    }
