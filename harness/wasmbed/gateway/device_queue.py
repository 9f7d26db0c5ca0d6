"""Deployments and stops on devices: for each device one deployment after the other, and stops at once.

A stop waits for nothing: it takes the deployment of its application out of the queue, or cancels it in the middle of
its transfer. A deployment waits until its application is stopped. The queue exists only while there is something to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from harness.core.clock import Clock
from harness.core.logs import get_log
from harness.core.summed_log import SummedLog
from harness.wasmbed.gateway.application_status import ApplicationStatusWriter
from harness.wasmbed.gateway.metrics import Metrics
from harness.wasmbed.gateway.modules import Module
from harness.wasmbed.gateway.sessions import Session
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.gateway.transfer import ExchangeFailed, StopExchange, Transfer
from harness.wasmbed.protocol.messages import CANCELLED, DeviceMessage
from harness.wasmbed.resources.deployments import DeploymentRequest

__all__ = ["Deployment", "DeviceQueue", "DeviceQueues", "QueueFull"]

log = get_log(__name__)


class QueueFull(Exception):
    """The device's job queue is full."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """Bring a module to a device and start it. ``judge`` says at its turn why that cannot be, if it cannot."""

    application: str
    module: Module
    request: DeploymentRequest
    judge: Callable[[], Awaitable[ExchangeFailed | None]]


class DeviceQueue:
    """One device's queue: the deployment in hand and those that wait, and the stops under way, by application."""

    __slots__ = ("deployment", "stops", "tasks", "transfer", "waiting")

    def __init__(self) -> None:
        self.waiting: dict[str, Deployment] = {}
        self.deployment: Deployment | None = None
        self.transfer: Transfer | None = None
        """Of the deployment in hand."""
        self.stops: dict[str, StopExchange] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    def is_dealing_with(self, application: str) -> bool:
        """Whether a deployment or a stop of it is under way."""
        return application in self.stops or (self.deployment is not None and self.deployment.application == application)


class DeviceQueues:
    """The queues of all devices."""

    def __init__(
        self, settings: GatewaySettings, clock: Clock, reports: ApplicationStatusWriter, metrics: Metrics
    ) -> None:
        self._settings, self._clock, self._application_status, self._metrics = settings, clock, reports, metrics
        self._log = SummedLog(log, clock)

    def close_log(self) -> None:
        """Write the log lines that were counted and not yet written."""
        self._log.close()

    def deploy(self, session: Session, job: Deployment) -> None:
        """Do ``job`` after those that wait, in place of another deployment of its application.

        The same one again changes nothing while it is under way. Raises :class:`QueueFull`.
        """
        work = session.work = session.work or DeviceQueue()
        others = len(work.waiting) - (job.application in work.waiting)
        if others >= self._settings.device_queue:
            raise QueueFull(f"{others} jobs wait for device {session.name}")
        work.waiting.pop(job.application, None)
        if (present := work.deployment) is not None and present.application == job.application:
            if present.request == job.request and job.application not in work.stops:
                return
            self.stop(session, job.application)
        work.waiting[job.application] = job
        self._proceed(session, work)

    def stop(self, session: Session, application: str) -> None:
        """Stop an application now, and cancel its deployment. Raises :class:`QueueFull`."""
        work = session.work = session.work or DeviceQueue()
        work.waiting.pop(application, None)
        if application in work.stops:
            return
        if len(work.stops) >= self._settings.device_queue:
            raise QueueFull(f"{len(work.stops)} stops are under way on device {session.name}")
        behind = work.transfer.unacknowledged if work.transfer is not None else ()
        exchange = work.stops[application] = StopExchange(
            application, session.link, self._clock, self._settings, behind
        )
        if work.transfer is not None and work.transfer.application == application:
            work.transfer.cancel()
        self._spawn(work, self._stop(session, work, exchange))

    def is_about(self, session: Session, application: str) -> bool:
        """Whether something is under way or waits for that application on the device."""
        work = session.work
        return work is not None and (application in work.waiting or work.is_dealing_with(application))

    def feed(self, session: Session, message_id: int, message: DeviceMessage) -> bool:
        """Hand a device's message to the exchanges under way; False if it is not a reply to one of them."""
        work = session.work
        if work is None:
            return False
        exchanges = [*work.stops.values(), *([work.transfer] if work.transfer is not None else [])]
        return any(exchange.feed(message_id, message) for exchange in exchanges)

    def close(self, session: Session, reason: str) -> None:
        """The link is gone: whatever was to be done has failed."""
        work = session.work
        if work is None:
            return
        for exchange in (*work.stops.values(), work.transfer):
            if exchange is not None:
                exchange.fail("CONNECTION_LOST", reason)
        waiting, work.waiting = work.waiting, {}
        for job in waiting.values():
            self._fail(session, job, ExchangeFailed("CONNECTION_LOST", reason))

    def abandon(self, session: Session) -> None:
        """Drop everything at once."""
        if session.work is not None:
            session.work.waiting.clear()
            for task in session.work.tasks:
                task.cancel()

    def _proceed(self, session: Session, work: DeviceQueue) -> None:
        """Begin the next deployment, if it is its turn; with nothing left to do the queue goes."""
        if work.deployment is None:
            job = next((job for name, job in work.waiting.items() if name not in work.stops), None)
            if job is not None:
                del work.waiting[job.application]
                work.deployment = job
                arguments = (session.link, self._clock, self._settings)
                work.transfer = Transfer(job.application, job.module, job.request, *arguments)
                self._spawn(work, self._deploy(session, work, job, work.transfer))
        if work.deployment is None and not work.waiting and not work.stops:
            session.work = None

    async def _deploy(self, session: Session, work: DeviceQueue, job: Deployment, transfer: Transfer) -> None:
        outcome = "failed"
        try:
            refusal = await job.judge()
            transfer.check()
            if refusal is not None:
                raise refusal
            self._application_status.begin(session, job.application, job.request.generation)
            outcome = "ok" if (await transfer.run()).ok else "failed"
        except ExchangeFailed as failed:
            if failed.code == CANCELLED:
                outcome = "cancelled"
                log.info("device %s: deployment of %s: %s", session.name, job.application, failed.reason)
            else:
                self._fail(session, job, failed)
        except Exception as error:
            log.exception("device %s: deployment of %s", session.name, job.application)
            self._fail(session, job, _bug(error))
        finally:
            work.deployment = work.transfer = None
            self._metrics.job_done("deployment", outcome)
            self._proceed(session, work)

    async def _stop(self, session: Session, work: DeviceQueue, exchange: StopExchange) -> None:
        application, outcome = exchange.application, "failed"
        try:
            outcome = "ok" if (await exchange.run()).ok else "failed"
        except ExchangeFailed as failed:
            self._not_stopped(session, application, failed)
        except Exception as error:
            log.exception("device %s: stop of %s", session.name, application)
            self._not_stopped(session, application, _bug(error))
        finally:
            del work.stops[application]
            self._metrics.job_done("stopping", outcome)
            self._proceed(session, work)

    def _spawn(self, work: DeviceQueue, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        work.tasks.add(task)
        task.add_done_callback(work.tasks.discard)

    def _fail(self, session: Session, job: Deployment, failed: ExchangeFailed) -> None:
        self._log.warning("device %s: deployment of %s: %s", session.name, job.application, failed.reason)
        self._application_status.failed(session, job.application, job.request.generation, failed.code, failed.reason)

    def _not_stopped(self, session: Session, application: str, failed: ExchangeFailed) -> None:
        self._log.warning("device %s: stop of %s: %s", session.name, application, failed.reason)
        self._application_status.not_stopped(session, application, failed.code, failed.reason)


def _bug(error: Exception) -> ExchangeFailed:
    return ExchangeFailed("INTERNAL", f"the gateway failed: {error!r}")
