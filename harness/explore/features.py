"""Features of a history: pairs of phase moves, messages and faults that follow each other.

Two histories with the same features went the same ways, whatever their boards and times. A schedule whose history has
a new one went where none has been.
"""

from __future__ import annotations

from harness.core.history import Event, Kind

__all__ = ["Features"]

FOLLOWS = 45.0
"""Seconds in which what happens after the beginning of a fault makes a pair with it."""
BAD_REQUEST = 400
START = "start"


class Features:
    """Listens to a history. ``found`` has a text for each pair of steps of one device or application, in their order,
    and for each step together with the last fault before it."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self._steps: dict[str, str] = {}
        self._phases: dict[tuple[str, str], str] = {}
        self._fault, self._until = "", 0.0

    def see(self, event: Event) -> None:
        """Called with each event."""
        if event.kind is Kind.NOTE:
            if event.name == "fault":
                name = str(event.data.get("fault", "")).partition(" ")[0]
                if self._fault and event.at < self._until:
                    self.found.add(f"{self._fault} + {name}")
                self._fault, self._until = name, event.at + FOLLOWS
            return
        step = self._step(event)
        if not step:
            return
        before = self._steps.get(event.correlation, START)
        self._steps[event.correlation] = step
        self.found.add(f"{before} > {step}")
        if self._fault and event.at < self._until:
            self.found.add(f"{self._fault} + {step}")

    def _step(self, event: Event) -> str:
        """The event as a step: a phase move or a message; empty for another."""
        if event.kind is Kind.STATE:
            status = event.data.get("status")
            phase = status.get("phase") if isinstance(status, dict) else None
            if phase is None:
                return ""
            key = event.name, event.correlation
            before, self._phases[key] = self._phases.get(key, START), str(phase)
            return f"{event.name} {before}-{phase}"
        if event.kind is not Kind.MESSAGE:
            return ""
        code = event.data.get("code")
        failed = f" {code}" if isinstance(code, int | str) and event.target == "Kubernetes" and _is_bad(code) else ""
        kind = f" {event.data['code']}" if event.name == "Error" and "code" in event.data else ""
        return f"{event.source} {event.name}{failed}{kind}"


def _is_bad(code: object) -> bool:
    return isinstance(code, int) and code >= BAD_REQUEST
