"""Compares two histories, for example of one scenario on two tiers of boards.

    difference(on_virtual, on_qemu, ("virtual", "qemu"))        # "" or a diff to read

Tiers may differ in the boards' descriptions and in times, but not in the messages, their order, and the phases of
resources. So a history is reduced, for each device and each application, to the messages in each direction and the
phases. Where the two have other names, names become ``device 1`` in the order of their appearance. A device's ids and
links become ``id 1`` and ``link 1``: a gateway that was restarted may give a link the name of an earlier one, and
devices come in any order. Times, measurements, keys and free text become ``...``; only the first heartbeat of a
connection counts, and of a link's end not which side was first: both may close it. Requests to the cluster are left
out, because their number depends on timing, and so are messages about an application after its deletion.
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
"""The parties whose messages are compared."""
SECRET = "(secret"
"""The beginning of the mark of a secret, whose digest differs from run to run."""
BEATS = frozenset({"Heartbeat", "HeartbeatAcknowledgment"})


def story(events: Iterable[Event], *, named: bool = False) -> list[str]:
    """Reduce a history to lines, subject by subject. The lines of two runs are equal unless the runs differ. With
    ``named``, devices and applications keep their names, and are in the order of these."""
    subjects: Iterable[_Subject] = _Subjects(events, named).found.values()
    if named:
        subjects = sorted(subjects, key=lambda subject: subject.label)
    return [line for subject in subjects for line in subject.lines()]


def difference(first: Iterable[Event], second: Iterable[Event], names: tuple[str, str] = ("first", "second")) -> str:
    """Return a unified diff of the two histories' lines; empty if they are equal."""
    first, second = list(first), list(second)
    named = {event.correlation for event in first} == {event.correlation for event in second}
    one, two = story(first, named=named), story(second, named=named)
    lines = difflib.unified_diff(one, two, *names, lineterm="", n=2)
    return "\n".join(line for line in lines if not line.startswith("@@"))


def require_alike(
    first: Iterable[Event], second: Iterable[Event], names: tuple[str, str] = ("first", "second")
) -> None:
    """Raise ProductFailure with the difference between two histories, if there is one."""
    if found := difference(first, second, names):
        raise ProductFailure(f"{names[0]} and {names[1]} differ:\n{found}", where="compare")


class _Subject:
    """The messages and phases of one device or application, in one list for each direction."""

    def __init__(self, label: str) -> None:
        self.label = label
        self._lanes: dict[str, list[str]] = {}
        self._seen_beats: set[str] = set()

    def add(self, lane: str, name: str, text: str) -> None:
        if self._lanes.get("phases", [""])[-1] == "deleted" and name != "phase":
            return
        if name == "TlsConnected":
            self._seen_beats.clear()
        if name in BEATS and name in self._seen_beats:
            return
        self._seen_beats.add(name)
        lines = self._lanes.setdefault(lane, [])
        if not lines or lines[-1] != text:
            lines.append(text)

    def lines(self) -> Iterator[str]:
        for lane in sorted(self._lanes):
            yield f"{self.label}, {lane}:"
            yield from (f"    {text}" for text in self._lanes[lane])


class _Subjects:
    def __init__(self, events: Iterable[Event], named: bool) -> None:
        self._named = named
        self.found: dict[str, _Subject] = {}
        self._labels: dict[str, str] = {}
        self._ids: dict[tuple[str, str, str], int] = {}
        """The numbers of each device's ids and links, by device, field and value."""
        self._counts: dict[tuple[str, str], int] = {}
        for event in events:
            if event.correlation:
                self._add(event)

    def _add(self, event: Event) -> None:
        if event.kind is Kind.MESSAGE and {event.source, event.target} <= COMPARED:
            device = self._label(event.data.get("device"), "device")
            subject = self._subject(event.correlation, "application")
            if event.name == "TlsConnected":
                self._number(device, "link", str(event.data.get("link")), is_new=True)
            data = {key: self._field(device, key, value) for key, value in event.data.items() if key not in LEFT_OUT}
            on = f" on {device}" if subject.label.startswith("application") else ""
            lane = "ends" if event.name == "ConnectionClosed" else f"{event.source} to {event.target}{on}"
            subject.add(lane, event.name, f"{event.name}{on} {_text(data)}")
        elif event.kind is Kind.STATE and event.name in ("Device", "Application"):
            subject = self._subject(event.correlation, event.name.lower())
            phase = (event.data.get("status") or {}).get("phase")
            if phase or event.data["change"] == "deleted":
                subject.add("phases", "phase", str(phase or "deleted"))
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
