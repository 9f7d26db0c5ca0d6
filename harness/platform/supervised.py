"""One program that is kept running: started again when it ends by itself, with growing pauses."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import tempfile
from collections import deque
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from harness.core.backoff import Backoff
from harness.core.clock import Clock
from harness.core.errors import RigError
from harness.core.identifiers import Randomness
from harness.gateways.program import Program, describe_end
from harness.platform.programs import Specification
from harness.wasmbed.resources.timestamps import format_timestamp

__all__ = ["Supervised"]

BACKOFF = Backoff(first=0.5, longest=30.0)
STEADY = 60.0
"""Seconds that a program has to run for its earlier failures to be forgotten."""
READY_WITHIN = 120.0
ENDS_WITHIN = 30.0
LOG_SIZE = 10 << 20
"""Bytes; one earlier file of this size stays."""
KEPT_LINES = 1_000


class Supervised:
    """``phase`` is ``starting``, ``running``, ``waiting`` (for its next start) or ``stopped``."""

    def __init__(
        self,
        specification: Specification,
        log: Path,
        clock: Clock,
        randomness: Randomness,
        changed: Callable[[], object],
    ) -> None:
        """``changed`` is called when what :meth:`status` says has changed."""
        self.specification, self._clock, self._randomness = specification, clock, randomness
        self._log = RotatingFileHandler(log, maxBytes=LOG_SIZE, backupCount=1, encoding="utf-8", errors="replace")
        self.lines = deque[str](maxlen=KEPT_LINES)
        """The latest ones of its output."""
        self.followers: set[Callable[[str], object]] = set()
        """Each gets every new line."""
        self._changed = changed
        self.phase, self.restarts, self.last_end = "stopped", 0, ""
        self._since = clock.now()
        self.addresses: dict[str, str] = {}
        self._program: Program | None = None
        self._work: asyncio.Task[None] | None = None
        self._first: asyncio.Future[None] | None = None
        self._is_asked = False

    async def start(self) -> None:
        """Return when it is ready. Raises RigError with the end of its log if it ends before that, and keeps trying
        only if it has been ready once."""
        self._first = asyncio.get_running_loop().create_future()
        self._work = asyncio.create_task(self._keep())
        try:
            await asyncio.shield(self._first)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End it, gracefully if it does so in time."""
        work, self._work = self._work, None
        if work is not None:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
        self._set("stopped")
        self._log.close()

    async def restart(self) -> None:
        """End it gracefully, and start it again; returns when it has ended."""
        if self._program is not None:
            self._is_asked = True
            await self._program.stop(signal.SIGTERM, ENDS_WITHIN)

    def status(self) -> dict[str, Any]:
        """The program as :class:`harness.platform.control.Control` shows it."""
        return {
            "name": self.specification.name,
            "phase": self.phase,
            "pid": self._program.pid if self._program is not None else None,
            "since": format_timestamp(self._since),
            "restarts": self.restarts,
            "lastEnd": self.last_end,
            "addresses": self.addresses,
        }

    async def _keep(self) -> None:
        failures = 0
        while True:
            begun = self._clock.now()
            await self._run_once()
            if not self._is_asked:
                failures = 0 if self._clock.now() - begun > STEADY else failures
                self._set("waiting")
                await self._clock.sleep(BACKOFF.delay(failures, self._randomness))
                failures += 1
            self._is_asked = False
            self.restarts += 1

    async def _run_once(self) -> None:
        """Start it, and return when it has ended."""
        name = self.specification.name
        self._program = program = Program(name, self._clock, self._line)
        self._set("starting")
        try:
            folder = Path(tempfile.mkdtemp(prefix=f"wasmbed-{name}-"))
            await program.start(self.specification.command, folder, environment=os.environ, directory=Path.cwd())
            try:
                async with self._clock.deadline(READY_WITHIN):
                    line = await program.until_line(self.specification.is_ready)
            except TimeoutError:
                raise program.failure(f"was not ready within {READY_WITHIN:g} s") from None
            self.addresses = self.specification.addresses(line)
            self._set("running")
            if self._first is not None and not self._first.done():
                self._first.set_result(None)
            self.last_end = describe_end(await asyncio.shield(program.ended))
        except RigError as error:
            self.last_end = error.what.partition("\n")[0]
            if self._first is not None and not self._first.done():
                self._first.set_exception(error)
        except asyncio.CancelledError:
            await program.stop(signal.SIGTERM, ENDS_WITHIN)
            raise
        finally:
            await program.kill()

    def _set(self, phase: str) -> None:
        self.phase, self._since = phase, self._clock.now()
        self._changed()

    def _line(self, line: str) -> None:
        self.lines.append(line)
        self._log.handle(logging.makeLogRecord({"msg": f"{format_timestamp(self._clock.now())} {line}"}))
        for follower in tuple(self.followers):
            follower(line)
