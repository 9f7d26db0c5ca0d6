"""An application's devices added up: its phase, its statistics and what to tell people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from harness.wasmbed.controllers.device_state import DeviceAssessment, DeviceState
from harness.wasmbed.resources.conditions import with_condition
from harness.wasmbed.resources.phases import ApplicationPhase
from harness.wasmbed.resources.views import Application

__all__ = ["Rollout"]

Phase = ApplicationPhase

ROLLING_OUT = frozenset({Phase.PENDING, Phase.CREATING, Phase.DEPLOYING, Phase.DEPLOYED, Phase.STOPPED})
TROUBLED = frozenset({DeviceState.FAILED, DeviceState.ERROR, DeviceState.DUE, DeviceState.UNKNOWN})
NAMED = 3


class Rollout:
    """The verdicts on all targets. ``others``: how many devices may run it that are not targets and out of reach.
    ``awaited``: something that it lacks may still come, whatever its devices say."""

    def __init__(self, verdicts: Mapping[str, DeviceAssessment], others: int = 0, *, awaited: bool = False) -> None:
        self.verdicts = verdicts
        self.count = Counter(verdict.standing for verdict in verdicts.values())
        self.target = len(verdicts)
        self.running = self.count[DeviceState.RUNNING]
        self.failed = self.count[DeviceState.FAILED] + self.count[DeviceState.ERROR]
        self.accepted = sorted(
            name
            for name, verdict in verdicts.items()
            if verdict.standing in (DeviceState.DEPLOYED, DeviceState.RUNNING, DeviceState.UNKNOWN, DeviceState.ERROR)
        )
        self.unknown = self.count[DeviceState.UNKNOWN]
        self._others = others
        self._awaited = awaited or any(verdict.awaited for verdict in verdicts.values())

    @property
    def in_progress(self) -> int:
        """Devices that are being dealt with now."""
        return self.count[DeviceState.DUE] + self.count[DeviceState.REQUESTED] + self.count[DeviceState.OUTDATED]

    @property
    def progress(self) -> int:
        """Percent of the targets that have an answer."""
        answered = sum(count for standing, count in self.count.items() if standing.answered)
        return 100 * answered // self.target if self.target else 0

    def phase(self, present: str) -> ApplicationPhase:
        """The phase that these verdicts mean for an application that is in phase ``present``."""
        rolling_out = present in ROLLING_OUT
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
        if phase in (Phase.FAILED, Phase.ERROR):
            return "unhealthy"
        if phase == Phase.UNKNOWN:
            return "unknown"
        if self.failed or self.unknown:
            return "degraded"
        return "healthy" if phase == Phase.RUNNING else "unknown"

    def error(self) -> str | None:
        """What went wrong, a line for each of the first few devices; backtraces are in their own statuses."""
        troubled = [
            f"{name}: {verdict.reason.splitlines()[0]}"
            for name, verdict in sorted(self.verdicts.items())
            if verdict.standing in TROUBLED and verdict.reason
        ]
        more = f" (and {len(troubled) - NAMED} more)" if len(troubled) > NAMED else ""
        return "; ".join(troubled[:NAMED]) + more if troubled else None

    def metrics(self, application: Application) -> dict[str, int]:
        """The devices' metrics, added up."""
        total: Counter[str] = Counter()
        for name in self.accepted:
            entry = application.status.device_statuses.get(name)
            if entry is not None:
                total.update(entry.metrics)
        return dict(total)

    def status(self, application: Application, phase: str, now: float) -> dict[str, Any]:
        """What belongs into the Application's status, but for the moment of the update."""
        present, generation = application.status, application.generation
        waiting = self.count[DeviceState.WAITING]
        remaining = [f"{waiting} not connected"] * bool(waiting) + [f"{self.in_progress} in progress"] * bool(
            self.in_progress
        )
        message = f"{len(self.accepted)} of {self.target} devices have the module" + "".join(
            f", {part}" for part in remaining
        )
        if not self.target:
            message = "no device matches yet"
        deployed = phase not in (Phase.CREATING, Phase.DEPLOYING, Phase.FAILED)
        conditions = with_condition(
            present.conditions, "Deployed", deployed, phase, message, now=now, generation=generation
        )
        conditions = with_condition(
            conditions,
            "Running",
            None if phase == Phase.UNKNOWN else phase == Phase.RUNNING,
            phase,
            f"{self.running} of {self.target} devices run it"
            + (f", of {self.unknown} nothing is known: they are out of reach" if self.unknown else ""),
            now=now,
            generation=generation,
        )
        stalled = phase in (Phase.FAILED, Phase.ERROR) and not self._awaited
        message = "only a change of the spec or of the devices leads on" if stalled else ""
        conditions = with_condition(conditions, "Stalled", stalled, phase, message, now=now, generation=generation)
        return {
            "phase": phase,
            "observedGeneration": generation,
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
            "retryCount": sum(
                max(present.device_statuses[name].deployment.attempts - 1, 0)
                for name in self.verdicts
                if name in present.device_statuses
            ),
            "conditions": conditions,
        }
