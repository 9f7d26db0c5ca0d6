"""How often a gateway writes what changes all the time: it may not load the API server with each heartbeat."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.core.history import Event
from harness.invariants.gateways import moment_of
from harness.invariants.invariant import Invariant, Party, Violation, on
from harness.invariants.ledger import Ledger, Link, status_of

__all__ = ["PACING", "ApplicationsRest", "HeartbeatsAreSummed", "said_by"]

ROUNDING = 0.98
SLACK = 0.001
"""Seconds by which two readings of a clock may differ."""


@dataclass(slots=True)
class _Writes:
    """How often the heartbeats of a session were written since its device is Connected."""

    link: Link
    began: float
    latest: tuple[int, int]
    """The numbers of the latest write and of the one before it."""
    heartbeats: int = 0
    repetitions: int = 0
    """Those that came although no heartbeat said anything new."""


class HeartbeatsAreSummed(Invariant):
    """A gateway writes the heartbeats of a session at most once in each of its status intervals, and those that say
    nothing new at most once in each of its heartbeat-write intervals."""

    name = "heartbeats are summed up"
    party = Party.GATEWAY
    source = "docs/architecture (status writes)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._writes: dict[str, _Writes] = {}
        """By device."""
        self._said: dict[str, tuple[tuple[Any, ...], int]] = {}
        """By device, what its latest heartbeat said, and the number of the first one that said it."""

    @on("Heartbeat")
    def heard(self, event: Event) -> Iterator[Violation]:
        device, said = str(event.data.get("device")), said_by(event)
        before = self._said.get(device)
        if before is None or before[0] != said:
            self._said[device] = said, event.n if before is not None else 0
        yield from ()

    @on("PATCH Device")
    def written(self, event: Event) -> Iterator[Violation]:
        status, name = status_of(event), str(event.data.get("name"))
        if event.source != "Gateway" or event.data.get("code") != 200:
            return
        link = self.ledger.connected_link(name)
        if "phase" in status:
            # What is written before belongs to an earlier session.
            self._writes.pop(name, None)
            if status["phase"] == "Connected" and link is not None:
                began = min(moment_of(status.get("connectedSince"), event.at), link.opened.at)
                self._writes[name] = _Writes(link, began, (event.n, link.opened.n))
            return
        writes = self._writes.get(name)
        if link is None or writes is None or writes.link is not link:
            return
        if not status.get("lastHeartbeat") or "deviceInfo" in status:
            return
        # A heartbeat may have been heard while the latest write was under way, and be news for this one.
        repeats = self._said.get(name, ((), 0))[1] < writes.latest[1]
        writes.latest = event.n, writes.latest[0]
        writes.heartbeats += 1
        writes.repetitions += repeats
        up, trouble = self.ledger.gateways.get(link.gateway), self.ledger.api_trouble
        if up is None or not self.ledger.is_of_this_run(link) or (trouble is not None and trouble.n > link.opened.n):
            return
        since = event.at - writes.began
        for count, what, setting in (
            (writes.heartbeats, "heartbeats", "statusInterval"),
            (writes.repetitions, "heartbeats that said nothing new", "heartbeatWriteInterval"),
        ):
            interval = up.data.get(setting) or 0
            if since < ROUNDING * count * interval / 1000:
                message = f"the gateway wrote {what} of {name} {count} times in {since:.2f} s"
                yield self.broken(event, f"{message}; its interval is {interval} ms", cause=link.connected, link=link)
                return


def said_by(heartbeat: Event) -> tuple[Any, ...]:
    """The part of a heartbeat that a gateway writes without delay if it is new: times and metrics always are."""
    return tuple(heartbeat.data.get(field) for field in ("status", "runtimeStatus", "applications"))


class _Devices:
    """The devices in an Application's status, without those whose removal was written and is to come."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._removed: set[str] = set()
        self.number = 0

    def saw(self, device: str, *, there: bool) -> None:
        """The resource has an entry of the device, or has none."""
        self._change(self._seen, device, there)

    def wrote(self, device: str, *, there: bool) -> None:
        """Somebody wrote an entry of the device, or removed it."""
        self._change(self._removed, device, not there)

    def _change(self, devices: set[str], device: str, belongs: bool) -> None:
        before = self._counts(device)
        (devices.add if belongs else devices.discard)(device)
        self.number += self._counts(device) - before

    def _counts(self, device: str) -> bool:
        return device in self._seen and device not in self._removed


class ApplicationsRest(Invariant):
    """A gateway lets an Application rest after each write of its status, the longer the more devices it has."""

    name = "applications rest between writes"
    party = Party.GATEWAY
    source = "docs/architecture (status writes)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._written: dict[str, tuple[Event, int]] = {}
        """By application, the gateway's latest write, and the number of devices in the status then."""
        self._is_ending = False
        self._devices: defaultdict[str, _Devices] = defaultdict(_Devices)
        """By application."""

    @on("note gateway up", "note gateway down")
    def restarted(self, event: Event) -> Iterator[Violation]:
        """A gateway that ends writes at once what is pending."""
        self._written.clear()
        self._is_ending = event.name == "gateway down"
        yield from ()

    @on("state Application")
    def changed(self, event: Event) -> Iterator[Violation]:
        name, status = str(event.data["name"]), status_of(event)
        if event.data.get("change") != "modified":
            self._written.pop(name, None)
            self._devices.pop(name, None)
        entries = status.get("deviceStatuses")
        if event.data.get("change") != "deleted" and isinstance(entries, Mapping):
            for device, entry in entries.items():
                self._devices[name].saw(device, there=entry is not None)
        elif "deviceStatuses" in status:
            self._devices.pop(name, None)
        yield from ()

    @on("PATCH Application")
    def written(self, event: Event) -> Iterator[Violation]:
        name, gateways = str(event.data.get("name")), self.ledger.gateways
        entries = status_of(event).get("deviceStatuses")
        for device, entry in entries.items() if isinstance(entries, Mapping) and event.data.get("code") == 200 else ():
            self._devices[name].wrote(device, there=entry is not None)
        if event.source != "Gateway" or event.data.get("code") != 200 or len(gateways) != 1 or self._is_ending:
            return
        before, devices = self._written.get(name, (None, 0))
        present = self._devices[name].number
        self._written[name] = event, present
        devices = min(devices, present)  # some of them may have left before the write was answered
        each = next(iter(gateways.values())).data.get("restPerDevice") or 0
        if before is None or event.at - before.at >= devices * each / 1000 - SLACK or not self.ledger.records_at_once:
            return
        message = f"the gateway wrote {name}, which has {devices} devices, again after"
        rest = f"{1000 * (event.at - before.at):.1f} ms; it rests for {each * devices:.1f} ms"
        yield self.broken(event, f"{message} {rest}", cause=before)


PACING = (HeartbeatsAreSummed, ApplicationsRest)
