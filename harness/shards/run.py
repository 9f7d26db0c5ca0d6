"""A run of a suite as a Job: made, watched until each shard's results are here, and removed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.clusters.existing.access import Right, check_rights
from harness.core.backoff import Backoff
from harness.core.clock import Clock
from harness.core.errors import HarnessError, RigError, UsageError, reason
from harness.core.identifiers import Randomness
from harness.shards.diagnosis import cannot_start, death, has_started, index_of, is_ready, waits_for
from harness.shards.job import FETCH, JOB_NAME, RELEASE, Suite, job
from harness.shards.results import LARGEST, unpack
from harness.wasmbed.resources.api import ApiError, NotFound, Object
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import EVENT, JOB, POD
from harness.wasmbed.resources.kubernetes_api import KubernetesApi

__all__ = ["RIGHTS", "START_WITHIN", "Shard", "ShardedRun"]

RIGHTS = (
    Right(JOB, ("create", "delete", "list", "watch")),
    Right(POD, ("list", "watch")),
    Right(POD, ("get",), "log"),
    Right(POD, ("create", "get"), "exec"),
    Right(EVENT, ("list", "watch")),
)
"""Rights that the credentials need, all in one namespace."""
START_WITHIN = 600.0
"""Seconds in which a shard starts while no other runs, which it may be waiting for."""
_REMOVED_WITHIN = 30.0
_LAST_LINES_WITHIN = 10.0
"""Seconds for the output of shards that have ended."""
_LONGEST_LINE = 4000
_ATTEMPTS = 6
_AGAIN = Backoff(first=0.5, longest=10.0)


@dataclass(slots=True)
class Shard:
    """One shard. ``code``: of its pytest, once its results are in ``folder``; ``trouble``: why it has none."""

    index: int
    folder: Path
    code: int | None = None
    trouble: str = ""
    pod: Object | None = None
    said: str = ""
    following: asyncio.Task[None] | None = None
    fetching: asyncio.Task[None] | None = None

    @property
    def is_settled(self) -> bool:
        return self.code is not None or bool(self.trouble)

    @property
    def is_running(self) -> bool:
        return self.following is not None and not self.is_settled


class ShardedRun:
    """Runs ``suite`` in the API's namespace; ``tell`` is called with each line for the user.

    The results of shard N are unpacked into ``folder``/N: what :mod:`harness.shards.in_pod` wrote.
    """

    def __init__(
        self,
        api: KubernetesApi,
        suite: Suite,
        clock: Clock,
        randomness: Randomness,
        folder: Path,
        tell: Callable[[str], object],
        *,
        start_within: float = START_WITHIN,
    ) -> None:
        self._api, self._suite, self._clock, self._randomness = api, suite, clock, randomness
        self._folder, self._tell, self._start_within = folder, tell, start_within
        self.name = f"wasmbed-run-{randomness.token(4)}"
        self.shards = [Shard(index, folder / str(index)) for index in range(suite.shards)]
        self._where = f"Job {self.name} in namespace {api.namespace}"
        self._tasks: set[asyncio.Task[None]] = set()
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._cause = ""
        """The latest words of the cluster about the Job itself."""

    async def run(self) -> list[Shard]:
        """Run it; returns the shards, each with its results or its trouble, and the Job is removed.

        Raises UsageError and RigError where no shard can run: missing rights, an image that is not there, pods that no
        node has room for. What the cluster's API raises where it does not answer is raised as it is.
        """
        self._suite.check()
        await check_rights(self._api, str(self._api.host), RIGHTS)
        jobs = self._informer(JOB, self._job_changed, field_selector=f"metadata.name={self.name}")
        informers = [
            jobs,
            self._informer(POD, self._pod_changed, label_selector=f"{JOB_NAME}={self.name}"),
            self._informer(EVENT, self._event_came, field_selector=f"involvedObject.name={self.name}"),
        ]
        try:
            await self._create()
            for informer in informers:
                await informer.start()
            if jobs.get(self.name) is None:  # deleted before the first list, of which no watch tells
                self._job_changed(None, None)
            self._tell(f"{self._where}: {self._suite.shards} shards")
            self._watch_start()
            await self._ended()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, *(each.stop() for each in informers), return_exceptions=True)
            await self._remove()
        return self.shards

    async def _ended(self) -> None:
        """Wait until each shard is settled, and then for the end of their output."""
        try:
            async with self._clock.deadline(self._suite.within + self._start_within):
                await self._done
        except TimeoutError as error:
            why = f"it has not ended: {self._cause or 'the cluster does not say why'}"
            raise RigError(why, where=self._where, do="see that the cluster answers, and --within") from error
        with suppress(TimeoutError):
            async with self._clock.deadline(_LAST_LINES_WITHIN):
                for shard in self.shards:
                    if shard.following is not None:
                        await asyncio.wait([shard.following])

    def _informer(self, resource: Any, changed: Callable[[Object | None, Object | None], None], **by: Any) -> Informer:
        informer = Informer(self._api, resource, self._clock, self._randomness, lost=self._lost, **by)

        def handle(old: Object | None, new: Object | None) -> None:
            try:
                changed(old, new)
            except Exception as error:  # an informer would log it and go on
                self._end(error)

        informer.add_handler(handle)
        return informer

    async def _create(self) -> None:
        try:
            await self._api.create(JOB, job(self._suite, self.name))
        except NotFound as error:
            do = "make it (kubectl create namespace), or name another: --namespace"
            raise UsageError(f"namespace {self._api.namespace} does not exist", where="--namespace", do=do) from error
        except ApiError as error:
            if error.code in (400, 422):
                raise UsageError(
                    f"the cluster refused the Job: {error}", do="correct --cpu, --memory, --image"
                ) from error
            raise RigError(f"the cluster refused the Job: {error}", where=f"namespace {self._api.namespace}") from error

    async def _remove(self) -> None:
        try:
            async with self._clock.deadline(_REMOVED_WITHIN):
                await self._api.delete(JOB, self.name, propagation="Background")
        except NotFound:
            pass
        except (OSError, ApiError) as error:
            self._tell(
                f"{self._where} is left: {reason(error)}. It is removed 10 minutes after its end; or kubectl delete"
            )

    def _end(self, error: BaseException | None = None) -> None:
        if not self._done.done():
            if error is None:
                self._done.set_result(None)
            else:
                self._done.set_exception(error)

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run ``work`` beside; its error ends the run."""
        task = asyncio.create_task(work)
        self._tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                self._end(error)

        task.add_done_callback(ended)
        return task

    def _watch_start(self) -> None:
        """If nothing of the run has run for a while, say why nothing does: it ends, without results or with those that
        are here."""
        seen = sum(shard.is_settled for shard in self.shards)

        def check() -> None:
            if any(shard.is_running for shard in self.shards) or seen < sum(each.is_settled for each in self.shards):
                self._watch_start()
                return
            waiting = [shard for shard in self.shards if not shard.is_settled]
            causes = {waits_for(shard.pod) if shard.pod else self._cause or "it has no pod" for shard in waiting}
            why = f"no shard has started for {self._start_within:g} s: {'; '.join(sorted(causes))}"
            do = "make room, ask for less (--cpu, --memory), or run fewer shards"
            if len(waiting) == len(self.shards):
                self._end(RigError(why, where=self._where, do=do))
            for shard in waiting:
                self._settle(shard, why, do)

        timer = self._clock.call_later(self._start_within, check)
        self._done.add_done_callback(lambda _: timer.cancel())

    def _lost(self, why: str) -> None:
        if why != self._cause:
            self._cause = why
            self._tell(f"the cluster: {why}; trying again")

    def _event_came(self, old: Object | None, new: Object | None) -> None:
        if new is not None and new.get("type") == "Warning" and new.get("message") != self._cause:
            self._cause = str(new.get("message"))
            self._tell(f"{new.get('reason')}: {self._cause}")

    def _job_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None or new["metadata"].get("deletionTimestamp"):
            self._end(RigError("the Job was deleted", where=self._where, do="run it again"))
            return
        for condition in (new.get("status") or {}).get("conditions") or ():
            if condition["status"] == "True" and condition.get("reason") == "DeadlineExceeded":
                for shard in self.shards:
                    if not shard.is_settled and shard.fetching is None:
                        self._settle(shard, f"DeadlineExceeded: {condition.get('message')}", "--within")

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        pod = new or old
        assert pod is not None
        shard = self.shards[index_of(pod)]
        if shard.is_settled:
            return
        shard.pod = new
        if new is not None and has_started(new) and shard.following is None:
            self._say(shard, f"runs on node {new['spec'].get('nodeName')}")
            shard.following = self._begin(self._follow(shard, new["metadata"]["name"]))
        if new is not None and (why := cannot_start(new)):
            self._end(RigError(f"shard {shard.index} cannot start: {why[0]}", where=self._where, do=why[1]))
        elif (dead := death(new)) is not None:
            if shard.fetching is None:
                self._settle(shard, *dead)
        elif new is not None and is_ready(new):
            if shard.fetching is None:
                shard.fetching = self._begin(self._fetch(shard, new["metadata"]["name"]))
        elif new is not None and shard.following is None:
            self._say(shard, waits_for(new))

    def _settle(self, shard: Shard, trouble: str, do: str | None = None) -> None:
        shard.trouble = f"shard {shard.index} has no results: {trouble}" + (f"\n  -> {do}" if do else "")
        self._tell(shard.trouble)
        self._check_end()

    def _check_end(self) -> None:
        if all(shard.is_settled for shard in self.shards):
            self._end()

    def _say(self, shard: Shard, text: str) -> None:
        """Tell of a shard what was not told last."""
        if text != shard.said:
            shard.said = text
            self._tell(f"shard {shard.index}: {text}")

    async def _follow(self, shard: Shard, pod: str) -> None:
        """Pass on its output, line by line."""
        rest = b""
        try:
            async with self._api.log(POD, pod, follow=True) as pieces:
                async for piece in pieces:
                    *lines, rest = (rest + piece).split(b"\n")
                    for line in (*lines, *([rest] if len(rest) > _LONGEST_LINE else [])):
                        text = line[:_LONGEST_LINE].decode("utf-8", "replace").rstrip()
                        self._tell(f"[{shard.index}] {text}")
                    rest = rest if len(rest) <= _LONGEST_LINE else b""
            if rest:  # a program that was killed ends in the middle of a line
                self._tell(f"[{shard.index}] {rest.decode('utf-8', 'replace').rstrip()}")
        except (OSError, ApiError) as error:
            self._say(shard, f"its output cannot be followed: {reason(error)}")

    async def _fetch(self, shard: Shard, pod: str) -> None:
        """Fetch its results, and let it end. A connection that breaks is tried again while the pod is there."""
        archive = self._folder / f"{shard.index}.tar.gz"
        for attempt in range(_ATTEMPTS):
            try:
                await self._download(pod, archive)
                break
            except (OSError, ApiError) as error:
                dead = death(shard.pod)
                if dead is not None or attempt == _ATTEMPTS - 1:
                    self._settle(shard, *(dead or (f"they could not be fetched: {reason(error)}", None)))
                    return
                self._say(shard, f"{reason(error)}; trying again")
                await self._clock.sleep(_AGAIN.delay(attempt, self._randomness))
        try:
            shard.code = unpack(archive, shard.folder)
        except HarnessError as error:
            self._settle(shard, error.what, error.do)
            return
        archive.unlink()
        self._say(shard, f"ended with exit code {shard.code}, its results are here")
        try:
            await self._api.execute(pod, RELEASE, lambda piece: None)
        except (OSError, ApiError) as error:
            self._say(shard, f"it goes on for a while: {reason(error)}")
        self._check_end()

    async def _download(self, pod: str, archive: Path) -> None:
        """Raises RigError where the archive cannot be written or is too large: the run ends."""
        with archive.open("wb") as file:

            def write(piece: bytes) -> None:
                if file.tell() + len(piece) > LARGEST:
                    raise RigError(f"a shard has more than {LARGEST >> 30} GiB of results", do="run more shards")
                try:
                    file.write(piece)
                    file.flush()
                except OSError as error:
                    do = "free disk space, or name another folder: --into"
                    raise RigError(f"cannot be written: {reason(error)}", where=str(archive), do=do) from error

            await self._api.execute(pod, FETCH, write)
