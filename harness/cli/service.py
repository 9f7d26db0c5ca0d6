"""A command that goes on without a terminal, in a session of its own; what it prints is shown until it is ready.

The command that starts it passes ``--report`` with the descriptor of a pipe. What the service prints goes to its log,
and until it is ready to the pipe, too: a line of JSON for each piece, with the stream that it is for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, TextIO

from harness.cli.output import say
from harness.core.errors import RigError, UsageError, reason

__all__ = ["Report", "start_service"]

_READY = {"ready": True}


class Report:
    """In the service: copies what it prints to the pipe until :meth:`ready`."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)  # the command waits for its end, which other programs must not hold open
        self._pipe = os.fdopen(descriptor, "w", buffering=1)
        self._streams = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = (_Copy(stream, self, number) for number, stream in enumerate(self._streams, 1))

    def send(self, message: dict[str, Any]) -> None:
        """Send a message; the command that reads it may have been interrupted."""
        with suppress(OSError, ValueError):
            self._pipe.write(json.dumps(message) + "\n")

    def ready(self) -> None:
        """Let the command end."""
        self.send(_READY)
        sys.stdout, sys.stderr = self._streams
        with suppress(OSError):
            self._pipe.close()


class _Copy:
    """A text stream whose text the report gets, too."""

    def __init__(self, stream: TextIO, report: Report, number: int) -> None:
        self._stream, self._report, self._number = stream, report, number

    def write(self, text: str) -> int:
        self._report.send({"stream": self._number, "text": text})
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def start_service(arguments: Sequence[str], log: Path) -> int:
    """Start ``wasmbed ARGUMENTS --report N``, and show what it prints until it is ready.

    Returns 0, or the exit code of a service that ended before; its error has been shown then. Raises UsageError if the
    ``log`` cannot be written, RigError if the service was killed.
    """
    ours, theirs = os.pipe()
    with os.fdopen(ours) as report:
        try:
            with log.open("ab") as file:
                process = _spawn([*arguments, "--report", str(theirs)], theirs, file)
        except OSError as error:
            raise UsageError(f"cannot be written: {reason(error)}", where=str(log), do="make it writable") from error
        finally:
            os.close(theirs)
        for line in report:
            message = json.loads(line)
            if message == _READY:
                return 0
            say(message["text"], err=message["stream"] == 2, nl=False)
    code = process.wait()
    if code < 0:
        raise RigError(f"the service was killed by signal {-code}", where=str(log), do="see what is in that file")
    return code


def _spawn(arguments: Sequence[str], report: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "harness.cli", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        pass_fds=[report],
    )
