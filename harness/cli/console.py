"""``wasmbed console``: one board's console, with keys that act on the board. Its firmware takes no input."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import click

from harness.cli import completion
from harness.cli.asking import asked
from harness.cli.cluster import asynchronous, cluster_options, opened
from harness.cli.ending import End
from harness.cli.keys import LEAVE, keys
from harness.cli.logs import WantedLines, board_lines, together
from harness.cli.output import say
from harness.core.errors import HarnessError

KEYS = {
    "o": ("power", "on"),
    "f": ("power", "off"),
    "x": ("power", "cut"),
    "r": ("power", "reset"),
    "c": ("link", "cut"),
    "l": ("link", "restore"),
}
"""The act of each key; the board's console shows the rest."""
HELP = "keys: o power on, f power off, x cut power, r reset, c cut link, l restore link, q leave"
TAIL = 20


@click.command()
@click.argument("board", shell_complete=completion.boards)
@cluster_options
@asynchronous
async def console(board: str, kubeconfig: Path | None, namespace: str) -> None:
    """Follow the console of a board that wasmbed up runs. On a terminal, keys act on the board; ? shows them.

    q, Ctrl-] or Ctrl-C leave it; the board goes on.
    """
    end = End()
    end.watch_reader()
    async with (
        opened(kubeconfig, namespace) as api,
        aclosing(board_lines(api, board, WantedLines(True, TAIL))) as lines,
    ):
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            await end.unless(_show(lines))
            return
        with keys() as typed:
            say(HELP, err=True, dim=True)
            await end.unless(together(_show(lines), _act(typed, board, kubeconfig), first=True))


async def _show(lines: AsyncIterator[tuple[str, str]]) -> None:
    async for _, line in lines:
        say(line)


async def _act(typed: asyncio.Queue[str], board: str, kubeconfig: Path | None) -> None:
    """Do what keys ask for, one after the other, until one leaves."""
    while (key := await typed.get()) not in LEAVE:
        if key == "?":
            say(HELP, err=True, dim=True)
        if key not in KEYS:
            continue
        do, act = KEYS[key]
        try:
            async for answer in asked(kubeconfig, do, act=act, boards=[board]):
                say(f"-- {answer['name']}: {answer['is']}", err=True, fg="cyan")
        except HarnessError as error:
            say(f"-- {error.what}", err=True, fg="red")
