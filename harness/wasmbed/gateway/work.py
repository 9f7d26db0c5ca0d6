"""What the gateway does on devices: deployments and stops, one after the other for each device.

The queue and its task exist only while there is something to do.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from harness.core.clock import Clock
from harness.core.logs import get_log
from harness.core.summed_log import SummedLog
from harness.wasmbed.gateway.applications import ApplicationReports
from harness.wasmbed.gateway.metrics import Metrics
from harness.wasmbed.gateway.modules import Module
from harness.wasmbed.gateway.sessions import Session
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.gateway.transfer import Exchange, ExchangeFailed, StopExchange, Transfer
from harness.wasmbed.protocol.messages import DeviceMessage
from harness.wasmbed.resources.deployments import DeploymentRequest

__all__ = ["Deployment", "DeviceWork", "QueueFull", "Stopping", "Work"]

log = get_log(__name__)


class QueueFull(Exception):
    """So many jobs wait for the device already."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """Bring a module to a device and start it, or say at its turn why that cannot be: ``refusal``."""

    application: str
    module: Module
    request: DeploymentRequest
    refusal: ExchangeFailed | None = None


@dataclass(frozen=True, slots=True)
class Stopping:
    """Stop an application on a device."""

    application: str


Job = Deployment | Stopping


class DeviceWork:
    """One device's queue: the job in hand and those that wait."""

    __slots__ = ("exchange", "job", "task", "waiting")

    def __init__(self) -> None:
        self.waiting: list[Job] = []
        self.job: Job | None = None
        self.exchange: Exchange | None = None
        self.task: asyncio.Task[None] | None = None


class Work:
    """The queues of all devices."""

    def __init__(self, settings: GatewaySettings, clock: Clock, reports: ApplicationReports, metrics: Metrics) -> None:
        self._settings, self._clock, self._reports, self._metrics = settings, clock, reports, metrics
        self._log = SummedLog(log, clock)

    def add(self, session: Session, job: Job) -> None:
        """Do ``job`` after those that wait. One for the same application overtakes a deployment that has not begun.

        Raises :class:`QueueFull`.
        """
        work = session.work = session.work or DeviceWork()
        waiting = [other for other in work.waiting if not _is_overtaken(other, job)]
        if len(waiting) >= self._settings.device_queue:
            raise QueueFull(f"{len(waiting)} jobs wait for device {session.name}")
        work.waiting = [*waiting, job]
        if work.task is None:
            work.task = asyncio.create_task(self._run(session, work))

    def is_about(self, session: Session, application: str) -> bool:
        """Whether something is in hand or waits for that application on the device."""
        work = session.work
        return work is not None and any(
            job is not None and job.application == application for job in (work.job, *work.waiting)
        )

    def feed(self, session: Session, message_id: int, message: DeviceMessage) -> bool:
        """Hand a device's message to the exchange in hand; False if it is not a reply to it."""
        exchange = session.work.exchange if session.work is not None else None
        return exchange is not None and exchange.feed(message_id, message)

    def close(self, session: Session, reason: str) -> None:
        """The link is gone: whatever was to be done has failed."""
        work = session.work
        if work is None:
            return
        if work.exchange is not None:
            work.exchange.fail("CONNECTION_LOST", reason)
        waiting, work.waiting = work.waiting, []
        for job in waiting:
            self._fail(session, job, ExchangeFailed("CONNECTION_LOST", reason))

    def abandon(self, session: Session) -> None:
        """Drop everything at once."""
        if session.work is not None and session.work.task is not None:
            session.work.task.cancel()

    async def _run(self, session: Session, work: DeviceWork) -> None:
        try:
            while work.waiting:
                work.job = work.waiting.pop(0)
                await self._do(session, work, work.job)
        finally:
            session.work = None

    async def _do(self, session: Session, work: DeviceWork, job: Job) -> None:
        ok = False
        try:
            if isinstance(job, Deployment):
                if job.refusal is not None:
                    raise job.refusal
                self._reports.begin(session, job.application, job.request.generation)
                arguments = (session.link, self._clock, self._settings)
                work.exchange = transfer = Transfer(job.application, job.module, job.request, *arguments)
                ok = (await transfer.run()).ok
            else:
                work.exchange = stop = StopExchange(job.application, session.link, self._clock, self._settings)
                ok = (await stop.run()).ok
        except ExchangeFailed as failed:
            self._fail(session, job, failed)
        except Exception as error:
            log.exception("device %s: %s", session.name, job)
            self._fail(session, job, ExchangeFailed("INTERNAL", f"the gateway failed: {error!r}"))
        finally:
            work.exchange = work.job = None
            self._metrics.job_done(type(job).__name__.lower(), ok)

    def _fail(self, session: Session, job: Job, failed: ExchangeFailed) -> None:
        self._log.warning("device %s: %s of %s: %s", session.name, type(job).__name__, job.application, failed.reason)
        if isinstance(job, Deployment):
            generation = job.request.generation
            self._reports.failed(session, job.application, generation, failed.code, failed.reason)
        else:
            self._reports.not_stopped(session, job.application, failed.code, failed.reason)


def _is_overtaken(waiting: Job, newcomer: Job) -> bool:
    if waiting.application != newcomer.application:
        return False
    return isinstance(waiting, Deployment) or isinstance(newcomer, Stopping)
