"""The application controller: it takes every application to Running, PartiallyRunning, Stopped, Failed, or Error,
whatever gateways and devices do meanwhile.

Each reconciliation assesses all target devices again (:mod:`assessment`), writes their sum (:mod:`rollout`), and asks
gateways for the next step of the devices that need one (:mod:`requests`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from harness.core.clock import Clock
from harness.core.identifiers import Randomness
from harness.wasmbed.controllers.application_writer import ApplicationWriter
from harness.wasmbed.controllers.assessment import Assessor
from harness.wasmbed.controllers.controller import Controller
from harness.wasmbed.controllers.device_index import DeviceIndex
from harness.wasmbed.controllers.device_state import DeviceAssessment, DeviceState
from harness.wasmbed.controllers.packages import BadModule, Packages
from harness.wasmbed.controllers.reach import out_of_reach
from harness.wasmbed.controllers.requests import Requests
from harness.wasmbed.controllers.retry_state import AcceptedStop, RetryState
from harness.wasmbed.controllers.rollout import Rollout
from harness.wasmbed.controllers.targets import TargetIndex, application_key, device_key
from harness.wasmbed.protocol.messages import ApplicationState
from harness.wasmbed.resources.api import Object, ResourceApi
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.names import STOP_FINALIZER
from harness.wasmbed.resources.phases import ApplicationPhase
from harness.wasmbed.resources.views import Application, Gateway

__all__ = ["ApplicationController"]

Phase = ApplicationPhase

BATCH = 64
"""The most devices that one reconciliation deploys to."""
METRICS_AFTER = 5.0
"""Seconds after which metrics are summed again if nothing but metrics has changed."""
STOPS_COUNT_FOR = 60.0
"""Seconds for which the stops of a deleted application count for a new one of its name."""
MODULE_RETRY_DELAY = 10.0
"""Seconds after which the module store is asked again for a module that it lacked."""


class ApplicationController(Controller):
    """Deploys, redeploys, and stops.

    A device has ``answer_within`` seconds for a whole deployment. It may miss that, or refuse because it has the
    application already, ``attempts`` times. A stop that is not confirmed in time counts as done (:class:`Requests`).
    """

    name: ClassVar[str] = "ApplicationController"
    rest: ClassVar[float] = 0.05

    def __init__(
        self,
        api: ResourceApi,
        applications: Informer,
        device_index: DeviceIndex,
        packages: Packages,
        requests: Requests,
        clock: Clock,
        randomness: Randomness,
        *,
        resync: float,
        answer_within: float,
        attempts: int,
    ) -> None:
        super().__init__(clock, randomness, resync=resync)
        self._applications, self._device_index = applications, device_index
        self._packages, self._requests = packages, requests
        self._writer = ApplicationWriter(api, applications, device_index, clock)
        self._assessor = Assessor(device_index, randomness, answer_within=answer_within, attempts=attempts)
        self._target_index = TargetIndex()
        self._retry_states: dict[str, RetryState] = {}
        self._deleted: dict[str, Application] = {}
        """The last known form of applications that were deleted before they were stopped."""
        self._earlier_stops: dict[str, dict[str, AcceptedStop]] = {}
        """Stops of such applications, by name and device. Gateways know applications by name, so a new one of the name
        does not ask for them again."""

    def watch(self) -> Iterable[Callable[[], None]]:
        self._retry_states.clear()
        self._deleted.clear()
        self._earlier_stops.clear()
        self._target_index = TargetIndex()
        for name, raw in self._applications.objects.items():
            self._target_index.update(name, raw)
        return [
            self._applications.add_handler(self._application_changed),
            self._device_index.devices.add_handler(self._device_changed),
            self._device_index.gateways.add_handler(self._gateway_changed),
        ]

    def keys(self) -> Iterable[str]:
        return self._applications.objects

    async def reconcile(self, key: str) -> float | None:
        if (deleted := self._deleted.pop(key, None)) is not None:
            self._earlier_stops[key] = await self._stop_deleted(deleted, self._retry_states.get(key))
        raw = self._applications.get(key)
        retries = self._retry_states.get(key)
        if retries is not None and (raw is None or retries.uid != raw["metadata"]["uid"]):
            self._packages.forget(retries.uid)
            del self._retry_states[key]
            retries = None
        if raw is None:
            if deleted is None:
                self._earlier_stops.pop(key, None)
            return STOPS_COUNT_FOR if key in self._earlier_stops else None
        application = Application(raw)
        if retries is None:
            stops = self._earlier_stops.pop(key, {})
            retries = self._retry_states[key] = RetryState(application.uid, stops=stops)
        if application.deleting:
            return await self._delete(application, retries)
        if STOP_FINALIZER not in application.finalizers:
            application = await self._writer.set_finalizers(application, [*application.finalizers, STOP_FINALIZER])
        application = await self._writer.correct(application)
        if application.spec.stopped or application.status.phase == Phase.STOPPING:
            return await self._stop(application, retries)
        return await self._deploy(application, retries)

    async def _deploy(self, application: Application, retries: RetryState) -> float | None:
        if application.status.phase == Phase.PENDING:
            application = await self._writer.write(application, Phase.CREATING, lambda _: {})
        try:
            package = await self._packages.get(application)
        except BadModule as error:
            return await self._refuse(application, retries, error)
        application = await self._writer.correct(application)
        now = self.clock.now()
        assessments = self._assessor.assess(application, retries, package, now)
        leaving, forgotten = self._assessor.leftovers(application, assessments)
        due = [name for name in _named(assessments, DeviceState.DUE) if retries.may_try(name, now)]
        batch = due[:BATCH]
        rollout = Rollout(assessments, out_of_reach(application, assessments))
        records = {name: self._assessor.record(application, name, package, now) for name in batch}
        application = await self._writer.write(
            application,
            rollout.phase(application.status.phase),
            lambda phase: rollout.status(application, phase, now),
            {**dict.fromkeys(forgotten), **records},
        )
        if application.generation != package.generation:
            return 0.0  # It was changed meanwhile: the records name another module than the requests would have.
        again = [
            await self._requests.stop(application, retries, [*_named(assessments, DeviceState.OUTDATED), *leaving]),
            await self._requests.deploy(application, retries, batch),
            0.0 if len(due) > len(batch) else None,
            retries.next_try(now),
            self._assessor.next_expiry(application, _named(assessments, DeviceState.REQUESTED), now),
        ]
        return min((seconds for seconds in again if seconds is not None), default=None)

    async def _refuse(self, application: Application, retries: RetryState, error: BadModule) -> float | None:
        """Handle an invalid module: deploy nothing, and stop the devices that have an earlier one."""
        assessments = {name: DeviceAssessment(DeviceState.FAILED) for name in self._device_index.targets(application)}
        rollout, now = Rollout(assessments, awaited=error.missing), self.clock.now()
        await self._writer.write(
            application,
            Phase.FAILED,
            lambda phase: {**rollout.status(application, phase, now), "error": str(error)},
        )
        again = await self._requests.stop(application, retries, self._device_index.holders(application))
        return again if again is not None else MODULE_RETRY_DELAY if error.missing else None

    async def _stop(self, application: Application, retries: RetryState) -> float | None:
        nothing, now = Rollout({}, out_of_reach(application, {})), self.clock.now()
        if application.status.phase != Phase.STOPPED:
            application = await self._writer.write(
                application, Phase.STOPPING, lambda _: _stopping(application, retries)
            )
        holders = self._device_index.holders(application)
        if holders:
            return await self._requests.stop(application, retries, holders)
        application = await self._writer.write(
            application,
            Phase.STOPPED,
            lambda phase: {**nothing.status(application, phase, now), "error": None},
            dict.fromkeys(_tried_in_vain(application)),
        )
        return None if application.spec.stopped else 0.0

    async def _delete(self, application: Application, retries: RetryState) -> float | None:
        if STOP_FINALIZER not in application.finalizers:
            return None
        holders = self._device_index.holders(application)
        stopped = application.status.phase in (Phase.PENDING, Phase.STOPPED)
        if holders:
            if not stopped:
                application = await self._writer.write(
                    application, Phase.STOPPING, lambda _: _stopping(application, retries)
                )
            return await self._requests.stop(application, retries, holders)
        if not stopped:
            application = await self._writer.write(application, Phase.STOPPED, lambda _: {"health": "unknown"})
        await self._writer.set_finalizers(
            application, [name for name in application.finalizers if name != STOP_FINALIZER]
        )
        return None

    async def _stop_deleted(self, deleted: Application, before: RetryState | None) -> dict[str, AcceptedStop]:
        """Stop an application whose finalizer was removed by another party; returns the stops that were accepted.

        One try is enough: a gateway that misses it stops the application when a device reports it (:class:`Orphans`).
        """
        asked = before.stops if before is not None and before.uid == deleted.uid else {}
        retries = RetryState(deleted.uid)
        holders = [name for name in self._device_index.holders(deleted) if name not in asked]
        await self._requests.stop(deleted, retries, holders)
        return {**asked, **retries.stops}

    def _application_changed(self, old: Object | None, new: Object | None) -> None:
        name = (new or old or {})["metadata"]["name"]
        self._target_index.update(name, new)
        if new is None and old is not None and Application(old).status.phase not in (Phase.PENDING, Phase.STOPPED):
            self._deleted[name] = Application(old)
        if old is None or new is None or application_key(old) != application_key(new):
            self.queue.add(name)
        elif old.get("status") != new.get("status"):
            self.queue.add_after(name, METRICS_AFTER)

    def _device_changed(self, old: Object | None, new: Object | None) -> None:
        if device_key(old) != device_key(new):
            for name in self._target_index.concerned(old, new):
                self.queue.add(name)

    def _gateway_changed(self, old: Object | None, new: Object | None) -> None:
        if _address(old) != _address(new):
            for name in self._applications.objects:
                self.queue.add(name)


def _named(assessments: Mapping[str, DeviceAssessment], state: DeviceState) -> list[str]:
    return [name for name, assessment in assessments.items() if assessment.state is state]


def _tried_in_vain(application: Application) -> list[str]:
    """The devices where it failed: an application that is started again is tried there again, and counts anew."""
    return [
        name
        for name, entry in application.status.device_statuses.items()
        if entry.state in (ApplicationState.FAILED, ApplicationState.ERROR)
        or entry.deployment.error is not None
        or entry.deployment.restarts
    ]


def _stopping(application: Application, retries: RetryState) -> dict[str, Any]:
    gateway_failures = [f"{name}: {failure.reason}" for name, failure in retries.gateway_failures.items()]
    error = gateway_failures[0] if gateway_failures else None
    return {"observedGeneration": application.generation, "health": "unknown", "error": error}


def _address(raw: Object | None) -> tuple[str, str | None]:
    status = Gateway(raw or {}).status
    return status.phase, status.api_endpoint
