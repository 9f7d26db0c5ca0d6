"""The application controller: it takes every application to Running, PartiallyRunning, Stopped, Failed, or Error,
whatever gateways and devices do meanwhile.

Each reconciliation judges all target devices again (:mod:`device_state`), writes their sum (:mod:`rollout`), and asks
gateways for the next step of the devices that need one (:mod:`requests`).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any, ClassVar

from harness.core.clock import Clock
from harness.core.identifiers import Randomness
from harness.wasmbed.controllers.controller import Controller
from harness.wasmbed.controllers.device_index import DeviceIndex
from harness.wasmbed.controllers.device_state import (
    RETRIED_REASONS,
    DeviceAssessment,
    DeviceState,
    has_module,
    judge,
    obstacle,
)
from harness.wasmbed.controllers.packages import BadModule, Package, Packages
from harness.wasmbed.controllers.reach import corrections, out_of_reach
from harness.wasmbed.controllers.requests import Requests
from harness.wasmbed.controllers.retry_state import RetryState
from harness.wasmbed.controllers.rollout import Rollout
from harness.wasmbed.controllers.targets import TargetIndex, application_key, device_key
from harness.wasmbed.resources.api import Object, ResourceApi
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import APPLICATION
from harness.wasmbed.resources.names import STOP_FINALIZER
from harness.wasmbed.resources.phases import ApplicationPhase, route
from harness.wasmbed.resources.timestamps import format_timestamp, parse_timestamp
from harness.wasmbed.resources.views import Application, DeploymentRecord, DeviceEntry, Gateway

__all__ = ["ApplicationController"]

Phase = ApplicationPhase

BATCH = 64
"""The most devices that one reconciliation deploys to."""
METRICS_AFTER = 5.0
"""Seconds after which metrics are summed again if nothing but metrics has changed."""
MODULE_RETRY_DELAY = 10.0
"""Seconds after which the module store is asked again for a module that it lacked."""
NO_ENTRY = DeviceEntry({})


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
        self._api, self._applications, self._device_index = api, applications, device_index
        self._packages, self._requests = packages, requests
        self._answer_within, self._attempts = answer_within, attempts
        self._target_index = TargetIndex()
        self._retry_states: dict[str, RetryState] = {}
        self._gone: dict[str, Application] = {}
        """The last known form of applications that were deleted before they were stopped."""

    def watch(self) -> Iterable[Callable[[], None]]:
        self._retry_states.clear()
        self._gone.clear()
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
        if (gone := self._gone.pop(key, None)) is not None:
            await self._abandon(gone)
        raw = self._applications.get(key)
        retries = self._retry_states.get(key)
        if retries is not None and (raw is None or retries.uid != raw["metadata"]["uid"]):
            self._packages.forget(retries.uid)
            del self._retry_states[key]
            retries = None
        if raw is None:
            return None
        application = Application(raw)
        if retries is None:
            retries = self._retry_states[key] = RetryState(application.uid)
        if application.deleting:
            return await self._delete(application, retries)
        if STOP_FINALIZER not in application.finalizers:
            application = await self._set_finalizers(application, [*application.finalizers, STOP_FINALIZER])
        application = await self._correct(application)
        if application.spec.stopped or application.status.phase == Phase.STOPPING:
            return await self._stop(application, retries)
        return await self._deploy(application, retries)

    async def _deploy(self, application: Application, retries: RetryState) -> float | None:
        if application.status.phase == Phase.PENDING:
            application = await self._write(application, Phase.CREATING, lambda _: {})
        try:
            package = await self._packages.get(application)
        except BadModule as error:
            return await self._refuse(application, retries, error)
        application = await self._correct(application)
        now = self.clock.now()
        assessments = self._assess(application, retries, package, now)
        leaving, gone = self._leftovers(application, assessments)
        due = [name for name in _named(assessments, DeviceState.DUE) if retries.may_try(name, now)]
        batch = due[:BATCH]
        rollout = Rollout(assessments, out_of_reach(application, assessments))
        records = {name: self._record(application, name, package, now) for name in batch}
        application = await self._write(
            application,
            rollout.phase(application.status.phase),
            lambda phase: rollout.status(application, phase, now),
            {**dict.fromkeys(gone), **records},
        )
        again = [
            await self._requests.stop(application, retries, [*_named(assessments, DeviceState.OUTDATED), *leaving]),
            await self._requests.deploy(application, retries, batch),
            0.0 if len(due) > len(batch) else None,
            retries.next_try(now),
            self._next_expiry(application, _named(assessments, DeviceState.REQUESTED), now),
        ]
        return min((seconds for seconds in again if seconds is not None), default=None)

    async def _refuse(self, application: Application, retries: RetryState, error: BadModule) -> float | None:
        """Handle an invalid module: deploy nothing, and stop the devices that have an earlier one."""
        assessments = {name: DeviceAssessment(DeviceState.FAILED) for name in self._device_index.targets(application)}
        rollout, now = Rollout(assessments, awaited=error.missing), self.clock.now()
        await self._write(
            application,
            Phase.FAILED,
            lambda phase: {**rollout.status(application, phase, now), "error": str(error)},
        )
        again = await self._requests.stop(application, retries, self._device_index.holders(application))
        return again if again is not None else MODULE_RETRY_DELAY if error.missing else None

    async def _stop(self, application: Application, retries: RetryState) -> float | None:
        nothing, now = Rollout({}, out_of_reach(application, {})), self.clock.now()
        if application.status.phase != Phase.STOPPED:
            application = await self._write(application, Phase.STOPPING, lambda _: _stopping(retries))
        holders = self._device_index.holders(application)
        if holders:
            return await self._requests.stop(application, retries, holders)
        application = await self._write(
            application,
            Phase.STOPPED,
            lambda phase: {**nothing.status(application, phase, now), "error": None},
        )
        return None if application.spec.stopped else 0.0

    async def _delete(self, application: Application, retries: RetryState) -> float | None:
        if STOP_FINALIZER not in application.finalizers:
            return None
        holders = self._device_index.holders(application)
        stopped = application.status.phase in (Phase.PENDING, Phase.STOPPED)
        if holders:
            if not stopped:
                application = await self._write(application, Phase.STOPPING, lambda _: _stopping(retries))
            return await self._requests.stop(application, retries, holders)
        if not stopped:
            application = await self._write(application, Phase.STOPPED, lambda _: {"health": "unknown"})
        await self._set_finalizers(application, [name for name in application.finalizers if name != STOP_FINALIZER])
        return None

    async def _abandon(self, gone: Application) -> None:
        """Stop an application whose finalizer was removed by another party.

        One try is enough: a gateway that misses it stops the application when a device reports it (:class:`Orphans`).
        """
        await self._requests.stop(gone, RetryState(gone.uid), self._device_index.holders(gone))

    def _assess(
        self, application: Application, retries: RetryState, package: Package, now: float
    ) -> dict[str, DeviceAssessment]:
        entries, assessments = application.status.device_statuses, {}
        overdue = format_timestamp(now - self._answer_within)
        for name in self._device_index.targets(application):
            device, entry = self._device_index.device(name), entries.get(name, NO_ENTRY)
            why = obstacle(device, package.size)
            if device is None or why is not None:
                assessments[name] = DeviceAssessment(DeviceState.FAILED, why or "", awaited=device is None)
                continue
            record = entry.deployment
            assessments[name] = self._apply_retry_limit(
                retries,
                name,
                record,
                judge(
                    device,
                    entry,
                    package.revision,
                    away=self._device_index.why_away(device),
                    confirmed=retries.is_confirmed(name, record),
                    expired=record.requested_at is not None and record.requested_at <= overdue,
                ),
            )
        return assessments

    def _apply_retry_limit(
        self, retries: RetryState, name: str, record: DeploymentRecord, assessment: DeviceAssessment
    ) -> DeviceAssessment:
        if assessment.state.answered:
            retries.failed_attempts.pop(name, None)
        elif assessment.reason in RETRIED_REASONS and retries.add_failed_attempt(name, record) >= self._attempts:
            return DeviceAssessment(DeviceState.FAILED, assessment.reason)
        elif assessment.state is DeviceState.DUE and name in retries.gateway_failures:
            return DeviceAssessment(DeviceState.DUE, retries.gateway_failures[name].reason)
        return assessment

    def _leftovers(self, application: Application, targets: Container[str]) -> tuple[list[str], list[str]]:
        """Return the devices with an entry that are no longer targets: those to stop, and those to forget."""
        leaving, gone = [], []
        for name, entry in application.status.device_statuses.items():
            if name in targets:
                continue
            device = self._device_index.device(name)
            if device is None or not has_module(device, entry):
                gone.append(name)
            elif not self._device_index.why_away(device):
                leaving.append(name)
        return leaving, gone

    def _record(self, application: Application, name: str, package: Package, now: float) -> Object:
        """Return the record of a request, written before the request is made. It replaces the device's entry."""
        device, entry = self._device_index.device(name), application.status.device_statuses.get(name, NO_ENTRY)
        before = entry.deployment
        return {
            **dict.fromkeys(field for field in entry.raw if field != "deployment"),
            "deployment": {
                "revision": package.revision,
                "generation": application.generation,
                "session": device.status.connected_since if device else None,
                "deviceId": device.status.device_id if device else None,
                "enrollments": device.status.enrollments if device else None,
                "requestedAt": format_timestamp(now),
                "attempts": before.attempts + 1 if before.revision == package.revision else 1,
                "error": None,
            },
        }

    def _next_expiry(self, application: Application, names: Iterable[str], now: float) -> float | None:
        records = (application.status.device_statuses[name].deployment for name in names)
        first = min((record.requested_at for record in records if record.requested_at), default=None)
        return max(parse_timestamp(first) + self._answer_within - now, 0.001) if first else None

    async def _write(
        self,
        application: Application,
        phase: Phase,
        fields: Callable[[Phase], Mapping[str, Any]],
        entries: Mapping[str, Any] | None = None,
    ) -> Application:
        """Write the changed fields, step by step along the legal moves where ``phase`` cannot follow the present one.

        ``fields`` returns the status for each step's phase. ``entries`` are written with the first step.
        """
        steps = route(APPLICATION, application.status.phase, phase) or [phase]
        for step in map(Phase, steps):
            present = application.status.raw
            new = {"phase": str(step), **fields(step)}
            patch = {key: value for key, value in new.items() if not _same(present.get(key), value)}
            if entries:
                patch["deviceStatuses"], entries = entries, None
            if patch:
                patch["lastUpdate"] = format_timestamp(self.clock.now())
                written = await self._api.patch_status(APPLICATION, application.name, {"status": patch})
                self._applications.remember(written)
                application = Application(written)
        return application

    async def _correct(self, application: Application) -> Application:
        """Write which devices went out of reach or came back.

        The write is conditional, because gateways write the same entries: raises :class:`Conflict` if one was written
        since. Repeats until the entries match the devices, as a device may come back during a write.
        """
        while entries := corrections(application, self._device_index, self.clock.now()):
            patch = {
                "metadata": {"resourceVersion": application.resource_version},
                "status": {"deviceStatuses": entries, "lastUpdate": format_timestamp(self.clock.now())},
            }
            written = await self._api.patch_status(APPLICATION, application.name, patch)
            self._applications.remember(written)
            application = Application(written)
        return application

    async def _set_finalizers(self, application: Application, finalizers: list[str]) -> Application:
        metadata = {"resourceVersion": application.resource_version, "finalizers": finalizers}
        written = await self._api.patch(APPLICATION, application.name, {"metadata": metadata})
        if finalizers or not application.deleting:
            self._applications.remember(written)
        return Application(written)

    def _application_changed(self, old: Object | None, new: Object | None) -> None:
        name = (new or old or {})["metadata"]["name"]
        self._target_index.update(name, new)
        if new is None and old is not None and Application(old).status.phase not in (Phase.PENDING, Phase.STOPPED):
            self._gone[name] = Application(old)
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


def _stopping(retries: RetryState) -> dict[str, Any]:
    gateway_failures = [f"{name}: {failure.reason}" for name, failure in retries.gateway_failures.items()]
    return {"health": "unknown", "error": gateway_failures[0] if gateway_failures else None}


def _same(present: Any, wanted: Any) -> bool:
    """Whether a merge patch that sets ``wanted`` would change nothing."""
    if isinstance(wanted, Mapping) and isinstance(present, Mapping):
        return all(_same(present.get(key), value) for key, value in wanted.items())
    return bool(present == wanted)


def _address(raw: Object | None) -> tuple[str, str | None]:
    status = Gateway(raw or {}).status
    return status.phase, status.api_endpoint
