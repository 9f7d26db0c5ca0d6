"""``wasmbed down`` and ``ps``: end and show a platform that ``wasmbed up`` runs, also one in the background."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.cluster import asynchronous
from harness.cli.forms import form_option, show_document
from harness.cli.kubeconfig import default_kubeconfig
from harness.cli.output import say
from harness.cli.tables import Table
from harness.core.errors import RigError
from harness.wasmbed.resources.kubeconfig_files import kubeconfig_of_environment

if TYPE_CHECKING:
    from harness.cli.shapes import UpDocument

POWER = {"on": "green", "off": "yellow"}


def _platform_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--kubeconfig",
        type=click.Path(path_type=Path),
        help="The file that wasmbed up has written.  [default: $KUBECONFIG, or the file that it writes by default]",
    )(command)


@click.command()
@_platform_option
@asynchronous
async def down(kubeconfig: Path | None) -> None:
    """Stop the platform that wasmbed up runs, and return when everything has ended."""
    await _asked(kubeconfig, "stop")
    say("stopped")


@click.command()
@form_option
@_platform_option
@asynchronous
async def ps(form: str, kubeconfig: Path | None) -> None:
    """Show the platform that wasmbed up runs, and its boards."""
    found: UpDocument = await _asked(kubeconfig, "status")
    if show_document(form, found, [f"board/{board['name']}" for board in found["boards"]]):
        return
    since = found["since"].partition(".")[0] + "Z"
    say(f"cluster {found['cluster']}, gateway {found['gateway']}, namespace {found['namespace']}, since {since}")
    table = Table("board", "kind", "device", "power", *["pid"] * (form == "wide"))
    for board in found["boards"]:
        pid = [str(board["pid"] or "")] * (form == "wide")
        table.add(board["name"], board["kind"], board["device"], (board["power"], POWER[board["power"]]), *pid)
    table.show("no boards")


async def _asked(kubeconfig: Path | None, what: str) -> Any:
    """The answer to a request, when the connection has ended."""
    from harness.cli.up_requests import socket_of
    from harness.platform.control import ask

    path = kubeconfig or kubeconfig_of_environment() or default_kubeconfig()
    answers = [answer async for answer in ask(socket_of(path), "wasmbed up -d", do=what)]
    if not answers:
        raise RigError("the platform ended", where=str(path), do="start it again: wasmbed up -d")
    return answers[0]
