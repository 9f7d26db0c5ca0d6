"""Ports on which a listener can be opened again after it was closed.

The system takes the local ports of connections from a range of its own (RFC 6335, section 6: dynamic ports; on Linux
``net.ipv4.ip_local_port_range``, 32768 to 60999). A port of that range that nobody listens on can be a connection's at
any moment: a gateway that was stopped would not get its port back.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TypeVar

from harness.core.identifiers import Randomness

__all__ = ["on_free_port"]

T = TypeVar("T")
_PORTS = range(20_000, 32_000)
_TRIES = 200


def on_free_port(open_at: Callable[[int], T]) -> T:
    """Return what ``open_at`` returns for a port where it can listen, chosen at random from 20,000 to 31,999.

    Raises the :class:`OSError` of ``open_at``, unless it says that the port is in use or not allowed.
    """
    randomness = Randomness()  # not a run's own: two runs with one seed would choose the same ports
    for _ in range(_TRIES):
        try:
            return open_at(_PORTS[int.from_bytes(randomness.bytes(4), "big") % len(_PORTS)])
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
    raise OSError(errno.EADDRINUSE, f"no free port from {_PORTS.start} to {_PORTS.stop - 1}")
