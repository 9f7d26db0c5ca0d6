"""Deployments on the wire: what is sent is what was asked for, whole, in order, and one at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.core.history import Event, Kind
from harness.invariants.invariant import EVERY, Invariant, Party, Violation, on
from harness.invariants.ledger import Ledger, Link, status_of
from harness.invariants.pair_map import PairMap
from harness.invariants.timing import Deadlines

__all__ = ["TRANSFERS"]

ANSWER_TIME = 60.0
"""Seconds within which a deployment that a gateway took on must have an outcome."""
GIVEN_UP = 8.0
"""Seconds without progress after which a gateway may give a deployment up and begin another."""
CROSSING = 0.5
"""Seconds in which an acknowledgment and the chunk that is sent again may cross."""
WINDOW = 16
"""Chunks sent ahead of their acknowledgment at most, where the record does not say the gateway's window."""
FIELDS = ("size", "sha256", "limits", "entry", "arguments", "environment")


@dataclass(slots=True)
class _Transfer:
    deploy: Event
    sent: int = 0
    """Chunks sent at least once; they are sent in order."""
    unacknowledged: set[int] = field(default_factory=set)
    acknowledged: dict[int, Event] = field(default_factory=dict)
    repeated: Event | None = None
    """The latest chunk, if it was sent before."""
    moved: float = 0.0
    """When anything of it crossed the link last."""
    over: Event | None = None

    @property
    def chunks(self) -> int:
        size, each = self.deploy.data.get("size") or 0, self.deploy.data.get("chunkSize") or 1
        return int(-(-size // each))


class Transfers(Invariant):
    """A gateway sends a module's chunks in order, each of the size that the Deploy names and the last the rest, no more
    of them ahead than its window, none again that was acknowledged, one deployment to a device at a time, and none of
    an application whose stop is not answered."""

    name = "transfers"
    party = Party.GATEWAY
    source = "wasmbed.cddl (deploy, module-chunk); diagram application-deployment"
    holds_at_boards = True

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._current: dict[Link, _Transfer] = {}
        self._stops: dict[Link, dict[str, Event]] = {}
        """By link and application, the stop that is not answered."""

    @on("StopApplication")
    def cancelled(self, event: Event) -> Iterator[Violation]:
        """The next deployment may begin before the ``Stop`` is sent."""
        for link in self.ledger.open_links(str(event.data.get("device"))):
            present = self._current.get(link)
            if present is not None and present.deploy.correlation == event.correlation:
                present.over = present.over or event
        yield from ()

    @on("Deploy")
    def announced(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is None or not link.known or "size" not in event.data:
            return
        stop = self._stops.get(link, {}).pop(event.correlation, None)
        if stop is not None and event.at - stop.at < GIVEN_UP:
            message = f"the gateway deploys {event.correlation} to {link.device}, which has not answered its stop"
            yield self.broken(event, message, cause=stop, link=link)
        present = self._current.get(link)
        self._current[link] = _Transfer(event, moved=event.at)
        if present is None or present.over is not None or event.at - present.moved > GIVEN_UP:
            return
        if present.deploy.correlation != event.correlation:
            message = (
                f"the gateway began to deploy {event.correlation} to {link.device} while it deploys"
                f" {present.deploy.correlation} there ({present.sent} of {present.chunks} chunks sent)"
            )
            yield self.broken(event, message, cause=present.deploy, link=link)

    @on("ModuleChunk")
    def sent(self, event: Event) -> Iterator[Violation]:
        link, index = self.ledger.link(event), event.data.get("index")
        if link is None or not link.known or not isinstance(index, int) or "data" not in event.data:
            return
        transfer = self._current.get(link)
        about = f"chunk {index} of {event.correlation} to {link.device}"
        if transfer is None or transfer.deploy.correlation != event.correlation:
            yield self.broken(event, f"{about} was sent without a Deploy", link=link)
            return
        transfer.moved = event.at
        if index >= transfer.chunks:
            yield self.broken(event, f"{about}: there are {transfer.chunks}", cause=transfer.deploy, link=link)
            return
        if index > transfer.sent:
            message = f"{about} was sent before chunk {transfer.sent}"
            yield self.broken(event, message, cause=transfer.deploy, link=link)
        told = transfer.acknowledged.get(index)
        if told is not None and event.at - told.at > CROSSING:
            yield self.broken(event, f"{about} was acknowledged before", cause=told, link=link, waited=told)
        transfer.repeated = event if index < transfer.sent else None
        transfer.sent = max(transfer.sent, index + 1)
        transfer.unacknowledged.add(index)
        yield from self._judge_content(event, transfer, about, index, link)
        up = self.ledger.gateways.get(link.gateway)
        window = (up.data.get("chunkWindow") if up is not None else None) or WINDOW
        if len(transfer.unacknowledged) > window:
            message = f"{about} is number {len(transfer.unacknowledged)} without acknowledgment; the window is {window}"
            yield self.broken(event, message, cause=transfer.deploy, link=link)

    def _judge_content(
        self, event: Event, transfer: _Transfer, about: str, index: int, link: Link
    ) -> Iterator[Violation]:
        size, each = transfer.deploy.data["size"], transfer.deploy.data.get("chunkSize") or 0
        wanted = min(each, size - index * each)
        found, digest = _content(event.data["data"])
        if found != wanted:
            message = f"{about} has {found} bytes, not {wanted} ({size} bytes in chunks of {each})"
            yield self.broken(event, message, cause=transfer.deploy, link=link)
        elif transfer.chunks == 1 and digest != transfer.deploy.data.get("sha256"):
            yield self.broken(
                event, f"{about} is not the module of the Deploy's SHA-256", cause=transfer.deploy, link=link
            )
        elif index == transfer.chunks - 1 and event.data.get("sha256SoFar") not in (
            None,
            transfer.deploy.data["sha256"],
        ):
            message = f"{about} is the last of chunks that are not the module of the Deploy's SHA-256"
            yield self.broken(event, message, cause=transfer.deploy, link=link)

    @on("ChunkAcknowledgment")
    def acknowledged(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        transfer = self._current.get(link) if link is not None else None
        if transfer is not None and transfer.deploy.correlation == event.correlation:
            transfer.unacknowledged.discard(event.data.get("index", -1))
            transfer.acknowledged.setdefault(event.data.get("index", -1), event)
            transfer.moved = event.at
        yield from ()

    @on("DeploymentResult")
    def answered(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        transfer = self._current.get(link) if link is not None else None
        if link is None or transfer is None or transfer.deploy.data.get("messageId") != event.data.get("messageId"):
            return
        transfer.over = event
        if event.data.get("code") == "BAD_CHUNK" and transfer.repeated is not None:
            message = f"{link.device} refuses a chunk of {event.correlation} that was repeated: its answer may be lost"
            yield self.broken(event, message, party=Party.BOARD, cause=transfer.repeated, link=link)
        if event.data.get("ok") and transfer.sent < transfer.chunks:
            message = (
                f"{link.device} says that it has deployed {event.correlation}; it was sent {transfer.sent} of"
                f" {transfer.chunks} chunks"
            )
            yield self.broken(event, message, party=Party.BOARD, cause=transfer.deploy, link=link)

    @on("Stop", "Error")
    def ended(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        transfer = self._current.get(link) if link is not None else None
        if transfer is not None and (event.source == "Device" or event.correlation == transfer.deploy.correlation):
            transfer.over = event
        if link is not None and event.name == "Stop":
            self._stops.setdefault(link, {})[event.correlation] = event
        elif link is not None and event.source == "Device":
            self._stops.pop(link, None)  # it may be about any of them
        yield from ()

    @on("StopResult", "ConnectionClosed")
    def stopped(self, event: Event) -> Iterator[Violation]:
        if (link := self.ledger.link(event)) is not None and event.name == "StopResult":
            self._stops.get(link, {}).pop(event.correlation, None)
        elif link is not None:
            self._stops.pop(link, None)
            self._current.pop(link, None)
        yield from ()

    @on("PATCH Application")
    def failed(self, event: Event) -> Iterator[Violation]:
        """A gateway that writes a deployment failed has given it up."""
        entries = status_of(event).get("deviceStatuses")
        if event.source != "Gateway" or not isinstance(entries, Mapping):
            return
        for device, entry in entries.items():
            if isinstance(entry, Mapping) and entry.get("state") == "failed":
                for link in self.ledger.open_links(device):
                    transfer = self._current.get(link)
                    if transfer is not None and transfer.deploy.correlation == event.correlation:
                        transfer.over = event
        yield from ()


def _content(described: Any) -> tuple[int, str]:
    """Size and SHA-256 of bytes as an event shows them."""
    if isinstance(described, Mapping):
        return int(described.get("size") or 0), str(described.get("sha256"))
    content = bytes.fromhex(str(described))
    return len(content), hashlib.sha256(content).hexdigest()


class DeployAsAsked(Invariant):
    """A gateway deploys what it was asked to deploy, to the device that it was asked for, once for each request:
    module, limits, entry, arguments and environment. A request without an answer may count, and need not."""

    name = "deploy as asked"
    party = Party.GATEWAY
    source = "docs/reference/http-api; wasmbed.cddl (deploy)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._asked: dict[tuple[str, str], Event] = {}
        self._unanswered: dict[tuple[str, str], list[Event]] = {}
        self._begun: set[tuple[str, str]] = set()
        self._is_told = False

    @on("DeployApplication")
    def asked(self, event: Event) -> Iterator[Violation]:
        if "wanted" in event.data:
            self._is_told = True
            key = (event.correlation, str(event.data.get("device")))
            self._asked[key] = event
            self._begun.discard(key)
        yield from ()

    @on("RequestUnanswered")
    def given_up(self, event: Event) -> Iterator[Violation]:
        if "wanted" in event.data:
            self._unanswered.setdefault((event.correlation, str(event.data.get("device"))), []).append(event)
        yield from ()

    @on("Deploy")
    def sent(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is None or not self._is_told:
            return
        key = (event.correlation, link.device)
        latest, unanswered = self._asked.get(key), self._unanswered.get(key, [])
        waiting = [latest] if latest is not None and key not in self._begun else []
        requests = [*waiting, *unanswered]
        if not requests:
            again = " again" if latest is not None else ""
            message = f"the gateway deploys {event.correlation} to {link.device}{again} and was not asked to"
            yield self.broken(event, message, cause=latest, link=link)
            return
        request = next((each for each in requests if not any(_differences(each, event))), requests[0])
        if request is latest:
            self._begun.add(key)
        else:
            unanswered.remove(request)
        for field_name, asked, found in _differences(request, event):
            message = f"the gateway deploys {event.correlation} to {link.device} with {field_name} {found}; it was"
            yield self.broken(event, f"{message} asked for {asked}", cause=request, link=link)


def _differences(request: Event, deploy: Event) -> Iterator[tuple[str, Any, Any]]:
    """The fields of a deployment that are not as they were asked for, with both values."""
    for name in FIELDS:
        asked, found = request.data["wanted"].get(name), deploy.data.get(name)
        if name == "environment" and asked:  # which may be left out where it is empty
            found = found or {}
        if asked is not None and found is not None and asked != found:
            yield name, asked, found


class NotDeployedTwice(Invariant):
    """A gateway does not deploy to a device, in one session, what that has just as it is asked for."""

    name = "nothing is deployed twice"
    party = Party.GATEWAY
    source = "docs/reference/http-api (PUT of what the device has)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._has: dict[Link, dict[str, tuple[Event, Event]]] = {}
        """By link and application, the Deploy that went well, and the device's latest word on it."""
        self._sent: dict[Link, Event] = {}
        self._generations: dict[tuple[str, str], Any] = {}

    @on("DeployApplication")
    def asked(self, event: Event) -> Iterator[Violation]:
        wanted, key = event.data.get("wanted"), (event.correlation, str(event.data.get("device")))
        generation = wanted.get("generation") if isinstance(wanted, Mapping) else None
        if self._generations.get(key) != generation or generation is None:
            for link in self.ledger.open_links(key[1]):
                self._has.get(link, {}).pop(event.correlation, None)
        self._generations[key] = generation
        yield from ()

    @on("Deploy")
    def sent(self, event: Event) -> Iterator[Violation]:
        if (link := self.ledger.link(event)) is None or not link.known:
            return
        had = self._has.get(link, {}).pop(event.correlation, None)
        if had is not None and all(had[0].data.get(key) == event.data.get(key) for key in FIELDS):
            message = f"the gateway deploys {event.correlation} to {link.device} again, which has it"
            yield self.broken(event, message, cause=had[1], link=link)
        self._sent[link] = event

    @on("DeploymentResult")
    def answered(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        deploy = self._sent.get(link) if link is not None else None
        number = event.data.get("messageId")
        if link is not None and deploy is not None and deploy.data.get("messageId") == number and event.data.get("ok"):
            self._has.setdefault(link, {})[event.correlation] = deploy, event
        yield from ()

    @on("Stop", "RuntimeFault", "ApplicationStatus")
    def lost(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is not None and event.data.get("state") not in ("deployed", "running"):
            self._has.get(link, {}).pop(event.correlation, None)
        yield from ()

    @on("ConnectionClosed")
    def ended(self, event: Event) -> Iterator[Violation]:
        if (link := self.ledger.link(event)) is not None:
            self._has.pop(link, None)
            self._sent.pop(link, None)
        yield from ()


class AskedAsSpecified(Invariant):
    """The application controller asks a gateway for what the Application's spec says: limits, entry, arguments and
    environment."""

    name = "asked as specified"
    party = Party.APPLICATION_CONTROLLER
    source = "docs/reference/resources (Application)"

    @on("DeployApplication")
    def asked(self, event: Event) -> Iterator[Violation]:
        wanted = event.data.get("wanted")
        application = self.ledger.object("Application", event.correlation)
        generation = (application.get("metadata") or {}).get("generation")
        if not isinstance(wanted, Mapping) or generation is None or wanted.get("generation") != generation:
            return
        if self.ledger.is_ordered_by_hand(event):
            return
        spec = application.get("spec") or {}
        config = spec.get("config") or {}
        limits = wanted.get("limits") or {}
        pairs = [
            ("memoryLimit", config.get("memoryLimit"), limits.get("memory")),
            ("fuel", config.get("fuel"), limits.get("fuel")),
            ("timeLimit", config.get("timeLimit"), limits.get("wallTime")),
            ("entry", config.get("entry"), wanted.get("entry")),
            ("args", config.get("args"), wanted.get("arguments")),
            ("env", config.get("env"), wanted.get("environment")),
        ]
        for field_name, specified, asked in pairs:
            if specified is not None and specified != asked:
                message = f"{event.correlation} has {field_name} {specified}; the controller asked for {asked}"
                yield self.broken(event, message)


class NoLostDeployment(Invariant):
    """A deployment that a gateway accepted has an outcome: an answer, a stop, a lost connection, or the application's
    own end."""

    name = "no lost deployment"
    party = Party.PRODUCT
    source = "diagrams application-deployment and deployment-failure"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._waiting = Deadlines[tuple[str, str]]()
        self._asked = PairMap[None]()
        """Those that may still wait."""
        self._sent: dict[tuple[str, str], _Transfer] = {}

    @on(EVERY)
    def passed(self, event: Event) -> Iterator[Violation]:
        for (application, device), request in self._waiting.passed(event.at):
            message = f"nothing came of deploying {application} to {device} in {ANSWER_TIME:g} s"
            party, why = self._convict((application, device))
            who = device if party is Party.BOARD else ""
            yield self.broken(request, f"{message}{why}", party=party, who=who, waited=request)

    def _convict(self, key: tuple[str, str]) -> tuple[Party, str]:
        transfer = self._sent.get(key)
        if transfer is None:
            return Party.GATEWAY, ": it was never sent"
        if transfer.sent < transfer.chunks and not transfer.unacknowledged:
            return (
                Party.GATEWAY,
                f": chunk {transfer.sent} of {transfer.chunks} was not sent, and all were acknowledged",
            )
        if transfer.chunks and transfer.unacknowledged:
            return Party.BOARD, f": chunk {min(transfer.unacknowledged)} was not acknowledged"
        return (Party.BOARD, ": it has the whole module") if transfer.chunks else (Party.PRODUCT, "")

    @on("DeployApplication")
    def asked(self, event: Event) -> Iterator[Violation]:
        key = (event.correlation, str(event.data.get("device") or ""))
        self._sent.pop(key, None)
        self._asked[key] = None
        self._waiting.set(key, event, ANSWER_TIME)
        yield from ()

    @on("Deploy", "ModuleChunk", "ChunkAcknowledgment")
    def moved(self, event: Event) -> Iterator[Violation]:
        key = (event.correlation, str(event.data.get("device") or ""))
        if event.name == "Deploy":
            self._sent[key] = _Transfer(event)
        elif (transfer := self._sent.get(key)) is not None and isinstance(index := event.data.get("index"), int):
            if event.name == "ModuleChunk":
                transfer.sent = max(transfer.sent, index + 1)
                transfer.unacknowledged.add(index)
            else:
                transfer.unacknowledged.discard(index)
        yield from ()

    @on("DeploymentResult", "RequestRefused", "StopApplication", "RuntimeFault")
    def answered(self, event: Event) -> Iterator[Violation]:
        key = (event.correlation, str(event.data.get("device") or ""))
        self._asked.pop(key, None)
        self._waiting.drop(key)
        yield from ()

    @on("ConnectionClosed", "TlsConnected")
    def disconnected(self, event: Event) -> Iterator[Violation]:
        gone = str(event.data.get("device") or event.correlation)
        self._waiting.drop(*self._asked.drop(device=gone))
        yield from ()

    @on("state Application")
    def changed(self, event: Event) -> Iterator[Violation]:
        name = str(event.data["name"])
        if event.kind is Kind.STATE and event.data.get("change") == "deleted":
            self._waiting.drop(*self._asked.drop(application=name))
        entries = status_of(event).get("deviceStatuses") or {}
        self._waiting.drop(*((name, device) for device, entry in entries.items() if entry and entry.get("state")))
        yield from ()


TRANSFERS = (Transfers, DeployAsAsked, NotDeployedTwice, AskedAsSpecified, NoLostDeployment)
