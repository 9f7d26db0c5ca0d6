"""Compares the Application's status with its devices' messages: states, outputs, stops, sums."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.core.history import Event
from harness.invariants.invariant import Invariant, Party, Violation, on, party_of
from harness.invariants.ledger import Ledger, status_of
from harness.wasmbed.resources.timestamps import parse_timestamp

__all__ = ["APPLICATION_STATUS"]

SAID_BY_DEVICE = frozenset({"deployed", "running", "stopped"})
"""States that a gateway writes only after the device reported them."""
HOLDING = frozenset({"deployed", "running"})
PUBLICATIONS = 256
"""Publications of one application on one device that are remembered, the latest."""
DECIDED_WITHIN = 0.5
"""Seconds between the look at a device and the answer to the write that follows from it."""
BEHIND = 0.5
"""Seconds by which a gateway's clock may be behind the record's."""
STOP_WITHIN = 25.0
"""Seconds after which the controller takes a stop that is not confirmed for done, at the earliest."""


@dataclass(slots=True)
class _Pair:
    """An application on a device."""

    said: set[str] = field(default_factory=set)
    """States that the device reported since the latest Deploy."""
    unwritten: list[str] = field(default_factory=list)
    """States that it reported, also before that, and that no write has shown yet: a write may be under way."""
    state: str = ""
    """The latest of them."""
    at: Event | None = None
    failed: Event | None = None
    """The answer that the deployment failed, if nothing was deployed since."""
    asked_to_stop: Event | None = None
    published: deque[tuple[str, Any]] = field(default_factory=lambda: deque(maxlen=PUBLICATIONS))
    published_before: Collection[tuple[str, Any]] = ()
    """The publications before the latest Deploy, until the next write that does not say that it is of before: that one
    may have been under way."""
    deployed_at: float = 0.0
    """The time of the latest Deploy."""

    def report(self, state: str, event: Event) -> None:
        self.said.add(state)
        if state in self.unwritten:
            self.unwritten.remove(state)
        self.unwritten.append(state)
        self.state, self.at = state, event

    def written(self, state: str) -> bool:
        """Note a write; returns whether the device has said so. It covers what the device had said before."""
        if state in self.unwritten:
            del self.unwritten[: self.unwritten.index(state) + 1]
            return True
        return state in self.said


class _Pairs(Invariant):
    """The state of each application on each device."""

    needs = frozenset({"Application"})

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._pairs: dict[tuple[str, str], _Pair] = {}
        self._began: dict[str, int] = {}
        """By device, the number of the event with which its session began."""

    def _pair(self, application: str, device: str) -> _Pair:
        """Return what is known of an application on a device. In a new session, what a heartbeat says counts again."""
        pair = self._pairs.setdefault((application, device), _Pair())
        if pair.failed is not None and pair.failed.n < self._began.get(device, 0):
            pair.failed = None
        return pair

    @on("Deploy")
    def deployed(self, event: Event) -> Iterator[Violation]:
        device = str(event.data.get("device"))
        before = self._pair(event.correlation, device)
        self._pairs[event.correlation, device] = _Pair(
            unwritten=before.unwritten,
            asked_to_stop=before.asked_to_stop,
            published_before=deque((*before.published_before, *before.published), maxlen=PUBLICATIONS),
            deployed_at=event.at,
        )
        yield from ()

    @on("DeployApplication", "StopApplication")
    def asked(self, event: Event) -> Iterator[Violation]:
        pair = self._pair(event.correlation, str(event.data.get("device")))
        pair.asked_to_stop = event if event.name == "StopApplication" else None
        yield from ()

    @on("DeploymentResult", "StopResult", "ApplicationStatus", "RuntimeFault")
    def reported(self, event: Event) -> Iterator[Violation]:
        pair = self._pair(event.correlation, str(event.data.get("device")))
        if event.name == "DeploymentResult" and not event.data.get("ok"):
            pair.failed = event
            pair.report("failed", event)
        elif event.name == "DeploymentResult":
            pair.report("deployed", event)
        elif event.name == "StopResult":
            pair.report("stopped" if event.data.get("ok") else "error", event)
        elif event.name == "RuntimeFault":
            pair.report("error", event)
        else:
            pair.failed = None
            pair.report(str(event.data.get("state")), event)
            for each in event.data.get("publications") or ():
                pair.published.append((str(each.get("topic")), each.get("payload")))
        yield from ()

    @on("Heartbeat")
    def beat(self, event: Event) -> Iterator[Violation]:
        applications = event.data.get("applications")
        for name, state in applications.items() if isinstance(applications, Mapping) else ():
            pair = self._pair(name, str(event.data.get("device")))
            if pair.failed is None:
                pair.report(str(state), event)
        yield from ()

    @on("TlsConnected")
    def connected(self, event: Event) -> Iterator[Violation]:
        self._began[str(event.data.get("device"))] = event.n
        yield from ()


class StatesAreReported(_Pairs):
    """A gateway writes that an application is deployed, running or stopped on a device only after the device said so,
    and a deployment that failed stays failed until there is another."""

    name = "states are reported"
    party = Party.GATEWAY
    source = "diagrams application-deployment and application-stop"

    @on("PATCH Application")
    def written(self, event: Event) -> Iterator[Violation]:
        entries = status_of(event).get("deviceStatuses")
        code = event.data.get("code")
        if event.source != "Gateway" or not isinstance(entries, Mapping) or code != 200:
            return
        for device, entry in entries.items():
            state = entry.get("state") if isinstance(entry, Mapping) else None
            if state not in SAID_BY_DEVICE or not any(link.known for link in self.ledger.open_links(device)):
                continue
            pair = self._pair(event.correlation, device)
            if not pair.written(state):
                said = (
                    f"it last said {pair.state} (event {pair.at.n})" if pair.at is not None else "it said nothing of it"
                )
                message = f"the gateway wrote {event.correlation} {state} on {device}, which has not said so; {said}"
                yield self.broken(event, message, cause=pair.failed or pair.at)


class OutputsOfThisRun(_Pairs):
    """The outputs in a status were published by the device since the application was last deployed there."""

    name = "outputs of this run"
    party = Party.GATEWAY
    source = "docs/reference/resources (deviceStatuses)"

    @on("PATCH Application")
    def written(self, event: Event) -> Iterator[Violation]:
        entries = status_of(event).get("deviceStatuses")
        if event.source != "Gateway" or not isinstance(entries, Mapping):
            return
        for device, entry in entries.items():
            pair = self._pair(event.correlation, device)
            published = (*pair.published_before, *pair.published)
            if not _is_older(entry, pair.deployed_at):
                pair.published_before = ()
            output = entry.get("output") if isinstance(entry, Mapping) else None
            if not output or not any(link.known for link in self.ledger.open_links(device)):
                continue
            known = {(topic, _text(payload)) for topic, payload in published}
            for each in output:
                told = (str(each.get("topic")), _payload(each))
                if told[1] is not None and told not in known:
                    message = (
                        f"the gateway wrote an output of {event.correlation} on {device} that it has not published"
                        f" since it was deployed: {each.get('topic')} {str(each.get('payload'))[:60]!r}"
                    )
                    yield self.broken(event, message)
                    break


def _is_older(entry: Any, deployed_at: float) -> bool:
    """Whether an entry says that it is of before a Deploy. An outage of the API server can hold it back for long."""
    try:
        return parse_timestamp(str(entry["updated"])) < deployed_at - BEHIND
    except (KeyError, TypeError, ValueError):
        return False


def _text(payload: Any) -> str | None:
    """A published payload as an event shows it; None where it shows only size and hash."""
    return payload if isinstance(payload, str) else None


def _payload(output: Mapping[str, Any]) -> str | None:
    """A written payload in hex; None where the event would not show it."""
    if output.get("encoding") != "text":
        return None
    content = str(output.get("payload")).encode("utf-8", "surrogatepass")
    return content.hex() if len(content) <= 64 else None


class StopIsAwaited(_Pairs):
    """An Application is Stopped, or gone, only when every device within reach that holds it has answered its stop, or
    had its time to.

    The look at all its devices is for the change to Stopped and for its end. Before each, every one of them had an
    entry written: by these events the cost is constant.
    """

    name = "stops are awaited"
    party = Party.APPLICATION_CONTROLLER
    source = "diagram application-stop"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._forced: set[str] = set()
        self._judged: set[str] = set()
        self._added: dict[str, Event] = {}
        self._away: set[str] = set()
        self._back: dict[str, Event] = {}
        """By device that was away, the change by which it became Connected again."""

    @on("state Device")
    def moved(self, event: Event) -> Iterator[Violation]:
        name, phase = str(event.data["name"]), status_of(event).get("phase")
        if phase == "Disconnected" or event.data.get("change") == "deleted":
            self._away.add(name)
        elif phase == "Connected" and name in self._away:
            self._away.discard(name)
            self._back[name] = event
        yield from ()

    @on("PATCH Application", "PUT Application", "DELETE Application")
    def written(self, event: Event) -> Iterator[Violation]:
        metadata = event.data.get("metadata")
        name = str(event.data.get("name"))
        replaces = event.name.startswith("PUT") or (isinstance(metadata, Mapping) and "finalizers" in metadata)
        if replaces and event.source not in ("ApplicationController", "Gateway"):
            self._forced.add(name)
        yield from ()

    @on("state Application")
    def changed(self, event: Event) -> Iterator[Violation]:
        name = str(event.data["name"])
        deleted = event.data.get("change") == "deleted"
        if event.data.get("change") == "added":
            self._judged.discard(name)
            self._added[name] = event
        if not deleted and status_of(event).get("phase") != "Stopped":
            return
        entries = (self.ledger.object("Application", name).get("status") or {}).get("deviceStatuses") or {}
        write = self.ledger.writer("Application", name, "Stopped")
        if write is not None and name in self._added and write.n < self._added[name].n:
            write = None  # of an earlier application of that name
        for device in entries:
            pair = self._pairs.get((name, device))
            link = self.ledger.connected_link(device)
            if pair is None or link is None or not link.known or pair.state not in HOLDING or name in self._forced:
                continue
            if pair.at is None or pair.at.n < link.opened.n or name in self._judged:
                continue  # said on an earlier link
            if write is not None and pair.at.n > write.n:
                continue  # said since Stopped was written; the change comes late, and the next start was before it
            if not self._is_within_reach(device):
                continue  # for all that the controller can know
            if write is not None and device in self._back and self._back[device].at > write.at - DECIDED_WITHIN:
                continue  # it was when that was decided
            asked = pair.asked_to_stop
            if asked is None or event.at - asked.at < STOP_WITHIN:
                self._judged.add(name)
                how = "gone" if deleted else "Stopped"
                why = "was not asked to stop it" if asked is None else "has not answered its stop"
                message = f"{name} is {how}, and {device}, which said {pair.state} (event {pair.at.n}), {why}"
                yield self.broken(event, message, cause=pair.at)

    def _is_within_reach(self, device: str) -> bool:
        """Whether a device is Connected, and its gateway is not on record as Offline."""
        status = self.ledger.object("Device", device).get("status") or {}
        gateway = self.ledger.object("Gateway", str(status.get("gateway"))).get("status") or {}
        return status.get("phase") == "Connected" and gateway.get("phase") != "Offline"


class PhaseAddsUp(Invariant):
    """An Application's phase and statistics add up: Running when all its devices run it, PartiallyRunning when some do,
    Error or Failed when none does; no number is above the target's, and deployedDevices are counted."""

    name = "phases add up"
    party = Party.APPLICATION_CONTROLLER
    source = "docs/reference/resources (Application)"

    @on("state Application")
    def changed(self, event: Event) -> Iterator[Violation]:
        changed = status_of(event)
        if "phase" not in changed and "statistics" not in changed:
            return
        name = str(event.data["name"])
        status = self.ledger.object("Application", name).get("status") or {}
        numbers, phase = status.get("statistics"), status.get("phase")
        write = self.ledger.writer("Application", name)
        if not isinstance(numbers, Mapping) or write is None or write.source != "ApplicationController":
            return
        target, running = numbers.get("target") or 0, numbers.get("running") or 0
        wrong = [
            f"{what} {numbers.get(what)} of a target of {target}"
            for what in ("deployed", "running", "failed")
            if (numbers.get(what) or 0) > target
        ]
        if "phase" in changed:
            wrong += _wrong_phase(str(phase), running, target)
        devices = status.get("deployedDevices")
        if isinstance(devices, list) and len(devices) != (numbers.get("deployed") or 0) and "statistics" in changed:
            wrong.append(f"deployed {numbers.get('deployed')} and {len(devices)} deployedDevices")
        if wrong:
            message = f"application {name} is {phase} with {'; '.join(wrong)}"
            yield self.broken(event, message, party=party_of(write.source), cause=write)


def _wrong_phase(phase: str, running: int, target: int) -> list[str]:
    counted = f"{running} of {target} devices running"
    if phase == "Running" and not 0 < running == target:
        return [counted]
    if phase == "PartiallyRunning" and not 0 < running < target:
        return [counted]
    return [counted] if phase in ("Error", "Failed", "Unknown") and running else []


APPLICATION_STATUS = (StatesAreReported, OutputsOfThisRun, StopIsAwaited, PhaseAddsUp)
