"""Python programs in copies of a process that has imported pytest and the harness already: see ``fork_server``."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from subprocess import PIPE, STDOUT
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Self

from tests.fork_server import Request
from tests.processes import PYTEST


class Process:
    """A running program: what the tests need of ``subprocess.Popen``. It ends with this object."""

    def __init__(self, server: socket.socket, stdout: IO[bytes] | None, stderr: IO[bytes] | None) -> None:
        """``server``: the connection of the request."""
        self._server, self.stdout, self.stderr = server, stdout, stderr
        self.pid = int(server.recv(100))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, which is negative if a signal ended it; None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its exit code. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            self._server.settimeout(timeout)
            try:
                status = int(self._server.recv(100))
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0) from None
            self._server.close()
            self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has ended, and its exit code is on its way
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        if error is not None:
            self.kill()
        self.wait()


def start_python(
    *arguments: str,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    output: int | IO[bytes] = PIPE,
    errors: int | IO[bytes] = STDOUT,
    leads: bool = False,
) -> Process | subprocess.Popen[bytes]:
    """Start ``python`` with these arguments: ``-m`` and a module, or ``-c`` and a program, and what is for them.

    With ``leads`` it leads a process group of its own. Where the environment has to be there when the interpreter
    starts, it is a new interpreter.
    """
    environment = dict(os.environ if environment is None else environment)
    if any(_is_read_at_start(name) and os.environ.get(name) != environment[name] for name in environment) or (
        "COVERAGE_PROCESS_CONFIG" in environment
    ):
        command = [sys.executable, *arguments]
        return subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=errors, start_new_session=leads
        )
    request = Request(arguments=arguments, folder=str(folder or Path.cwd()), environment=environment, leads=leads)
    stdout, its_stdout = _reader(output)
    stderr, its_stderr = (None, its_stdout) if errors == STDOUT else _reader(errors)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server.connect(str(forking_commands() / "socket"))
    socket.send_fds(server, [repr(request).encode(errors="surrogateescape")], [0, its_stdout, its_stderr])
    for reader, descriptor in ((stdout, its_stdout), (stderr, its_stderr)):
        if reader is not None:
            os.close(descriptor)
    return Process(server, stdout, stderr)


def _reader(output: int | IO[bytes]) -> tuple[IO[bytes] | None, int]:
    """Where to read what is written to it, if anywhere, and the descriptor to write to."""
    if output == PIPE:
        reading, writing = os.pipe()
        return open(reading, "rb"), writing
    return None, output if isinstance(output, int) else output.fileno()


def run_python(
    *arguments: str, folder: Path | None = None, environment: Mapping[str, str] | None = None, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run ``python`` to its end; see :func:`start_python`. Raises subprocess.TimeoutExpired."""
    with TemporaryFile() as output, TemporaryFile() as errors:
        with start_python(*arguments, folder=folder, environment=environment, output=output, errors=errors) as process:
            try:
                code = process.wait(timeout)
            finally:
                process.kill()
        said = []
        for file in (output, errors):
            file.seek(0)
            said.append(file.read().decode(errors="replace"))
    return subprocess.CompletedProcess(arguments, code, *said)


def run_pytest(
    *arguments: str, folder: Path, environment: Mapping[str, str], timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run pytest in ``folder`` with that environment and no other. Raises subprocess.TimeoutExpired."""
    return run_python(*PYTEST[1:], *arguments, folder=folder, environment=environment, timeout=timeout)


def _is_read_at_start(name: str) -> bool:
    return name.startswith("PYTHON") and name != "PYTHONPATH"


@cache
def _server() -> tuple[socket.socket, Path]:
    """The socket that the server lives as long as, and its folder."""
    ours, its = socket.socketpair()
    program = f"from tests.fork_server import main; main({its.fileno()})"
    process = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parents[1], pass_fds=[its.fileno()])
    process.returncode = 0  # nobody waits for it
    its.close()
    return ours, Path(ours.recv(10_000).decode())


def forking_commands() -> Path:
    """A folder with ``python``, ``pytest``, ``robot`` and ``wasmbed`` for the ``PATH`` of programs that start them."""
    return _others[0] if _others else _server()[1]


_others: list[Path] = []


def use_server(folder: Path) -> None:
    """Have the server of another process make the copies: the workers of a run have one together."""
    _others[:] = [folder]
