"""Metrics over time from a history: sessions, devices, frames, requests, memory of the boards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.core.history import Event, Kind

__all__ = ["POINTS", "series"]

POINTS = 240
"""The most points of a line."""
_LINK = {("Device", "Gateway"), ("Gateway", "Device")}


def series(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Lines as ``{name, unit, points: [[seconds from the first event, value], ...]}``; lines of zeros are omitted.

    Sessions, connected devices and memory are values at the end of an interval; frames and requests are rates in it.
    """
    if not events:
        return []
    start, length = events[0].at, max(events[-1].at - events[0].at, 1e-6)
    step = length / POINTS
    lines = _Lines()
    for event in events:
        lines.advance(min(int((event.at - start) / step), POINTS - 1))
        lines.take(event)
    lines.advance(POINTS)
    units = {"frames": "per second", "requests": "per second", "memory": "bytes"}
    found = []
    for name, values in lines.drawn.items():
        if any(values):
            scale = 1 / step if units.get(name) == "per second" else 1
            points = [[round((index + 1) * step, 6), round(value * scale, 3)] for index, value in enumerate(values)]
            found.append({"name": name, "unit": units.get(name, ""), "points": [[0, 0], *_bends(points)]})
    return found


def _bends(points: list[list[float]]) -> Iterable[list[float]]:
    """``points`` without those between two equal values."""
    for index, point in enumerate(points):
        inside = 0 < index < len(points) - 1
        if not (inside and points[index - 1][1] == point[1] == points[index + 1][1]):
            yield point


def _part(event: Event, name: str) -> Mapping[str, Any]:
    """A part of an event's data; empty if it is not a mapping."""
    value = event.data.get(name)
    return value if isinstance(value, Mapping) else {}


class _Lines:
    """The current value of each line, and its values so far."""

    def __init__(self) -> None:
        self.drawn: dict[str, list[float]] = {
            name: [] for name in ("sessions", "connected", "frames", "requests", "memory")
        }
        self._sessions: dict[str, int] = {}
        self._connected: set[str] = set()
        self._memory: dict[str, float] = {}
        self._total = 0.0
        self._frames = self._requests = 0

    def advance(self, place: int) -> None:
        while len(self.drawn["sessions"]) < place:
            values = (len(self._sessions), len(self._connected), self._frames, self._requests, self._total)
            for line, value in zip(self.drawn.values(), values, strict=True):
                line.append(value)
            self._frames = self._requests = 0

    def take(self, event: Event) -> None:
        device = str(event.data.get("device") or event.correlation)
        if event.kind is Kind.MESSAGE:
            self._message(event, device)
        elif event.kind is Kind.STATE and event.name == "Device":
            phase = _part(event, "status").get("phase")
            if phase == "Connected":
                self._connected.add(device)
            elif phase is not None or event.data.get("change") == "deleted":
                self._connected.discard(device)

    def _message(self, event: Event, device: str) -> None:
        if "Kubernetes" in (event.source, event.target):
            self._requests += event.target == "Kubernetes"
        elif (event.source, event.target) in _LINK:
            self._frame(event, device)

    def _frame(self, event: Event, device: str) -> None:
        if event.name == "TlsConnected":
            self._sessions[device] = self._sessions.get(device, 0) + 1
        elif event.name == "ConnectionClosed":
            if (left := self._sessions.pop(device, 0) - 1) > 0:
                self._sessions[device] = left
            self._total -= self._memory.pop(device, 0.0)
        else:
            self._frames += 1
            used = _part(event, "metrics").get("memory_used_bytes") if event.name == "Heartbeat" else None
            if isinstance(used, int | float):
                self._total += used - self._memory.get(device, 0.0)
                self._memory[device] = used
