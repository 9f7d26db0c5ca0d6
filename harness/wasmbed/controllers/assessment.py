"""The assessment of an application's devices, and the records of the requests that follow from it."""

from __future__ import annotations

from collections.abc import Container, Iterable

from harness.core.identifiers import Randomness
from harness.wasmbed.controllers.device_index import DeviceIndex
from harness.wasmbed.controllers.device_state import (
    RETRIED_REASONS,
    DeviceAssessment,
    DeviceState,
    is_present,
    judge,
    obstacle,
    reported_state,
)
from harness.wasmbed.controllers.packages import Package
from harness.wasmbed.controllers.retry_state import RetryState
from harness.wasmbed.protocol.messages import ApplicationState
from harness.wasmbed.resources.api import Object
from harness.wasmbed.resources.timestamps import format_timestamp, parse_timestamp
from harness.wasmbed.resources.views import Application, DeploymentRecord, DeviceEntry

__all__ = ["Assessor"]

NO_ENTRY = DeviceEntry({})


class Assessor:
    """Assesses devices. A request expires after ``answer_within`` seconds, and is made at most ``attempts`` times."""

    def __init__(
        self, device_index: DeviceIndex, randomness: Randomness, *, answer_within: float, attempts: int
    ) -> None:
        self._device_index, self._randomness = device_index, randomness
        self._answer_within, self._attempts = answer_within, attempts

    def assess(
        self, application: Application, retries: RetryState, package: Package, now: float
    ) -> dict[str, DeviceAssessment]:
        """Return the assessment of each target device of ``application`` at ``now`` (clock seconds)."""
        entries, assessments = application.status.device_statuses, {}
        overdue, to_come = (format_timestamp(now + seconds) for seconds in (-self._answer_within, self._answer_within))
        for name in self._device_index.targets(application):
            device, entry = self._device_index.device(name), entries.get(name, NO_ENTRY)
            why = obstacle(device, package.size)
            if device is None or why is not None:
                awaited = device is None or device.awaits_board
                assessments[name] = DeviceAssessment(DeviceState.FAILED, why or "", awaited=awaited)
                continue
            record = entry.deployment
            away = self._device_index.why_away(device)
            judged = judge(
                device,
                entry,
                package.revision,
                away=away,
                confirmed=retries.is_confirmed(name, record),
                # A clock that was wrong may have set a time that is far ahead.
                expired=record.requested_at is not None and not overdue < record.requested_at <= to_come,
            )
            assessed = self._apply_retry_limit(retries, name, record, judged)
            if assessed.state is DeviceState.ERROR and application.spec.config.auto_restart:
                assessed = self._restart(application, retries, name, record, assessed, now)
                if away and assessed.state is not DeviceState.ERROR:
                    assessed = DeviceAssessment(DeviceState.WAITING, away)
            else:
                retries.restarts.pop(name, None)
            assessments[name] = assessed
        return assessments

    def leftovers(self, application: Application, targets: Container[str]) -> tuple[list[str], list[str]]:
        """Return the devices with an entry that are no longer targets: those to stop, and those to forget."""
        leaving, forgotten = [], []
        for name, entry in application.status.device_statuses.items():
            if name in targets:
                continue
            device = self._device_index.device(name)
            if device is None or not is_present(device, entry, reported_state(device, application.name)):
                forgotten.append(name)
            elif not self._device_index.why_away(device):
                leaving.append(name)
        return leaving, forgotten

    def record(self, application: Application, name: str, package: Package, now: float) -> Object:
        """Return the record of a request, written before the request is made. It replaces the device's entry."""
        device, entry = self._device_index.device(name), application.status.device_statuses.get(name, NO_ENTRY)
        before = entry.deployment
        same = before.revision == package.revision
        return {
            **dict.fromkeys(field for field in entry.raw if field != "deployment"),
            "deployment": {
                "revision": package.revision,
                "generation": application.generation,
                "session": device.status.connected_since if device else None,
                "deviceId": device.status.device_id if device else None,
                "enrollments": device.status.enrollments if device else None,
                "requestedAt": format_timestamp(now),
                "attempts": before.attempts + 1 if same else 1,
                "restarts": before.restarts + (entry.state == ApplicationState.ERROR) if same else 0,
                "error": None,
            },
        }

    def next_expiry(self, application: Application, names: Iterable[str], now: float) -> float | None:
        """Return the seconds until the first of the requests to ``names`` expires; None if there are none."""
        records = (application.status.device_statuses[name].deployment for name in names)
        first = min((record.requested_at for record in records if record.requested_at), default=None)
        return max(parse_timestamp(first) + self._answer_within - now, 0.001) if first else None

    def _restart(
        self,
        application: Application,
        retries: RetryState,
        name: str,
        record: DeploymentRecord,
        error: DeviceAssessment,
        now: float,
    ) -> DeviceAssessment:
        """Return the assessment of a device where the module failed at run time and is to be deployed again."""
        most, restarts = application.spec.config.max_restarts, record.restarts
        reason = error.reason.partition("\n")[0]  # without its backtrace
        if restarts >= most:
            return DeviceAssessment(DeviceState.ERROR, f"{reason} (gave up after {restarts} of {most} restarts)")
        is_due = retries.may_restart(name, record, now, self._randomness)
        state = DeviceState.DUE if is_due else DeviceState.BACKING_OFF
        return DeviceAssessment(state, f"{reason} (restart {restarts + 1} of {most})")

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
