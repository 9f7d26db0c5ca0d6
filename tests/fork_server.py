"""A process that has imported pytest and the harness, and copies itself for each Python program that is asked for.

Most of the processor time of a small run are imports. The copy (``fork``) is a process of its own, with the arguments,
environment, folder, and streams that it is given. Robot is not imported: it reads its folder when it is.

A copy that comes to its end waits for its threads, runs what is registered for the exit, and collects its garbage, as
every interpreter does. It then leaves out to take the modules apart: that would copy most of the memory that it shares.

A request is a connection: the server gets a :class:`Request` and the three streams, and answers with the process's id
and, when it has ended, its status. A process whose connection is closed is killed. For programs that start others,
the server's folder has commands that make such requests: ``python`` and its scripts.
"""

from __future__ import annotations

import ast
import atexit
import contextlib
import gc
import importlib
import inspect
import itertools
import os
import runpy
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, NotRequired, TypedDict

from harness.boards.catalogue import registered as tiers
from harness.core.data_files import data_folder
from harness.core.entry_points import entry_points
from harness.sequences import catalogue

IMPORTED = (
    "_pytest._argcomplete",
    "_pytest.doctest",
    "_pytest.faulthandler",
    "_pytest.helpconfig",
    "_pytest.junitxml",
    "_pytest.pastebin",
    "_pytest.pytester",
    "_pytest.setuponly",
    "_pytest.setupplan",
    "_pytest.skipping",
    "_pytest.threadexception",
    "_pytest.tracemalloc",
    "_pytest.unittest",
    "_pytest.unraisableexception",
    "_pytest.warnings",
    "allure_commons.logger",
    "allure_commons.reporter",
    "cryptography.hazmat.backends.openssl.backend",
    "encodings.idna",
    "execnet.gateway_base",
    "execnet.multi",
    "harness.boards.catalogue",
    "harness.boards.qemu",
    "harness.boards.renode",
    "harness.boards.virtual",
    "harness.cli.applications",
    "harness.cli.boards",
    "harness.cli.check",
    "harness.cli.logs",
    "harness.cli.main",
    "harness.cli.monitor",
    "harness.cli.platform",
    "harness.cli.sequences",
    "harness.clusters.embedded",
    "harness.clusters.embedded.process.worker",
    "harness.clusters.existing",
    "harness.gateways.reference",
    "harness.pytest_plugin.asynchronous",
    "harness.pytest_plugin.awaiting",
    "harness.pytest_plugin.ending",
    "harness.pytest_plugin.escaping",
    "harness.pytest_plugin.run",
    "harness.pytest_plugin.session",
    "harness.reporting.finish",
    "harness.reporting.report",
    "harness.stack.hosted",
    "kubernetes.client.api_client",
    "kubernetes.config.kube_config",
    "packaging.version",
    "secrets",
    "uvloop",
)
LARGEST_REQUEST = 1 << 17
STREAMS = 3
SIGNALS: dict[signal.Signals, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
}
"""Signals to all processes of a terminal or a job, with their handlers in a copy. The server ignores them: it ends with
its owner. A copy obeys them even if the run does not: a shell has its jobs in the background ignore SIGINT."""
SCRIPTS = ("pytest", "robot", "wasmbed")
COMMAND = """#!/bin/sh
'''exec' "{python}" -IS "$0" "$@"
' '''
import _socket, os, signal, struct, sys
arguments = [*{script!r}, *sys.argv[1:]]
modules = ["pytest", "harness.clusters.embedded.process.worker"]
known = {script!r} or arguments[:1] in (["-c"], ["-u"]) or arguments[:1] == ["-m"] and arguments[1] in modules
if not known:  # it may have more open files than the streams
    os.execv("{python}", ["{python}", *arguments])
server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
server.connect("{address}")
request = {{"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}}
streams = _socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("3i", 0, 1, 2)
server.sendmsg([repr(request).encode()], [streams])
for stream in range(3):
    os.close(stream)
server.recv(100)
code = os.waitstatus_to_exitcode(int(server.recv(100)))
if code < 0:
    if -code != signal.SIGKILL:
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""
"""Has a copy run ``python`` or the script, and ends as the copy does."""


class Request(TypedDict):
    """``arguments``: those of ``python``, which begin with ``-m``, ``-c`` or a file, after ``-u`` or ``-P`` if any.
    ``leads``: the copy leads a process group of its own."""

    arguments: Sequence[str]
    folder: str
    environment: dict[str, str]
    leads: NotRequired[bool]


class Server:
    """Copies this process, as asked."""

    def __init__(self, life: socket.socket, listener: socket.socket, python: Path) -> None:
        """``life``: its other end is closed when the server is not needed any more."""
        self._life, self._listener, self._python = life, listener, python
        self._selector = selectors.PollSelector()
        self._selector.register(life, selectors.EVENT_READ)
        self._selector.register(listener, selectors.EVENT_READ, self._start)

    def serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                key.data()

    def _start(self) -> None:
        asked, _ = self._listener.accept()
        data, streams, *_ = socket.recv_fds(asked, LARGEST_REQUEST, STREAMS)
        if not data:  # the caller was killed
            asked.close()
            return
        request: Request = ast.literal_eval(data.decode(errors="surrogateescape"))
        if (pid := os.fork()) == 0:
            for key in self._selector.get_map().values():
                key.fileobj.close() if isinstance(key.fileobj, socket.socket) else os.close(key.fd)
            asked.close()
            _run(request, streams, self._python)
        if request.get("leads"):
            os.setpgid(pid, pid)  # before anybody has the process's id
        for stream in streams:
            os.close(stream)
        pidfd = os.pidfd_open(pid)

        def give_up() -> None:
            self._selector.unregister(asked)
            os.kill(pid, signal.SIGKILL)

        def report() -> None:
            self._selector.unregister(pidfd)
            os.close(pidfd)
            status = os.waitpid(pid, 0)[1]
            if asked in self._selector.get_map():
                self._selector.unregister(asked)
                with contextlib.suppress(OSError):
                    asked.send(str(status).encode())
            asked.close()

        self._selector.register(pidfd, selectors.EVENT_READ, report)
        self._selector.register(asked, selectors.EVENT_READ, give_up)
        with contextlib.suppress(OSError):
            asked.send(str(pid).encode())


def main(descriptor: int) -> None:
    """Serve, for the process that has the other end of this socket. It sends its folder at once, and requests wait."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    folder = Path(tempfile.mkdtemp(prefix="fork-"))
    python, address = Path(sys.executable), str(folder / "socket")
    for name, script in (("python", []), *((name, [str(python.with_name(name))]) for name in SCRIPTS)):
        (folder / name).write_text(COMMAND.format(python=python, script=script, address=address))
        (folder / name).chmod(0o755)
    with socket.socket(fileno=descriptor) as life, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        listener.listen(100)
        life.send(str(folder).encode())
        _prepare()
        Server(life, listener, folder / "python").serve()
    shutil.rmtree(folder)  # a copy does not come here


def _prepare() -> None:
    """Do what each copy would do: import, parse, ask."""
    for name in IMPORTED:
        importlib.import_module(name)
    catalogue(data_folder("scenarios/sequences"))  # these files stay parsed, by their text
    tiers()  # and the entry points read, the versions of QEMU asked for, by its path
    for group in ("harness.clusters", "harness.gateways"):
        entry_points(group)
    inspect.getmodule(compile("", "no file", "exec"))  # has it look up the files of all modules, for tracebacks
    gc.collect()
    gc.freeze()  # a copy collects what it makes itself; it neither touches nor so copies the rest


def _run(request: Request, streams: Sequence[int], python: Path) -> NoReturn:
    """Be the program, and end. An error that the program does not catch is the interpreter's to show."""
    try:
        _become(request, streams, python)
    except SystemExit as end:
        if end.code is not None and not isinstance(end.code, int):
            raise
        code = end.code or 0
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    gc.collect()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code & 0xFF)


def _become(request: Request, streams: Sequence[int], python: Path) -> NoReturn:
    """Be ``python`` with the request's arguments."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for stream in streams:
        os.close(stream)
    for number, handler in SIGNALS.items():
        signal.signal(number, handler)
    environment = request["environment"]
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(environment)
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    arguments = request["arguments"]
    own = list(itertools.takewhile(("-u", "-P").__contains__, arguments))
    kind, *rest = arguments[len(own) :]
    first = [] if "-P" in own else [{"-c": "", "-m": request["folder"]}.get(kind, str(Path(kind).parent))]
    sys.path[:1] = [*first, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    sys.executable = str(python)
    importlib.invalidate_caches()
    if kind == "-c":
        program, *sys.argv[1:] = rest
        sys.argv[0] = kind
        exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})
    elif kind == "-m":
        module, *sys.argv[1:] = rest
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        sys.argv = [kind, *rest]
        runpy.run_path(kind, run_name="__main__")
    sys.exit()
