"""Status writes, coalesced: patches for one object merge while they wait, and none is lost.

The writer writes one patch at a time for each object. While the API server is unreachable, patches wait and merge.
Steps from phase to phase stay separate and in order, so that only legal moves are written; each is conditional on the
resourceVersion that it was judged by.
"""

from __future__ import annotations

import asyncio

from harness.core.backoff import Backoff
from harness.core.clock import Clock
from harness.core.errors import reason
from harness.core.identifiers import Randomness
from harness.core.logs import get_log
from harness.core.summed_log import SummedLog
from harness.wasmbed.gateway.status_patches import MakeStatus, PendingStatus, SentStatus, Status, StatusStep
from harness.wasmbed.gateway.status_target import StatusTarget, UncachedTarget
from harness.wasmbed.resources.api import ApiError, Conflict, NotFound, Object, Resource, ResourceApi
from harness.wasmbed.resources.outages import Unreachable
from harness.wasmbed.resources.phases import IllegalMove, check, is_legal

__all__ = ["StatusWriter"]

log = get_log(__name__)

Key = tuple[Resource, str]

_BACKOFF = Backoff(first=0.1, longest=10.0)
_CONFLICTS = 5
"""Conflicts in a row after which a write waits before it is tried again."""
_SERVER_ERROR = 500
"""HTTP statuses from here on do not say whether the server did what it was asked."""
_PERMANENT = {400, 403, 405, 413, 415, 422}
"""HTTP statuses that the same patch would get again."""


class StatusWriter:
    """Writes ``status`` patches of any resource through one API client, at most ``requests`` at a time.

    ``timeout`` bounds one request, in seconds. ``target`` knows the objects.
    """

    def __init__(
        self,
        api: ResourceApi,
        clock: Clock,
        randomness: Randomness,
        *,
        requests: int,
        timeout: float,
        target: StatusTarget | None = None,
    ) -> None:
        self._api, self._clock, self._randomness = api, clock, randomness
        self._log = SummedLog(log, clock)
        self._slots = asyncio.Semaphore(requests)
        self._timeout = timeout
        self._target = target or UncachedTarget()
        self._pending: dict[Key, PendingStatus] = {}
        self._idle: asyncio.Future[None] | None = None
        self._flushing = self._abandoned = False
        self.writes = 0
        """Patches that the API server accepted."""
        self.failures = 0
        """Attempts that failed. All but those with a permanent error are repeated."""

    def __len__(self) -> int:
        """The number of objects with something still to write."""
        return sum(bool(pending.steps or pending.task) for pending in self._pending.values())

    def put(self, resource: Resource, name: str, status: Status | MakeStatus, *, after: float = 0.0) -> None:
        """Merge ``status`` into the object's, in ``after`` seconds; of several calls the earliest moment counts.

        A function is called for the status once it is needed. The functions that are put for one object return
        statuses with the same members, and of several only the last is called.
        """
        self._add((resource, name), StatusStep(status, due=self._clock.now() + after))

    async def write(self, resource: Resource, name: str, status: Status) -> Object:
        """Merge ``status`` into the object's at once, and return the API server's answer.

        Raises :class:`ApiError` (except for conflicts) or :class:`IllegalMove` if the patch can never be written.
        Otherwise it retries without end, so callers set a deadline. If the caller is cancelled, the patch is still
        written.
        """
        waiter: asyncio.Future[Object] = asyncio.get_running_loop().create_future()
        self._add((resource, name), StatusStep(status, waiter))
        return await waiter

    def is_moving(self, resource: Resource, name: str) -> bool:
        """Whether a step to another phase is being written or waits, so that the record is about to change."""
        pending = self._pending.get((resource, name))
        if pending is None:
            return False
        steps = pending.steps if pending.current is None else [pending.current, *pending.steps]
        return any(step.phase is not None for step in steps)

    async def flush(self) -> None:
        """Write everything now, without write intervals from now on, and wait for it. Callers set a deadline."""
        self._flushing = True
        for key, pending in tuple(self._pending.items()):
            pending.rests_until = 0.0
            self._start(key, pending)
        while self._pending:
            if self._idle is None:
                self._idle = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._idle)

    async def abandon(self) -> None:
        """Drop everything that is not written, and ignore later calls."""
        self._abandoned = True
        tasks = []
        for pending in self._pending.values():
            pending.cancel_timer()
            for step in pending.steps:
                step.cancel()
            if pending.task is not None:
                pending.task.cancel()
                tasks.append(pending.task)
        self._pending.clear()
        self._log.close()
        self._report_idle()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _add(self, key: Key, step: StatusStep) -> None:
        if self._abandoned:
            step.cancel()
            return
        pending = self._pending.get(key)
        if pending is None:
            pending = self._pending[key] = PendingStatus()
        pending.add(step)
        self._start_later(key, pending, max(step.due, pending.rests_until) - self._clock.now())

    def _start_later(self, key: Key, pending: PendingStatus, after: float) -> None:
        due = self._clock.now() + after
        if after <= 0:
            self._start(key, pending)
        elif pending.task is None and (pending.timer is None or due < pending.due):
            pending.cancel_timer()
            pending.timer, pending.due = self._clock.call_later(after, lambda: self._start(key, pending)), due

    def _start(self, key: Key, pending: PendingStatus) -> None:
        pending.cancel_timer()
        if pending.task is None:
            pending.task = asyncio.create_task(self._run(key, pending))

    async def _run(self, key: Key, pending: PendingStatus) -> None:
        """Write the object's steps one after the other, until none is due or the object has to rest."""
        rest = 0.0
        while pending.steps and rest <= 0:
            await self._write_next(key, pending)
            due = 0.0 if self._flushing else pending.may_wait_until()
            rest = max(due, pending.rests_until) - self._clock.now()
        pending.task = pending.current = None
        if rest > 0:
            self._start_later(key, pending, rest)
        else:
            del self._pending[key]
        if not self._pending:
            self._report_idle()

    async def _write_next(self, key: Key, pending: PendingStatus) -> None:
        step = pending.take()
        try:
            async with self._slots, self._clock.deadline(self._timeout):
                answer = await self._attempt(*key, step)
        except NotFound as error:
            self._give_up(key, step, error)
            self._target.gone(*key, step.status)
        except IllegalMove as error:
            self._give_up(key, step, error)
        except (OSError, ApiError) as error:
            if isinstance(error, ApiError) and error.code in _PERMANENT:
                self._give_up(key, step, error)
            else:
                await self._wait_to_retry(key, pending, step, error)
        except Exception as error:
            log.exception("%s %s: status not written", key[0].kind, key[1])
            self._give_up(key, step, error)
        else:
            self._succeed(key, pending, step, answer)

    def _succeed(self, key: Key, pending: PendingStatus, step: StatusStep, answer: Object) -> None:
        pending.failures = 0
        self.writes += 1
        step.succeed(answer)
        if not self._flushing:
            pending.rests_until = self._clock.now() + self._target.write_interval(key[0], answer)

    async def _wait_to_retry(self, key: Key, pending: PendingStatus, step: StatusStep, error: Exception) -> None:
        self.failures += 1
        if not isinstance(error, Unreachable):
            self._log.warning("%s %s: %s; trying again", key[0].kind, key[1], reason(error))
        pending.put_back(step)
        delay = _BACKOFF.delay(pending.failures, self._randomness)
        pending.failures += 1
        await self._clock.sleep(delay)

    def _give_up(self, key: Key, step: StatusStep, error: Exception) -> None:
        self._log.info("%s %s: status not written: %s", key[0].kind, key[1], reason(error))
        self.failures += 1
        step.fail(error)

    async def _attempt(self, resource: Resource, name: str, step: StatusStep) -> Object:
        """Write a step; if it moves the phase, judge the move by the newest form of the object."""
        if step.phase is None:
            return await self._patch(resource, name, {"status": step.status})
        current = self._target.current(resource, name)
        if step.sent is not None:
            current = await self._api.get(resource, name)
            self._look_back(resource, current, step, step.sent)
            if not step.status:
                self._target.written(resource, current)
                return current
            if step.phase is None:
                return await self._patch(resource, name, {"status": step.status})
        conflicts = 0
        while True:
            if current is None:
                current = await self._api.get(resource, name)
            if self._target.is_overtaken(resource, current, step.status):
                return current
            status = self._next_step(resource, current, step.status)
            version = current["metadata"]["resourceVersion"]
            try:
                step.sent = SentStatus(status, version)
                current = await self._patch(
                    resource, name, {"metadata": {"resourceVersion": version}, "status": status}
                )
            except Conflict:
                current, step.sent, conflicts = None, None, conflicts + 1
                if conflicts == _CONFLICTS:
                    raise
                continue
            except ApiError as error:
                if error.code < _SERVER_ERROR:
                    step.sent = None
                raise
            step.sent = None
            if status is step.status:
                return current

    def _look_back(self, resource: Resource, current: Object, step: StatusStep, sent: SentStatus) -> None:
        """Drop what was written of a step when its answer was lost, so that it is not written twice."""
        step.sent = None
        if current["metadata"]["resourceVersion"] == sent.version or sent.status["phase"] != step.phase:
            return
        if self._target.was_written(resource, current, sent.status):
            done = sent.status
            step.status = {
                name: value for name, value in step.status.items() if name not in done or done[name] != value
            }

    def _next_step(self, resource: Resource, current: Object, status: Status) -> Status:
        """Return ``status``, or the step before it. Raises :class:`IllegalMove` if neither may be written now."""
        present = (current.get("status") or {}).get("phase")
        if is_legal(resource, present, status["phase"]):
            return status
        step = self._target.intermediate_step(resource, status["phase"]) or status
        check(resource, present, step["phase"])
        return step

    async def _patch(self, resource: Resource, name: str, patch: Object) -> Object:
        answer = await self._api.patch_status(resource, name, patch)
        self._target.written(resource, answer)
        return answer

    def _report_idle(self) -> None:
        if self._idle is not None:
            self._idle.set_result(None)
            self._idle = None
