"""Compares a board's messages with what the test did to it."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping

from harness.core.history import Event
from harness.invariants.invariant import Invariant, Party, Violation, on
from harness.invariants.ledger import Ledger, Link
from harness.wasmbed.runtime.limits import DEPLOYMENT_FUEL

__all__ = ["BOARDS"]

CHUNKS = 64
"""Message ids of chunks that are remembered, the latest: more than a window."""
EARLY = 0.9
"""The part of a time limit that a board counts at least: its clock may run fast."""
_RUNS = frozenset({"deployed", "running"})


class MemoryIsLost(Invariant):
    """A board names as deployed or running only applications that it was sent since its power came or it was reset."""

    name = "applications do not survive a reset"
    party = Party.BOARD
    source = "diagram execution-on-device"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._sent: dict[tuple[str, str], Event] = {}
        self._judged: set[tuple[str, str, int]] = set()

    @on("Deploy")
    def sent(self, event: Event) -> Iterator[Violation]:
        self._sent[str(event.data.get("device")), event.correlation] = event
        yield from ()

    @on("Heartbeat")
    def beat(self, event: Event) -> Iterator[Violation]:
        applications = event.data.get("applications")
        for name, state in applications.items() if isinstance(applications, Mapping) else ():
            yield from self._judge(event, name, state)

    @on("ApplicationStatus")
    def reported(self, event: Event) -> Iterator[Violation]:
        yield from self._judge(event, event.correlation, event.data.get("state"))

    def _judge(self, event: Event, application: str, state: object) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is None or not link.known or state not in _RUNS:
            return
        boot = self.ledger.boots.get(link.device)
        if boot is None or boot.name == "restore" or link.opened.n < boot.n:
            return
        sent = self._sent.get((link.device, application))
        key = (link.device, application, boot.n)
        if (sent is None or sent.n < boot.n) and key not in self._judged:
            self._judged.add(key)
            message = f"{link.device} says that {application} is {state}; it was not sent it since {boot.name}"
            yield self.broken(event, message, cause=boot, link=link)


class FailedIsNotRunning(Invariant):
    """A board that answered a deployment with a failure does not run that application until it is sent it again."""

    name = "failed deployments do not run"
    party = Party.BOARD
    source = "diagram deployment-failure"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._failed: dict[tuple[Link, str], Event] = {}

    @on("Deploy")
    def sent(self, event: Event) -> Iterator[Violation]:
        if (link := self.ledger.link(event)) is not None:
            self._failed.pop((link, event.correlation), None)
        yield from ()

    @on("DeploymentResult")
    def answered(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is not None and event.data.get("ok") is False and event.data.get("code") != "ALREADY_DEPLOYED":
            self._failed[link, event.correlation] = event
        yield from ()

    @on("Heartbeat")
    def beat(self, event: Event) -> Iterator[Violation]:
        link, applications = self.ledger.link(event), event.data.get("applications")
        if link is None or not isinstance(applications, Mapping):
            return
        for name, state in applications.items():
            if state in _RUNS and (failed := self._failed.pop((link, name), None)) is not None:
                message = f"{link.device} says that {name} is {state}; it answered that its deployment failed"
                yield self.broken(event, message, cause=failed, link=link)


class TransfersEndWithTheirLink(Invariant):
    """A board names as being received only applications that it is sent on the same link."""

    name = "transfers end with their link"
    party = Party.BOARD
    source = "diagram application-deployment (connection lost); wasmbed.cddl (heartbeat)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._sent: defaultdict[Link, set[str]] = defaultdict(set)

    @on("Deploy")
    def sent(self, event: Event) -> Iterator[Violation]:
        if (link := self.ledger.link(event)) is not None:
            self._sent[link].add(event.correlation)
        yield from ()

    @on("ConnectionClosed")
    def ended(self, event: Event) -> Iterator[Violation]:
        if (link := self.ledger.link(event)) is not None:
            self._sent.pop(link, None)
        yield from ()

    @on("Heartbeat")
    def beat(self, event: Event) -> Iterator[Violation]:
        link, applications = self.ledger.link(event), event.data.get("applications")
        if link is None or not link.known or not isinstance(applications, Mapping):
            return
        for name, state in applications.items():
            if state == "receiving" and name not in self._sent.get(link, ()):
                message = f"{link.device} says that it receives {name}; it was not sent it on this link"
                yield self.broken(event, message, cause=link.opened, link=link)


class CancelledChunksAreIgnored(Invariant):
    """A board does not answer the chunks of a transfer that was stopped: they were under way when the stop was sent."""

    name = "chunks of a stopped transfer are ignored"
    party = Party.BOARD
    source = "diagram transfer-cancelled"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._sent: dict[Link, dict[str, deque[object]]] = {}
        """By link and application, the message ids of its latest chunks."""
        self._stopped: dict[Link, dict[str, Event]] = {}

    @on("Deploy", "ModuleChunk", "Stop")
    def sent(self, event: Event) -> Iterator[Violation]:
        if (link := self.ledger.link(event)) is None:
            return
        if event.name == "ModuleChunk":
            chunks = self._sent.setdefault(link, {}).setdefault(event.correlation, deque(maxlen=CHUNKS))
            chunks.append(event.data.get("messageId"))
        elif event.name == "Stop" and event.correlation in self._sent.get(link, ()):
            self._stopped.setdefault(link, {})[event.correlation] = event
        elif event.name == "Deploy":
            self._sent.get(link, {}).pop(event.correlation, None)
            self._stopped.get(link, {}).pop(event.correlation, None)
        yield from ()

    @on("ConnectionClosed")
    def ended(self, event: Event) -> Iterator[Violation]:
        if (link := self.ledger.link(event)) is not None:
            self._sent.pop(link, None)
            self._stopped.pop(link, None)
        yield from ()

    @on("Error")
    def complained(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is None or event.source != "Device":
            return
        for application, stop in self._stopped.get(link, {}).items():
            if event.data.get("messageId") in self._sent[link][application]:
                message = f"{link.device} answers a chunk of {application} with an error; its transfer was stopped"
                yield self.broken(event, message, cause=stop, link=link)


LATE, SLOW = 6, 4000
"""How many times its limit, and how many milliseconds more, a call may take on a machine with other work."""


class HeartbeatsAgree(Invariant):
    """A heartbeat agrees with itself: the applications that it counts as running are those that it names so."""

    name = "heartbeats agree"
    party = Party.BOARD
    source = "docs/reference/protocol (heartbeat, metric applications_running)"

    @on("Heartbeat")
    def beat(self, event: Event) -> Iterator[Violation]:
        link, metrics = self.ledger.link(event), event.data.get("metrics")
        applications = event.data.get("applications")
        counted = metrics.get("applications_running") if isinstance(metrics, Mapping) else None
        if link is None or counted is None or not isinstance(applications, Mapping):
            return
        named = sum(state == "running" for state in applications.values())
        if counted != named:
            message = f"{link.device} counts {counted} applications as running, and names {named}"
            yield self.broken(event, message, link=link)


class UseWithinLimits(Invariant):
    """The memory, fuel and time that a board reports of an application are within the limits of its deployment (the
    time by and large), and a fault for its time comes no earlier than the limit."""

    name = "use within limits"
    party = Party.BOARD
    source = "wasmbed.cddl (limits, metrics, runtime-error); docs/host-interface"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._limits: dict[tuple[str, str], Event] = {}

    @on("Deploy")
    def sent(self, event: Event) -> Iterator[Violation]:
        if (link := self.ledger.link(event)) is not None and isinstance(event.data.get("limits"), Mapping):
            self._limits[link.device, event.correlation] = event
        yield from ()

    @on("DeploymentResult", "ApplicationStatus", "RuntimeFault")
    def reported(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        use = event.data.get("metrics") or event.data.get("resourceUse")
        if link is None or not isinstance(use, Mapping):
            return
        deploy = self._limits.get((link.device, event.correlation))
        if deploy is None:
            return
        limits, code = deploy.data["limits"], event.data.get("code")
        about = f"{link.device} says that {event.correlation}"
        for metric, limit in (("memory_bytes", limits.get("memory")), ("fuel_used", limits.get("fuel"))):
            found = use.get(metric)
            if metric == "fuel_used" and event.name != "RuntimeFault" and isinstance(limit, int):
                limit = max(limit, DEPLOYMENT_FUEL)  # what a module does when it is loaded has fuel of its own
            if isinstance(found, int) and isinstance(limit, int) and not 0 <= found <= limit:
                yield self.broken(event, f"{about} has {metric} {found}; the limit is {limit}", cause=deploy, link=link)
        spent, time = use.get("wall_time_ms"), limits.get("wallTime")
        if code == "TIME_LIMIT" and isinstance(spent, int) and isinstance(time, int) and spent < EARLY * time:
            yield self.broken(event, f"{about} broke at its time, {spent} of {time} ms", cause=deploy, link=link)
        elif isinstance(spent, int) and isinstance(time, int) and spent > max(LATE * time, time + SLOW):
            message = f"{about} ran for {spent} ms; its limit is {time} ms"
            yield self.broken(event, message, cause=deploy, link=link, waited=deploy)


BOARDS = (
    MemoryIsLost,
    FailedIsNotRunning,
    TransfersEndWithTheirLink,
    CancelledChunksAreIgnored,
    HeartbeatsAgree,
    UseWithinLimits,
)
