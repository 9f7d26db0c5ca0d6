"""The lease of the controllers: one manager at a time holds it."""

from __future__ import annotations

from collections.abc import Iterator

from harness.core.history import Event
from harness.invariants.gateways import moment_of
from harness.invariants.invariant import Invariant, Party, Violation, on, party_of
from harness.invariants.ledger import Ledger

__all__ = ["LEASES"]

EARLY = 0.75
"""The part of a lease's duration for which nobody else takes it at least: each counts from when it saw the last
renewal."""
REFUSED = 400


class LeasesRunOut(Invariant):
    """A manager takes a Lease that another one holds only when that has given it back or let it run out."""

    name = "leases run out"
    party = Party.MANAGER
    source = "the schema of Lease (coordination.k8s.io/v1: holderIdentity, leaseDurationSeconds)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._held: dict[str, tuple[str, float, Event]] = {}
        """By lease, the holder, the seconds that it is for, and the write that said so."""

    @on("POST Lease", "PUT Lease", "PATCH Lease")
    def written(self, event: Event) -> Iterator[Violation]:
        code, spec, name = event.data.get("code"), event.data.get("spec"), str(event.data.get("name"))
        if not isinstance(code, int) or code >= REFUSED or not isinstance(spec, dict):
            return
        before = self._held.get(name)
        holder = str(spec.get("holderIdentity", before[0] if before is not None else "") or "")
        seconds = spec.get("leaseDurationSeconds", before[1] if before is not None else 0)
        self._held[name] = holder, float(seconds) if isinstance(seconds, int | float) else 0.0, event
        if before is None or before[0] in ("", holder) or not holder or party_of(event.source) is not Party.MANAGER:
            return
        if _last_written(event) > before[2].at:
            return  # what it replaces is later than the write on record: an answer was lost, perhaps of a giving back
        waited = event.at - before[2].at
        if waited < EARLY * before[1]:
            message = (
                f"{holder} took the lease {name} {waited:.1f} s after {before[0]} had renewed it for {before[1]:g} s"
            )
            yield self.broken(event, message, who=holder, cause=before[2])

    @on("DELETE Lease")
    def deleted(self, event: Event) -> Iterator[Violation]:
        self._held.pop(str(event.data.get("name")), None)
        yield from ()


def _last_written(event: Event) -> float:
    """When the object that a write replaces had been written last, by its managed fields; 0.0 where they do not say."""
    fields = (event.data.get("metadata") or {}).get("managedFields") or ()
    return max((moment_of(each.get("time"), 0.0) for each in fields), default=0.0)


class LeasesOfOthers(Invariant):
    """A manager renews a Lease only under its own name: one that another client took or gave away is no longer its."""

    name = "leases of others are not renewed"
    party = Party.MANAGER
    source = "the schema of Lease (coordination.k8s.io/v1: holderIdentity)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._given: dict[str, tuple[str, Event]] = {}
        """By lease, the holder that a client other than a manager wrote, and that write."""

    @on("POST Lease", "PUT Lease", "PATCH Lease")
    def written(self, event: Event) -> Iterator[Violation]:
        code, spec, name = event.data.get("code"), event.data.get("spec"), str(event.data.get("name"))
        if not isinstance(code, int) or code >= REFUSED or not isinstance(spec, dict) or "holderIdentity" not in spec:
            return
        holder = str(spec["holderIdentity"] or "")
        if party_of(event.source) is not Party.MANAGER:
            self._given[name] = holder, event
        elif (given := self._given.get(name)) is not None and holder and given[0] == holder:
            message = f"a manager renewed the lease {name} of {holder}, whom another client had made its holder"
            yield self.broken(event, message, who=holder, cause=given[1])
        else:
            self._given.pop(name, None)

    @on("DELETE Lease")
    def deleted(self, event: Event) -> Iterator[Violation]:
        self._given.pop(str(event.data.get("name")), None)
        yield from ()


LEASES = (LeasesRunOut, LeasesOfOthers)
