"""Compares what a device said when it enrolled with its resource: its spec, and how often it enrolled."""

from __future__ import annotations

from collections.abc import Iterator

from harness.core.history import Event
from harness.invariants.identity import same_key
from harness.invariants.invariant import Invariant, Party, Violation, on
from harness.invariants.ledger import Ledger, Link, status_of

__all__ = ["REGISTRATIONS"]


class SpecFollowsRequest(Invariant):
    """A Device's spec says what the device said of itself when it last enrolled."""

    name = "spec follows the request"
    party = Party.GATEWAY
    source = "diagram device-enrollment"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._foreign: dict[str, int] = {}
        self._own: dict[str, Event] = {}
        """By device, the gateway's latest write of its spec."""
        self._seen: dict[str, int] = {}
        """By device, the latest change of the resource."""

    @on("POST Device", "PATCH Device", "PUT Device")
    def written(self, event: Event) -> Iterator[Violation]:
        name = str(event.data.get("name"))
        if event.source == "Gateway" and event.data.get("subresource") != "status":
            self._own[name] = event
        elif event.data.get("subresource") != "status":
            self._foreign[name] = event.n
        yield from ()

    @on("state Device")
    def changed(self, event: Event) -> Iterator[Violation]:
        name = str(event.data["name"])
        self._seen[name] = event.n
        if status_of(event).get("phase") == "Connected" and (link := self.ledger.connected_link(name)) is not None:
            yield from self._compare(event, name, link)

    @on("EnrollmentResponse")
    def answered(self, event: Event) -> Iterator[Violation]:
        """Judge that what differed was written before the answer. A write of before may not be in the resource yet."""
        link = self.ledger.link(event)
        if link is None or link.request is None or event.data.get("certificate") or link.device in self._foreign:
            return
        write, spec = self._own.get(link.device), self.ledger.object("Device", link.device).get("spec") or {}
        if write is None or not write.n < min(link.request.n, self._seen.get(link.device, -1)):
            return
        written = write.data.get("spec") or {}
        if all(spec.get(field) == value for field, value in written.items()):  # else an older form came late
            yield from self._compare(event, link.device, link)

    def _compare(self, event: Event, name: str, link: Link) -> Iterator[Violation]:
        request = link.request
        if request is None or link.response is None or self._foreign.get(name, -1) > request.n:
            return
        spec = self.ledger.object("Device", name).get("spec") or {}
        for field in ("deviceType", "mcuType", "architecture", "firmwareVersion", "largestModule", "capabilities"):
            said, found = request.data.get(field), spec.get(field)
            if isinstance(said, list):
                said = list(dict.fromkeys(said))
            if said is not None and found is not None and said != found:
                message = f"the Device {name} says {field} {found!r}; the device enrolled with {said!r}"
                yield self.broken(event, message, cause=request, link=link)
        key, said = spec.get("publicKey"), request.data.get("publicKey")
        if key and said and not same_key(key, said):
            yield self.broken(
                event, f"the Device {name} has another key than it enrolled with", cause=request, link=link
            )


class EnrollmentsAreCounted(Invariant):
    """The number of a Device's enrollments grows each time that the device controller accepts one."""

    name = "enrollments are counted"
    party = Party.DEVICE_CONTROLLER
    source = "the schema of the Device (status.enrollments)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._counted: dict[str, tuple[int, Event]] = {}

    @on("state Device")
    def changed(self, event: Event) -> Iterator[Violation]:
        name, status = str(event.data["name"]), status_of(event)
        if event.data.get("change") in ("added", "deleted"):
            self._counted.pop(name, None)
        before, count = self._counted.get(name), status.get("enrollments")
        if status.get("phase") == "Enrolled":
            write = self.ledger.writer("Device", name, "Enrolled")
            foreign = write is not None and write.source == "User"
            if before is not None and not foreign and (not isinstance(count, int) or count <= before[0]):
                message = f"{name} is Enrolled again, and its enrollments are {before[0]} as before"
                yield self.broken(event, message, cause=before[1])
        if isinstance(count, int):
            self._counted[name] = count, event


REGISTRATIONS = (SpecFollowsRequest, EnrollmentsAreCounted)
