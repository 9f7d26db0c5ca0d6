"""A server that is started for a session: shared by its processes, and gone when the last of them is, however it ended.

The server's folder holds a FIFO that every user keeps open for writing: the kernel counts the users, so there is
nothing to clean up after a ``kill -9``. A process that opens it holds the folder's lock, and so does the server while
it makes sure that no user remains; then it removes the folder. Only a server that was killed itself leaves its folder,
and the next start removes that.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import select
import shutil
import signal
import stat
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.core.errors import HarnessError, RigError, UsageError, reason
from harness.core.identifiers import Randomness

__all__ = ["PREFIX", "Server", "as_line", "is_running", "join", "start_alone", "sweep", "until_unused"]

PREFIX = "wasmbed-server-"
"""The prefix of the names of the servers' folders, in the folder for temporary files."""
SESSION = ("PYTEST_XDIST_TESTRUNUID", "WASMBED_RUN_FOLDER")
"""Environment variables that all processes of a session have in common: pytest-xdist's, and pabot's through us."""
READY_WITHIN = 100.0
LAST_LINES, LONGEST = 12, 240


class Server:
    """A server that this process uses, until it ends."""

    def __init__(self, folder: Path, use: int, pid: int | None = None, command: Sequence[str] = ()) -> None:
        """``pid`` and ``command``: the server's, if this process started it."""
        self._folder, self._use, self._pid, self._command = folder, use, pid, command
        self._held: int | None = None
        self.has_types = False
        """Whether this process has seen to it that it serves Wasmbed's resource types."""

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig file of the server."""
        return self._folder / "kubeconfig"

    @property
    def log(self) -> Path:
        """Its output."""
        return self._folder / "log"

    def is_running(self) -> bool:
        """Whether the server still has the FIFO open."""
        poll = select.poll()
        poll.register(self._use, 0)
        return not poll.poll(0)

    async def ended(self) -> None:
        """Wait until it ends; for ever if another process started it, or if the system has no pidfd."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        descriptor = os.pidfd_open(self._pid) if self._pid is not None and hasattr(os, "pidfd_open") else None
        if descriptor is not None:
            loop.add_reader(descriptor, lambda: None if ended.done() else ended.set_result(None))
        try:
            await ended
        finally:
            if descriptor is not None:
                loop.remove_reader(descriptor)
                os.close(descriptor)

    def last_lines(self) -> str:
        """Return the end of its log, beginning with a line feed; empty if there is none."""
        return _end_of(self.log)

    def leave(self) -> None:
        """Stop using the server."""
        os.close(self._use)
        if self._held is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            os.close(self._held)

    def kill(self) -> None:
        """Kill a server of :func:`start_alone`. Its folder stays: this process holds the lock meanwhile."""
        if self._pid is None or self._held is not None:
            raise RuntimeError("only a server that was started here, and runs, can be killed")
        self._held = os.open(self._folder / "lock", os.O_RDWR)
        fcntl.flock(self._held, fcntl.LOCK_EX)
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)

    def restart(self, within: float | None = None) -> None:
        """Start a server that was killed, in its folder; otherwise as :func:`join`."""
        if self._held is None:
            raise RuntimeError("only a server that was killed can be started again")
        self._pid = _run(self._folder, self._command, READY_WITHIN if within is None else within)
        os.close(self._held)
        self._held = None


_joined: dict[str, Server] = {}
_joining = threading.Lock()


def join(kind: str, command: Sequence[str], *, key: str | None = None, within: float | None = None) -> Server:
    """Return the session's server of a kind, which this process uses until it ends; with ``key`` the one of that key,
    which sessions share.

    The first process that asks starts it: ``command`` gets the folder as its last argument, prints ``ready`` when
    ``kubeconfig`` exists, ``within`` that time in seconds (by default :data:`READY_WITHIN`), and ends when the FIFO has
    no writer any more. Other processes wait meanwhile. A command that cannot start its server prints :func:`as_line` of
    its error, which is raised here; RigError if it prints nothing.
    """
    with _joining:
        if (joined := _joined.pop(kind, None)) is not None:
            if not joined.is_running():
                joined.leave()
            else:
                _joined[kind] = joined
                return joined
        sweep()
        session = next((found for name in SESSION if (found := os.environ.get(name))), None)
        key = key or (Path(session).name if session is not None else f"{os.getpid()}-{Randomness().token(4)}")
        folder = Path(tempfile.gettempdir()) / f"{PREFIX}{os.getuid()}-{kind}-{key}"
        with _locked(folder):
            try:
                server = Server(folder, os.open(folder / "users", os.O_WRONLY | os.O_NONBLOCK))
            except OSError:  # not started yet, or killed
                server = _start(folder, [*command, str(folder)], READY_WITHIN if within is None else within)
        return _joined.setdefault(kind, server)


def start_alone(kind: str, command: Sequence[str], *, within: float | None = None) -> Server:
    """Return a server of a kind that nobody else uses, so that it may be killed; otherwise as :func:`join`."""
    sweep()
    folder = Path(tempfile.gettempdir()) / f"{PREFIX}{os.getuid()}-{kind}-{os.getpid()}-{Randomness().token(4)}"
    with _locked(folder):
        return _start(folder, [*command, str(folder)], READY_WITHIN if within is None else within)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder that exists until it is released."""
    while True:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        try:
            if not _is_ours(folder):
                raise RigError("the folder belongs to another user", where=str(folder), do="remove it, or set TMPDIR")
            descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:  # a server has just ended and removed it
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            with suppress(FileNotFoundError):
                if os.fstat(descriptor).st_ino == (folder / "lock").stat().st_ino:
                    yield
                    return
        finally:
            os.close(descriptor)


def _is_ours(folder: Path) -> bool:
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def as_line(error: HarnessError) -> str:
    """Return an error as the line that a server's command prints."""
    return json.dumps({"exit_code": error.exit_code, "what": error.what, "where": error.where, "do": error.do})


def until_unused(users: int, lock: Path) -> None:
    """Wait, in a server, until no process has the FIFO open; from then on none can open it, because the lock is held.
    ``users`` is the FIFO, opened for reading."""
    descriptor = os.open(lock, os.O_RDWR)
    while True:
        while os.read(users, 64):
            pass
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.set_blocking(users, False)
        try:
            if not os.read(users, 1):
                return
        except BlockingIOError:  # another process has opened it meanwhile
            pass
        finally:
            os.set_blocking(users, True)
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _start(folder: Path, command: Sequence[str], within: float) -> Server:
    """Start a server and wait until it is ready."""
    for path in folder.iterdir():
        if path.name != "lock":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    users = folder / "users"
    os.mkfifo(users, 0o600)
    # Open for both, so that neither end waits for the other; that would also hide its end, so not for long.
    both = os.open(users, os.O_RDWR)
    try:
        pid = _run(folder, command, within)
        return Server(folder, os.open(users, os.O_WRONLY | os.O_NONBLOCK), pid, command)
    finally:
        os.close(both)


def _run(folder: Path, command: Sequence[str], within: float) -> int:
    """Start a server's process and wait until it is ready; returns its id."""
    ready, output = os.pipe()
    try:
        pid = _spawn(folder, command, output)
    finally:
        os.close(output)
    try:
        said = _line(ready, within)
    finally:
        os.close(ready)
    if said == b"ready\n":
        return pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    end = _end_of(folder / "log")
    shutil.rmtree(folder, ignore_errors=True)
    if said is not None and said.startswith(b"{"):
        raise _error_of(said)
    what = f"was not ready within {within:g} s" if said is None else "ended at once"
    raise RigError(
        f"the API server {what}; the end of its log:{end or ' empty'}",
        where=command[0],
        do="see the machine's load and free memory",
    )


def _end_of(log: Path) -> str:
    with suppress(OSError):
        lines = log.read_text("utf-8", "replace").strip().splitlines()[-LAST_LINES:]
        return "".join(f"\n    {line[:LONGEST]}" for line in lines)
    return ""


def _error_of(line: bytes) -> HarnessError:
    said = json.loads(line)
    kind = UsageError if said["exit_code"] == UsageError.exit_code else RigError
    return kind(said["what"], where=said["where"], do=said["do"])


def _line(descriptor: int, within: float) -> bytes | None:
    """Read one line from a pipe; None on timeout."""
    line = b""
    poll = select.poll()  # select.select takes no descriptor above 1023, and a process with many boards has more
    poll.register(descriptor, select.POLLIN)
    while not line.endswith(b"\n"):
        if not poll.poll(1000 * within):
            return None
        if not (data := os.read(descriptor, 1024)):
            break
        line += data
    return line


def _spawn(folder: Path, command: Sequence[str], output: int) -> int:
    """Start the server in a separate process group: Ctrl-C is for its users."""
    log = str(folder / "log")
    actions = [
        (os.POSIX_SPAWN_DUP2, output, 1),
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
    ]
    try:
        return os.posix_spawn(command[0], list(command), os.environ, setsid=True, file_actions=actions)
    except OSError as error:
        raise RigError(f"cannot be started: {reason(error)}", where=command[0], do="see wasmbed doctor") from error


def sweep() -> list[Path]:
    """Remove the folders of servers that were killed; return the removed folders."""
    return [folder for folder in _folders() if _remove_if_dead(folder)]


def _folders() -> Iterator[Path]:
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}{os.getuid()}-*"):
        with suppress(OSError):
            if _is_ours(folder):
                yield folder


def is_running(folder: Path) -> bool:
    """Whether a server of that folder runs, or is being started or ended."""
    try:
        lock = os.open(folder / "lock", os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(os.open(folder / "users", os.O_WRONLY | os.O_NONBLOCK))
    except BlockingIOError:
        return True
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(lock)


def _remove_if_dead(folder: Path) -> bool:
    if is_running(folder):
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()
