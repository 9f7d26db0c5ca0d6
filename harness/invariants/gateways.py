"""Compares a gateway's status, session list and metrics with the links in the record."""

from __future__ import annotations

import re
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping

from harness.core.history import Event
from harness.invariants.invariant import Invariant, Party, Violation, on
from harness.invariants.ledger import Ledger, Link, status_of
from harness.wasmbed.resources.timestamps import parse_timestamp

__all__ = ["GATEWAYS", "moment_of"]

COUNTED = (
    "Heartbeat", "EnrollmentRequest", "EnrollmentAcknowledgment", "ApplicationStatus", "DeploymentResult", "StopResult",
    "DeviceInfo", "RuntimeFault", "ChunkAcknowledgment", "Error",
)  # fmt: skip

CHANGES = 4096
"""Changes of a gateway's number of sessions that are remembered, the latest."""
COUNTED_WITHIN = 1.0
"""Seconds after which a message that is in the record has been counted."""

_MISSED = re.compile(r"(\d{1,3}) beats of (\d{1,6}(?:\.\d{1,6})?) s missed")
"""The reason that a gateway is Offline."""

CLOSING = "closing"
"""The state of a session, in the gateway's list, that waits for its device to close."""


class ConnectedDevices(Invariant):
    """A gateway's connectedDevices is a number of devices that it had since it wrote the one before, or since the
    lastSeen beside it."""

    name = "connected devices"
    party = Party.GATEWAY
    source = "docs/reference/resources (Gateway)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._spoken: defaultdict[str, set[Link]] = defaultdict(set)
        """By gateway, the links on which a device asked for something."""
        self._accepted: defaultdict[str, set[Link]] = defaultdict(set)
        """Those of them that the gateway accepted."""
        self._counts: dict[str, deque[tuple[float, int, int]]] = {}
        """By gateway, when its sessions changed, and the fewest and the most that they were from then on."""
        self._written: dict[str, float] = {}
        self._are_named = True
        """Whether every link says which gateway's it is."""

    @on("EnrollmentRequest", "Heartbeat", "EnrollmentResponse", "HeartbeatAcknowledgment")
    def spoke(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is not None and not link.gateway:
            self._are_named = False
        if link is not None and link.known and link.closed is None:
            self._spoken[link.gateway].add(link)
            if event.source == "Gateway" and not event.data.get("certificate"):
                self._accepted[link.gateway].add(link)
            self._count(link.gateway)
        yield from ()

    @on("Unread")
    def unread(self, event: Event) -> Iterator[Violation]:
        if (link := self.ledger.link(event)) is not None:  # the gateway may end it, and nobody sees that
            self._accepted[link.gateway].discard(link)
            self._count(link.gateway)
        yield from ()

    @on("ConnectionClosed")
    def closed(self, event: Event) -> Iterator[Violation]:
        if (link := self.ledger.link(event)) is not None:
            self._spoken[link.gateway].discard(link)
            self._accepted[link.gateway].discard(link)
            self._count(link.gateway)
        yield from ()

    @on("note gateway up")
    def started(self, event: Event) -> Iterator[Violation]:
        gateway = str(event.data.get("gateway"))
        for links in (self._spoken[gateway], self._accepted[gateway]):
            links.difference_update([link for link in links if not self.ledger.is_of_this_run(link)])
        self._counts[gateway] = deque([(event.at, 0, len(self._spoken[gateway]))], maxlen=CHANGES)
        self._written.pop(gateway, None)
        yield from ()

    @on("PATCH Gateway")
    def written(self, event: Event) -> Iterator[Violation]:
        told, name = status_of(event).get("connectedDevices"), str(event.data.get("name"))
        if event.source != "Gateway" or not isinstance(told, int) or event.data.get("code") != 200:
            return
        counts = self._counts.get(name)
        if counts is None or not self._are_named or status_of(event).get("phase") == "Offline":
            return
        # A write that had to wait tells what was so at its lastSeen.
        since = min(self._written.get(name, counts[0][0]), moment_of(status_of(event).get("lastSeen"), event.at))
        self._written[name] = event.at
        while len(counts) > 1 and counts[1][0] <= since:
            counts.popleft()
        least, most = min(count[1] for count in counts), max(count[2] for count in counts)
        if not least <= told <= most:
            seen = f"{least}" if least == most else f"{least} to {most}"
            yield self.broken(event, f"gateway {name} wrote connectedDevices {told}; its links say {seen}")

    def _count(self, gateway: str) -> None:
        now = self.ledger.now, len(self._accepted[gateway]), len(self._spoken[gateway])
        self._counts.setdefault(gateway, deque(maxlen=CHANGES)).append(now)


def moment_of(told: object, otherwise: float) -> float:
    """A timestamp in clock seconds; ``otherwise`` where there is none."""
    try:
        return parse_timestamp(told) if isinstance(told, str) else otherwise
    except ValueError:
        return otherwise


class LiveGatewayIsOnline(Invariant):
    """The gateway controller writes Offline only for a gateway that has missed its beats, and as many as it says."""

    name = "live gateways are online"
    party = Party.GATEWAY_CONTROLLER
    source = "docs/reference/resources (Gateway)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._beats: dict[str, Event] = {}

    @on("PATCH Gateway")
    def written(self, event: Event) -> Iterator[Violation]:
        status, name = status_of(event), str(event.data.get("name"))
        if event.data.get("code") != 200:
            return
        if event.source == "Gateway" and "lastSeen" in status:  # a write of its spec is not a beat
            self._beats[name] = event
        elif event.source == "GatewayController" and status.get("phase") == "Offline":
            beat = self._beats.get(name)
            present = self.ledger.object("Gateway", name).get("status") or {}
            interval = (present.get("lastSeenIntervalMilliseconds") or 0) / 1000
            if beat is None:
                return
            # The controller may have seen the beat before its write was answered: one beat more or less.
            said = _MISSED.search(str(status.get("error")))
            least = max(interval, (int(said[1]) - 1) * float(said[2]) if said else 0.0)
            if event.at - beat.at < least:
                message = f"gateway {name} was written Offline {event.at - beat.at:.1f} s after a sign of life"
                reason = f"; it gives one every {interval:g} s"
                reason += f", and the reason is {said[0]}" if said else ""
                yield self.broken(event, message + reason, cause=beat, waited=beat)


class SessionsListed(Invariant):
    """The sessions that a gateway lists are the links that it has: none that ended, none left out, each with its device
    and its state."""

    name = "sessions are listed"
    party = Party.GATEWAY
    source = "docs/reference/http-api (/api/v1/sessions)"

    @on("note gateway observed")
    def observed(self, event: Event) -> Iterator[Violation]:
        gateway, since = str(event.data.get("gateway")), event.data.get("since") or 0
        listed = {str(each.get("address")): each for each in event.data.get("sessions") or () if each.get("address")}
        known = {link.address: link for link in self.ledger.links.values() if link.gateway == gateway and link.address}
        if not known:
            return
        for address, session in listed.items():
            link = known.get(address)
            if link is not None and link.closed is not None and link.closed.n < since:
                if session.get("state") == CLOSING:  # its end is under way: a relay sees the first half of it
                    continue
                message = f"the gateway lists a session of {link.device}, whose link {link.name} has ended"
                yield self.broken(event, message, cause=link.closed, link=link)
            elif link is not None and session.get("device") not in (None, link.device):
                message = f"the gateway lists {session.get('device')} at {address}, which is {link.device}"
                yield self.broken(event, message, cause=link.opened, link=link)
        for address, link in known.items():
            if link.closed is None and link.opened.n < since and address not in listed and not _may_have_ended(link):
                message = f"the gateway does not list the session of {link.device} (link {link.name})"
                yield self.broken(event, message, cause=link.opened, link=link)


def _may_have_ended(link: Link) -> bool:
    """Whether the gateway may have given the session up before the link's end was seen: its device never spoke, was
    refused, or does not read."""
    return link.said is None or link.refused is not None or link.unread is not None


class MetricsCount(Invariant):
    """A gateway's metrics count what crossed its links since it began: messages by type, and sessions."""

    name = "metrics count"
    party = Party.GATEWAY
    source = "docs/reference/http-api (/metrics)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._first: dict[tuple[str, str], Event] = {}
        """By gateway and type, the first message since the gateway began."""

    @on("note gateway down")
    def ended(self, event: Event) -> Iterator[Violation]:
        gateway = str(event.data.get("gateway"))
        self._counts.pop(gateway, None)
        for kind in COUNTED:
            self._first.pop((gateway, kind), None)
        yield from ()

    @on(*COUNTED)
    def said(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if event.source == "Device" and link is not None and self.ledger.is_of_this_run(link):
            self._counts[link.gateway][event.name] += 1
            self._first.setdefault((link.gateway, event.name), event)
        yield from ()

    @on("note gateway observed")
    def observed(self, event: Event) -> Iterator[Violation]:
        gateway, metrics = str(event.data.get("gateway")), event.data.get("metrics")
        if gateway not in self.ledger.gateways or not isinstance(metrics, Mapping) or not metrics:
            return
        counts = self._counts[gateway]
        for kind in COUNTED:
            counted = metrics.get(f"wasmbed_gateway_messages_total{{type={kind}}}", 0)
            # A message is in the record before it is counted, and the record goes on during the answer.
            first = self._first.get((gateway, kind))
            is_missing = first is not None and not counted and event.at - first.at > COUNTED_WITHIN
            if first is not None and self.ledger.is_disturbed(str(first.data.get("device")), first):
                is_missing = False  # a wrong record takes those before it along
            if counted > counts[kind] or is_missing:
                message = f"the gateway's metrics count {counted:.0f} messages {kind}; {counts[kind]} crossed its links"
                yield self.broken(event, message)


class GaugesAgree(Invariant):
    """A gateway's number of connected sessions in its metrics is that of its session list, and that of its links, if
    nothing happens meanwhile; its writes, rejected handshakes and enrollments are those in the record."""

    name = "gauges agree"
    party = Party.GATEWAY
    source = "docs/reference/http-api (/metrics)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._latest: dict[str, Event] = {}
        """By gateway, the latest event of one of its links."""
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)

    @on("note gateway down")
    def ended(self, event: Event) -> Iterator[Violation]:
        self._counts.pop(str(event.data.get("gateway")), None)
        yield from ()

    @on("TlsConnected", "ConnectionClosed", "Heartbeat", "HeartbeatAcknowledgment", "EnrollmentRequest", "Error")
    def moved(self, event: Event) -> Iterator[Violation]:
        if (link := self.ledger.link(event)) is not None:
            self._latest[link.gateway] = event
            if event.name == "ConnectionClosed" and self._lost_answer(link):
                self._counts[link.gateway]["lost"] += 1
        yield from ()

    def _lost_answer(self, link: Link) -> bool:
        """Whether an answer to an enrollment may have been sent that a relay could not pass on: the device had gone."""
        asked, answered = link.request, link.response
        unanswered = asked is not None and (answered is None or answered.n < asked.n)
        return unanswered and bool(link.opened.data.get("relayed")) and self.ledger.is_of_this_run(link)

    @on("EnrollmentResponse")
    def enrolled(self, event: Event) -> Iterator[Violation]:
        if (link := self.ledger.link(event)) is not None:
            self._latest[link.gateway] = event
            self._counts[link.gateway]["enrollments"] += self.ledger.is_of_this_run(link)
        yield from ()

    @on("note gateway observed")
    def observed(self, event: Event) -> Iterator[Violation]:
        gateway, metrics = str(event.data.get("gateway")), event.data.get("metrics")
        latest, counts = self._latest.get(gateway), self._counts[gateway]
        asked = event.data.get("since", event.n)
        quiet = latest is None or (latest.n < asked and event.at - latest.at > COUNTED_WITHIN)
        if gateway not in self.ledger.gateways or not isinstance(metrics, Mapping) or not metrics or not quiet:
            return
        listed = Counter(str(each.get("state")) for each in event.data.get("sessions") or ())
        counted = metrics.get("wasmbed_gateway_sessions{state=connected}", 0)
        links = [link for link in self.ledger.all_open() if link.gateway == gateway and link.known]
        beating = sum(link.connected is not None and link.refused is None and link.unread is None for link in links)
        if counted != listed["connected"]:
            message = f"the metrics of gateway {gateway} count {counted:.0f} connected sessions; it lists"
            yield self.broken(event, f"{message} {listed['connected']}")
        elif beating > counted:
            message = f"gateway {gateway} counts {counted:.0f} connected sessions; {beating} of its links have beaten"
            yield self.broken(event, message)
        results = {"ok": 0.0, "paired": 0.0}
        for result in results:
            results[result] = metrics.get(f"wasmbed_gateway_enrollments_total{{result={result}}}", 0)
        if sum(results.values()) > counts["enrollments"] + counts["lost"]:
            message = f"gateway {gateway} counts {sum(results.values()):.0f} enrollments; it answered"
            yield self.broken(event, f"{message} {counts['enrollments']}")


GATEWAYS = (ConnectedDevices, LiveGatewayIsOnline, SessionsListed, MetricsCount, GaugesAgree)
