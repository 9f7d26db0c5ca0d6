"""``wasmbed logs``: the console of a board of a running platform."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.cluster import asynchronous, cluster_options, in_documents_form, opened
from harness.cli.ending import End
from harness.cli.output import Stream
from harness.core.errors import UsageError

if TYPE_CHECKING:
    from harness.wasmbed.resources.kubernetes_api import KubernetesApi


@click.command()
@click.argument("name", metavar="BOARD|DEVICE")
@click.option("--follow", "-f", is_flag=True, help="Continue with new lines until Ctrl-C.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Show only the last N lines.")
@cluster_options
@asynchronous
async def logs(name: str, follow: bool, tail: int | None, kubeconfig: Path | None, namespace: str) -> None:
    """Show the console of a board that wasmbed up runs, by the name of the board or of its device."""
    end = End()
    end.watch_reader()
    async with opened(kubeconfig, namespace) as api:
        await end.unless(_show(api, name, follow, tail))


async def _show(api: KubernetesApi, name: str, follow: bool, tail: int | None) -> None:
    from harness.wasmbed.resources.api import NotFound
    from harness.wasmbed.resources.kinds import DEVICE

    console = Stream()
    try:
        async with api.log(DEVICE, name, follow=follow, tail=tail) as pieces:
            async for piece in pieces:
                console.write(piece)
    except NotFound as error:
        known = ", ".join([item["metadata"]["name"] for item in (await in_documents_form(api).list(DEVICE)).items][:20])
        raise UsageError(
            "no console of this board: only boards of wasmbed up on its embedded cluster have one",
            where=name,
            do=f"existing devices: {known or 'none'}",
        ) from error
