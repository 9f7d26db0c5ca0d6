"""``wasmbed sensor`` and ``gpio``: the world of the boards of a running ``wasmbed up``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import completion
from harness.cli.acts import act_on, all_option, boards_argument
from harness.cli.asking import asked, platform_option
from harness.cli.cluster import asynchronous
from harness.cli.forms import form_option, show_document
from harness.cli.output import say
from harness.cli.tables import Table
from harness.core.errors import UsageError

if TYPE_CHECKING:
    from harness.cli.shapes import GpioDocument

FREE = "free"


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("board", shell_complete=completion.boards)
@click.argument("channel", type=click.IntRange(0, 7))
@click.argument("value", metavar="VALUE|FILE.csv|free")
@platform_option
@asynchronous
async def sensor(board: str, channel: int, value: str, kubeconfig: Path | None) -> None:
    """Let applications on a board read VALUE at a sensor's channel, in the sensor's unit: 21.5.

    A CSV file has a series, with seconds and value on each line; the command ends with its last line. "free" gives the
    channel back to the board, which makes readings of its own.
    """
    if value == FREE:
        await act_on(kubeconfig, (board,), False, "sensor", "release", channel=channel)
    elif value.endswith(".csv"):
        await _play(board, channel, Path(value), kubeconfig)
    else:
        await act_on(kubeconfig, (board,), False, "sensor", "set", channel=channel, value=_number(value))


@click.command()
@boards_argument
@all_option
@form_option
@platform_option
@asynchronous
async def gpio(boards: tuple[str, ...], everything: bool, form: str, kubeconfig: Path | None) -> None:
    """Show the output pins that applications have set high."""
    if bool(boards) == everything:
        raise UsageError("name boards, or all with --all", where="gpio", do="wasmbed ps lists them")
    found: GpioDocument = {
        "boards": [
            {"name": answer["name"], "high": [int(pin) for pin in answer["is"].split()]}
            async for answer in asked(kubeconfig, "pins", act="show", boards=boards)
        ]
    }
    found["boards"].sort(key=lambda row: row["name"])
    if show_document(form, found, [f"board/{row['name']}" for row in found["boards"]]):
        return
    table = Table("board", "high pins")
    for row in found["boards"]:
        table.add(row["name"], ", ".join(map(str, row["high"])) or "none")
    table.show("no boards")


async def _play(board: str, channel: int, path: Path, kubeconfig: Path | None) -> None:
    from harness.boards.sensors import read_series
    from harness.core.clock import SystemClock

    clock = SystemClock()
    series, began = [*read_series(path)], clock.now()
    for at, value in series:
        await clock.sleep(max(0.0, began + at - clock.now()))
        await act_on(kubeconfig, (board,), False, "sensor", "set", channel=channel, value=value)
    say(f"{path}: all {len(series)} values were set")


def _number(text: str) -> float:
    from harness.boards.sensors import thousandths

    try:
        value = float(text)
    except ValueError as error:
        do = "write a number, name a file that ends with .csv, or write free"
        raise UsageError(f"{text!r} is not a value", where="VALUE", do=do) from error
    thousandths(value)
    return value
