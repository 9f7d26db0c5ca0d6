"""Status writes, coalesced: what changes fast is merged while it waits, and nothing that was put here is lost.

One write at a time for each object. While the API server cannot be reached the patches wait and merge; steps from
phase to phase stay apart, in order, so that only legal moves are written, each conditional on the resourceVersion it
was judged by.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from harness.core.clock import Clock, Timer
from harness.core.errors import reason
from harness.core.identifiers import Randomness
from harness.core.logs import get_log
from harness.core.summed_log import SummedLog
from harness.wasmbed.resources.api import ApiError, Conflict, NotFound, Object, Resource, ResourceApi
from harness.wasmbed.resources.phases import IllegalMove, check, is_legal

__all__ = ["StatusWriter", "is_one", "merge", "write_interval"]

log = get_log(__name__)

Status = dict[str, Any]
Key = tuple[Resource, str]

FIRST_DELAY = 0.1
LONGEST_DELAY = 10.0
PER_DEVICE = 0.0005
_PERMANENT = {400, 403, 405, 413, 415, 422}
"""Statuses that the same patch will meet again."""


def merge(first: Status, second: Status) -> Status:
    """One JSON merge patch (RFC 7386) that does what ``first`` and then ``second`` would, if :func:`is_one`."""
    merged = dict(first)
    for name, value in second.items():
        old = merged.get(name)
        merged[name] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def is_one(first: Status, second: Status) -> bool:
    """Whether there is such a patch: to remove something and put an object in its place takes two."""
    return all(
        isinstance(first[name], dict) and is_one(first[name], value)
        for name, value in second.items()
        if isinstance(value, dict) and name in first
    )


def write_interval(resource: Resource, written: Object) -> float:
    """Seconds to leave an object alone after a write: in proportion to the devices in it.

    A large fleet's Application is sent whole to everybody who watches it. So its writes take the same share of time
    however large it is, and what the devices of the fleet report meanwhile goes into one.
    """
    return PER_DEVICE * len((written.get("status") or {}).get("deviceStatuses") or ())


class _Step:
    __slots__ = ("status", "waiters")

    def __init__(self, status: Status, waiters: list[asyncio.Future[Object]] | None = None) -> None:
        self.status = status
        self.waiters = waiters

    def absorb(self, later: _Step) -> None:
        self.status = merge(self.status, later.status)
        if later.waiters:
            self.waiters = [*(self.waiters or ()), *later.waiters]


class _Entry:
    __slots__ = ("current", "due", "failures", "rests_until", "steps", "task", "timer")

    def __init__(self) -> None:
        self.steps: list[_Step] = []
        self.current: _Step | None = None
        """The one being written."""
        self.timer: Timer | None = None
        self.due = 0.0
        """When the timer fires, if there is one."""
        self.task: asyncio.Task[None] | None = None
        self.failures = 0
        self.rests_until = 0.0

    def add(self, step: _Step) -> None:
        """Append; from a step of the same phase on, all that lies between is overtaken and merged."""
        phase = step.status.get("phase")
        start = len(self.steps)
        if phase is None:
            start -= bool(self.steps) and is_one(self.steps[-1].status, step.status)
        else:
            start = next((n for n, old in enumerate(self.steps) if old.status.get("phase") in (phase, None)), start)
        overtaken, self.steps = self.steps[start:], self.steps[:start]
        for later in (*overtaken[1:], step) if overtaken else ():
            overtaken[0].absorb(later)
        self.steps.append(overtaken[0] if overtaken else step)


class StatusWriter:
    """Writes ``status`` patches of any resource through one API client.

    ``current`` is where the last known form of an object is read, ``written`` is told what the API server answered.
    ``detour`` may give a step to write first where a move is not legal directly, as a status with its phase.
    ``pace`` says for how many seconds to leave an object alone that was written. ``gone`` is told what could not be
    written because the object does not exist.
    """

    def __init__(
        self,
        api: ResourceApi,
        clock: Clock,
        randomness: Randomness,
        *,
        requests: int,
        timeout: float,
        current: Callable[[Resource, str], Object | None] = lambda resource, name: None,
        written: Callable[[Resource, Object], object] = lambda resource, written: None,
        intermediate_step: Callable[[Resource, str], Status | None] = lambda resource, phase: None,
        write_interval: Callable[[Resource, Object], float] = lambda resource, written: 0.0,
        gone: Callable[[Resource, str, Status], object] = lambda resource, name, status: None,
    ) -> None:
        self._api, self._clock, self._randomness = api, clock, randomness
        self._log = SummedLog(log, clock)
        self._slots = asyncio.Semaphore(requests)
        self._timeout = timeout
        self._current, self._written, self._intermediate_step = current, written, intermediate_step
        self._write_interval, self._gone = write_interval, gone
        self._entries: dict[Key, _Entry] = {}
        self._idle: asyncio.Future[None] | None = None
        self._flushing = self._abandoned = False
        self.writes = 0
        """Patches the API server accepted."""
        self.failures = 0
        """Attempts that failed; all but the hopeless are tried again."""

    def __len__(self) -> int:
        """Objects with something still to write."""
        return sum(bool(entry.steps or entry.task) for entry in self._entries.values())

    def put(self, resource: Resource, name: str, status: Status, *, after: float = 0.0) -> None:
        """Merge ``status`` into the object's, at once or ``after`` seconds, whichever of several comes first."""
        self._add((resource, name), _Step(status), after)

    async def write(self, resource: Resource, name: str, status: Status) -> Object:
        """The same at once, and wait for the API server's answer.

        Raises :class:`ApiError` (not for conflicts) or :class:`IllegalMove` if it will never be; otherwise goes on
        trying: give it a deadline. Cancelled, it leaves the patch to be written.
        """
        waiter: asyncio.Future[Object] = asyncio.get_running_loop().create_future()
        self._add((resource, name), _Step(status, [waiter]), 0.0)
        return await waiter

    def is_moving(self, resource: Resource, name: str) -> bool:
        """Whether a step to another phase is being written or waits to be, so that the record is about to change."""
        entry = self._entries.get((resource, name))
        if entry is None:
            return False
        steps = entry.steps if entry.current is None else [entry.current, *entry.steps]
        return any("phase" in step.status for step in steps)

    async def flush(self) -> None:
        """Write everything now, and from now on without a rest, and wait for it: give it a deadline."""
        self._flushing = True
        for key, entry in tuple(self._entries.items()):
            entry.rests_until = 0.0
            self._start(key, entry)
        while self._entries:
            if self._idle is None:
                self._idle = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._idle)

    async def abandon(self) -> None:
        """Forget what is not written, and whatever comes."""
        self._abandoned = True
        tasks = []
        for entry in self._entries.values():
            if entry.timer is not None:
                entry.timer.cancel()
            for step in entry.steps:
                for waiter in step.waiters or ():
                    waiter.cancel()
            if entry.task is not None:
                entry.task.cancel()
                tasks.append(entry.task)
        self._entries.clear()
        self._log.close()
        if self._idle is not None:
            self._idle.set_result(None)
            self._idle = None
        await asyncio.gather(*tasks, return_exceptions=True)

    def _add(self, key: Key, step: _Step, after: float) -> None:
        if self._abandoned:
            for waiter in step.waiters or ():
                waiter.cancel()
            return
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry()
        entry.add(step)
        self._start_later(key, entry, max(after, entry.rests_until - self._clock.now()))

    def _start_later(self, key: Key, entry: _Entry, after: float) -> None:
        due = self._clock.now() + after
        if after <= 0:
            self._start(key, entry)
        elif entry.task is None and (entry.timer is None or due < entry.due):
            if entry.timer is not None:
                entry.timer.cancel()
            entry.timer, entry.due = self._clock.call_later(after, lambda: self._start(key, entry)), due

    def _start(self, key: Key, entry: _Entry) -> None:
        if entry.timer is not None:
            entry.timer.cancel()
            entry.timer = None
        if entry.task is None:
            entry.task = asyncio.create_task(self._run(key, entry))

    async def _run(self, key: Key, entry: _Entry) -> None:
        rest = 0.0
        while entry.steps:
            step = entry.current = entry.steps.pop(0)
            try:
                async with self._slots, self._clock.deadline(self._timeout):
                    answer = await self._attempt(*key, step.status)
            except NotFound as error:
                self._give_up(key, [step], error)
                self._gone(*key, step.status)
            except IllegalMove as error:
                self._give_up(key, [step], error)
            except (OSError, ApiError) as error:
                if isinstance(error, ApiError) and error.code in _PERMANENT:
                    self._give_up(key, [step], error)
                    continue
                self.failures += 1
                entry.failures += 1
                later, entry.steps = entry.steps, [step]
                for other in later:
                    entry.add(other)
                self._log.warning("%s %s: %s; trying again", key[0].kind, key[1], reason(error))
                delay = min(FIRST_DELAY * 2 ** min(entry.failures - 1, 16), LONGEST_DELAY)
                await self._clock.sleep(self._randomness.jitter(delay))
            except Exception as error:
                log.exception("%s %s: status not written", key[0].kind, key[1])
                self._give_up(key, [step], error)
            else:
                entry.failures = 0
                self.writes += 1
                for waiter in step.waiters or ():
                    if not waiter.done():
                        waiter.set_result(answer)
                if not self._flushing:
                    entry.rests_until = self._clock.now() + self._write_interval(key[0], answer)
            rest = entry.rests_until - self._clock.now()
            if rest > 0:
                break
        entry.task = entry.current = None
        if rest > 0:
            self._start_later(key, entry, rest)
        else:
            del self._entries[key]
        if not self._entries and self._idle is not None:
            self._idle.set_result(None)
            self._idle = None

    async def _attempt(self, resource: Resource, name: str, status: Status) -> Object:
        phase = status.get("phase")
        if phase is None:
            return await self._patch(resource, name, {"status": status})
        current = self._current(resource, name)
        while True:
            if current is None:
                current = await self._api.get(resource, name)
            present = (current.get("status") or {}).get("phase")
            target = status
            if not is_legal(resource, present, phase):
                target = self._intermediate_step(resource, phase) or status
                check(resource, present, target["phase"])
            version = {"resourceVersion": current["metadata"]["resourceVersion"]}
            try:
                current = await self._patch(resource, name, {"metadata": version, "status": target})
            except Conflict:
                current = None
                continue
            if target is status:
                return current

    async def _patch(self, resource: Resource, name: str, patch: Object) -> Object:
        answer = await self._api.patch_status(resource, name, patch)
        self._written(resource, answer)
        return answer

    def _give_up(self, key: Key, steps: list[_Step], error: Exception) -> None:
        self._log.info("%s %s: status not written: %s", key[0].kind, key[1], reason(error))
        self.failures += 1
        for step in steps:
            for waiter in step.waiters or ():
                if not waiter.done():
                    waiter.set_exception(error)
