"""The service's log, structured and searchable: its operations with their callers, and the records of its program."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from enum import StrEnum
from itertools import islice
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from harness.core.clock import Clock
from harness.wasmbed.api.audit import is_kept
from harness.wasmbed.api.operation import Answer, Body, Call, NoBody, Operation, Right
from harness.wasmbed.api.problems import Problem
from harness.wasmbed.api.shapes import Time
from harness.wasmbed.resources.timestamps import format_timestamp, parse_timestamp

__all__ = ["LogBook"]

_KEPT = 10_000
_LONGEST = 4096
"""Characters of a message."""


class LogLevel(StrEnum):
    """The original's levels, from the least grave one."""

    DEBUG = "Debug"
    INFO = "Info"
    WARN = "Warn"
    ERROR = "Error"


_LEVELS = tuple(LogLevel)


class LogQuery(Body):
    """Which entries."""

    level: Annotated[LogLevel, Field(description="Only entries of this level and graver ones.")] = LogLevel.DEBUG
    component: Annotated[str | None, Field(max_length=253, description="Only entries of this component.")] = None
    since: Annotated[str | None, Field(max_length=40, description="Only entries from this moment on (RFC 3339).")] = (
        None
    )
    text: Annotated[str | None, Field(max_length=253, description="Only entries whose message has this text.")] = None
    limit: Annotated[int, Field(ge=1, le=_KEPT, description="Entries in the answer, at most.")] = 50


class LogEntry(TypedDict):
    """An entry."""

    timestamp: Time
    level: LogLevel
    component: str
    message: str
    metadata: dict[str, Any]


class Logs(TypedDict):
    """Entries, newest first."""

    logs: list[LogEntry]
    timestamp: Time


class LogBook(logging.Handler):
    """The latest 10,000 entries. As a handler it takes the records of a program's loggers."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._entries: deque[tuple[float, LogEntry]] = deque(maxlen=_KEPT)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def entries(self) -> list[LogEntry]:
        """The entries, oldest first."""
        return [entry for _, entry in self._entries]

    def operations(self) -> list[Operation]:
        """Return the operation, for the router and the document."""
        return [
            Operation(
                name="getLogs", method="GET", path="/logs", run=self._get, answer=Logs, query=LogQuery,
                right=Right("list", "devices"), summary="The service's log, newest first.",
            )
        ]  # fmt: skip

    def tap(self, source: str, target: str, name: str, data: Mapping[str, Any], about: str) -> None:
        """Take an operation that changed something, or was refused."""
        if not is_kept(source, data):
            return
        refused = int(data.get("code", 0)) >= 400
        self._add(LogLevel.WARN if refused else LogLevel.INFO, "api", name, {**data, "about": about})

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record of a logger."""
        level = _LEVELS[min(max(record.levelno // 10 - 1, 0), 3)]
        self._add(level, record.name, record.getMessage(), {})

    def _add(self, level: LogLevel, component: str, message: str, metadata: dict[str, Any]) -> None:
        now = self._clock.now()
        entry: LogEntry = {
            "timestamp": format_timestamp(now),
            "level": level,
            "component": component,
            "message": message[:_LONGEST],
            "metadata": metadata,
        }
        self._entries.append((now, entry))

    async def _get(self, call: Call[NoBody, LogQuery]) -> Answer:
        query = call.query
        try:
            since = parse_timestamp(query.since) if query.since else 0.0
        except ValueError as error:
            raise Problem(422, f"since: {error}", [{"field": "since", "detail": str(error)}]) from error
        graver = _LEVELS[_LEVELS.index(query.level) :]
        fitting = (
            entry
            for moment, entry in reversed(self._entries)
            if moment >= since
            and entry["level"] in graver
            and query.component in (None, entry["component"])
            and (query.text is None or query.text in entry["message"])
        )
        logs: Logs = {"logs": list(islice(fitting, query.limit)), "timestamp": format_timestamp(self._clock.now())}
        return Answer(logs)
