"""The application controller: sees to it that every application ends Running, PartiallyRunning, Stopped, Failed or
Error, whatever gateways and devices do meanwhile.

Each look at an application judges all its targets afresh (:mod:`standing`), writes what that adds up to
(:mod:`rollout`), and asks gateways for the next step of those devices that need one (:mod:`requests`).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any, ClassVar

from harness.core.clock import Clock
from harness.core.identifiers import Randomness
from harness.wasmbed.controllers.controller import Controller
from harness.wasmbed.controllers.device_index import DeviceIndex
from harness.wasmbed.controllers.device_state import IN_VAIN, DeviceAssessment, DeviceState, has_module, judge, obstacle
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
"""The most devices that one look deploys to."""
METRICS_AFTER = 5.0
"""Seconds after which metrics that changed, and nothing else, are added up again."""
MODULE_AGAIN_AFTER = 10.0
"""Seconds after which the module store is asked again for a module that it did not have."""
NO_ENTRY = DeviceEntry({})


class ApplicationController(Controller):
    """Deploys, redeploys and stops. A device has ``answer_within`` seconds for a whole deployment, and may miss that,
    or refuse because it has the application already, ``attempts`` times; a stop that is
    not confirmed within ``stop_within`` seconds is taken for done."""

    name: ClassVar[str] = "ApplicationController"
    rest: ClassVar[float] = 0.05

    def __init__(
        self,
        api: ResourceApi,
        applications: Informer,
        fleet: DeviceIndex,
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
        self._api, self._applications, self._fleet = api, applications, fleet
        self._packages, self._requests = packages, requests
        self._answer_within, self._attempts = answer_within, attempts
        self._index = TargetIndex()
        self._memories: dict[str, RetryState] = {}
        self._gone: dict[str, Application] = {}
        """Deleted before they were stopped, as they were last seen."""

    def watch(self) -> Iterable[Callable[[], None]]:
        self._memories.clear()
        self._gone.clear()
        self._index = TargetIndex()
        for name, raw in self._applications.objects.items():
            self._index.update(name, raw)
        return [
            self._applications.add_handler(self._application_changed),
            self._fleet.devices.add_handler(self._device_changed),
            self._fleet.gateways.add_handler(self._gateway_changed),
        ]

    def keys(self) -> Iterable[str]:
        return self._applications.objects

    async def reconcile(self, key: str) -> float | None:
        if (gone := self._gone.pop(key, None)) is not None:
            await self._abandon(gone)
        raw = self._applications.get(key)
        memory = self._memories.get(key)
        if memory is not None and (raw is None or memory.uid != raw["metadata"]["uid"]):
            self._packages.forget(memory.uid)
            del self._memories[key]
            memory = None
        if raw is None:
            return None
        application = Application(raw)
        if memory is None:
            memory = self._memories[key] = RetryState(application.uid)
        if application.deleting:
            return await self._delete(application, memory)
        if STOP_FINALIZER not in application.finalizers:
            application = await self._set_finalizers(application, [*application.finalizers, STOP_FINALIZER])
        application = await self._correct(application)
        if application.spec.stopped or application.status.phase == Phase.STOPPING:
            return await self._stop(application, memory)
        return await self._deploy(application, memory)

    async def _deploy(self, application: Application, memory: RetryState) -> float | None:
        if application.status.phase == Phase.PENDING:
            application = await self._write(application, Phase.CREATING, lambda _: {})
        try:
            package = await self._packages.get(application)
        except BadModule as error:
            return await self._refuse(application, memory, error)
        application = await self._correct(application)
        now = self.clock.now()
        verdicts = self._verdicts(application, memory, package, now)
        leaving, gone = self._leftovers(application, verdicts)
        due = [name for name in _named(verdicts, DeviceState.DUE) if memory.may_try(name, now)]
        wave = due[:BATCH]
        rollout = Rollout(verdicts, out_of_reach(application, verdicts))
        records = {name: self._record(application, name, package, now) for name in wave}
        application = await self._write(
            application,
            rollout.phase(application.status.phase),
            lambda phase: rollout.status(application, phase, now),
            {**dict.fromkeys(gone), **records},
        )
        again = [
            await self._requests.stop(application, memory, [*_named(verdicts, DeviceState.OUTDATED), *leaving]),
            await self._requests.deploy(application, memory, wave),
            0.0 if len(due) > len(wave) else None,
            memory.next_try(now),
            self._next_expiry(application, _named(verdicts, DeviceState.REQUESTED), now),
        ]
        return min((seconds for seconds in again if seconds is not None), default=None)

    async def _refuse(self, application: Application, memory: RetryState, error: BadModule) -> float | None:
        """The module is no good: nothing is deployed, and what an earlier one left is stopped."""
        verdicts = {name: DeviceAssessment(DeviceState.FAILED) for name in self._fleet.targets(application)}
        rollout, now = Rollout(verdicts, awaited=error.missing), self.clock.now()
        await self._write(
            application,
            Phase.FAILED,
            lambda phase: {**rollout.status(application, phase, now), "error": str(error)},
        )
        again = await self._requests.stop(application, memory, self._fleet.holders(application))
        return again if again is not None else MODULE_AGAIN_AFTER if error.missing else None

    async def _stop(self, application: Application, memory: RetryState) -> float | None:
        nothing, now = Rollout({}, out_of_reach(application, {})), self.clock.now()
        if application.status.phase != Phase.STOPPED:
            application = await self._write(application, Phase.STOPPING, lambda _: _stopping(memory))
        holders = self._fleet.holders(application)
        if holders:
            return await self._requests.stop(application, memory, holders)
        application = await self._write(
            application,
            Phase.STOPPED,
            lambda phase: {**nothing.status(application, phase, now), "error": None},
        )
        return None if application.spec.stopped else 0.0

    async def _delete(self, application: Application, memory: RetryState) -> float | None:
        if STOP_FINALIZER not in application.finalizers:
            return None
        holders = self._fleet.holders(application)
        stopped = application.status.phase in (Phase.PENDING, Phase.STOPPED)
        if holders:
            if not stopped:
                application = await self._write(application, Phase.STOPPING, lambda _: _stopping(memory))
            return await self._requests.stop(application, memory, holders)
        if not stopped:
            application = await self._write(application, Phase.STOPPED, lambda _: {"health": "unknown"})
        await self._set_finalizers(application, [name for name in application.finalizers if name != STOP_FINALIZER])
        return None

    async def _abandon(self, gone: Application) -> None:
        """Stop what is left of an application whose finalizer somebody took away. Once is enough: a gateway that does
        not hear of it finds out when the device names the application."""
        await self._requests.stop(gone, RetryState(gone.uid), self._fleet.holders(gone))

    def _verdicts(
        self, application: Application, memory: RetryState, package: Package, now: float
    ) -> dict[str, DeviceAssessment]:
        entries, verdicts = application.status.device_statuses, {}
        overdue = format_timestamp(now - self._answer_within)
        for name in self._fleet.targets(application):
            device, entry = self._fleet.device(name), entries.get(name, NO_ENTRY)
            why = obstacle(device, package.size)
            if device is None or why is not None:
                verdicts[name] = DeviceAssessment(DeviceState.FAILED, why or "", awaited=device is None)
                continue
            record = entry.deployment
            verdicts[name] = self._apply_retry_limit(
                memory,
                name,
                record,
                judge(
                    device,
                    entry,
                    package.revision,
                    away=self._fleet.why_away(device),
                    confirmed=memory.is_confirmed(name, record),
                    expired=record.requested_at is not None and record.requested_at <= overdue,
                ),
            )
        return verdicts

    def _apply_retry_limit(
        self, memory: RetryState, name: str, record: DeploymentRecord, verdict: DeviceAssessment
    ) -> DeviceAssessment:
        if verdict.standing.answered:
            memory.failed_attempts.pop(name, None)
        elif verdict.reason in IN_VAIN and memory.add_failed_attempt(name, record) >= self._attempts:
            return DeviceAssessment(DeviceState.FAILED, verdict.reason)
        elif verdict.standing is DeviceState.DUE and name in memory.troubles:
            return DeviceAssessment(DeviceState.DUE, memory.troubles[name].reason)
        return verdict

    def _leftovers(self, application: Application, meant: Container[str]) -> tuple[list[str], list[str]]:
        """Devices that have the application and are not meant any more: those to stop, and those to forget."""
        leaving, gone = [], []
        for name, entry in application.status.device_statuses.items():
            if name in meant:
                continue
            device = self._fleet.device(name)
            if device is None or not has_module(device, entry):
                gone.append(name)
            elif not self._fleet.why_away(device):
                leaving.append(name)
        return leaving, gone

    def _record(self, application: Application, name: str, package: Package, now: float) -> Object:
        """The request for one device as it is put on record, before it is made; what was there is about another."""
        device, entry = self._fleet.device(name), application.status.device_statuses.get(name, NO_ENTRY)
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
        """Write what is new, step by step along the legal moves where ``phase`` cannot follow the present one.

        ``fields`` gives the status for each step's phase. ``entries`` go with the first.
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
        """Write down which devices went out of reach or came back, if nothing was written since: gateways write the
        same entries. Raises :class:`Conflict` otherwise.

        A device that came back during a write is looked at again: what is judged next are entries that fit the devices.
        """
        while entries := corrections(application, self._fleet, self.clock.now()):
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
        self._index.update(name, new)
        if new is None and old is not None and Application(old).status.phase not in (Phase.PENDING, Phase.STOPPED):
            self._gone[name] = Application(old)
        if old is None or new is None or application_key(old) != application_key(new):
            self.queue.add(name)
        elif old.get("status") != new.get("status"):
            self.queue.add_after(name, METRICS_AFTER)

    def _device_changed(self, old: Object | None, new: Object | None) -> None:
        if device_key(old) != device_key(new):
            for name in self._index.concerned(old, new):
                self.queue.add(name)

    def _gateway_changed(self, old: Object | None, new: Object | None) -> None:
        if _address(old) != _address(new):
            for name in self._applications.objects:
                self.queue.add(name)


def _named(verdicts: Mapping[str, DeviceAssessment], standing: DeviceState) -> list[str]:
    return [name for name, verdict in verdicts.items() if verdict.standing is standing]


def _stopping(memory: RetryState) -> dict[str, Any]:
    troubles = [f"{name}: {trouble.reason}" for name, trouble in memory.troubles.items()]
    return {"health": "unknown", "error": troubles[0] if troubles else None}


def _same(present: Any, wanted: Any) -> bool:
    """Whether a merge patch that sets ``wanted`` would change nothing."""
    if isinstance(wanted, Mapping) and isinstance(present, Mapping):
        return all(_same(present.get(key), value) for key, value in wanted.items())
    return bool(present == wanted)


def _address(raw: Object | None) -> tuple[str, str | None]:
    status = Gateway(raw or {}).status
    return status.phase, status.api_endpoint
