"""File descriptors: every connection takes one, and the limit of a login shell (1,024) is soon reached by a fleet.

The soft limit is there for programs that use ``select``; whoever does not may raise it to the hard one, which only an
administrator raises (systemd's documentation, "File Descriptor Limits").
"""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

from harness.core.logs import get_log

__all__ = ["HOW_TO_RAISE", "available", "explain", "limit", "raise_limit"]

HOW_TO_RAISE = "raise it: ulimit -Hn in a root shell, LimitNOFILE= of a service, --ulimit nofile= of a container"
MOST = 1 << 20
"""What Linux allows unless told otherwise; some containers have a hard limit of a thousand million, and programs that
are started here may close every descriptor that there could be, one by one."""

_log = get_log(__name__)


def limit() -> int:
    """How many this process may have."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def raise_limit() -> int:
    """Allow this process as many as it may be allowed; returns how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, MOST) if hard != resource.RLIM_INFINITY else MOST
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            _log.info("file descriptors: the soft limit was %d and is the hard one now: %d", soft, wanted)
        except (OSError, ValueError) as error:
            _log.info("file descriptors: the soft limit stays %d: %s", soft, error)
    return limit()


def available() -> int | None:
    """How many this process may still open; None where nobody tells."""
    try:
        return max(0, limit() - len(os.listdir(Path("/proc/self/fd"))))
    except OSError:
        return None


def explain(number: int) -> str:
    """What the number of a system's error means, and of too many open files how many are allowed."""
    words = os.strerror(number)
    return f"{words} (the limit is {limit()}; {HOW_TO_RAISE})" if number == errno.EMFILE else words
