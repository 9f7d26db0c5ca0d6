"""An exploration of many machines: cases and what they showed pass through NATS JetStream.

Each case is a message of a work queue. A machine takes one, runs it, publishes what was new, and only then acknowledges
it: a case whose machine ends meanwhile is delivered to another one. Each machine follows all results, so that all vary
the same corpus, and adds cases of its own when the queue is nearly empty. Needs the extra ``queue`` (``nats-py``).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Self
from urllib.parse import urlsplit

import orjson

from harness.core.clock import Clock
from harness.core.errors import RigError, UsageError, reason
from harness.core.identifiers import Randomness
from harness.explore.case import Case, Failure
from harness.explore.explorer import Group
from harness.explore.session import Session
from harness.explore.workers import Task

__all__ = ["JetStreamSource", "parse_queue"]

ACK_WAIT = 30.0
"""Seconds after which a case is delivered again, unless its machine says that it goes on."""
TAKE_WAIT = 5.0
CONNECT_WAIT = 10
NEWS, NEWS_WAIT, AGAIN = 50, 60.0, 1.0
"""Results that are taken at a time, the seconds of one request for them, and those before another one."""
AHEAD = 2
"""Cases in the queue for each worker of this machine."""
KEPT_FOR = 7 * 86_400.0
"""Seconds that messages are kept at most."""
MOST_BYTES = 256 << 20
"""Of the results: the oldest go first."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")


def parse_queue(url: str) -> tuple[str, str]:
    """Server and name of the exploration of ``nats://HOST[:PORT][/NAME]``. Raises UsageError."""
    do = "write nats://HOST:PORT, or nats://HOST:PORT/NAME for one of several explorations"
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("nats", "tls") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    name = parts.path.strip("/") or "default" if valid else ""
    if not valid or parts.query or parts.fragment or not _NAME.fullmatch(name):
        raise UsageError(f"{url!r} is not the address of a queue", where="--queue", do=do)
    return parts._replace(path="").geturl(), name


class _Message(Task):
    """A case from the queue. ``alive`` tells the server that it is being run."""

    def __init__(self, case: Case, message: Any, alive: asyncio.Task[None]) -> None:
        super().__init__(case)
        self.message, self.alive = message, alive


class JetStreamSource:
    """The cases of a work queue. Made by :meth:`opened`."""

    def __init__(self, session: Session, clock: Clock, server: str, name: str, workers: int, ack_wait: float) -> None:
        self._session, self._clock, self._server = session, clock, server
        self._ahead, self._ack_wait = AHEAD * workers, ack_wait
        self._node = Randomness().token(8)
        self._cases, self._results = f"EXPLORE_{name}_CASES", f"EXPLORE_{name}_RESULTS"
        self._case_subject, self._result_subject = f"explore.{name}.cases", f"explore.{name}.results"
        self._filling = asyncio.Lock()
        self._held: set[_Message] = set()
        self._following: asyncio.Task[None] | None = None
        self._ended = False

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, url: str, session: Session, clock: Clock, *, workers: int, ack_wait: float = ACK_WAIT
    ) -> AsyncIterator[Self]:
        """Connect, and make the streams unless they exist.

        Raises UsageError for an invalid address or without ``nats-py``, RigError if the server cannot be used.
        """
        server, name = parse_queue(url)
        try:
            import nats
        except ImportError as error:
            do = "pip install 'wasmbed-harness[queue]'"
            raise UsageError("a queue needs nats-py, which is not installed", where="--queue", do=do) from error
        source = cls(session, clock, server, name, workers, ack_wait)
        with source._rig():
            connection = await nats.connect(
                server,
                connect_timeout=CONNECT_WAIT,
                reconnect_time_wait=0.5,
                max_reconnect_attempts=10,
                error_cb=_ignore,
            )
        try:
            with source._rig():
                await source._begin(connection)
            yield source
        finally:
            await source._end(connection)

    async def take(self) -> Task | None:
        """The next case; None if there was none for a while."""
        from nats.errors import TimeoutError as NoMessage

        with self._rig():
            async with self._filling:
                await self._fill()
            try:
                (message,) = await self._queue.fetch(1, timeout=TAKE_WAIT)
            except NoMessage:
                return None
            try:
                case = Case.from_json(orjson.loads(message.data))
            except (UsageError, ValueError, KeyError, TypeError) as error:
                self._session.progress.say(f"a case of another version was dropped: {reason(error)}")
                await message.term()
                return None
        task = _Message(case, message, asyncio.create_task(self._stay_alive(message)))
        self._held.add(task)
        return task

    async def done(self, task: Task, features: frozenset[str], group: Group | None) -> None:
        """Publish what a case showed, and then acknowledge it."""
        assert isinstance(task, _Message)
        result = {"node": self._node, "case": task.case.to_json(), "features": sorted(features), "found": None}
        if group is not None:
            failure = group.failure
            said = {"rule": failure.rule, "party": failure.party, "words": failure.words}
            result["found"] = {"failure": said, "case": group.case.to_json()}
        with self._rig():
            if features or group is not None:
                await self._jetstream.publish(self._result_subject, orjson.dumps(result))
            self._let_go(task)
            await task.message.ack()

    async def _begin(self, connection: Any) -> None:
        from nats.js.api import AckPolicy, ConsumerConfig, RetentionPolicy, StreamConfig

        self._jetstream = stream = connection.jetstream()
        work, age = RetentionPolicy.WORK_QUEUE, KEPT_FOR
        await stream.add_stream(StreamConfig(self._cases, subjects=[self._case_subject], retention=work, max_age=age))
        await stream.add_stream(
            StreamConfig(self._results, subjects=[self._result_subject], max_age=age, max_bytes=MOST_BYTES)
        )
        consumer = ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, ack_wait=self._ack_wait, max_ack_pending=-1)
        self._queue = await stream.pull_subscribe(self._case_subject, "workers", stream=self._cases, config=consumer)
        self._news = await stream.pull_subscribe(self._result_subject, stream=self._results)
        self._following = asyncio.create_task(self._follow())

    async def _end(self, connection: Any) -> None:
        """Give back what is not done: others get it at once."""
        for task in tuple(self._held):
            self._let_go(task)
            with suppress(Exception):
                await task.message.nak()
        self._ended = True
        with suppress(Exception):
            await connection.close()
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    def _let_go(self, task: _Message) -> None:
        self._held.discard(task)
        task.alive.cancel()

    async def _fill(self) -> None:
        """Add cases if the queue is nearly empty."""
        pending = (await self._queue.consumer_info()).num_pending
        for _ in range(self._ahead - pending):
            case = self._session.explorer.next()
            await self._jetstream.publish(self._case_subject, orjson.dumps(case.to_json()))

    async def _stay_alive(self, message: Any) -> None:
        while True:
            await self._clock.sleep(self._ack_wait / 3)
            with suppress(Exception):  # then it is delivered again
                await message.in_progress()

    async def _follow(self) -> None:
        """Take all results, from the first one on."""
        from nats.errors import Error
        from nats.errors import TimeoutError as NoMessage

        while not self._ended:  # a request may take its cancellation for the end of its time
            try:
                messages = await self._news.fetch(NEWS, timeout=NEWS_WAIT)
            except NoMessage:
                continue
            except Error:  # the connection is being made again
                await self._clock.sleep(AGAIN)
                continue
            for message in messages:
                await self._hear(message)
                await message.ack()

    async def _hear(self, message: Any) -> None:
        """Take what another machine has found."""
        try:
            result = orjson.loads(message.data)
            if result["node"] == self._node:
                return
            self._session.explorer.keep(Case.from_json(result["case"]), frozenset(result["features"]))
            if (found := result["found"]) is not None:
                group = Group(Failure(**found["failure"]), Case.from_json(found["case"]))
                if self._session.explorer.meet(group):
                    self._session.write(group)
        except (UsageError, ValueError, KeyError, TypeError) as error:
            self._session.progress.say(f"a result of another version was dropped: {reason(error)}")

    @contextmanager
    def _rig(self) -> Iterator[None]:
        from nats.errors import Error

        try:
            yield
        except (Error, OSError, TimeoutError) as error:
            raise RigError(
                f"the queue cannot be used: {reason(error)}",
                where="--queue",
                do="start `nats-server -js` there, with JetStream, and let this machine reach it",
            ) from error


async def _ignore(error: Exception) -> None:
    """Errors of the connection show where it is used."""
