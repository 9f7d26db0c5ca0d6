"""One address for boards in front of several gateways, as a Service of Kubernetes is.

It passes bytes and does not look at them: TLS is between board and gateway. A new connection goes to the next gateway
that takes it; one that is down takes none, so it is left out at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

from harness.core.network import Endpoint, Listener, Network

__all__ = ["Balancer"]


class Balancer:
    """``targets`` returns the addresses of the gateways that run; it is asked for each connection."""

    def __init__(self, network: Network, targets: Callable[[], Sequence[Endpoint]]) -> None:
        self._network, self._targets = network, targets
        self._turn = 0
        self._listener: Listener | None = None
        self._ends: set[_End] = set()
        self._connecting: set[asyncio.Task[None]] = set()

    @property
    def endpoint(self) -> Endpoint:
        """Where boards connect."""
        assert self._listener is not None, "it is started"
        return self._listener.endpoint

    async def start(self, listen: Endpoint) -> None:
        """Listen. Raises OSError if the address is taken."""
        self._listener = await self._network.listen(lambda: _End(self), listen)

    async def close(self) -> None:
        """Accept no further connection, and break those that are open."""
        if self._listener is not None:
            await self._listener.close()
        for end in tuple(self._ends):
            end.abort()
        await asyncio.gather(*self._connecting, return_exceptions=True)

    def opened(self, end: _End, *, by_board: bool) -> None:
        """Keep an end that is open; a board's end gets one at a gateway."""
        self._ends.add(end)
        if by_board:
            task = asyncio.get_running_loop().create_task(self._connect(end), name="balancer")
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    def closed(self, end: _End) -> None:
        """Forget an end that is closed."""
        self._ends.discard(end)

    async def _connect(self, board: _End) -> None:
        targets = self._targets()
        for offset in range(len(targets)):
            target = targets[(self._turn + offset) % len(targets)]
            try:
                await self._network.connect(lambda: _End(self, board), target)
            except OSError:
                continue
            self._turn += offset + 1
            return
        board.abort()


class _End(asyncio.Protocol):
    """One end of a connection; ``other`` is the end that its bytes go to, once there is one."""

    def __init__(self, balancer: Balancer, board: _End | None = None) -> None:
        self._balancer, self._other = balancer, board
        self._transport: asyncio.Transport | None = None
        self._early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._balancer.opened(self, by_board=self._other is None)
        if self._other is not None:
            self._other.join(self)

    def join(self, gateway: _End) -> None:
        """Begin to pass bytes to ``gateway``; the board may have left meanwhile."""
        self._other = gateway
        if self._transport is None:
            gateway.abort()
        else:
            self.data_received(self._early)
            self._early = b""
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self._other is None:  # uvloop reads once although reading was paused in connection_made
            self._early += data
            assert self._transport is not None, "it is open"
            self._transport.pause_reading()
        elif self._other._transport is not None:
            self._other._transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._balancer.closed(self)
        if self._other is not None:
            self._other.abort() if exc is not None else self._other.close()

    def pause_writing(self) -> None:
        if self._other is not None and self._other._transport is not None:
            self._other._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._other is not None and self._other._transport is not None:
            self._other._transport.resume_reading()

    def close(self) -> None:
        """End it behind what was written."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()
