"""``wasmbed console``: one board's console, with keys that act on the board. Its firmware takes no input."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

import click

from harness.cli import completion
from harness.cli.asking import asked
from harness.cli.cluster import asynchronous, cluster_options, opened
from harness.cli.ending import End
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
LEAVE = ("q", "\x1d", "\x04")
"""And Ctrl-] and Ctrl-D, with which other consoles are left."""
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
        with _keys() as keys:
            say(HELP, err=True, dim=True)
            await end.unless(together(_show(lines), _act(keys, board, kubeconfig), first=True))


async def _show(lines: AsyncIterator[tuple[str, str]]) -> None:
    async for _, line in lines:
        say(line)


async def _act(keys: asyncio.Queue[str], board: str, kubeconfig: Path | None) -> None:
    """Do what keys ask for, one after the other, until one leaves."""
    while (key := await keys.get()) not in LEAVE:
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


@contextmanager
def _keys() -> Iterator[asyncio.Queue[str]]:
    """The keys that are typed. The terminal is as before at the end."""
    loop, keys, terminal = asyncio.get_running_loop(), asyncio.Queue[str](maxsize=64), sys.stdin.fileno()

    def typed() -> None:
        for key in os.read(terminal, 64).decode("utf-8", "replace") or LEAVE[-1]:
            if not keys.full():
                keys.put_nowait(key)

    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal, termios.TCSADRAIN)  # keys that were typed early stay
    loop.add_reader(terminal, typed)
    try:
        yield keys
    finally:
        loop.remove_reader(terminal)
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
