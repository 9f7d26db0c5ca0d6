"""A command line as a separate process, which runs until it is stopped."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
from typing import Protocol

from tests.forked import start_python

HUNG = 120
"""Seconds after which a test gives up, however busy the machine is."""

DEFAULT_SIGNALS = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)"
"""The parent process may ignore hangups."""


class Command:
    """``wasmbed`` with these arguments; ``limits`` are those of ``resource.setrlimit``."""

    def __init__(self, *arguments: str, output: int = subprocess.PIPE, prelude: str = "") -> None:
        program = f"{DEFAULT_SIGNALS}\n{prelude}\nfrom harness.cli import main; main()"
        errors = subprocess.STDOUT if output == subprocess.PIPE else subprocess.PIPE
        self.process = start_python("-c", program, *arguments, output=output, errors=errors)
        self._stream = self.process.stdout or self.process.stderr
        self.said = ""

    def until(self, text: str) -> None:
        """Read until ``text`` is in the output."""
        assert self._stream
        with selectors.DefaultSelector() as selector:
            selector.register(self._stream, selectors.EVENT_READ)
            while text not in self.said:
                assert selector.select(timeout=HUNG), f"{text!r} did not come: {self.said}"
                piece = os.read(self._stream.fileno(), 65_536).decode()
                assert piece, f"{text!r} did not come: {self.said}"
                self.said += piece

    def end(self, number: signal.Signals | None = None) -> int:
        """Send a signal, if given, and wait for the exit code, which is negative if a signal ended the process."""
        if number is not None:
            self.process.send_signal(number)
        assert self._stream
        self.said += self._stream.read().decode()
        self._stream.close()
        return self.process.wait(HUNG)


def read_until(descriptor: int, *texts: str) -> None:
    """Read from a terminal until all the texts have come."""
    said = ""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while not all(text in said for text in texts):
            assert selector.select(timeout=HUNG), said
            said += os.read(descriptor, 65_536).decode(errors="replace")


class Start(Protocol):
    """Starts a :class:`Command`."""

    def __call__(self, *arguments: str, output: int = subprocess.PIPE, prelude: str = "") -> Command: ...
