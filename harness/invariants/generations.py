"""The generation that a controller says it has observed is that of a spec that it has judged."""

from __future__ import annotations

from collections.abc import Iterator

from harness.core.history import Event
from harness.invariants.invariant import EVERY, Invariant, Party, Violation, on
from harness.invariants.ledger import Ledger, status_of
from harness.invariants.timing import Deadlines

__all__ = ["GENERATIONS"]

OBSERVED_WITHIN = 20.0
"""Seconds in which a controller judges a changed spec, as long as nothing holds it up."""


class GenerationsAreObserved(Invariant):
    """A Device's observedGeneration is that of the spec which the device controller judged: never another one, and that
    of a connected device's spec soon."""

    name = "generations are observed"
    party = Party.DEVICE_CONTROLLER
    source = "Kubernetes API conventions (observedGeneration); the schema of the Device"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._late = Deadlines[str]()

    @on(EVERY)
    def passed(self, event: Event) -> Iterator[Violation]:
        for name, cause in self._late.passed(event.at):
            trouble = self.ledger.api_trouble
            if trouble is None or trouble.n < cause.n:
                message = f"the spec of Device {name} was changed, and not judged within {OBSERVED_WITHIN:g} s"
                yield self.broken(cause, message, waited=cause)

    @on("state Device")
    def changed(self, event: Event) -> Iterator[Violation]:
        name = str(event.data["name"])
        device = self.ledger.object("Device", name)
        generation, status = (device.get("metadata") or {}).get("generation"), device.get("status") or {}
        observed, write = status.get("observedGeneration"), self.ledger.writer("Device", name)
        if event.data.get("change") == "deleted" or not isinstance(generation, int) or not isinstance(observed, int):
            self._late.drop(name)
            return
        is_told = "observedGeneration" in status_of(event) or "conditions" in status_of(event)
        if is_told and observed != generation and (write is None or write.source == "DeviceController"):
            message = f"the observedGeneration of Device {name} is {observed}; the spec that was judged is {generation}"
            yield self.broken(event, message)
        for condition in status.get("conditions") or ():
            of = condition.get("observedGeneration", generation)
            if condition.get("type") == "Enrolled" and of != observed:
                message = f"the condition Enrolled of Device {name} is of generation {of}, not {observed}"
                yield self.broken(event, message)
        if observed >= generation or status.get("phase") != "Connected":
            self._late.drop(name)
        elif name not in self._late:
            self._late.set(name, event, OBSERVED_WITHIN)


GENERATIONS = (GenerationsAreObserved,)
