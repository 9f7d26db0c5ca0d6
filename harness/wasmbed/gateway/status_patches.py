"""The status patches that wait for one object: merged where one patch does the work of several, in order elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.core.clock import Timer
from harness.wasmbed.resources.api import Object

__all__ = ["MakeStatus", "PendingStatus", "SentStatus", "Status", "StatusStep", "fits_one_patch", "is_in", "merge"]

Status = dict[str, Any]
"""The content of ``status`` in a JSON merge patch."""
MakeStatus = Callable[[], Status]
"""Returns a status as it is now. Called when the status is needed, which is once for many heartbeats."""


def merge(first: Status, second: Status) -> Status:
    """Return one JSON merge patch (RFC 7386) with the effect of ``first`` and then ``second``.

    There is such a patch only if :func:`fits_one_patch`.
    """
    merged = dict(first)
    for name, value in second.items():
        old = merged.get(name)
        merged[name] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def fits_one_patch(first: Status, second: Status) -> bool:
    """Whether one merge patch has the effect of both.

    To remove a value and then set an object in its place takes two patches.
    """
    return all(
        isinstance(first[name], dict) and fits_one_patch(first[name], value)
        for name, value in second.items()
        if isinstance(value, dict) and name in first
    )


_MOVE = ("phase", "gateway", "deviceId", "connectedSince")
"""Fields in which two moves to the same phase differ."""


@dataclass(frozen=True, slots=True)
class SentStatus:
    """A patch that may have been written: its answer did not come."""

    status: Status
    version: str
    """The resourceVersion on which it was conditional."""


class StatusStep:
    """One patch to write, and the futures of the callers that wait for the API server's answer to it."""

    __slots__ = ("_make", "_status", "due", "sent", "waiters")

    def __init__(
        self, status: Status | MakeStatus, waiter: asyncio.Future[Object] | None = None, *, due: float = 0.0
    ) -> None:
        """A status that is still to be made has no phase."""
        self._status: Status = {} if callable(status) else status
        self._make = status if callable(status) else None
        self.waiters = () if waiter is None else (waiter,)
        self.due = due
        """Clock seconds until which it may wait for others."""
        self.sent: SentStatus | None = None
        """The step to a phase that was sent and whose answer did not come, if there is one."""

    @property
    def status(self) -> Status:
        """The patch."""
        if self._make is not None:
            self._status, self._make = self._make(), None
        return self._status

    @status.setter
    def status(self, status: Status) -> None:
        self._status, self._make = status, None

    @property
    def phase(self) -> Any:
        """The phase that the patch sets, if it sets one."""
        return self._status.get("phase")

    def fits(self, later: StatusStep) -> bool:
        """Whether one patch has the effect of both. Two statuses that are still to be made are of one kind."""
        return (self._make is not None and later._make is not None) or fits_one_patch(self.status, later.status)

    def absorb(self, later: StatusStep) -> None:
        """Do the work of ``later`` too."""
        if self._make is not None and later._make is not None:
            self._make, self.due = later._make, min(self.due, later.due)
            return
        if later.phase is not None and any(self.status.get(each) != later.status.get(each) for each in _MOVE):
            self.sent = None
        self.status = merge(self.status, later.status)
        self.waiters = (*self.waiters, *later.waiters)
        self.due = min(self.due, later.due)

    def succeed(self, answer: Object) -> None:
        """Give the API server's answer to the waiting callers."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(answer)

    def fail(self, error: Exception) -> None:
        """Raise ``error`` in the waiting callers."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_exception(error)

    def cancel(self) -> None:
        """Cancel the waiting callers."""
        for waiter in self.waiters:
            waiter.cancel()


def is_in(present: Any, patch: Any) -> bool:
    """Whether ``patch`` would change nothing in ``present``."""
    if not isinstance(patch, dict):
        return bool(present == patch)
    inside = present if isinstance(present, dict) else {}
    return all(is_in(inside.get(name), value) for name, value in patch.items())


class PendingStatus:
    """The steps that wait to be written to one object, and the earliest moment for that."""

    __slots__ = ("current", "due", "failures", "rests_until", "steps", "task", "timer")

    def __init__(self) -> None:
        self.steps: list[StatusStep] = []
        self.current: StatusStep | None = None
        """The step that is being written."""
        self.timer: Timer | None = None
        self.due = 0.0
        """Clock seconds at which the timer fires, if there is one."""
        self.task: asyncio.Task[None] | None = None
        self.failures = 0
        """Failed attempts in a row."""
        self.rests_until = 0.0
        """Clock seconds before which the object is not written again."""

    def add(self, step: StatusStep) -> None:
        """Append ``step``, or merge it with the pending steps that it overtakes."""
        first = self._first_overtaken(step)
        if first == len(self.steps):
            self.steps.append(step)
            return
        merged = self.steps[first]
        for overtaken in self.steps[first + 1 :]:
            merged.absorb(overtaken)
        merged.absorb(step)
        del self.steps[first + 1 :]

    def may_wait_until(self) -> float:
        """The clock seconds at which the first pending step is due; 0 if none waits."""
        return min((step.due for step in self.steps), default=0.0)

    def take(self) -> StatusStep:
        """Return the next step, which is :attr:`current` from now on."""
        self.current = self.steps.pop(0)
        return self.current

    def put_back(self, step: StatusStep) -> None:
        """Make a step that could not be written the first again, and merge the later ones with it where possible."""
        later, self.steps = self.steps, [step]
        for other in later:
            self.add(other)

    def cancel_timer(self) -> None:
        """Cancel the timer, if one runs."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def _first_overtaken(self, step: StatusStep) -> int:
        """Return the index of the first pending step that ``step`` merges with; ``len(self.steps)`` if there is none.

        A step without a phase merges with the last one. A step to a phase overtakes all steps from an earlier one to
        the same phase on: the phases between need not be written any more.
        """
        end = len(self.steps)
        if step.phase is None:
            return end - 1 if self.steps and self.steps[-1].fits(step) else end
        for index, pending in enumerate(self.steps):
            if pending.phase in (step.phase, None):
                return index
        return end
