"""A separate pytest in a copy of a process that has imported pytest and the harness already.

Most of the processor time of a small run are imports. The copy (``fork``) is a process of its own, with the arguments,
environment, and folder that it is given, and ends as every interpreter does. The workers that it starts, and the runs
that a shell starts, import everything themselves.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import NoReturn

import pytest

from tests.processes import PYTEST

IMPORTED = (
    "harness.boards.virtual",
    "harness.clusters.embedded",
    "harness.pytest_plugin.run",
    "harness.pytest_plugin.session",
    "harness.reporting.finish",
    "harness.reporting.report",
    "harness.stack.hosted",
)
LARGEST_REQUEST = 1 << 17


def run_pytest(
    *arguments: str, folder: Path, environment: Mapping[str, str], timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run pytest in ``folder`` with that environment and no other. Raises subprocess.TimeoutExpired.

    Where the environment has to be there when the interpreter starts, it is a new interpreter.
    """
    command = [*PYTEST, *arguments]
    if any(_is_read_at_start(name) and os.environ.get(name) != environment[name] for name in environment) or (
        "COVERAGE_PROCESS_CONFIG" in environment
    ):
        return subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    with TemporaryFile() as output, TemporaryFile() as errors:
        request = json.dumps({"arguments": command[3:], "folder": str(folder), "environment": {**environment}})
        original = _original()
        socket.send_fds(original, [request.encode()], [output.fileno(), errors.fileno()])
        pid = int(original.recv(100))
        original.settimeout(timeout)
        try:
            status = int(original.recv(100))
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            original.settimeout(None)
            original.recv(100)
            raise subprocess.TimeoutExpired(command, timeout) from None
        finally:
            original.settimeout(None)
        said = []
        for file in (output, errors):
            file.seek(0)
            said.append(file.read().decode(errors="replace"))
    return subprocess.CompletedProcess(command, os.waitstatus_to_exitcode(status), *said)


def _is_read_at_start(name: str) -> bool:
    return name.startswith("PYTHON") and name != "PYTHONPATH"


@cache
def _original() -> socket.socket:
    """The process that is copied, as the end of its socket; it ends with this process."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    program = f"from tests.forked import serve; serve({its.fileno()})"
    process = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parents[1], pass_fds=[its.fileno()])
    process.returncode = 0  # nobody waits for it
    its.close()
    return ours


def serve(descriptor: int) -> None:
    """Run one pytest after another, as asked."""
    for name in IMPORTED:
        importlib.import_module(name)
    with socket.socket(fileno=descriptor) as asked:
        while True:
            request, descriptors, *_ = socket.recv_fds(asked, LARGEST_REQUEST, 2)
            if not request:
                return
            if (pid := os.fork()) == 0:
                asked.close()
                _become(**json.loads(request), descriptors=descriptors)
            for each in descriptors:
                os.close(each)
            asked.send(str(pid).encode())
            asked.send(str(os.waitpid(pid, 0)[1]).encode())


def _become(arguments: list[str], folder: str, environment: dict[str, str], descriptors: Sequence[int]) -> NoReturn:
    """Be ``python -m pytest`` with these arguments."""
    for number, each in enumerate(descriptors, start=1):
        os.dup2(each, number)
        os.close(each)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    paths = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:1] = [folder, *paths]
    sys.argv = [str(Path(pytest.__file__).with_name("__main__.py")), *arguments]
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    importlib.invalidate_caches()
    sys.exit(pytest.console_main())
