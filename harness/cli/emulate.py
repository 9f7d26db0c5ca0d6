"""``wasmbed emulate``: boards for a gateway that runs elsewhere, until a signal. It needs no cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from harness.cli.cluster import program
from harness.core.errors import UsageError

if TYPE_CHECKING:
    from harness.boards.board import Credentials
    from harness.core.network import Endpoint
    from harness.wasmbed.pki.authority import Authority

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(path_type=Path)
_VARIABLE = "WASMBED_EMULATE_"


def _option(name: str, **attributes: Any) -> Callable[[F], F]:
    variable = _VARIABLE + name.removeprefix("--").upper().replace("-", "_")
    return click.option(name, envvar=variable, show_envvar=True, **attributes)


@click.command()
@_option("--boards", default="virtual=1", show_default=True, help="Kinds and numbers of boards (virtual=5,mps2-an385).")
@_option("--name", default="board", show_default=True, help="Beginning of the names of the devices.")
@_option("--gateway", required=True, metavar="HOST:PORT", help="The gateway; its certificate names the host.")
@_option("--gateway-authority", type=FILE, required=True, help="Certificates of the gateways' authorities, DER.")
@_option("--device-authority", type=FILE, required=True, help="Certificate of the authority of devices, DER.")
@_option("--device-authority-key", type=FILE, required=True, help="Its private key, for the boards' identities.")
@_option("--state", type=FILE, required=True, help="Folder for the boards' keys, so that they stay the same devices.")
@program
async def emulate(
    boards: str,
    name: str,
    gateway: str,
    gateway_authority: Path,
    device_authority: Path,
    device_authority_key: Path,
    state: Path,
) -> int:
    """Run boards until SIGTERM or Ctrl-C. "running N boards" on standard output says that their firmware runs."""
    from harness.boards.board import BoardEnvironment, BoardSettings
    from harness.boards.fleet import Fleet
    from harness.cli.ending import End
    from harness.core.clock import SystemClock
    from harness.core.descriptors import raise_limit
    from harness.core.identifiers import Randomness
    from harness.core.network import SystemNetwork
    from harness.stack.board_choice import board_catalogue
    from harness.stack.options import StackOptions
    from harness.wasmbed.pki.authority import Authority
    from harness.wasmbed.pki.keys import read_file

    raise_limit()
    clock, end = SystemClock(), End()
    authority = Authority.of(device_authority, device_authority_key, clock)
    trusted, endpoint = read_file(gateway_authority), _endpoint(gateway)
    environment = BoardEnvironment(clock, SystemNetwork(), Randomness())
    catalogue, fleet = board_catalogue(StackOptions()), Fleet()
    try:
        for kind, count, link in ((each.kind, each.count, each.link) for each in catalogue.parse(boards)):
            tier, _, _ = catalogue.find(kind)
            for number in range(1, count + 1):
                device = f"{name}-{kind}-{number}"
                credentials = _credentials(state / device, device, authority, trusted, tier.features(kind))
                settings = BoardSettings(device, credentials, endpoint, server_name=endpoint[0], link=link)
                fleet.add(tier.make(kind, settings, environment))
        try:
            if await end.unless(fleet.power_on()):
                click.echo(f"running {len(fleet)} boards")
                await end.stop_requested
        finally:
            await fleet.stop()
    finally:
        await catalogue.close()
    return 0


def _credentials(
    folder: Path, device: str, authority: Authority, trusted: bytes, features: frozenset[str]
) -> Credentials:
    """Those that ``folder`` keeps; new ones of ``authority``, which are kept there, if there is no such folder."""
    from harness.boards.board import Credentials
    from harness.wasmbed.pki.identity import Identity
    from harness.wasmbed.pki.keys import Algorithm, generate_key, write_folder

    if not folder.exists():
        key = generate_key(Algorithm.ED25519 if "ed25519" in features else Algorithm.P256)
        identity = Identity(key, authority.issue_device(device, key.public_key()))
        write_folder(folder, lambda draft: identity.save(draft, trusted))
    identity = Identity.load(folder)
    return Credentials(trusted, identity.private_key_der, certificate=identity.certificate)


def _endpoint(text: str) -> Endpoint:
    from harness.wasmbed.gateway.settings_file import parse_endpoint

    try:
        return parse_endpoint(text)
    except ValueError as error:
        raise UsageError(f"invalid address {text!r}: {error}", where="--gateway", do="write HOST:PORT") from error
