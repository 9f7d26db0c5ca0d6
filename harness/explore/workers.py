"""An exploration in several processes of this machine. A process that ends loses nothing: its case runs again."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

import orjson

from harness.explore.case import Case, Failure, Outcome
from harness.explore.explorer import Group
from harness.explore.session import Session

__all__ = ["LocalSource", "Source", "Task", "Worker", "explore_with"]

MOST_DEATHS = 3
"""Processes that may end while they run one case; then this is what is wrong with it."""
PROGRAM = (sys.executable, "-m", "harness.explore.worker")
LONGEST_ANSWER = 64 << 20
"""Bytes of a line."""


class Task:
    """A case to run."""

    def __init__(self, case: Case) -> None:
        self.case = case


class Source(Protocol):
    """Where cases come from, and where their outcomes go."""

    async def take(self) -> Task | None:
        """The next case; None if there was none for a while."""

    async def done(self, task: Task, features: frozenset[str], group: Group | None) -> None:
        """Called once a case is done and all that it found is on disk: its new features, and a group that it began."""


class LocalSource:
    """The cases of this exploration's own explorer."""

    def __init__(self, session: Session) -> None:
        self._explorer = session.explorer

    async def take(self) -> Task:
        return Task(self._explorer.next())

    async def done(self, task: Task, features: frozenset[str], group: Group | None) -> None:
        pass


class Worker:
    """A process that runs cases, one at a time. It is started when it is needed, and again when it has ended."""

    def __init__(self, program: Sequence[str] = PROGRAM) -> None:
        self._program = program
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The number of its process."""
        return self._process.pid if self._process is not None else None

    async def run(self, case: Case) -> Outcome:
        """The outcome of a case. A case with which processes end again and again has failed."""
        for _ in range(MOST_DEATHS):
            try:
                return Outcome.from_json(await self._ask({"job": "run", "case": case.to_json()}))
            except _Ended as ended:
                how = str(ended)
        failure = Failure("the process that ran it ended", "product", f"{how}, {MOST_DEATHS} times")
        return Outcome(frozenset(), 0, tuple(range(len(case.schedule.entries))), failure)

    async def shrink(self, group: Group) -> Case:
        """The smallest case that fails as the group does; the group's own if the process ended meanwhile."""
        job = {"job": "shrink", "rule": group.failure.rule, "party": group.failure.party, "case": group.case.to_json()}
        try:
            return Case.from_json(await self._ask(job))
        except _Ended:
            return group.case

    async def stop(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _ask(self, job: dict[str, Any]) -> dict[str, Any]:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                *self._program,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=LONGEST_ANSWER,
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        line = b""
        with suppress(ConnectionError):
            process.stdin.write(orjson.dumps(job) + b"\n")
            await process.stdin.drain()
            line = await process.stdout.readline()
        if not line.endswith(b"\n"):
            self._process = None
            raise _Ended(f"exit status {await process.wait()}")
        answer: dict[str, Any] = orjson.loads(line)
        return answer


class _Ended(Exception):
    """The process ended before it answered."""


async def explore_with(session: Session, source: Source, workers: list[Worker]) -> None:
    """Explore with some workers until it is over."""
    try:
        async with asyncio.TaskGroup() as group:
            for worker in workers:
                group.create_task(_work(session, source, worker))
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    finally:
        for worker in workers:
            await worker.stop()


async def _work(session: Session, source: Source, worker: Worker) -> None:
    explorer = session.explorer
    while not session.over:
        task = await source.take()
        if task is None:
            continue
        outcome = await worker.run(task.case)
        new = outcome.features - explorer.features
        group = explorer.learn(task.case, outcome)
        if group is not None:
            session.progress.say(f"failure: {group}; looking for the smallest schedule ...")
            case = await worker.shrink(group)
            if explorer.shrunk(group, case):
                await asyncio.to_thread(session.found, group)
            else:
                group = None
        await source.done(task, new, group)
        session.progress.tell()
