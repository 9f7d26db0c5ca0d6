"""A gateway: its parts put together, started in order and stopped in order."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

from harness.core.clock import Clock
from harness.core.errors import RigError, reason
from harness.core.history import Tap
from harness.core.identifiers import Randomness
from harness.core.logs import get_log
from harness.core.network import Admission, Endpoint, Listener, Network
from harness.core.places import Places
from harness.core.summed_log import SummedLog
from harness.wasmbed.gateway.application_status import ApplicationStatusWriter
from harness.wasmbed.gateway.cache import DeviceCache
from harness.wasmbed.gateway.deployments import Deployments
from harness.wasmbed.gateway.device_queue import DeviceQueues
from harness.wasmbed.gateway.device_status import DeviceStatusWriter, intermediate_step
from harness.wasmbed.gateway.enrollment import Enrollment
from harness.wasmbed.gateway.heartbeats import HeartbeatMonitor
from harness.wasmbed.gateway.http_api import HttpApi
from harness.wasmbed.gateway.metrics import Metrics
from harness.wasmbed.gateway.modules import ModuleLibrary
from harness.wasmbed.gateway.orphans import Orphans
from harness.wasmbed.gateway.pairing import Pairing
from harness.wasmbed.gateway.refusals import certificate_invalid, try_again
from harness.wasmbed.gateway.registration import Registration
from harness.wasmbed.gateway.revocations import Revocations
from harness.wasmbed.gateway.service import LinkService
from harness.wasmbed.gateway.session_handler import SessionHandler
from harness.wasmbed.gateway.sessions import Sessions
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.gateway.status_queries import StatusQueries
from harness.wasmbed.gateway.status_writer import StatusWriter, write_interval
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.certificates import CertificateManager
from harness.wasmbed.pki.errors import CertificateInvalid
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.tls import tls_server
from harness.wasmbed.protocol.link import Link, Side
from harness.wasmbed.protocol.messages import ErrorCode
from harness.wasmbed.resources.api import ApiError, ResourceApi

__all__ = ["CannotListen", "Gateway"]

log = get_log(__name__)

_UNREAD = 64 << 10
"""Bytes that the kernel buffers for a device that does not read; more wait in its link (see :class:`Link`)."""
_BATCH = 64
"""Certificates judged anew in one go when the revocation list changes."""


class CannotListen(RigError):
    """A port is taken, or not to be had. ``setting`` is the one of :class:`GatewaySettings` that names it."""

    def __init__(self, setting: str, what: str, *, where: str, do: str) -> None:
        super().__init__(what, where=where, do=do)
        self.setting = setting


class Gateway:
    """Speaks TLS and CBOR to devices, and Kubernetes to the cluster.

    It presents the one of its ``identities`` that a device can verify. ``certificates`` judges devices; ``authority``,
    where given, issues first certificates to those that pair.
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
        self.settings = settings
        self._identities, self._certificates, self._api = tuple(identities), certificates, api
        self._clock, self._network, self._tap = clock, network, tap
        self._log = SummedLog(log, clock)
        self._enrolling = Places(settings.enrollments)
        self._listener: Listener | None = None
        self._http_endpoint: Endpoint | None = None
        self._tasks: set[asyncio.Task[None]] = set()

        self.sessions = Sessions(settings, randomness)
        self._cache = DeviceCache(api, clock, randomness)
        self._writer = StatusWriter(
            api,
            clock,
            randomness,
            requests=settings.api_requests,
            timeout=settings.api_timeout,
            current=self._cache.current,
            written=self._cache.remember,
            intermediate_step=intermediate_step,
            write_interval=write_interval,
            gone=lambda *unwritten: orphans.gone(*unwritten),
        )
        self._pulse = StatusWriter(api, clock, randomness, requests=1, timeout=settings.api_timeout)
        """For the gateway's own signs of life: they do not wait behind what devices have to say."""
        self._metrics = Metrics(self.sessions, self._writer)
        self._device_status = DeviceStatusWriter(settings, clock, self._writer, self._cache)
        reports = ApplicationStatusWriter(settings, clock, self._writer)
        work = DeviceQueues(settings, clock, reports, self._metrics)
        orphans = Orphans(self.sessions, work)
        queries = StatusQueries(self.sessions, settings, clock)
        enrollment = Enrollment(
            settings, api, clock, randomness, self._cache, self._device_status, self.sessions, self._retry_after
        )
        self._service = LinkService(
            settings,
            clock,
            self.sessions,
            SessionHandler(
                settings,
                clock,
                self._enrolling,
                certificates,
                self._cache,
                self.sessions,
                enrollment,
                Pairing(settings, api, clock, self._cache, enrollment, authority),
                HeartbeatMonitor(settings, clock),
                self._device_status,
                reports,
                work,
                queries,
                self._metrics,
                lambda: self.advertised,
            ),
            self._device_status,
            work,
            tap,
        )
        self._revocations = Revocations(api, clock, randomness, certificates, self._revoked, self._revocations_refused)
        self._registration = Registration(settings, api, clock, randomness, self._pulse)
        self._http = HttpApi(
            settings,
            clock,
            network,
            self.sessions,
            Deployments(self.sessions, self._cache, ModuleLibrary(settings.modules), work),
            queries,
            self._metrics.render,
            self._not_ready,
            tap,
        )
        self._cache.on_deleted(self._deleted)

    @property
    def endpoint(self) -> Endpoint:
        """Where devices connect, once started."""
        if self._listener is None:
            raise RuntimeError("the gateway is not started")
        return self._listener.endpoint

    @property
    def http_endpoint(self) -> Endpoint:
        """Where the HTTP API is, once started."""
        if self._http_endpoint is None:
            raise RuntimeError("the gateway is not started")
        return self._http_endpoint

    @property
    def advertised(self) -> str:
        """``host:port`` that devices are told."""
        return self.settings.advertise or "{}:{}".format(*self.endpoint)

    async def start(self) -> None:
        """Serve. What the cluster still believes of sessions before this start is set right first.

        Raises :class:`RigError` when a port is taken or the API server cannot be reached in time; nothing of the
        gateway is left then.
        """
        try:
            async with self._clock.deadline(self.settings.start_timeout):
                await asyncio.gather(self._cache.start(), self._revocations.start())
                token = await self._registration.ensure_token()
            self._device_status.compare(self.sessions)
            self._http_endpoint = await self._listen_http(token)
            self._listener = await self._listen()
            async with self._clock.deadline(self.settings.start_timeout):
                await self._registration.register(self.advertised, "http://{}:{}".format(*self._http_endpoint))
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
        self._spawn(self._stay_alive())

    async def stop(self) -> None:
        """Shut down in order: no new sessions, a goodbye to each device, everything written that was heard."""
        self.sessions.draining = True
        if self._listener is not None:
            await self._listener.close()
        for session in self.sessions:
            retry_after = self.sessions.retry_after()
            refusal = try_again("the gateway is shutting down", retry_after, ErrorCode.GATEWAY_DRAINING)
            self._service.dismiss(session, refusal.error)
        await self._in_time(self._service.close(), "sessions are still open")
        await self._in_time(self._write_the_end(), "not every status could be written")
        await self.kill()

    async def _write_the_end(self) -> None:
        """The devices first: those that are linked to a gateway on record as Offline are disconnected by others."""
        await self._writer.flush()
        if self._listener is not None:
            self._registration.offline()
            await self._pulse.flush()

    async def kill(self) -> None:
        """Vanish: no goodbye to anybody, nothing more written."""
        for task in self._tasks:
            task.cancel()
        if self._listener is not None:
            await self._listener.close()
        await asyncio.gather(self._writer.abandon(), self._pulse.abandon())
        await self._service.abandon()
        await self._http.stop()
        self._log.close()
        await asyncio.gather(self._cache.stop(), self._revocations.stop(), *self._tasks, return_exceptions=True)

    async def _in_time(self, work: Coroutine[Any, Any, None], otherwise: str) -> None:
        try:
            async with self._clock.deadline(self.settings.drain_timeout):
                await work
        except TimeoutError:
            log.warning("gateway %s: %s after %g s", self.settings.name, otherwise, self.settings.drain_timeout)

    async def _listen_http(self, token: str) -> Endpoint:
        try:
            return await self._http.start(token)
        except OSError as error:
            raise self._cannot_listen("http", "HTTP", self.settings.http, error) from error

    async def _listen(self) -> Listener:
        settings = self.settings
        admission = Admission(
            waiting=settings.waiting,
            handshakes=settings.handshakes,
            silence=settings.silence_timeout,
            handshake=settings.handshake_timeout,
            patience=settings.handshake_patience,
            rejected=self._tls_rejected,
            behind=self._enrolling,
            unread=_UNREAD,
        )
        tls = tls_server(self._identities, self._certificates.authority)
        try:
            return await self._network.listen(self._make_link, settings.listen, tls=tls, admission=admission)
        except OSError as error:
            raise self._cannot_listen("listen", "TLS", settings.listen, error) from error

    def _make_link(self) -> Link:
        return Link(Side.GATEWAY, opened=self._service.opened, limit=self.settings.frame_limit)

    def _cannot_listen(self, setting: str, what: str, endpoint: Endpoint, error: OSError) -> CannotListen:
        host, port = endpoint
        return CannotListen(
            setting,
            f"cannot listen for {what} at {host}:{port}: {reason(error)}",
            where=f"gateway {self.settings.name}",
            do="end what uses the port, or choose another (0: any free one)",
        )

    def _tls_rejected(self, address: Endpoint, reason: str, refused: bool) -> None:
        self._metrics.tls_rejected()
        write = self._log.warning if refused else self._log.info
        write("%s:%d did not get through the handshake: %s", *address, reason)
        if self._tap is not None:
            self._tap("Device", "Gateway", "TlsRejected", {"reason": reason}, "")

    def _not_ready(self) -> str | None:
        if self.sessions.draining:
            return "the gateway is shutting down"
        return None if self._listener is not None else "the gateway is starting"

    def _retry_after(self, name: str) -> float:
        """Until a present session of ``name`` would be given up, but no longer than a heartbeat's interval."""
        session = self.sessions.get(name)
        if session is None:
            return self.sessions.retry_after()
        left = session.heard_at + self.settings.heartbeat_timeout - self._clock.now()
        return max(min(left, self.settings.heartbeat_interval), 1.0)

    def _deleted(self, name: str) -> None:
        session = self.sessions.connected(name)
        if session is not None:
            refusal = try_again("the device was deleted: enroll again", self.sessions.retry_after())
            self._service.dismiss(session, refusal.error)

    def _revocations_refused(self, reason: str) -> None:
        if self._tap is not None:
            self._tap("Kubernetes", "Gateway", "RevocationListRefused", {"reason": reason}, "")

    def _revoked(self) -> None:
        self._spawn(self._judge_again())

    async def _judge_again(self) -> None:
        for count, session in enumerate(self.sessions, 1):
            certificate = session.link.peer_certificate
            if certificate is None:
                continue
            try:
                self._certificates.check(certificate)
            except CertificateInvalid as error:
                self._service.dismiss(session, certificate_invalid(error.reason).error)
            if count % _BATCH == 0:
                await self._clock.sleep(0)

    async def _stay_alive(self) -> None:
        while True:
            await self._clock.sleep(self.settings.last_seen_interval)
            self._registration.alive(self.sessions.named)
            self._device_status.compare(self.sessions)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
