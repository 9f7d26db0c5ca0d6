"""Where log lines come from: the pods of the platform, or this process itself where there are no pods."""

from __future__ import annotations

import asyncio
import logging
import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from harness.core.clock import Clock
from harness.core.logs import get_log
from harness.wasmbed.resources.api import ApiError, Object
from harness.wasmbed.resources.kinds import POD
from harness.wasmbed.resources.kubernetes_api import KubernetesApi
from harness.wasmbed.resources.timestamps import format_timestamp

__all__ = ["LEVELS", "LogLine", "LogSource", "OwnLog", "PodLogs", "read_lines"]

LEVELS = ("debug", "info", "warning", "error")
KEPT = 1000
"""Lines of this process."""
LONGEST = 2000
"""Characters of a line that are shown."""
PODS, AT_ONCE = 100, 8
"""Pods that are read, and how many at once."""
TAIL, LARGEST = 500, 256 << 10
"""Lines and bytes of a pod's log, at most."""
WITHIN = 10.0
"""Seconds for all pods."""
PLATFORM = "app.kubernetes.io/component in (gateway,controllers,api)"
"""The labels of the platform's pods in ``deploy/``."""
_COMPONENT = "app.kubernetes.io/component"
_OWN = "harness.wasmbed"
_LINE = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d))(?: |$)"
    r"(?:(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL)[ :]\s*)?(?P<message>.*)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class LogLine:
    """``at`` is RFC 3339; ``level`` is one of :data:`LEVELS`."""

    at: str
    level: str
    component: str
    message: str


class LogSource(ABC):
    """Log lines of the platform."""

    def begin(self) -> None:  # noqa: B027, most have nothing to begin
        """Called when the server starts."""

    def end(self) -> None:  # noqa: B027
        """Called when it stops."""

    @abstractmethod
    async def read(self) -> list[LogLine]:
        """Return the latest lines, oldest first. Raises :class:`ApiError`, :class:`OSError`."""


class OwnLog(LogSource):
    """The log of the platform's parts in this process, from :meth:`begin` to :meth:`end`."""

    def __init__(self, clock: Clock) -> None:
        self._lines: deque[LogLine] = deque(maxlen=KEPT)
        self._handler = _Handler(self._lines, clock)

    def begin(self) -> None:
        get_log(_OWN).addHandler(self._handler)

    def end(self) -> None:
        get_log(_OWN).removeHandler(self._handler)

    async def read(self) -> list[LogLine]:
        return list(self._lines)


class PodLogs(LogSource):
    """The logs of the platform's pods; those of ``otherwise`` where there are none."""

    def __init__(self, api: KubernetesApi, clock: Clock, otherwise: LogSource) -> None:
        self._api, self._clock, self._otherwise = api, clock, otherwise

    def begin(self) -> None:
        self._otherwise.begin()

    def end(self) -> None:
        self._otherwise.end()

    async def read(self) -> list[LogLine]:
        pods = (await self._api.list(POD, label_selector=PLATFORM)).items[:PODS]
        if not pods:
            return await self._otherwise.read()
        turns = asyncio.Semaphore(AT_ONCE)
        async with self._clock.deadline(WITHIN):
            logs = await asyncio.gather(*(self._of_pod(pod, turns) for pod in pods))
        return sorted((line for log in logs for line in log), key=lambda line: line.at)

    async def _of_pod(self, pod: Object, turns: asyncio.Semaphore) -> list[LogLine]:
        name, labels = pod["metadata"]["name"], pod["metadata"].get("labels") or {}
        component = str(labels.get(_COMPONENT, name))
        async with turns:
            try:
                async with self._api.log(POD, name, tail=TAIL, timestamps=True, largest=LARGEST) as pieces:
                    text = b"".join([piece async for piece in pieces])
            except ApiError as error:  # it has not started, or is gone
                now = format_timestamp(self._clock.now())
                return [LogLine(now, "warning", component, f"no log of {name}: {error}")]
        return list(read_lines(text.decode("utf-8", "replace"), component))


class _Handler(logging.Handler):
    def __init__(self, lines: deque[LogLine], clock: Clock) -> None:
        super().__init__(logging.DEBUG)
        self._lines, self._clock = lines, clock

    def emit(self, record: logging.LogRecord) -> None:
        component = record.name.removeprefix(f"{_OWN}.").partition(".")[0]
        at = format_timestamp(self._clock.now())
        self._lines.append(LogLine(at, _level(record.levelname), component, record.getMessage()[:LONGEST]))


def read_lines(log: str, component: str) -> Iterable[LogLine]:
    """Return the lines of a pod's log; each begins with the time at which the kubelet saw it. One that does not was cut
    off."""
    for line in log.split("\n"):
        if (found := _LINE.fullmatch(line)) is not None:
            yield LogLine(found["at"], _level(found["level"] or "INFO"), component, found["message"][:LONGEST])


def _level(name: str) -> str:
    lower = name.lower()
    return "error" if lower == "critical" else lower if lower in LEVELS else "info"
