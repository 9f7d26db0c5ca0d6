"""The keys that somebody types at a terminal, one at a time."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["DOWN", "END", "ESCAPE", "HOME", "LEAVE", "PAGE_DOWN", "PAGE_UP", "UP", "keys"]

UP, DOWN, PAGE_UP, PAGE_DOWN = "\x1b[A", "\x1b[B", "\x1b[5~", "\x1b[6~"
HOME, END, ESCAPE = "\x1b[H", "\x1b[F", "\x1b"
LEAVE = ("q", "\x1d", "\x04")
"""q, and Ctrl-] and Ctrl-D, with which other consoles are left."""
_KEY = re.compile(r"\x1b[\[O][0-9;]*[A-Za-z~]|.", re.DOTALL)
_WAITING = 64


@contextmanager
def keys() -> Iterator[asyncio.Queue[str]]:
    """The keys as they are typed, arrows as one; Ctrl-D when the terminal ends. It is as before at the end."""
    loop, typed, terminal = asyncio.get_running_loop(), asyncio.Queue[str](maxsize=_WAITING), sys.stdin.fileno()

    def read() -> None:
        for key in _KEY.findall(os.read(terminal, _WAITING).decode("utf-8", "replace") or LEAVE[-1]):
            if not typed.full():
                typed.put_nowait(key.replace("\x1bO", "\x1b["))

    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal, termios.TCSADRAIN)  # keys that were typed early stay
    loop.add_reader(terminal, read)
    try:
        yield typed
    finally:
        loop.remove_reader(terminal)
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
