"""An aiohttp application at one endpoint, with bounds on its connections: what the platform's HTTP servers share."""

from __future__ import annotations

import logging

from aiohttp import web

from harness.core.clock import Clock
from harness.core.http_door import HttpDoor, HttpPlaces
from harness.core.network import Endpoint, Listener, Network

__all__ = ["HttpSite"]


class HttpSite:
    """Serves ``app`` from :meth:`start` to :meth:`stop`. Each of its handlers has to pass :attr:`door`.

    ``ends_within``: seconds that requests under way have when it stops.
    """

    def __init__(
        self,
        app: web.Application,
        places: HttpPlaces,
        clock: Clock,
        network: Network,
        *,
        log: logging.Logger,
        ends_within: float,
    ) -> None:
        self._runner = web.AppRunner(app, access_log=None, logger=log, shutdown_timeout=ends_within)
        self._places, self._clock, self._network = places, clock, network
        self._door: HttpDoor | None = None
        self._listener: Listener | None = None

    @property
    def door(self) -> HttpDoor:
        """The bounds of the connections; there once it is started."""
        assert self._door is not None, "a request comes after the start"
        return self._door

    async def start(self, endpoint: Endpoint) -> Endpoint:
        """Start to serve; returns where. Raises :class:`OSError` if the port is in use."""
        await self._runner.setup()
        assert self._runner.server is not None
        self._door = HttpDoor(self._runner.server, self._places, self._clock)
        self._listener = await self._network.listen(self._door, endpoint)
        return self._listener.endpoint

    async def stop(self) -> None:
        """Finish the requests under way, and stop."""
        if self._listener is not None:
            await self._listener.close()
        await self._runner.cleanup()
        if self._door is not None:
            self._door.close()
