"""Refuses what would make a simulation depend on the machine: its time, threads, processes, and sockets.

Python reports most of these as audit events (PEP 578). For the time, the functions of the module ``time`` are replaced
while the loop runs: code of the harness and of tests is refused, and libraries, which write a time into a log or a
header, get the virtual one; ``datetime.now`` is refused in the modules of tests (:mod:`.guarded_datetime`). What C
code does by itself, such as OpenSSL, is not seen.
"""

from __future__ import annotations

import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar, NoReturn, Self

from harness.core.errors import UsageError
from harness.sim.guarded_datetime import users_names, without_now
from harness.sim.simulated_time import START, SimulatedTime

__all__ = ["Guard"]

_REFUSED = {
    "_thread.start_new_thread": "start a thread",
    "_thread.start_joinable_thread": "start a thread",
    "os.exec": "start a process",
    "os.fork": "start a process",
    "os.forkpty": "start a process",
    "os.posix_spawn": "start a process",
    "os.spawn": "start a process",
    "os.system": "start a process",
    "pty.spawn": "start a process",
    "socket.__new__": "open a socket",
    "socket.getaddrinfo": "ask the system for an address",
    "socket.gethostbyaddr": "ask the system for an address",
    "socket.gethostbyname": "ask the system for an address",
    "subprocess.Popen": "start a process",
}
"""Audit events, and what is refused."""
_PATHS = sysconfig.get_paths()
_LIBRARIES = tuple({str(Path(_PATHS[name]).resolve()) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_SHARED = tuple(str(Path(__file__).parents[1] / room) for room in ("core", "sim"))
_NANO = 1_000_000_000


class Guard:
    """Refuses inside ``with``. At its end, the first refusal is raised even if the code there hid it."""

    _active: ClassVar[Guard | None] = None
    _hooked: ClassVar[bool] = False

    def __init__(self, simulated: SimulatedTime) -> None:
        self._simulated = simulated
        self._first: UsageError | None = None
        self._thread = 0
        self._replaced: list[tuple[Any, str, Callable[..., Any]]] = []
        self._dates = without_now(lambda: self.refuse("read the machine's time"))

    def refuse(self, what: str) -> NoReturn:
        """Raise UsageError naming the place that wanted to do this."""
        error = UsageError(
            f"a simulated run cannot {what}",
            where=_place(sys._getframe(1)),
            do="take the Clock and the Network that you were given, or run on other boards than sim",
        )
        self._first = self._first or error
        raise error

    def __enter__(self) -> Self:
        if not Guard._hooked:
            sys.addaudithook(_audit)
            Guard._hooked = True
        self._thread = threading.get_ident()
        simulated = self._simulated

        def seconds() -> float:
            return simulated.seconds

        def epoch() -> float:
            return START + simulated.seconds

        for name, now in {"time": epoch, "monotonic": seconds, "perf_counter": seconds}.items():
            self._simulate(name, now)
            self._simulate(f"{name}_ns", lambda now=now: int(now() * _NANO))  # type: ignore[misc]
        self._refuse_calls(time, "sleep", "sleep")
        self._refuse_calls(threading.Thread, "start", "start a thread")  # no audit event before Python 3.12
        for module, name, stand_in in users_names(_LIBRARIES, self._dates):
            self._replace(module, name, stand_in)
        Guard._active = self
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        Guard._active = None
        for owner, name, original in self._replaced:
            setattr(owner, name, original)
        self._replaced.clear()
        first, self._first = self._first, None
        if first is not None and kind is None:
            raise first

    def audit(self, event: str) -> None:
        """Refuse an audit event of the loop's own thread."""
        if event in _REFUSED and threading.get_ident() == self._thread:
            self.refuse(_REFUSED[event])

    def _refuse_calls(self, owner: Any, name: str, what: str) -> None:
        original = getattr(owner, name)

        def refused(*arguments: Any, **named: Any) -> Any:
            if threading.get_ident() == self._thread:
                self.refuse(what)
            return original(*arguments, **named)

        self._replace(owner, name, refused)

    def _simulate(self, name: str, now: Callable[[], Any]) -> None:
        """Have a function of the module ``time`` return ``now()`` to libraries, and refuse it to other code."""
        original = getattr(time, name)

        def simulated() -> Any:
            if threading.get_ident() != self._thread:
                return original()
            if not _is_library(sys._getframe(1)):
                self.refuse("read the machine's time")
            return now()

        self._replace(time, name, simulated)

    def _replace(self, owner: Any, name: str, replacement: Callable[..., Any]) -> None:
        self._replaced.append((owner, name, getattr(owner, name)))
        setattr(owner, name, replacement)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    guard = Guard._active
    if guard is not None and event in _REFUSED:
        guard.audit(event)


def _is_library(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith((*_LIBRARIES, "<frozen"))


def _place(frame: FrameType | None) -> str:
    """The innermost place that is not in a library, in this room, or in ``harness.core``, which acts for others."""
    outside = frame
    while outside is not None and (_is_library(outside) or outside.f_code.co_filename.startswith(_SHARED)):
        outside = outside.f_back
    found = outside or frame
    return f"{found.f_code.co_filename}:{found.f_lineno}" if found is not None else "unknown"
