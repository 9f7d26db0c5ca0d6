"""Deployments and stops on devices: one deployment at a time for each device, and stops at once.

A stop does not wait: it removes the deployment of its application from the queue, or cancels it in the middle of the
transfer. A deployment waits until its application is stopped. A queue exists only while there is work for its device.
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
from harness.wasmbed.gateway.session import Session
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
    """A module to send to a device and start there.

    ``judge`` is called when the deployment is next; it returns why the device cannot have the module, or None.
    """

    application: str
    module: Module
    request: DeploymentRequest
    judge: Callable[[], Awaitable[ExchangeFailed | None]]


class DeviceQueue:
    """One device's queue: the present deployment, the waiting ones, and the stops under way, by application."""

    __slots__ = ("deployment", "stops", "tasks", "transfer", "waiting")

    def __init__(self) -> None:
        self.waiting: dict[str, Deployment] = {}
        self.deployment: Deployment | None = None
        self.transfer: Transfer | None = None
        """The transfer of the present deployment."""
        self.stops: dict[str, StopExchange] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    def is_dealing_with(self, application: str) -> bool:
        """Whether a deployment or a stop of it is under way."""
        return application in self.stops or (self.deployment is not None and self.deployment.application == application)


class DeviceQueues:
    """The queues of all devices."""

    def __init__(
        self, settings: GatewaySettings, clock: Clock, application_status: ApplicationStatusWriter, metrics: Metrics
    ) -> None:
        self._settings, self._clock, self._application_status, self._metrics = (
            settings,
            clock,
            application_status,
            metrics,
        )
        self._log = SummedLog(log, clock)

    def close_log(self) -> None:
        """Write the log lines that were counted and not yet written."""
        self._log.close()

    def deploy(self, session: Session, job: Deployment) -> None:
        """Queue ``job``; it replaces another deployment of its application.

        Repeating the deployment that is under way, or that the device has, sends nothing. Raises :class:`QueueFull`.
        """
        is_idle = not self.is_about(session, job.application)
        if is_idle and self._application_status.confirm(session, job.application, job.request):
            return
        queue = _queue_of(session)
        others = len(queue.waiting) - (job.application in queue.waiting)
        if others >= self._settings.device_queue:
            raise QueueFull(f"{others} jobs wait for device {session.name}")
        queue.waiting.pop(job.application, None)
        if (present := queue.deployment) is not None and present.application == job.application:
            if present.request == job.request and job.application not in queue.stops:
                return
            self.stop(session, job.application)
        queue.waiting[job.application] = job
        self._proceed(session, queue)

    def stop(self, session: Session, application: str) -> None:
        """Stop an application now, and cancel its deployment. Raises :class:`QueueFull`."""
        queue = _queue_of(session)
        queue.waiting.pop(application, None)
        if application in queue.stops:
            return
        if len(queue.stops) >= self._settings.device_queue:
            raise QueueFull(f"{len(queue.stops)} stops are under way on device {session.name}")
        chunks = queue.transfer.unacknowledged if queue.transfer is not None else ()
        exchange = queue.stops[application] = StopExchange(
            application, session.link, self._clock, self._settings, chunks
        )
        if queue.transfer is not None and queue.transfer.application == application:
            queue.transfer.cancel()
        self._spawn(queue, self._stop(session, queue, exchange))

    def is_about(self, session: Session, application: str) -> bool:
        """Whether work for that application on the device is under way or waits."""
        queue = session.queue
        return queue is not None and (application in queue.waiting or queue.is_dealing_with(application))

    def feed(self, session: Session, message_id: int, message: DeviceMessage) -> bool:
        """Pass a device's message to the exchanges under way; returns whether it is a reply to one of them.

        Each gets it: a stop counts the acknowledgments of chunks that were sent before it, whose transfer needs them.
        """
        queue = session.queue
        if queue is None:
            return False
        exchanges = [*queue.stops.values(), *([queue.transfer] if queue.transfer is not None else [])]
        taken = [exchange.feed(message_id, message) for exchange in exchanges]
        return any(taken)

    def close(self, session: Session, reason: str) -> None:
        """Fail all work of a session whose link has ended."""
        queue = session.queue
        if queue is None:
            return
        for exchange in (*queue.stops.values(), queue.transfer):
            if exchange is not None:
                exchange.fail("CONNECTION_LOST", reason)
        waiting, queue.waiting = queue.waiting, {}
        for job in waiting.values():
            self._fail(session, job, ExchangeFailed("CONNECTION_LOST", reason))

    def abandon(self, session: Session) -> None:
        """Cancel all work of a session."""
        if session.queue is not None:
            session.queue.waiting.clear()
            for task in session.queue.tasks:
                task.cancel()

    def _proceed(self, session: Session, queue: DeviceQueue) -> None:
        """Begin the next deployment that may begin, and drop the queue when there is no work left."""
        if queue.deployment is None:
            job = next((job for name, job in queue.waiting.items() if name not in queue.stops), None)
            if job is not None:
                del queue.waiting[job.application]
                queue.deployment = job
                arguments = (session.link, self._clock, self._settings)
                queue.transfer = Transfer(job.application, job.module, job.request, *arguments)
                self._spawn(queue, self._deploy(session, queue, job, queue.transfer))
        if queue.deployment is None and not queue.waiting and not queue.stops:
            session.detach_queue()

    async def _deploy(self, session: Session, queue: DeviceQueue, job: Deployment, transfer: Transfer) -> None:
        outcome = "failed"
        try:
            refusal = await job.judge()
            transfer.check()
            if refusal is not None:
                raise refusal
            self._application_status.begin(session, job.application, job.request)
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
            queue.deployment = queue.transfer = None
            self._metrics.job_done("deployment", outcome)
            self._proceed(session, queue)

    async def _stop(self, session: Session, queue: DeviceQueue, exchange: StopExchange) -> None:
        application, outcome = exchange.application, "failed"
        try:
            outcome = "ok" if (await exchange.run()).ok else "failed"
        except ExchangeFailed as failed:
            self._not_stopped(session, application, failed)
        except Exception as error:
            log.exception("device %s: stop of %s", session.name, application)
            self._not_stopped(session, application, _bug(error))
        finally:
            del queue.stops[application]
            self._metrics.job_done("stopping", outcome)
            self._proceed(session, queue)

    def _spawn(self, queue: DeviceQueue, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        queue.tasks.add(task)
        task.add_done_callback(queue.tasks.discard)

    def _fail(self, session: Session, job: Deployment, failed: ExchangeFailed) -> None:
        self._log.warning("device %s: deployment of %s: %s", session.name, job.application, failed.reason)
        self._application_status.failed(session, job.application, job.request.generation, failed.code, failed.reason)

    def _not_stopped(self, session: Session, application: str, failed: ExchangeFailed) -> None:
        self._log.warning("device %s: stop of %s: %s", session.name, application, failed.reason)
        self._application_status.not_stopped(session, application, failed.code, failed.reason)


def _queue_of(session: Session) -> DeviceQueue:
    """Return the session's queue, a new one if there is none."""
    queue = session.queue
    if queue is None:
        queue = DeviceQueue()
        session.attach_queue(queue)
    return queue


def _bug(error: Exception) -> ExchangeFailed:
    return ExchangeFailed("INTERNAL", f"the gateway failed: {error!r}")
