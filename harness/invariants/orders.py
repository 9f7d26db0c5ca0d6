"""Orders whose device loses its link before it has answered: the gateway says so, and they are given again when the
device is back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import ClassVar

from harness.core.history import Event
from harness.invariants.invariant import EVERY, Invariant, Party, Violation, on
from harness.invariants.ledger import Ledger, status_of
from harness.invariants.pair_map import Pair, PairMap
from harness.invariants.timing import Deadlines

__all__ = ["ORDERS"]

TOLD_WITHIN = 10.0
"""Seconds after the end of a link in which its gateway writes what became of orders."""
REPEATED_WITHIN = 5.0
"""Virtual seconds after a device is Connected again in which a controller repeats an order."""
_ORDERS = ("DeployApplication", "StopApplication")
_LOST = frozenset({"CONNECTION_LOST", "TRANSFER_INTERRUPTED"})
"""The codes of an order that a session's end interrupted."""
_RUNS = frozenset({"deployed", "running"})


class _Pending(Invariant):
    """Follows the orders that a gateway took and a device has not answered."""

    needs: ClassVar[frozenset[str]] = frozenset({"Application"})

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._pending = PairMap[Event]()
        self._due = Deadlines[Pair]()

    @on("RequestRefused", "RequestUnanswered", "DeploymentResult", "StopResult")
    def answered(self, event: Event) -> Iterator[Violation]:
        self._forget((event.correlation, str(event.data.get("device"))))
        yield from ()

    def _forget(self, pair: Pair) -> None:
        self._pending.pop(pair, None)
        self._due.drop(pair)

    def _served(self, ended: Event) -> str:
        """The device that was served on a link which ended; empty if it had only asked to be."""
        link = self.ledger.link(ended)
        return link.device if link is not None and link.connected is not None else ""

    def _is_calm(self, since: Event) -> bool:
        """Whether the API server and all gateways were well since then."""
        trouble, disturbed = self.ledger.api_trouble, self.ledger.disturbed.get("")
        return not self.ledger.is_api_disturbed and all(
            each is None or each.n < since.n for each in (trouble, disturbed)
        )


class OrdersHaveOutcomes(_Pending):
    """A gateway that took an order writes something of that application on that device after it, at the latest when the
    device's link has ended."""

    name = "orders have outcomes"
    party = Party.GATEWAY
    source = "docs/reference/http-api (orders); the schema of the Application (deviceStatuses)"

    @on(*_ORDERS)
    def ordered(self, event: Event) -> Iterator[Violation]:
        pair = event.correlation, str(event.data.get("device"))
        if self.ledger.object("Application", pair[0]):
            self._pending[pair] = event
        yield from ()

    @on("PATCH Application")
    def written(self, event: Event) -> Iterator[Violation]:
        entries = status_of(event).get("deviceStatuses") if event.source == "Gateway" else None
        for device, entry in entries.items() if isinstance(entries, Mapping) else ():
            order = self._pending.get((event.correlation, device))
            is_begun = isinstance(entry, Mapping) and entry.get("state") == "receiving"
            if order is None or order.name == "DeployApplication" or not is_begun:
                self._forget((event.correlation, device))
        yield from ()

    @on("state Application")
    def deleted(self, event: Event) -> Iterator[Violation]:
        if event.data.get("change") == "deleted":
            self._due.drop(*self._pending.drop(application=str(event.data["name"])))
        yield from ()

    @on("ConnectionClosed")
    def ended(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        lives_on = link is not None and self.ledger.is_of_this_run(link) and self.ledger.is_up(link.gateway)
        for pair in self._pending.of(self._served(event)):
            if link is not None and self._pending[pair].data.get("gateway", link.gateway) != link.gateway:
                continue  # another one took it, on a newer link
            self._pending.pop(pair)
            if lives_on:
                self._due.set(pair, event, TOLD_WITHIN)
        yield from ()

    @on("note gateway down")
    def died(self, event: Event) -> Iterator[Violation]:
        """It may be the one that had to write."""
        self._due.drop(*self._due)
        yield from ()

    @on(EVERY)
    def passed(self, event: Event) -> Iterator[Violation]:
        for (application, device), closed in self._due.passed(event.at):
            if self._is_calm(closed):
                message = f"{device} lost its link while an order about {application} was under way, and nothing of it"
                yield self.broken(closed, f"{message} is written", cause=closed, waited=closed)


class LostOrdersAreRepeated(_Pending):
    """In virtual time, a controller repeats an order at once that was lost with a session, when the device is Connected
    again, its heartbeats do not show the effect, and nobody has changed the application."""

    name = "lost orders are repeated"
    party = Party.APPLICATION_CONTROLLER
    source = "diagrams application-deployment and application-stop (connection lost)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._lost = PairMap[Event]()
        self._holder: object = None
        """Of the controllers' lease."""

    @on(*_ORDERS)
    def ordered(self, event: Event) -> Iterator[Violation]:
        pair = event.correlation, str(event.data.get("device"))
        self._forget(pair)
        self._lost.pop(pair, None)
        if self.ledger.is_simulated and not self.ledger.is_ordered_by_hand(event):
            self._pending[pair] = event
        yield from ()

    @on("PATCH Application")
    def refused(self, event: Event) -> Iterator[Violation]:
        """The gateway may find out by itself that a module is none, and write so when the link has ended."""
        entries = status_of(event).get("deviceStatuses") if event.source == "Gateway" else None
        for device, entry in entries.items() if isinstance(entries, Mapping) else ():
            if isinstance(entry, Mapping) and entry.get("state") == "failed" and entry.get("code") not in _LOST:
                pair = event.correlation, device
                self._forget(pair)
                self._lost.pop(pair, None)
        yield from ()

    @on("ConnectionClosed")
    def ended(self, event: Event) -> Iterator[Violation]:
        for pair in self._pending.of(self._served(event)):
            self._lost[pair] = self._pending.pop(pair)
        yield from ()

    @on("state Application")
    def changed(self, event: Event) -> Iterator[Violation]:
        """A change of what is wanted is another order."""
        if event.data.get("change") in ("added", "deleted") or "spec" in event.data or "metadata" in event.data:
            name = str(event.data["name"])
            self._due.drop(*self._lost.drop(application=name), *self._pending.drop(application=name))
        yield from ()

    @on("state Device")
    def moved(self, event: Event) -> Iterator[Violation]:
        device, phase = str(event.data["name"]), status_of(event).get("phase")
        lost = self._lost.of(device)
        if event.data.get("change") == "deleted" or "metadata" in event.data:
            self._due.drop(*self._lost.drop(device=device))
        elif phase == "Connected":
            for pair in lost:
                self._due.set(pair, event, REPEATED_WITHIN)
        elif phase:
            self._due.drop(*lost)
        yield from ()

    @on("POST Lease", "PUT Lease", "fault")
    def disturbed(self, event: Event) -> Iterator[Violation]:
        """A manager that takes over, and one that cannot act, have their own time."""
        is_renewed = event.name == "PUT Lease" and event.data.get("code") == HTTPStatus.OK and self._is_held(event)
        if not is_renewed:
            self._due.drop(*self._due)
        yield from ()

    def _is_held(self, event: Event) -> bool:
        before, self._holder = self._holder, (event.data.get("spec") or {}).get("holderIdentity")
        return self._holder in (None, before)

    @on(EVERY)
    def passed(self, event: Event) -> Iterator[Violation]:
        for pair, connected in self._due.passed(event.at):
            order = self._lost.pop(pair, None)
            if order is not None and self._is_calm(connected) and not self._shows(order, pair):
                message = f"{order.name} of {pair[0]} to {pair[1]} was lost with a session, and was not repeated in the"
                yield self.broken(connected, f"{message} next one", cause=order, waited=connected)

    def _shows(self, order: Event, pair: Pair) -> bool:
        """Whether the device has what was ordered by its latest heartbeat."""
        link = self.ledger.connected_link(pair[1])
        if link is None or not link.beats:
            return True
        runs = (link.beats[-1].data.get("applications") or {}).get(pair[0]) in _RUNS
        return runs == (order.name == "DeployApplication")


ORDERS = (OrdersHaveOutcomes, LostOrdersAreRepeated)
