"""Reports of boards on applications: they say why something failed, and say the same each time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.core.history import Event
from harness.invariants.invariant import Invariant, Party, Violation, on
from harness.invariants.ledger import Ledger

__all__ = ["REPORTS"]

SOURCE = "wasmbed.cddl (application-status, deployment-result, stop-result, runtime-error)"
FUEL = "fuel_used"
"""The metric that a board leaves out where its runtime does not know it: after a fault."""
_BROKEN = frozenset({"failed", "error"})


class FailuresAreExplained(Invariant):
    """A board that reports a failure says why: in a refused deployment, a stop that failed, and the status of an
    application that failed."""

    name = "failures are explained"
    party = Party.BOARD
    source = SOURCE

    @on("DeploymentResult", "StopResult", "ApplicationStatus")
    def reported(self, event: Event) -> Iterator[Violation]:
        link, data = self.ledger.link(event), event.data
        is_failure = data.get("ok") is False or data.get("state") in _BROKEN
        if link is not None and is_failure and not data.get("error"):
            message = f"{link.device} reports a failure of {event.correlation} ({event.name}) and does not say why"
            yield self.broken(event, message, link=link)


class OneAccount(Invariant):
    """A board that reports a failure of an application again says the same of it: the words of its refusal, or code
    and message of its fault."""

    name = "one account of a failure"
    party = Party.BOARD
    source = SOURCE

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._told: dict[tuple[str, str], tuple[str, Event]] = {}

    @on("Deploy", "Stop")
    def begun(self, event: Event) -> Iterator[Violation]:
        self._told.pop((str(event.data.get("device")), event.correlation), None)
        yield from ()

    @on("DeploymentResult")
    def refused(self, event: Event) -> Iterator[Violation]:
        if event.data.get("ok") is False and event.data.get("code") != "CANCELLED":
            self._note(event, event.data.get("error"))
        yield from ()

    @on("RuntimeFault")
    def broke(self, event: Event) -> Iterator[Violation]:
        self._note(event, event.data.get("message"))
        yield from ()

    @on("ApplicationStatus")
    def reported(self, event: Event) -> Iterator[Violation]:
        link, words = self.ledger.link(event), event.data.get("error")
        if link is None or event.data.get("state") not in _BROKEN or not isinstance(words, str):
            return
        told, before = self._told.get((link.device, event.correlation), ("", event))
        boot = self.ledger.boots.get(link.device)
        if told not in words and (boot is None or boot.n < before.n):
            message = f"{link.device} says of {event.correlation} {words!r}; {before.name} said {told!r}"
            yield self.broken(event, message, cause=before, link=link)

    def _note(self, event: Event, words: object) -> None:
        if (link := self.ledger.link(event)) is not None and isinstance(words, str):
            self._told[link.device, event.correlation] = words, event


class SameMeasures(Invariant):
    """A board measures the same of an application in each report on it; after a fault its fuel may be unknown."""

    name = "the same is measured"
    party = Party.BOARD
    source = SOURCE

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._measured: dict[str, tuple[frozenset[str], Event]] = {}
        """By device, the metrics of its latest report with any."""

    @on("DeploymentResult", "ApplicationStatus", "RuntimeFault")
    def reported(self, event: Event) -> Iterator[Violation]:
        link, use = self.ledger.link(event), event.data.get("metrics") or event.data.get("resourceUse")
        if link is None or not isinstance(use, Mapping):
            return
        found = frozenset(use) - {FUEL}
        known, before = self._measured.get(link.device, (found, event))
        boot = self.ledger.boots.get(link.device)
        if boot is not None and boot.n > before.n:  # another firmware may run now
            known = found
        self._measured[link.device] = found, event
        if found != known:
            told, earlier = ", ".join(sorted(found)) or "nothing", ", ".join(sorted(known)) or "nothing"
            message = f"{link.device} measures {told} of {event.correlation}; {before.name} measured {earlier}"
            yield self.broken(event, message, cause=before, link=link)


REPORTS = (FailuresAreExplained, OneAccount, SameMeasures)
