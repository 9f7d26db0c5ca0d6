"""``wasmbed delete``: devices, applications and gateways of the cluster."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli import completion
from harness.cli.cluster import asynchronous, cluster_options, connected
from harness.cli.named import parse_named
from harness.cli.output import say
from harness.core.errors import UsageError, suggestion


@click.command()
@click.argument("objects", metavar="KIND/NAME...", nargs=-1, required=True, shell_complete=completion.objects)
@click.option(
    "--wait",
    "within",
    default=30.0,
    type=click.FloatRange(min=0),
    show_default=True,
    help="Seconds to wait until they are gone; 0 does not wait.",
)
@cluster_options
@asynchronous
async def delete(objects: tuple[str, ...], within: float, kubeconfig: Path | None, namespace: str) -> None:
    """Delete devices, applications or gateways: device/pump-1, application/blink.

    The devices of an application stop it first, and a board that an emulator manager runs is switched off.
    """
    from harness.cli.waiting import until
    from harness.wasmbed.resources.api import NotFound

    named = parse_named(objects)
    async with connected(kubeconfig, namespace) as api:
        for kind, name in named:
            try:
                await api.get(kind, name)
            except NotFound as error:
                known = sorted(item["metadata"]["name"] for item in (await api.list(kind)).items)
                do = f"{suggestion(name, known)}existing {kind.plural}: {', '.join(known[:20]) or 'none'}"
                raise UsageError(f"there is no {kind.kind.lower()} {name!r}", do=do) from error
        for kind, name in named:
            try:
                await api.delete(kind, name)
            except NotFound:
                continue  # somebody was first
            say(f"{kind.kind.lower()}/{name} is to be deleted")
        if within:
            await until(api, named, lambda item: item is None, "deleted", within)
