"""The sum of an application's devices: its phase, its statistics, its conditions, and its error text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from harness.wasmbed.controllers.device_state import DeviceAssessment, DeviceState
from harness.wasmbed.resources.conditions import with_condition
from harness.wasmbed.resources.phases import ApplicationPhase
from harness.wasmbed.resources.views import Application

__all__ = ["Rollout"]

Phase = ApplicationPhase

_ROLLING_OUT = frozenset({Phase.PENDING, Phase.CREATING, Phase.DEPLOYING, Phase.DEPLOYED, Phase.STOPPED})
_REPORTED_STATES = frozenset(
    {DeviceState.FAILED, DeviceState.ERROR, DeviceState.DUE, DeviceState.UNKNOWN, DeviceState.BACKING_OFF}
)
_IN_PROGRESS = (DeviceState.DUE, DeviceState.REQUESTED, DeviceState.OUTDATED, DeviceState.BACKING_OFF)
_NAMED_DEVICES = 3
"""Devices whose reasons the error text quotes."""


class Rollout:
    """The assessments of all target devices.

    ``others`` is the number of devices out of reach that may run the application and are not targets. ``awaited``:
    something that the application lacks may still be added.
    """

    def __init__(self, assessments: Mapping[str, DeviceAssessment], others: int = 0, *, awaited: bool = False) -> None:
        self.assessments = assessments
        self.count = Counter(assessment.state for assessment in assessments.values())
        self.target = len(assessments)
        self.running = self.count[DeviceState.RUNNING]
        self.failed = self.count[DeviceState.FAILED] + self.count[DeviceState.ERROR]
        self.accepted = sorted(
            name
            for name, assessment in assessments.items()
            if assessment.state in (DeviceState.DEPLOYED, DeviceState.RUNNING, DeviceState.UNKNOWN, DeviceState.ERROR)
        )
        self.unknown = self.count[DeviceState.UNKNOWN]
        self._others = others
        self._awaited = awaited or any(assessment.awaited for assessment in assessments.values())

    @property
    def in_progress(self) -> int:
        """The number of devices with a request under way, due, or to come."""
        return sum(self.count[state] for state in _IN_PROGRESS)

    @property
    def progress(self) -> int:
        """Percent of the targets that have an outcome."""
        answered = sum(count for state, count in self.count.items() if state.answered)
        return 100 * answered // self.target if self.target else 0

    def phase(self, present: str) -> ApplicationPhase:
        """Return the phase of an application with these assessments that is now in phase ``present``."""
        rolling_out = present in _ROLLING_OUT
        if not self.target or (rolling_out and self.in_progress):
            return Phase.DEPLOYING
        if rolling_out and self.count[DeviceState.DEPLOYED]:
            return Phase.DEPLOYED
        if self.running == self.target:
            return Phase.RUNNING
        if self.running:
            return Phase.PARTIALLY_RUNNING
        if self.in_progress or self.count[DeviceState.DEPLOYED]:
            return Phase.DEPLOYING
        if self.unknown:
            return Phase.UNKNOWN
        if self.count[DeviceState.WAITING]:
            return Phase.DEPLOYING
        return Phase.ERROR if self.count[DeviceState.ERROR] else Phase.FAILED

    def health(self, phase: str) -> str:
        """Return the health of an application in ``phase``."""
        if phase in (Phase.FAILED, Phase.ERROR):
            return "unhealthy"
        if phase == Phase.UNKNOWN:
            return "unknown"
        if self.failed or self.unknown:
            return "degraded"
        return "healthy" if phase == Phase.RUNNING else "unknown"

    def error(self) -> str | None:
        """Return the reasons of the first few devices, a line each; backtraces are in their own entries."""
        troubled = [
            f"{name}: {assessment.reason.splitlines()[0]}"
            for name, assessment in sorted(self.assessments.items())
            if assessment.state in _REPORTED_STATES and assessment.reason
        ]
        more = f" (and {len(troubled) - _NAMED_DEVICES} more)" if len(troubled) > _NAMED_DEVICES else ""
        return "; ".join(troubled[:_NAMED_DEVICES]) + more if troubled else None

    def metrics(self, application: Application) -> dict[str, int]:
        """Return the sum of the devices' metrics."""
        total: Counter[str] = Counter()
        for name in self.accepted:
            entry = application.status.device_statuses.get(name)
            if entry is not None:
                total.update(entry.metrics)
        return dict(total)

    def status(self, application: Application, phase: str, now: float) -> dict[str, Any]:
        """Return the Application's status, without the time of the update."""
        present = application.status
        entries = present.device_statuses
        records = [entries[name].deployment for name in self.assessments if name in entries]
        return {
            "phase": phase,
            "observedGeneration": application.generation,
            "deployedDevices": self.accepted,
            "deploymentProgress": self.progress,
            "statistics": {
                "target": self.target,
                "deployed": len(self.accepted),
                "running": self.running,
                "failed": self.failed,
                "unknown": self.unknown + self._others,
            },
            "metrics": {**dict.fromkeys(present.metrics), **self.metrics(application)},
            "health": self.health(phase),
            "error": self.error(),
            "retryCount": sum(max(record.attempts - 1, 0) for record in records),
            "restartCount": sum(record.restarts for record in records),
            "conditions": self._conditions(application, phase, now),
        }

    def _conditions(self, application: Application, phase: str, now: float) -> list[dict[str, Any]]:
        deployed = phase not in (Phase.CREATING, Phase.DEPLOYING, Phase.FAILED)
        running = None if phase == Phase.UNKNOWN else phase == Phase.RUNNING
        stalled = phase in (Phase.FAILED, Phase.ERROR) and not self._awaited
        conditions: Iterable[Mapping[str, Any]] | None = application.status.conditions
        for type_, status, message in (
            ("Deployed", deployed, self._deployed_message()),
            ("Running", running, self._running_message()),
            ("Stalled", stalled, "only a change of the spec or of the devices can help" if stalled else ""),
        ):
            conditions = with_condition(
                conditions, type_, status, phase, message, now=now, generation=application.generation
            )
        return [dict(condition) for condition in conditions or ()]

    def _deployed_message(self) -> str:
        if not self.target:
            return "no device matches yet"
        parts = [f"{len(self.accepted)} of {self.target} devices have the module"]
        if waiting := self.count[DeviceState.WAITING]:
            parts.append(f"{waiting} not connected")
        if self.in_progress:
            parts.append(f"{self.in_progress} in progress")
        return ", ".join(parts)

    def _running_message(self) -> str:
        message = f"{self.running} of {self.target} devices run it"
        return f"{message}, {self.unknown} are out of reach and unknown" if self.unknown else message
