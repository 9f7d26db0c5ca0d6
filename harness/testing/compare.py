"""Compares two histories, for example of one scenario on two tiers of boards.

    difference(on_virtual, on_qemu, ("virtual", "qemu"))        # "" or a diff to read

Tiers may differ in the boards' descriptions and in times, but not in the messages, their order, and the phases of
resources. So a history is reduced, for each device and each application, to the messages in each direction and the
phases. Where the two have other names, names become ``device 1`` in the order of their appearance. A device's ids and
links become ``id 1`` and ``link 1``: a gateway that was restarted may give a link the name of an earlier one, and
devices come in any order. Times, measurements, keys and free text become ``...``; only the first heartbeat of a
connection counts, and of a link's end not which side was first: both may close it. Requests to the cluster are left
out, because their number depends on timing, and so are messages about an application after its deletion, and that a
device did not read for a moment.

Five more things are a matter of time. How many chunks of a module passed before its transfer was broken off: that it
was is compared, and its chunks are, unless they are the first ones in their order. Which phases were written at the
end of the test: those after the stop of the stack are left out, and so is a last one that only one history has. How
often a controller asked a gateway for a device that was not connected: the gateway has answered 404 and done nothing.
What a device said after the gateway's last word on a link that the gateway then ended: no answer shows whether it was
read. And whether a controller looked while a Device was away that came back: the Device's own phases are compared.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harness.core.errors import ProductFailure
from harness.core.history import Event, Kind

__all__ = ["difference", "require_alike", "story"]

VARIES = frozenset(
    {
        *("architecture", "certificate", "deviceType", "firmwareVersion", "largestModule", "mcuType"),
        *("backtrace", "error", "message", "reason"),
        *("address", "deviceTime", "gatewayTime", "nonce", "publicKey", "csr", "pairingToken", "token"),
        *("gatewayEndpoint", "gatewayName", "memory", "metrics", "resourceUse", "retryAfter", "runtimeFeatures"),
    }
)
"""Fields of a message that are compared by presence, not by value."""
LEFT_OUT = frozenset({"device", "messageId", "frame", "frameSize", "relayed"})
IDS = {"deviceId": "id", "link": "link"}
"""Fields that name something of a device, each with the word for it."""
SETS = frozenset({"capabilities"})
"""Lists that are compared without order."""
COMPARED = {"Device", "Gateway", "ApplicationController"}
ENDS = {"Device", "Gateway"}
"""The parties whose messages are compared."""
CHUNK, ACKNOWLEDGMENT = "ModuleChunk", "ChunkAcknowledgment"
SECRET = "(secret"
"""The beginning of the mark of a secret, whose digest differs from run to run."""
UNREAD = "Unread"
ORDERS, NOT_FOUND = frozenset({"DeployApplication", "StopApplication"}), 404
BEATS = frozenset({"Heartbeat", "HeartbeatAcknowledgment"})
AWAY = ("the device does not exist", "the device is not connected")
PHASES, DELETED = "phases", "deleted"
"""The lane of a resource's phases, and the last of them."""
STOPPING = "stack stopping"
"""The note that ends a test."""


def story(events: Iterable[Event], *, named: bool = False) -> list[str]:
    """Reduce a history to lines, subject by subject. The lines of two runs are equal unless the runs differ. With
    ``named``, devices and applications keep their names, and are in the order of these."""
    return [line for subject in _subjects(events, named) for line in subject.lines()]


def difference(first: Iterable[Event], second: Iterable[Event], names: tuple[str, str] = ("first", "second")) -> str:
    """Return a unified diff of the two histories' lines; empty if they are equal."""
    first, second = list(first), list(second)
    named = {event.correlation for event in first} == {event.correlation for event in second}
    subjects = [{each.label: each for each in _subjects(events, named)} for events in (first, second)]
    both_end = all(any(map(_is_end, events)) for events in (first, second))
    for label in subjects[0].keys() & subjects[1].keys() if both_end else ():
        _leave_last_phase(*(each[label] for each in subjects))
    one, two = ([line for subject in each.values() for line in subject.lines()] for each in subjects)
    lines = difflib.unified_diff(one, two, *names, lineterm="", n=2)
    return "\n".join(line for line in lines if not line.startswith("@@"))


def require_alike(
    first: Iterable[Event], second: Iterable[Event], names: tuple[str, str] = ("first", "second")
) -> None:
    """Raise ProductFailure with the difference between two histories, if there is one."""
    if found := difference(first, second, names):
        raise ProductFailure(f"{names[0]} and {names[1]} differ:\n{found}", where="compare")


def _subjects(events: Iterable[Event], named: bool) -> list[_Subject]:
    found = list(_Subjects(list(events), named).found.values())
    return sorted(found, key=lambda subject: subject.label) if named else found


def _is_of_the_moment(event: Event) -> bool:
    """Whether a message says only when something was, and brings nothing about."""
    return event.name == UNREAD or (event.name in ORDERS and event.data.get("code") == NOT_FOUND)


def _misses_target(event: Event) -> bool:
    """Whether an Application is Failed or Unknown because the controller has looked while a Device was away."""
    status = event.data.get("status") or {}
    is_away = any(each in str(status.get("error")) for each in AWAY)
    return event.name == "Application" and status.get("phase") in ("Failed", "Unknown") and is_away


def _is_end(event: Event) -> bool:
    return event.kind is Kind.NOTE and event.name == STOPPING


def _leave_last_phase(one: _Subject, two: _Subject) -> None:
    """Leave out the last phase if only one of the two has it: the other test ended before it was written."""
    shorter, longer = sorted((each.lane(PHASES) for each in (one, two)), key=len)
    if shorter and longer[:-1] == shorter and longer[-1] != DELETED:
        del longer[-1]


class _Transfer:
    """A module on its way to a device: its announcement, and the chunks and acknowledgments that followed."""

    def __init__(self, deploy: Event) -> None:
        self.deploy = deploy
        size, chunk = (deploy.data.get(name) for name in ("size", "chunkSize"))
        self._count = -(-size // chunk) if size and chunk else 0
        self._indexes: dict[str, list[Any]] = {CHUNK: [], ACKNOWLEDGMENT: []}
        self.events: list[Event] = []

    def add(self, event: Event) -> None:
        self.events.append(event)
        self._indexes[event.name].append(event.data.get("index"))

    @property
    def is_broken_off(self) -> bool:
        """Whether chunks are missing at its end, and none before."""
        return len(self._indexes[CHUNK]) < self._count and all(
            indexes == list(range(len(indexes))) for indexes in self._indexes.values()
        )


def _broken_off(events: Iterable[Event]) -> tuple[set[int], set[int]]:
    """The numbers of the announcements of transfers that were broken off, and those of what followed them."""
    transfers: list[_Transfer] = []
    latest: dict[tuple[str, str], _Transfer] = {}
    for event in events:
        where = str(event.data.get("device")), event.correlation
        if event.name == "Deploy" and event.kind is Kind.MESSAGE:
            latest[where] = transfer = _Transfer(event)
            transfers.append(transfer)
        elif event.name in (CHUNK, ACKNOWLEDGMENT) and where in latest:
            latest[where].add(event)
    broken = [each for each in transfers if each.is_broken_off]
    return {each.deploy.n for each in broken}, {event.n for each in broken for event in each.events}


def _crossing(events: Iterable[Event]) -> set[int]:
    """The numbers of the device's messages that may have crossed the gateway's end of their link."""
    crossing: set[int] = set()
    since: dict[str, list[int]] = {}
    """By link on which the gateway has spoken, what the device has said since."""
    for event in events:
        link = str(event.data.get("link") or event.data.get("device"))
        if event.kind is not Kind.MESSAGE or not {event.source, event.target} <= ENDS or event.name == UNREAD:
            continue
        if event.name == "ConnectionClosed":
            said = since.pop(link, [])
            crossing |= set(said) if event.source == "Gateway" else set()
        elif event.source == "Gateway":
            since[link] = []
        elif link in since:
            since[link].append(event.n)
    return crossing


class _Subject:
    """The messages and phases of one device or application, in one list for each direction."""

    def __init__(self, label: str) -> None:
        self.label = label
        self._lanes: dict[str, list[str]] = {}
        self._seen_beats: set[str] = set()
        self._is_passing = False

    def add(self, lane: str, name: str, text: str) -> None:
        if self._lanes.get(PHASES, [""])[-1] == DELETED and name != "phase":
            return
        if name == "TlsConnected":
            self._seen_beats.clear()
        if name in BEATS and name in self._seen_beats:
            return
        self._seen_beats.add(name)
        lines = self._lanes.setdefault(lane, [])
        if not lines or lines[-1] != text:
            lines.append(text)

    def add_phase(self, phase: str, *, is_passing: bool) -> None:
        """Add a phase; one that ``is_passing`` stays only if no other follows."""
        if self._is_passing:
            self._lanes[PHASES].pop()
        before = list(self.lane(PHASES))
        self.add(PHASES, "phase", phase)
        self._is_passing = is_passing and self.lane(PHASES) != before

    def lane(self, name: str) -> list[str]:
        return self._lanes.get(name, [])

    def lines(self) -> Iterator[str]:
        for lane in sorted(self._lanes):
            yield f"{self.label}, {lane}:"
            yield from (f"    {text}" for text in self._lanes[lane])


class _Subjects:
    def __init__(self, events: list[Event], named: bool) -> None:
        self._named = named
        self._broken_off, left_out = _broken_off(events)
        left_out |= _crossing(events)
        self.found: dict[str, _Subject] = {}
        self._labels: dict[str, str] = {}
        self._ids: dict[tuple[str, str, str], int] = {}
        """The numbers of each device's ids and links, by device, field and value."""
        self._counts: dict[tuple[str, str], int] = {}
        self._is_over = False
        for event in events:
            self._is_over |= _is_end(event)
            if event.correlation and event.n not in left_out:
                self._add(event)

    def _add(self, event: Event) -> None:
        if event.kind is Kind.MESSAGE and {event.source, event.target} <= COMPARED and not _is_of_the_moment(event):
            device = self._label(event.data.get("device"), "device")
            subject = self._subject(event.correlation, "application")
            if event.name == "TlsConnected":
                self._number(device, "link", str(event.data.get("link")), is_new=True)
            data = {key: self._field(device, key, value) for key, value in event.data.items() if key not in LEFT_OUT}
            if event.n in self._broken_off:
                data["chunks"] = "broken off"
            on = f" on {device}" if subject.label.startswith("application") else ""
            lane = "ends" if event.name == "ConnectionClosed" else f"{event.source} to {event.target}{on}"
            subject.add(lane, event.name, f"{event.name}{on} {_text(data)}")
        elif event.kind is Kind.STATE and event.name in ("Device", "Application"):
            subject = self._subject(event.correlation, event.name.lower())
            phase = (event.data.get("status") or {}).get("phase")
            if (phase or event.data["change"] == "deleted") and not self._is_over:
                subject.add_phase(str(phase or DELETED), is_passing=_misses_target(event))
        elif event.kind is Kind.FAULT and event.name == "Crash":
            self._subject(event.correlation, "device").add("faults", "Crash", f"Crash {event.data.get('cause')}")

    def _subject(self, name: str, kind: str) -> _Subject:
        if name not in self.found:
            self.found[name] = _Subject(self._label(name, kind))
        return self.found[name]

    def _label(self, name: object, kind: str) -> str:
        if not name or not isinstance(name, str):
            return ""
        if name not in self._labels:
            number = sum(label.startswith(kind) for label in self._labels.values()) + 1
            self._labels[name] = f"{kind} {name if self._named else number}"
        return self._labels[name]

    def _plain(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {self._labels.get(key, key): self._plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._plain(item) for item in value]
        if isinstance(value, str) and value.startswith(SECRET):
            return SECRET
        return self._labels.get(value, value) if isinstance(value, str) else value

    def _number(self, device: str, field: str, value: str, *, is_new: bool = False) -> int:
        key = device, field, value
        if is_new or key not in self._ids:
            self._counts[device, field] = self._ids[key] = self._counts.get((device, field), 0) + 1
        return self._ids[key]

    def _field(self, device: str, key: str, value: Any) -> Any:
        if key in IDS and isinstance(value, str):
            return f"{IDS[key]} {self._number(device, key, value)}"
        if key in VARIES and value is not None:
            return "..."
        if key in SETS and isinstance(value, list | tuple):
            return sorted(map(str, value))
        return self._plain(value)


def _text(data: Any) -> str:
    return json.dumps(data, sort_keys=True, ensure_ascii=False, default=str)
