"""Nothing runs after its Application is deleted or stopped: how long a gateway and a device may take to obey.

The grace is counted in messages: a gateway that was asked may send the chunks that were under way, and a device may
finish what came before the ``Stop``. Only where no message is sent it is a time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from harness.core.history import Event
from harness.invariants.invariant import Invariant, Party, Violation, on
from harness.invariants.ledger import Ledger, Link, status_of
from harness.invariants.requests import WAITED

__all__ = ["CHUNKS", "RUNS_ON", "NothingRunsUnwanted"]

CHUNKS = 8
"""Chunks that a gateway may still send after it was asked to stop, before its ``Stop``: twice a window."""
RUNS_ON = 60.0
"""Seconds after which heartbeats must no longer name an unwanted application."""
_RUNS = ("deployed", "running")
_UNANSWERED = ("CONNECTION_LOST", "TIMEOUT")


@dataclass(slots=True)
class _Pair:
    """An application on a device, since the last request to deploy it there."""

    asked: Event | None = None
    """The gateway was asked to stop it, or learned that it does not exist."""
    stop: bool = False
    """The gateway sent a ``Stop``."""
    sent_on: Link | None = None
    """The link of that."""
    stopped: bool = False
    """The device confirmed."""
    chunks: int = 0
    """Sent since the gateway was asked to stop."""
    broken: bool = False
    """It was reported already."""

    def deployed(self) -> None:
        self.stop = self.stopped = False
        self.chunks = 0


class NothingRunsUnwanted(Invariant):
    """Nothing is sent to a device, or runs on it, after its Application was deleted or stopped."""

    name = "nothing runs after its Application is deleted or stopped"
    party = Party.GATEWAY
    source = "diagram transfer-cancelled; wasmbed.cddl (stop)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._pairs: defaultdict[tuple[str, str], _Pair] = defaultdict(_Pair)
        self._unwanted: dict[str, Event] = {}
        self._calm: defaultdict[str, float] = defaultdict(float)
        """By device, the time from which on its link is up."""
        self._broke = 0.0
        """When something was last done to a part of the stack."""

    @on("fault")
    def disturbed(self, event: Event) -> Iterator[Violation]:
        self._broke = event.at
        yield from ()

    @on("state Application")
    def changed(self, event: Event) -> Iterator[Violation]:
        _take_wish(event, self._unwanted)
        yield from ()

    @on("POST Application")
    def made(self, event: Event) -> Iterator[Violation]:
        """One of an earlier name; its first state may be on record only after it runs."""
        if event.data.get("code") == HTTPStatus.CREATED and not (event.data.get("spec") or {}).get("stopped"):
            self._unwanted.pop(event.correlation, None)
        yield from ()

    @on("DeployApplication", "StopApplication", "RequestUnanswered")
    def asked(self, event: Event) -> Iterator[Violation]:
        key = (event.correlation, str(event.data.get("device") or ""))
        if event.name == "DeployApplication" or "wanted" in event.data:
            present = self._pairs[key]
            self._pairs[key] = _Pair(stop=present.stop, stopped=present.stopped)
        else:
            self._pairs[key].asked = event
        yield from ()

    @on("PATCH Application")
    def learned(self, event: Event) -> Iterator[Violation]:
        entries = status_of(event).get("deviceStatuses") if event.source == "Gateway" else None
        is_gone = event.data.get("code") == HTTPStatus.NOT_FOUND and event.correlation in self._unwanted
        for name, entry in entries.items() if isinstance(entries, Mapping) else ():
            if is_gone:
                self._pairs[event.correlation, name].asked = event
            elif isinstance(entry, Mapping) and entry.get("code") in _UNANSWERED:
                self._pairs[event.correlation, name].asked = None  # it has said that the device did not answer
        yield from ()

    @on("TlsConnected")
    def connected(self, event: Event) -> Iterator[Violation]:
        self._calm[str(event.data.get("device") or "")] = event.at
        yield from ()

    @on("Heartbeat", "Stop", "StopResult", "Deploy", "ModuleChunk", "ApplicationStatus", "DeploymentResult")
    def crossed(self, event: Event) -> Iterator[Violation]:
        device = str(event.data.get("device") or "")
        party = Party.GATEWAY if event.source == "Gateway" else Party.BOARD
        link = self.ledger.link(event)
        if event.name == "Stop":
            self._pairs[event.correlation, device].sent_on = link
        calm = max(self._calm[device], self._broke)
        found = _judge(event, event.correlation, device, self._pairs, self._unwanted, calm)
        for broken, message in found:
            if not broken.broken and not (party is Party.GATEWAY and self._was_read_late(broken.asked, event)):
                broken.broken = True
                unasked = party is Party.BOARD and not broken.stopped
                blamed = self._who_forgot(broken, link) if unasked else party
                yield self.broken(event, message, party=blamed, link=link)

    def _was_read_late(self, order: Event | None, event: Event) -> bool:
        """Whether the gateway stood still when it was asked: it reads orders in their order, and late."""
        return order is not None and self.ledger.stood_still(order.at - WAITED, event.at)

    @staticmethod
    def _who_forgot(pair: _Pair, link: Link | None) -> Party:
        """Return the party at fault for an unwanted application that runs, and that its board never stopped. A ``Stop``
        may have been lost with its link."""
        if pair.stop and pair.sent_on is link:
            return Party.BOARD
        return Party.GATEWAY if pair.asked is not None else Party.APPLICATION_CONTROLLER


def _take_wish(event: Event, unwanted: dict[str, Event]) -> None:
    name, stopped = event.data["name"], (event.data.get("spec") or {}).get("stopped")
    if event.data["change"] == "deleted" or stopped:
        unwanted.setdefault(name, event)
    elif event.data["change"] == "added" or stopped is False:
        unwanted.pop(name, None)


def _judge(
    event: Event,
    application: str,
    device: str,
    pairs: defaultdict[tuple[str, str], _Pair],
    unwanted: dict[str, Event],
    calm: float,
) -> Iterator[tuple[_Pair, str]]:
    if event.name == "Heartbeat":
        applications = event.data.get("applications")
        for name, state in applications.items() if isinstance(applications, Mapping) else ():
            if state in _RUNS:
                yield from _judge_running(event, name, device, pairs[name, device], unwanted, calm)
        return
    if not application or not device:
        return
    pair = pairs[application, device]
    match event.name:
        case "Stop":
            pair.stop = True
        case "StopResult" if event.data.get("ok"):
            pair.stopped = pair.stop
        case "Deploy":
            if pair.asked is not None:
                yield pair, f"{application} was sent to {device} after its gateway was asked to stop it"
            pair.deployed()
        case "ModuleChunk":
            pair.chunks += pair.asked is not None
            if pair.stop:
                yield pair, f"a chunk of {application} was sent to {device} after its Stop"
            elif pair.chunks > CHUNKS:
                yield (
                    pair,
                    f"more than {CHUNKS} chunks of {application} went to {device} after its gateway was asked to stop",
                )
        case "ApplicationStatus" if event.data.get("state") in _RUNS:
            yield from _judge_running(event, application, device, pair, unwanted, calm)
        case "DeploymentResult" if event.data.get("ok"):
            yield from _judge_running(event, application, device, pair, unwanted, calm)


def _judge_running(
    event: Event,
    application: str,
    device: str,
    pair: _Pair,
    unwanted: dict[str, Event],
    calm: float,
) -> Iterator[tuple[_Pair, str]]:
    if pair.stopped:
        yield pair, f"{application} runs on {device}, which had stopped it"
    elif application in unwanted:
        since = unwanted[application]
        if event.at - max(since.at, calm) > RUNS_ON:
            yield pair, f"{application} runs on {device} {event.at - since.at:.0f} s after it was deleted or stopped"
