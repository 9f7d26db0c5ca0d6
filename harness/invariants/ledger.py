"""The state of links, gateways, boards and resources, derived once from the history for all invariants.

Each event costs the same however long the history is. A link is named by the gateway's tap; in a history without such
names each device has one link at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.core.history import Event, Kind
from harness.wasmbed.resources.extent import WHOLE, Extent

__all__ = ["LONGEST_INTERVAL", "REBOOTS", "Ledger", "Link", "status_of"]

LONGEST_INTERVAL = 1e12
"""Milliseconds between two heartbeats; a history may name more than a float holds."""
BEATS = 16
"""Heartbeats of a link that are remembered, the latest."""
_WRITES = ("POST ", "PATCH ", "PUT ")
REBOOTS = frozenset({"power on", "cut power", "reset", "restore"})
"""Actions that clear a board's memory."""
NOTED_WITHIN = 1.0
"""Seconds after a stall within which it is noted."""
BAD_REQUEST, SERVER_ERROR = 400, 500


@dataclass(slots=True, eq=False)
class Link:
    """One connection of a device, as the gateway's tap saw it."""

    name: str
    device: str
    opened: Event
    known: bool = True
    """Whether its beginning is in the record."""
    closed: Event | None = None
    request: Event | None = None
    """The latest EnrollmentRequest."""
    response: Event | None = None
    """The latest EnrollmentResponse."""
    connected: Event | None = None
    """The first answer to a heartbeat."""
    acknowledged: int = 0
    """Heartbeats that were answered."""
    said: Event | None = None
    """The device's latest message."""
    refused: Event | None = None
    """The gateway's latest Error."""
    unread: Event | None = None
    """The device does not read, so a relay does not see what the gateway sends, nor that it ends the link."""
    beats: deque[Event] = field(default_factory=lambda: deque(maxlen=BEATS))
    """The latest heartbeats."""
    gateway: str = field(init=False)
    """The gateway's name, if the link's name contains it."""

    def __post_init__(self) -> None:
        self.gateway = self.name.rpartition("/")[0]

    @property
    def certificate(self) -> Mapping[str, Any] | None:
        """The device's certificate as the record shows it; None without one."""
        found = self.opened.data.get("certificate")
        return found if isinstance(found, Mapping) else {} if found else None

    @property
    def address(self) -> str:
        return str(self.opened.data.get("address") or "")

    def last_said(self) -> str:
        """The device's latest message, for a verdict."""
        return f"it last said {self.said.name} (event {self.said.n})" if self.said is not None else "it said nothing"


class Ledger:
    """Filled by :meth:`see` with every event before the invariants see it, and by :meth:`settle` afterwards."""

    def __init__(self) -> None:
        self.links: dict[str, Link] = {}
        self._asked: Event | None = None
        self._found: Link | None = None
        """The event whose link was asked for last, and that link: many invariants ask for that of the present one."""
        self._open: dict[str, dict[str, Link]] = {}
        self.peers: set[str] = set()
        """The addresses of connections that a test drives by hand."""
        self._mocks: set[str] = set()
        """The devices that a mock board stands for."""
        self._by_hand: set[tuple[str, str]] = set()
        """The applications and devices about which a test gives orders itself."""
        self.gateways: dict[str, Event] = {}
        """The latest ``gateway up`` of each."""
        self._ended: dict[str, Event] = {}
        """The latest ``gateway down`` of each."""
        self.boots: dict[str, Event] = {}
        """The latest event by which a board lost what it had in memory."""
        self.disturbed: dict[str, Event] = {}
        """The latest event by which something was done to a device; of the empty name: to anything else."""
        self._hampered: set[str] = set()
        """The devices whose links are being disturbed; the empty name: all."""
        self._delays: dict[str, float] = {}
        """By device whose link was disturbed, by how many seconds it was slower; the empty name: all."""
        self._late_until: dict[str, float] = {}
        """By device, until when what was under way on a slow link may arrive."""
        self._out_of_step: set[str] = set()
        """The devices whose clocks are too fast or too slow."""
        self.api_trouble: Event | None = None
        """The latest request that the API server refused or did not answer."""
        self._api_faults = 0
        """The faults of the API server that are in force."""
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        """Each custom resource as it is now."""
        self._writes: dict[tuple[str, str], Event] = {}
        self._phase_writes: dict[tuple[str, str, str], Event] = {}
        self.now = 0.0
        """When the present event happened."""
        self.clock_was_wrong = False
        """Whether a part of the platform had a wrong clock: the times that it writes say nothing from then on."""
        self._stalls: list[tuple[float, float]] = []
        """When the machine or a gateway stood still, from and until."""
        self.board_kind = ""
        """The tier of the boards."""
        self.extent: Extent = WHOLE
        """The resource types, phases, and fields that the system has."""
        self.records_at_once = True
        """Whether a write is recorded when its answer comes. On an API server outside it waits for what caused it."""

    def link(self, event: Event) -> Link | None:
        """The link that a message crossed."""
        if event is not self._asked:
            self._asked, self._found = event, self.links.get(_link_name(event))
        return self._found

    @property
    def is_simulated(self) -> bool:
        """Whether the stack's time is virtual: nothing takes time but what is meant to."""
        return self.board_kind.startswith("sim")

    def open_links(self, device: str) -> list[Link]:
        """The links of a device that have not ended."""
        return list(self._open.get(device, {}).values())

    def is_of_this_run(self, link: Link) -> bool:
        """Whether a link was opened since its gateway last ended: it serves devices before the note that it is up."""
        ended = self._ended.get(link.gateway)
        return ended is None or link.opened.n > ended.n

    def is_up(self, gateway: str) -> bool:
        """Whether a gateway has not ended since the note that it is up; one of which the record says nothing is."""
        up, ended = self.gateways.get(gateway), self._ended.get(gateway)
        return ended is None or (up is not None and up.n > ended.n)

    def all_open(self) -> Iterator[Link]:
        """Every link that has not ended."""
        for links in self._open.values():
            yield from links.values()

    def connected_link(self, device: str) -> Link | None:
        """The link of a device on which a heartbeat was answered, unless it has ended."""
        return next((link for link in self._open.get(device, {}).values() if link.connected is not None), None)

    def object(self, kind: str, name: str) -> Mapping[str, Any]:
        """A resource as it is now; empty if there is none."""
        return self.objects.get((kind, name)) or {}

    def writer(self, kind: str, name: str, phase: str | None = None) -> Event | None:
        """The latest accepted write of a resource; with ``phase``, the latest that wrote it."""
        if phase is None:
            return self._writes.get((kind, name))
        return self._phase_writes.get((kind, name, phase))

    def is_disturbed(self, device: str, since: Event) -> bool:
        """Whether the test did something to the device, or to what is between, from ``since`` on."""
        if not self._hampered.isdisjoint((device, "")) or device in self._out_of_step:
            return True
        if any(since.at < self._late_until.get(each, 0.0) for each in (device, "")):
            return True
        found = (self.disturbed.get(device), self.disturbed.get(""))
        return any(event is not None and event.n >= since.n for event in found)

    def keeps_time(self, device: str) -> bool:
        """Whether the device's clock is not made too fast or too slow."""
        return device not in self._out_of_step

    def is_by_hand(self, link: Link) -> bool:
        """Whether a test drives the device's end of the link."""
        own = str(link.opened.data.get("relayed") or link.address)
        return own in self.peers or (link.device in self._mocks and link.device not in self.boots)

    @property
    def is_api_disturbed(self) -> bool:
        """Whether a fault of the API server is in force."""
        return self._api_faults > 0

    def is_ordered_by_hand(self, order: Event) -> bool:
        """Whether a test gives such orders itself, so that they say nothing of the controller."""
        return (order.correlation, str(order.data.get("device"))) in self._by_hand

    def interval(self, link: Link) -> float:
        """Seconds between two heartbeats of a device, as the gateway said on the link, or else as it was set; 0 if it
        is known from neither."""
        up = self.gateways.get(link.gateway)
        told = link.response.data.get("heartbeatInterval") if link.response is not None else None
        if not isinstance(told, int | float) and up is not None:
            told = up.data.get("heartbeatInterval")
        return min(told, LONGEST_INTERVAL) / 1000 if isinstance(told, int | float) else 0.0

    def stood_still(self, begin: float, end: float) -> bool:
        """Whether the machine or a gateway stood still meanwhile, so that lateness convicts no party."""
        return any(since < end + NOTED_WITHIN and until > begin for since, until in self._stalls)

    def see(self, event: Event) -> None:
        self.now, self._asked = event.at, None
        if event.kind is Kind.MESSAGE:
            if event.target == "Kubernetes":
                self._see_request(event)
            elif event.source == "Device" or event.target == "Device":
                self._see_link(event)
        elif event.kind is Kind.STATE:
            self._see_state(event)
        elif event.kind is not Kind.CONSOLE:
            self._see_harness(event)

    def settle(self, event: Event) -> None:
        """Forget what ended with the event."""
        if event.kind is Kind.STATE and event.data.get("change") == "deleted":
            self.objects.pop((event.name, str(event.data.get("name"))), None)

    def _see_link(self, event: Event) -> None:
        name = _link_name(event)
        device = str(event.data.get("device") or event.correlation)
        if event.name == "TlsConnected":
            self._end(self.links.get(name))
            self._begin(Link(name, device, event))
            return
        link = self.links.get(name)
        if link is None or (link.closed is not None and event.name != "ConnectionClosed" and not link.known):
            if not device:
                return
            link = self._begin(Link(name, device, event, known=False))
        if not link.device and device:
            link.device = device
            self._open.setdefault(device, {})[name] = link
        if event.source == "Gateway":
            link.unread = None
        if event.name == "ConnectionClosed":
            link.closed = event
            self._end(link)
        elif event.name == "Unread":
            link.unread = event
        elif event.source == "Device":
            link.said = event
            if event.name == "Heartbeat":
                link.beats.append(event)
            elif event.name == "EnrollmentRequest":
                link.request = event
        elif event.name == "HeartbeatAcknowledgment":
            link.acknowledged += 1
            link.connected = link.connected or event
        elif event.name == "EnrollmentResponse":
            link.response = event
        elif event.name == "Error":
            link.refused = event

    def _begin(self, link: Link) -> Link:
        self.links[link.name] = link
        self._open.setdefault(link.device, {})[link.name] = link
        return link

    def _end(self, link: Link | None) -> None:
        if link is not None:
            self._open.get(link.device, {}).pop(link.name, None)

    def _see_request(self, event: Event) -> None:
        code = event.data.get("code")
        if not isinstance(code, int) or code >= SERVER_ERROR or code == 429:
            self.api_trouble = event
        elif code < BAD_REQUEST and event.name.startswith(_WRITES):
            kind, name = event.name.partition(" ")[2], str(event.data.get("name"))
            self._writes[kind, name] = event
            if phase := status_of(event).get("phase"):
                self._phase_writes[kind, name, str(phase)] = event

    def _see_state(self, event: Event) -> None:
        key = (event.name, str(event.data.get("name")))
        if event.data.get("change") == "added" or key not in self.objects:
            self.objects[key] = {}
        merged = self.objects[key]
        for part in ("metadata", "spec", "status"):
            if part in event.data:
                merged[part] = _merge(merged.get(part), event.data[part])

    def _see_harness(self, event: Event) -> None:
        device = event.correlation
        if event.kind is Kind.FAULT:
            self.disturbed[device] = event
            if event.name.startswith("API "):
                self._api_faults += -1 if event.name == "API restored" else 1
            self.clock_was_wrong |= event.name == "clock is wrong"
            if event.name in REBOOTS:
                self.boots[device] = event
            if event.name == "disturb clock":
                (self._out_of_step.discard if event.data.get("rate") == 1 else self._out_of_step.add)(device)
            if event.name == "disturb link" and not event.data.get("half_open"):  # which is of one connection
                self._hampered.add(device)
                self._delays[device] = max(float(event.data.get(each) or 0.0) for each in ("delay", "jitter"))
            return
        match event.name:
            case "power on" | "power off" | "resume" | "restore link":
                self.disturbed[device] = event
                if event.name in REBOOTS:
                    self.boots[device] = event
                if event.name == "restore link" and "board" not in event.data:  # that is the board's own connector
                    self._hampered.discard(device)
                    self._late_until[device] = event.at + self._delays.pop(device, 0.0)
            case "peer connected":
                self.peers.add(str(event.data.get("address")))
            case "order by hand":
                self._by_hand.add((device, str(event.data.get("device"))))
            case "mock board":
                self._mocks.add(device)
            case "stack started":
                self.board_kind = str(event.data.get("boards") or "")
                self.records_at_once = event.data.get("cluster") == "embedded"
            case "gateway up":
                self.gateways[str(event.data.get("gateway"))] = event
            case "resume gateway":
                self._stalls.append((event.at - float(event.data.get("seconds") or 0.0), event.at))
                self.disturbed[""] = event
            case "stood still":
                self._stalls.append((event.at - float(event.data.get("seconds") or 0.0), event.at))
            case "gateway down":
                self._ended[str(event.data.get("gateway"))] = event
                self.disturbed[""] = event


def status_of(event: Event) -> Mapping[str, Any]:
    """The status that a write or a change of a resource holds; empty without one."""
    status = event.data.get("status")
    return status if isinstance(status, dict) else {}


def _link_name(event: Event) -> str:
    return str(event.data.get("link") or f"device {event.data.get('device') or event.correlation}")


def _merge(old: Any, patch: Any) -> Any:
    """A merge patch (RFC 7386) applied in place."""
    if not isinstance(patch, dict):
        return patch
    merged: dict[str, Any] = old if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged
