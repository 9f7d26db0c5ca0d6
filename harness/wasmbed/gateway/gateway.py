"""A gateway's life: its parts started in order, kept alive, and stopped in order."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from typing import Any

from harness.core.clock import Clock
from harness.core.errors import RigError, reason
from harness.core.history import Tap
from harness.core.identifiers import Randomness
from harness.core.logs import get_log
from harness.core.network import Endpoint, Network
from harness.wasmbed.gateway.device_listener import CannotListen
from harness.wasmbed.gateway.parts import PartsBuilder
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.certificates import CertificateManager
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.resources.api import ApiError, ResourceApi

__all__ = ["CannotListen", "Gateway"]

log = get_log(__name__)


class Gateway:
    """Speaks TLS and CBOR to devices, and Kubernetes to the cluster.

    It presents the one of its ``identities`` that a device can verify. ``certificates`` judges devices. ``authority``
    issues first certificates to devices that pair; without it none can.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        identities: Iterable[Identity],
        certificates: CertificateManager,
        api: ResourceApi,
        clock: Clock,
        network: Network,
        randomness: Randomness,
        tap: Tap | None = None,
        authority: Authority | None = None,
    ) -> None:
        self.settings = settings = replace(settings)
        self._clock = clock
        parts = PartsBuilder(
            settings=settings,
            identities=identities,
            certificates=certificates,
            api=api,
            clock=clock,
            network=network,
            randomness=randomness,
            tap=tap,
            authority=authority,
        ).build()
        self.sessions, self._address, self._http = parts.sessions, parts.address, parts.http
        self._cluster, self._devices = parts.cluster, parts.devices
        self._http_endpoint: Endpoint | None = None
        self._beats: asyncio.Task[None] | None = None

    @property
    def endpoint(self) -> Endpoint:
        """Host and port for devices, once started."""
        return self._address.endpoint

    @property
    def http_endpoint(self) -> Endpoint:
        """Host and port of the HTTP API, once started."""
        if self._http_endpoint is None:
            raise RuntimeError("the gateway is not started")
        return self._http_endpoint

    @property
    def advertised(self) -> str:
        """The ``host:port`` that is sent to devices."""
        return self._address.advertised

    async def start(self) -> None:
        """Start to serve, after correcting what the cluster still records of the sessions before this start.

        Raises :class:`RigError` when a port is in use or the API server cannot be reached in time; every part of the
        gateway is stopped again then.
        """
        cluster, devices = self._cluster, self._devices
        try:
            async with self._clock.deadline(self.settings.start_timeout):
                await asyncio.gather(cluster.cache.start(), devices.revocations.start())
                token = await cluster.registration.ensure_token()
            cluster.device_status.compare(self.sessions)
            self._http_endpoint = await self._start_http(token)
            await devices.listener.start()
            async with self._clock.deadline(self.settings.start_timeout):
                await cluster.registration.register(self.advertised, self._advertised_http(self._http_endpoint))
                await cluster.neighbours.start()
            devices.service.begin()
        except (ApiError, OSError) as error:
            await self.kill()
            raise RigError(
                f"the API server did not let the gateway begin: {reason(error)}",
                where=f"gateway {self.settings.name}",
                do="check that the cluster runs, has Wasmbed's CRDs, and that the gateway may use them",
            ) from error
        except BaseException:
            await self.kill()
            raise
        self._beats = asyncio.create_task(self._stay_alive())

    def reload(self, identities: Iterable[Identity]) -> None:
        """Present these ``identities`` from the next handshake on. Present sessions go on."""
        self._devices.listener.present(identities)

    def change(self, settings: GatewaySettings) -> tuple[list[str], list[str]]:
        """Take on other settings while it runs, as :meth:`GatewaySettings.take_on` does."""
        return self._cluster.own_spec.take_on(settings)

    async def stop(self) -> None:
        """Shut down in order: refuse new sessions, end the present ones, and write every status that is pending."""
        self._devices.dismissals.shut_down()
        await self._devices.listener.close()
        self._devices.dismissals.shut_down()  # those whose handshake was complete by then
        await self._in_time(self._devices.service.close(), "sessions are still open")
        await self._in_time(self._write_the_end(), "not every status could be written")
        await self.kill()

    async def kill(self) -> None:
        """Stop at once: send nothing to devices and write nothing more."""
        cluster, devices = self._cluster, self._devices
        tasks = [self._beats] if self._beats is not None else []
        for task in tasks:
            task.cancel()
        await devices.revocations.stop()
        await devices.dismissals.abandon()
        await devices.listener.close()
        await asyncio.gather(cluster.writer.abandon(), cluster.beat_writer.abandon())
        await devices.service.abandon()
        await self._http.stop()
        devices.listener.close_log()
        await asyncio.gather(cluster.cache.stop(), cluster.neighbours.stop(), *tasks, return_exceptions=True)

    def _advertised_http(self, endpoint: Endpoint) -> str:
        return self.settings.advertise_http or "http://{}:{}".format(*endpoint)

    async def _start_http(self, token: str) -> Endpoint:
        try:
            return await self._http.start(token)
        except OSError as error:
            raise CannotListen("http", "HTTP", self.settings.http, error, gateway=self.settings.name) from error

    async def _write_the_end(self) -> None:
        """Write the devices' status before the gateway's: controllers disconnect the devices of an Offline gateway."""
        await self._cluster.writer.flush()
        if self._devices.listener.is_open:
            self._cluster.registration.offline()
            await self._cluster.beat_writer.flush()

    async def _in_time(self, work: Coroutine[Any, Any, None], otherwise: str) -> None:
        try:
            async with self._clock.deadline(self.settings.drain_timeout):
                await work
        except TimeoutError:
            log.warning("gateway %s: %s after %g s", self.settings.name, otherwise, self.settings.drain_timeout)

    async def _stay_alive(self) -> None:
        while True:
            await self._clock.sleep(self.settings.last_seen_interval)
            self._cluster.registration.alive(self.sessions.named)
            self._cluster.device_status.compare(self.sessions)
