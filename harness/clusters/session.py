"""A server that is started for a session: shared by its processes, and gone when the last of them is, however it ended.

The server's folder holds a FIFO that every user keeps open for writing: the kernel counts the users, so there is
nothing to clean up after a ``kill -9``. Whoever opens it holds the folder's lock, and so does the server while it makes
sure that nobody is left; then it removes the folder. Only a server that was killed itself leaves one, and the next
start takes that away.
"""

from __future__ import annotations

import asyncio
import fcntl
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

from harness.core.errors import RigError, reason
from harness.core.identifiers import Randomness

__all__ = ["PREFIX", "Server", "is_running", "join", "sweep"]

PREFIX = "wasmbed-server-"
"""How the servers' folders are called, in the folder for temporary files."""
SESSION = ("PYTEST_XDIST_TESTRUNUID", "WASMBED_RUN_FOLDER")
"""Environment variables that all processes of a session have in common: pytest-xdist's, and pabot's through us."""
READY_WITHIN = 100.0
LAST_LINES, LONGEST = 12, 240


class Server:
    """A server that this process uses, until it ends."""

    def __init__(self, folder: Path, use: int, pid: int | None = None) -> None:
        """``pid``: of the server, where this process has started it."""
        self._folder, self._use, self._pid = folder, use, pid

    @property
    def kubeconfig(self) -> Path:
        """How to reach it."""
        return self._folder / "kubeconfig"

    @property
    def log(self) -> Path:
        """What it says."""
        return self._folder / "log"

    def is_running(self) -> bool:
        """Whether the other end of the FIFO is there."""
        poll = select.poll()
        poll.register(self._use, 0)
        return not poll.poll(0)

    async def ended(self) -> None:
        """Wait until it ends; for ever where another process has started it, or the system cannot tell."""
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

    def last_words(self) -> str:
        """The end of its log, beginning with a line feed; empty where there is none."""
        with suppress(OSError):
            lines = self.log.read_text("utf-8", "replace").strip().splitlines()[-LAST_LINES:]
            return "".join(f"\n    {line[:LONGEST]}" for line in lines)
        return ""

    def leave(self) -> None:
        """Use it no more."""
        os.close(self._use)


_joined: dict[str, Server] = {}
_joining = threading.Lock()


def join(kind: str, command: Sequence[str]) -> Server:
    """The session's server of a kind, which this process uses until it ends.

    The first who asks starts it: ``command`` gets the folder as its last argument, says ``ready`` when ``kubeconfig``
    is there, and ends when the FIFO has no writer any more. Whoever asks meanwhile waits. Raises RigError where it does
    not come up.
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
        key = Path(session).name if session is not None else f"{os.getpid()}-{Randomness().token(4)}"
        folder = Path(tempfile.gettempdir()) / f"{PREFIX}{os.getuid()}-{kind}-{key}"
        with _locked(folder):
            try:
                server = Server(folder, os.open(folder / "users", os.O_WRONLY | os.O_NONBLOCK))
            except OSError:  # nobody has started it, or it was killed
                server = _start(folder, [*command, str(folder)])
        return _joined.setdefault(kind, server)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder that is there and stays there."""
    while True:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        try:
            if not _is_ours(folder):
                raise RigError("is somebody else's", where=str(folder), do="remove it, or set TMPDIR")
            descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:  # a server has just ended and taken it away
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


def _start(folder: Path, command: Sequence[str]) -> Server:
    """Start a server and wait until it is ready."""
    for path in folder.iterdir():
        if path.name != "lock":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    users = folder / "users"
    os.mkfifo(users, 0o600)
    # Open for both, so that neither end waits for the other; that would also hide its end, so not for long.
    both = os.open(users, os.O_RDWR)
    try:
        ready, told = os.pipe()
        try:
            pid = _spawn(folder, command, told)
        finally:
            os.close(told)
        try:
            said = _line(ready)
        finally:
            os.close(ready)
        if said != b"ready\n":
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            what = f"was not ready within {READY_WITHIN:g} s" if said is None else "ended at once"
            last_words = Server(folder, both).last_words()
            raise RigError(
                f"the API server {what}; its last words:{last_words or ' none'}",
                where=command[0],
                do="see the machine's load and free memory",
            )
        return Server(folder, os.open(users, os.O_WRONLY | os.O_NONBLOCK), pid)
    finally:
        os.close(both)


def _line(descriptor: int) -> bytes | None:
    """What comes out of a pipe up to a line feed or its end; None where nothing does in time."""
    line = b""
    while not line.endswith(b"\n"):
        if not select.select([descriptor], [], [], READY_WITHIN)[0]:
            return None
        if not (data := os.read(descriptor, 16)):
            break
        line += data
    return line


def _spawn(folder: Path, command: Sequence[str], told: int) -> int:
    """Start the server in a session of its own: Ctrl-C is for its users."""
    log = str(folder / "log")
    actions = [
        (os.POSIX_SPAWN_DUP2, told, 1),
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
    ]
    try:
        return os.posix_spawn(command[0], list(command), os.environ, setsid=True, file_actions=actions)
    except OSError as error:
        raise RigError(f"cannot be started: {reason(error)}", where=command[0], do="see wasmbed doctor") from error


def sweep() -> list[Path]:
    """Take away what servers that were killed have left; returns what is gone."""
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
