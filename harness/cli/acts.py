"""``wasmbed power`` and ``link``: acts on the boards of a running ``wasmbed up``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.cli import completion
from harness.cli.asking import asked, platform_option
from harness.cli.cluster import asynchronous
from harness.cli.output import say
from harness.core.errors import UsageError

boards_argument = click.argument("boards", metavar="BOARD...", nargs=-1, shell_complete=completion.boards)
all_option = click.option("--all", "-a", "everything", is_flag=True, help="All boards.")


@click.command()
@click.argument("act", type=click.Choice(["on", "off", "cut", "reset"]))
@boards_argument
@all_option
@platform_option
@asynchronous
async def power(act: str, boards: tuple[str, ...], everything: bool, kubeconfig: Path | None) -> None:
    """Switch boards of wasmbed up on or off, cut their power without a warning, or reset them."""
    await act_on(kubeconfig, boards, everything, "power", act)


@click.command()
@click.argument("act", type=click.Choice(["cut", "restore", "delay"]))
@boards_argument
@all_option
@click.option("--by", metavar="TIME", help="The delay, in each direction: 200ms, 2s.")
@platform_option
@asynchronous
async def link(act: str, boards: tuple[str, ...], everything: bool, by: str | None, kubeconfig: Path | None) -> None:
    """Cut the links of boards of wasmbed up, delay what crosses them (wasmbed up --relay), or restore them."""
    if (act == "delay") != (by is not None):
        raise UsageError("a delay needs its time, and nothing else has one", where="--by", do="write --by 200ms")
    await act_on(kubeconfig, boards, everything, "link", act, **({} if by is None else {"seconds": _seconds(by)}))


async def act_on(
    kubeconfig: Path | None, boards: tuple[str, ...], everything: bool, do: str, act: str, **more: Any
) -> None:
    """Ask the platform to act on boards, and print each as it is done."""
    if bool(boards) == everything:
        raise UsageError("name boards, or all with --all", where=f"{do} {act}", do="wasmbed ps lists them")
    async for answer in asked(kubeconfig, do, act=act, boards=boards, **more):
        say(f"{answer['name']}: {answer['is']}")


def _seconds(text: str) -> float:
    from harness.wasmbed.resources.durations import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(str(error), where="--by", do="write 200ms or 2s") from error
