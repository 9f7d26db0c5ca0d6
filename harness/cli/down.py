"""``wasmbed down`` and ``ps``: end and show a platform that ``wasmbed up`` runs, also one in the background."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.asking import asked, platform_option
from harness.cli.cluster import asynchronous
from harness.cli.forms import form_option, show_document
from harness.cli.output import say
from harness.cli.tables import Table

if TYPE_CHECKING:
    from harness.cli.shapes import UpDocument

POWER = {"on": "green", "off": "yellow"}


@click.command()
@platform_option
@asynchronous
async def down(kubeconfig: Path | None) -> None:
    """Stop the platform that wasmbed up runs, and return when everything has ended."""
    async for _ in asked(kubeconfig, "stop"):
        pass
    say("stopped")


@click.command()
@form_option
@platform_option
@asynchronous
async def ps(form: str, kubeconfig: Path | None) -> None:
    """Show the platform that wasmbed up runs, and its boards."""
    answers: list[UpDocument] = [answer async for answer in asked(kubeconfig, "status")]
    found = answers[0]
    if show_document(form, found, [f"board/{board['name']}" for board in found["boards"]]):
        return
    since = found["since"].partition(".")[0] + "Z"
    say(f"cluster {found['cluster']}, gateway {found['gateway']}, namespace {found['namespace']}, since {since}")
    table = Table("board", "kind", "device", "power", *["pid"] * (form == "wide"))
    for board in found["boards"]:
        pid = [str(board["pid"] or "")] * (form == "wide")
        table.add(board["name"], board["kind"], board["device"], (board["power"], POWER[board["power"]]), *pid)
    table.show("no boards")
