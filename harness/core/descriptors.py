"""File descriptors: each connection takes one, and a fleet soon reaches the limit of a login shell (1,024).

The soft limit protects programs that use ``select``. Other programs may raise it to the hard limit, which only an
administrator can raise (systemd's documentation, "File Descriptor Limits").
"""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

from harness.core.logs import get_log

__all__ = ["HOW_TO_RAISE", "available", "count_sockets", "explain", "limit", "raise_limit"]

HOW_TO_RAISE = "raise it: ulimit -Hn in a root shell, LimitNOFILE= of a service, --ulimit nofile= of a container"
MOST = 1 << 20
"""Linux's default maximum. Some containers have a hard limit of 10^9, and child processes may close each possible
descriptor, one by one."""

_log = get_log(__name__)
_OWN = Path("/proc/self/fd")


def limit() -> int:
    """The number of descriptors that this process may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def raise_limit() -> int:
    """Raise the soft limit as far as possible; returns the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, MOST) if hard != resource.RLIM_INFINITY else MOST
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            _log.info("file descriptors: soft limit raised from %d to the hard limit, %d", soft, wanted)
        except (OSError, ValueError) as error:
            _log.info("file descriptors: the soft limit stays at %d: %s", soft, error)
    return limit()


def available() -> int | None:
    """The number of descriptors that this process can still open; None where the system does not say."""
    try:
        return max(0, limit() - len(os.listdir(_OWN)))
    except OSError:
        return None


def count_sockets() -> int:
    """The number of sockets that this process has open; 0 where the system does not tell."""
    found = 0
    for name in os.listdir(_OWN) if _OWN.is_dir() else ():
        try:
            target = os.readlink(_OWN / name)
        except OSError:
            continue
        if target.startswith("socket:"):
            found += 1
    return found


def explain(number: int) -> str:
    """The text of a system error by its number; for too many open files, with the limit and how to raise it."""
    text = os.strerror(number)
    return f"{text} (the limit is {limit()}; {HOW_TO_RAISE})" if number == errno.EMFILE else text
