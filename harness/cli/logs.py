"""``wasmbed logs``: the console of a board of a running platform, or of an emulator manager."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.cluster import asynchronous, cluster_options, in_documents_form, opened
from harness.cli.ending import End
from harness.cli.output import Stream, say
from harness.core.errors import RigError, UsageError

if TYPE_CHECKING:
    from harness.wasmbed.resources.kubernetes_api import KubernetesApi
    from harness.wasmbed.resources.views import Device


@click.command()
@click.argument("name", metavar="BOARD|DEVICE")
@click.option("--follow", "-f", is_flag=True, help="Continue with new lines until Ctrl-C.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Show only the last N lines.")
@cluster_options
@asynchronous
async def logs(name: str, follow: bool, tail: int | None, kubeconfig: Path | None, namespace: str) -> None:
    """Show the console of a board that wasmbed up or an emulator manager runs, by the name of the board or of its
    device."""
    end = End()
    end.watch_reader()
    async with opened(kubeconfig, namespace) as api:
        await end.unless(_show(api, name, follow, tail))


async def _show(api: KubernetesApi, name: str, follow: bool, tail: int | None) -> None:
    from harness.wasmbed.resources.api import NotFound
    from harness.wasmbed.resources.kinds import DEVICE
    from harness.wasmbed.resources.views import Device

    console = Stream()
    try:
        async with api.log(DEVICE, name, follow=follow, tail=tail) as pieces:
            async for piece in pieces:
                console.write(piece)
    except NotFound as error:
        devices = {each["metadata"]["name"]: Device(each) for each in (await in_documents_form(api).list(DEVICE)).items}
        if (device := devices.get(name)) is not None and device.spec.board.kind:
            await _show_managed(api, device, follow, tail)
            return
        raise UsageError(
            "no console of this board: those of wasmbed up on its embedded cluster and of emulator managers have one",
            where=name,
            do=f"existing devices: {', '.join([*devices][:20]) or 'none'}",
        ) from error


async def _show_managed(api: KubernetesApi, device: Device, follow: bool, tail: int | None) -> None:
    from harness.core.network import SystemNetwork
    from harness.wasmbed.api.console_client import ConsoleClient, NoConsole

    client = ConsoleClient(api, SystemNetwork())
    try:
        async for line in client.lines(device, tail=tail, follow=follow):
            say(line)
    except NoConsole as error:
        raise UsageError(str(error), where=device.name, do="see kubectl describe device") from error
    except OSError as error:
        do = "see whether the manager runs, and whether its address can be reached from here; or ask the REST API"
        raise RigError(str(error), where=device.name, do=do) from error
    finally:
        await client.close()
