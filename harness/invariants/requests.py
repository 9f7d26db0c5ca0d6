"""The platform's requests: writes that the API server takes, orders that gateways take, counted, and not
repeated without a pause."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from harness.core.history import Event
from harness.invariants.invariant import Invariant, Party, Violation, on, party_of
from harness.invariants.ledger import Ledger, status_of
from harness.invariants.pair_map import PairMap

__all__ = ["REQUESTS", "WAITED"]

INVALID = frozenset({400, 403, 405, 415, 422})
"""Answers of the API server to a request that it would never take."""
WRITES = tuple(
    f"{verb} {kind}"
    for verb in ("POST", "PUT", "PATCH", "DELETE")
    for kind in ("Device", "Application", "Gateway", "Secret", "ConfigMap", "Lease")
)
PLATFORM = frozenset({Party.GATEWAY, Party.DEVICE_CONTROLLER, Party.APPLICATION_CONTROLLER, Party.GATEWAY_CONTROLLER})
STOP_WITHIN = 25.0
"""Seconds after which a controller may take a stop that is not confirmed for lost, at the earliest."""
LEAST = 0.1
"""Seconds after the first refusal at least: the pause is a quarter of a second, more or less half, and doubles."""
NOT_YET = frozenset({"Pending", "Enrolling", "Failed"})
"""The phases of devices that a selector does not match."""
OUT_OF_STEP = 0.1
"""Seconds by which two watches may differ."""
TOLD_WITHIN = 1.0
"""Seconds in which a controller knows of a change."""
REMEMBERED = 8
"""Orders in a row, the latest."""

WAITED = 5.0
"""Seconds after a gateway stood still in which it takes the orders that came meanwhile, all at once."""


class WritesAreValid(Invariant):
    """Each write of the platform is valid and permitted: the API server refuses none for its content (400, 403, 405,
    415, 422)."""

    name = "writes are valid"
    party = Party.GATEWAY
    source = "Kubernetes API conventions (response status); the schemas of the custom resources"

    @on(*WRITES)
    def written(self, event: Event) -> Iterator[Violation]:
        if event.target != "Kubernetes" or event.data.get("code") not in INVALID:
            return
        party = party_of(event.source)
        if party in PLATFORM:
            message = f"the API server refused {event.name} {event.data.get('name')} with {event.data['code']}"
            yield self.broken(event, message, party=party)


class RefusalsAreRight(Invariant):
    """A gateway refuses no order that shows its token for a device that it serves, and is sent no malformed one.

    A relay sees the end of a session after the gateway. On its links a session counts that goes on: a heartbeat that
    came after the refusal is acknowledged.
    """

    name = "orders are taken"
    party = Party.GATEWAY
    source = "docs/reference/http-api"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._open: dict[str, Violation] = {}
        """The first refusal on each relayed link, by the link's name."""

    @on("RequestRefused")
    def refused(self, event: Event) -> Iterator[Violation]:
        code, device = event.data.get("code"), str(event.data.get("device"))
        gateway = str(event.data.get("gateway"))
        up, link = self.ledger.gateways.get(gateway), self.ledger.connected_link(device)
        about = f"gateway {gateway} refused an order about {event.correlation} on {device} with {code}"
        if up is None or event.data.get("token") != up.data.get("token"):
            return
        if code == 401:
            yield self.broken(event, f"{about}, and it shows the token", cause=up)
        elif code in (400, 405, 413) and not self.ledger.is_ordered_by_hand(event):
            yield self.broken(event, f"{about}: {event.data.get('reason')}", party=Party.APPLICATION_CONTROLLER)
        elif code == 404 and link is not None and link.gateway == gateway and link.known and link.refused is None:
            wrong = self.broken(event, f"{about}: {event.data.get('reason')}; it has a session", cause=link.connected)
            if link.opened.data.get("relayed"):
                self._open.setdefault(link.name, wrong)
            else:
                yield wrong

    @on("HeartbeatAcknowledgment")
    def goes_on(self, event: Event) -> Iterator[Violation]:
        if (wrong := self._open.get(str(event.data.get("link")))) is not None:
            link = self.ledger.link(event)
            beats = link.beats if link is not None else ()
            if any(
                beat.n > wrong.event.n and beat.data.get("messageId") == event.data.get("messageId") for beat in beats
            ):
                del self._open[str(event.data.get("link"))]
                yield wrong

    @on("ConnectionClosed")
    def ended(self, event: Event) -> Iterator[Violation]:
        self._open.pop(str(event.data.get("link")), None)
        yield from ()


class _Orders(Invariant):
    """Orders of the application controller, which begin anew with another manager or another session."""

    party = Party.APPLICATION_CONTROLLER
    needs = frozenset({"Application"})

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._orders = PairMap[deque[Event]]()
        self._holder: Any = None

    def _of(self, event: Event) -> deque[Event]:
        key = (event.correlation, str(event.data.get("device")))
        return self._orders.setdefault(key, deque(maxlen=REMEMBERED))

    @on("POST Lease", "PUT Lease", "note gateway up", "note gateway down", "fault")
    def began(self, event: Event) -> Iterator[Violation]:
        holder = (event.data.get("spec") or {}).get("holderIdentity")
        if holder is None or holder != self._holder:
            self._orders.clear()
        self._holder = holder if holder is not None else self._holder
        yield from ()

    @on("TlsConnected", "ConnectionClosed")
    def moved(self, event: Event) -> Iterator[Violation]:
        device = str(event.data.get("device") or event.correlation)
        self._orders.drop(device=device)
        yield from ()


class StopsAreAskedOnce(_Orders):
    """A controller asks once to stop an application on a device, unless that was refused, had its time, the session
    ended, or the device names the application after it has stopped it. A new Application of the name is the same."""

    name = "stops are asked once"
    source = "diagram application-stop"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._confirmed: set[tuple[str, str]] = set()
        """Orders whose stop the device has confirmed since."""
        self._told: dict[str, float] = {}
        """By device that lost its session, when the record last had a change of its phase. The controller has it a
        little earlier or later, and what it orders before is for the session of before."""

    @on("state Device")
    def changed(self, event: Event) -> Iterator[Violation]:
        name, phase = str(event.data["name"]), status_of(event).get("phase")
        if phase == "Disconnected" or (phase and name in self._told):
            self._told[name] = event.at
        yield from ()

    @on("DeployApplication", "RequestRefused")
    def other(self, event: Event) -> Iterator[Violation]:
        self._of(event).clear()
        yield from ()

    @on("StopResult")
    def confirmed(self, event: Event) -> Iterator[Violation]:
        self._confirmed.add((event.correlation, str(event.data.get("device"))))
        yield from ()

    @on("Heartbeat", "ApplicationStatus", "RuntimeFault")
    def named(self, event: Event) -> Iterator[Violation]:
        device = str(event.data.get("device"))
        for application in event.data.get("applications") or (event.correlation,):
            if (application, device) in self._confirmed:
                self._orders.pop((application, device), None)
        yield from ()

    @on("StopApplication")
    def asked(self, event: Event) -> Iterator[Violation]:
        before = self._of(event)
        self._confirmed.discard((event.correlation, str(event.data.get("device"))))
        if (
            before
            and not self.ledger.is_ordered_by_hand(event)
            and event.at - before[-1].at < STOP_WITHIN
            and before[-1].at > self._told.get(str(event.data.get("device")), 0.0) + OUT_OF_STEP
            and not self.ledger.stood_still(before[-1].at - WAITED, event.at)
            and before[-1].data.get("gateway") == event.data["gateway"]
        ):
            message = f"{event.correlation} on {event.data.get('device')} is to be stopped again after"
            yield self.broken(event, f"{message} {event.at - before[-1].at:.2f} s", cause=before[-1])
        before.append(event)


class PausesGrow(_Orders):
    """A controller whose order was refused pauses before it asks again, and each time longer."""

    name = "pauses grow"
    source = "docs/architecture (back-off)"

    @on("state Application")
    def changed(self, event: Event) -> Iterator[Violation]:
        if event.data.get("change") in ("added", "deleted"):
            self._orders.drop(application=str(event.data["name"]))
        yield from ()

    @on("Deploy", "Stop")
    def taken(self, event: Event) -> Iterator[Violation]:
        self._of(event).clear()
        yield from ()

    @on("RequestRefused")
    def refused(self, event: Event) -> Iterator[Violation]:
        if event.data.get("code") == 401 or self.ledger.is_ordered_by_hand(event):
            return
        orders = self._of(event)
        if orders:
            waited, least = event.at - orders[-1].at, LEAST * 2 ** (len(orders) - 1)
            if waited < least and not self.ledger.stood_still(orders[-1].at - WAITED, event.at):
                about = f"the order about {event.correlation} on {event.data.get('device')}"
                message = f"{about} was refused {len(orders)} times and came again after {waited:.2f} s; {least:.1f} s"
                yield self.broken(event, f"{message} is the shortest pause", cause=orders[-1])
        orders.append(event)


class AttemptsAreCounted(Invariant):
    """Each deployment that is asked for again counts one attempt more; another revision begins with the first."""

    name = "attempts are counted"
    party = Party.APPLICATION_CONTROLLER
    source = "docs/reference/resources (deviceStatuses.deployment, retryCount)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._counted = PairMap[tuple[Any, int, Event]]()

    @on("state Application")
    def changed(self, event: Event) -> Iterator[Violation]:
        if event.data.get("change") in ("added", "deleted"):
            self._counted.drop(application=str(event.data["name"]))
        yield from ()

    @on("PATCH Application")
    def written(self, event: Event) -> Iterator[Violation]:
        entries, name = status_of(event).get("deviceStatuses"), str(event.data.get("name"))
        if event.source != "ApplicationController" or event.data.get("code") != 200:
            return
        for device, entry in entries.items() if isinstance(entries, Mapping) else ():
            if entry is None:
                self._counted.pop((name, device), None)
            record = entry.get("deployment") if isinstance(entry, Mapping) else None
            if not isinstance(record, Mapping) or not isinstance(record.get("attempts"), int):
                continue
            revision, attempts = record.get("revision"), record["attempts"]
            before = self._counted.get((name, device))
            self._counted[name, device] = revision, attempts, event
            same = before is not None and before[0] == revision
            wanted = before[1] + 1 if before is not None and same else 1
            if attempts != wanted and (before is not None or attempts < 1):
                message = f"attempt {attempts} to deploy {name} to {device} was written; it is number {wanted}"
                yield self.broken(event, message, cause=before[2] if before is not None else None)


class RetriesAreCounted(Invariant):
    """An Application's retryCount is the number of attempts beyond the first, over all its devices."""

    name = "retries are counted"
    party = Party.APPLICATION_CONTROLLER
    source = "the schema of the Application (status.retryCount)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._retries: defaultdict[str, dict[str, int]] = defaultdict(dict)
        """By application and device, the attempts beyond the first."""
        self._retrying = Counter[str]()
        """By device, the attempts beyond the first of all applications."""
        self._sums: dict[str, tuple[int, int]] = {}
        """By application, their sum before an attempt was last written, and since: the count follows the attempts."""
        self._left: dict[str, float] = {}
        """Devices that were not targets for a while, and until when a controller may not know that they are."""

    @on("state Device")
    def moved(self, event: Event) -> Iterator[Violation]:
        """A device that is deleted, enrolls again, or has other labels may not be a target, and keeps its entry."""
        name, phase = str(event.data["name"]), status_of(event).get("phase")
        is_labelled = "labels" in (event.data.get("metadata") or {})
        if event.data.get("change") == "deleted" or phase in NOT_YET or is_labelled:
            if self._retrying[name]:
                self._left[name] = float("inf")
        elif phase and name in self._left:
            self._left[name] = event.at + TOLD_WITHIN
        yield from ()

    @on("PATCH Device")
    def enrolls(self, event: Event) -> Iterator[Violation]:
        """A controller may have seen a write before the record's own watch."""
        if event.data.get("code") == HTTPStatus.OK and status_of(event).get("phase") in NOT_YET:
            yield from self.moved(event)

    @on("state Application")
    def changed(self, event: Event) -> Iterator[Violation]:
        status, name = status_of(event), str(event.data["name"])
        if event.data.get("change") != "modified":
            self._retrying.subtract(self._retries.pop(name, {}))
            self._sums.pop(name, None)
        before, wanted = self._sums.get(name, (0, 0))
        found = status.get("deviceStatuses")
        entries = found if isinstance(found, Mapping) else {}
        # An entry that is removed does not count in the same write, an attempt that is noted in it does in the next.
        fallen = self._take(self._retries[name], {device: None for device, entry in entries.items() if entry is None})
        before, wanted = before + fallen, wanted + fallen
        changed = wanted + self._take(self._retries[name], entries)
        if changed != wanted:
            before, wanted = wanted, changed
        self._sums[name] = before, wanted
        count, write = status.get("retryCount"), self.ledger.writer("Application", name)
        if not isinstance(count, int) or (write is not None and write.source == "User"):
            return
        present = self.ledger.object("Application", name).get("status") or {}
        # An entry of a device that is a target no more does not count.
        is_whole = (present.get("statistics") or {}).get("target") == len(present.get("deviceStatuses") or {})
        if is_whole and count not in (before, wanted) and not self._may_lack(self._retries[name], event.at):
            message = f"the retryCount of {name} became {count}; its devices' attempts make it {wanted}"
            yield self.broken(event, message)

    def _may_lack(self, retries: Mapping[str, int], now: float) -> bool:
        """Whether one of the devices may not have been a target when its retries were summed; asked only of a sum that
        is wrong otherwise."""
        return any(self._left.get(device, 0.0) > now for device, number in retries.items() if number)

    def _take(self, retries: dict[str, int], entries: Mapping[str, Any]) -> int:
        """Take the attempts of changed entries over; returns by how much the sum grows."""
        grown = 0
        for device, entry in entries.items():
            record = entry.get("deployment", {}) if isinstance(entry, Mapping) else None
            attempts = record.get("attempts", retries.get(device, 0) + 1) if isinstance(record, Mapping) else 0
            now = max(attempts - 1, 0) if isinstance(attempts, int) else 0
            more = now - retries.get(device, 0)
            grown, retries[device] = grown + more, now
            self._retrying[device] += more
        return grown


REQUESTS = (WritesAreValid, RefusalsAreRight, StopsAreAskedOnce, PausesGrow, AttemptsAreCounted, RetriesAreCounted)
