"""Names the missing step, and the party that had to act, when a device or an application got no further.

A wait that times out says only that something is missing. The enrollment and the deployment are chains of steps, and
one party has to act in each; the first step that is missing in the record convicts that party. A long silent period is
evidence against the verdict: the machine may have been suspended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from harness.core.history import Event, Kind
from harness.invariants.invariant import Party
from harness.invariants.ledger import status_of
from harness.wasmbed.resources.extent import extent_of

__all__ = ["Absence", "missing_from_application", "missing_from_device"]

STALL = 0.5
SHORT = 1.0
"""A wait is doubtful if a silent period is longer than STALL of it and longer than SHORT seconds."""


@dataclass(frozen=True, slots=True)
class Absence:
    """A step that is missing, and the event after which it was due."""

    party: Party
    who: str
    message: str
    after: Event | None
    against: str = ""
    is_answered: bool = False
    """Whether a device has said what the party did not act on."""

    @property
    def convicts(self) -> str:
        """The party in words."""
        return f"{self.party} {self.who}".rstrip()

    def __str__(self) -> str:
        since = f" (since event {self.after.n})" if self.after is not None else ""
        verdict = "the record does not show which part is at fault" if self.party is Party.PRODUCT else ""
        text = f"{verdict or f'convicts {self.convicts}'}: {self.message}{since}"
        return f"{text}; against it: {self.against}" if self.against else text


@dataclass(frozen=True, slots=True)
class _Step:
    """One step: the condition for its event, the party that has to act, and the message if it is missing."""

    is_it: Callable[[Event], bool]
    party: Party
    missing: str
    is_answered: bool = False
    phase: str = ""
    """The phase that it writes, if it is that of a device."""


def missing_from_device(events: Iterable[Event], device: str) -> Absence | None:
    """The first step that is missing between the device's last power-on and its phase Connected; None if none is."""
    events = list(events)
    of_device = [event for event in events if device in (event.correlation, event.data.get("device"))]
    starts = [n for n, event in enumerate(of_device) if event.name in ("power on", "TlsConnected", "reset")]
    if not starts:
        return None
    chain = of_device[starts[-1] :]
    if chain[0].name != "TlsConnected":
        message = f"no handshake of {device} was completed after it was switched on"
        return _absence(of_device, Party.PRODUCT, device, message, chain[0])
    if closed := next((event for event in chain if event.name == "ConnectionClosed"), None):
        return _refused(of_device, chain, device, closed, _types_known(events))
    asked = next((event for event in chain if event.name in ("EnrollmentRequest", "Heartbeat")), None)
    refused = next((event for event in reversed(chain) if event.name == "Error" and event.source == "Gateway"), None)
    if (
        asked is not None
        and asked.name == "Heartbeat"
        and refused is not None
        and refused.data.get("code") == "ENROLLMENT_FAILED"
        and not any(event.name == "EnrollmentRequest" for event in chain)
    ):
        message = f"the gateway asked {device} to enroll, and it has not requested that"
        return _absence(of_device, Party.BOARD, device, message, refused)
    steps = [
        _Step(lambda event: event is asked, Party.BOARD, f"{device} has not asked to enroll, nor sent a heartbeat")
    ]
    if asked is not None and asked.name == "EnrollmentRequest":
        steps += _enrollment(device)
    steps += [
        _Step(_named("Heartbeat"), Party.BOARD, f"{device} has not sent a heartbeat"),
        _Step(_named("HeartbeatAcknowledgment"), Party.GATEWAY, f"the gateway has not answered {device}'s heartbeat"),
        _wrote_phase(Party.GATEWAY, "Connected", f"the gateway has not written that {device} is Connected"),
    ]
    extent = extent_of(events)
    steps = [step for step in steps if extent.has(f"Device {step.phase}")]
    return _first_missing(of_device, chain, steps, device)


def _wrote_phase(party: Party, phase: str, missing: str) -> _Step:
    return _Step(_wrote("Device", phase), party, missing, phase=phase)


def _enrollment(device: str) -> list[_Step]:
    return [
        _wrote_phase(Party.GATEWAY, "Enrolling", f"the gateway has not written that {device} is Enrolling"),
        _Step(
            lambda event: _wrote("Device", "Enrolled")(event) or _wrote("Device", "Failed")(event),
            Party.DEVICE_CONTROLLER,
            f"the device controller has not judged the enrollment of {device}",
            phase="Enrolled",
        ),
        _Step(
            _named("EnrollmentResponse"), Party.GATEWAY, f"the gateway has not answered {device}'s enrollment request"
        ),
        _Step(_named("EnrollmentAcknowledgment"), Party.BOARD, f"{device} has not acknowledged its enrollment"),
    ]


def _types_known(record: Sequence[Event]) -> Sequence[str]:
    """The types of device that every gateway enrolls; empty if the record does not say."""
    told = [event.data.get("deviceTypes") or () for event in record if event.name == "gateway up"]
    return sorted(set(told[0]).intersection(*told)) if told else ()


def _refused(
    events: Sequence[Event], chain: Sequence[Event], device: str, closed: Event, types: Sequence[str]
) -> Absence:
    """The party that ended the link, and the last error on it."""
    asked = next((event for event in chain if event.name == "EnrollmentRequest"), None)
    if asked is not None and types and asked.data.get("deviceType") not in types:
        kind = asked.data.get("deviceType")
        return _absence(events, Party.BOARD, device, f"{device} asked to enroll as a {kind!r}", asked)
    error = next((event for event in reversed(chain) if event.name == "Error"), None)
    reason = closed.data.get("reason")
    if error is not None:
        message = f"the {error.source.lower()} refused: {error.data.get('code')}: {error.data.get('message')}"
        return _absence(events, Party.PRODUCT, device, message, error)
    by = "gateway" if closed.source == "Gateway" else device
    return _absence(events, Party.PRODUCT, device, f"{by} ended the link of {device} ({reason})", closed)


def missing_from_application(events: Iterable[Event], application: str, devices: Sequence[str]) -> Absence | None:
    """The first step that is missing between the application's last change and what its spec asks for: for the first
    of ``devices`` that got no further."""
    record = list(events)
    about = [event for event in record if application in (event.correlation, event.data.get("name"))]
    changed = [
        event
        for event in about
        if event.kind is Kind.STATE and ("spec" in event.data or event.data["change"] != "modified")
    ]
    if not changed:
        return None
    since = changed[-1]
    about = [event for event in about if event.n >= since.n]
    leaves = since.data["change"] == "deleted" or (since.data.get("spec") or {}).get("stopped") or _is_deleting(about)
    for device in devices:
        if not leaves and (away := _away(record, device)) is not None:
            message = f"{device} is {away.data['status']['phase']}, so {application} cannot be deployed there"
            return _absence(record, Party.PRODUCT, device, message, away)
        chain = [event for event in about if event.data.get("device") in (None, device)]
        if not leaves and (refusal := _refusal(record, chain, device)) is not None:
            message = (
                f"{device} refused {application} ({refusal.data.get('code')}), and the gateway has not written that"
            )
            return replace(_absence(record, Party.GATEWAY, "", message, refusal), is_answered=True)
        steps = _stop(application, device) if leaves else _deployment(application, device, chain)
        if (found := _first_missing(record, chain, steps, device)) is not None:
            return found
    wanted = ("Stopped",) if leaves else ("Running", "PartiallyRunning")
    done = any(_wrote("Application", phase)(event) for event in about for phase in wanted)
    if done or not devices:
        return None
    message = f"the application controller has not written what has become of {application}"
    return _absence(record, Party.APPLICATION_CONTROLLER, "", message, about[-1])


def _away(record: Sequence[Event], device: str) -> Event | None:
    """The event that made a device anything but Connected, if that is its latest phase."""
    states = (event for event in reversed(record) if event.kind is Kind.STATE and event.name == "Device")
    phases = (event for event in states if event.data.get("name") == device and status_of(event).get("phase"))
    latest = next(phases, None)
    return latest if latest is not None and status_of(latest)["phase"] != "Connected" else None


def _refusal(record: Iterable[Event], chain: Sequence[Event], device: str) -> Event | None:
    """The device's error to a transfer that is under way, if the gateway has made nothing of it."""
    begun = next((event for event in reversed(chain) if event.name in ("Deploy", "DeploymentResult")), None)
    if begun is None or begun.name != "Deploy":
        return None
    said = (event for event in record if event.n > begun.n and event.source == "Device" and event.name == "Error")
    error = next((event for event in said if device in (event.correlation, event.data.get("device"))), None)
    written = error is not None and any(_wrote_entry(event, device, "failed") for event in chain if event.n > error.n)
    return None if written else error


def _is_deleting(about: Iterable[Event]) -> bool:
    return any(event.name == "DELETE Application" for event in about)


def _deployment(application: str, device: str, chain: Sequence[Event]) -> list[_Step]:
    pair = f"{application} on {device}"
    failed = next((event for event in chain if event.name == "DeploymentResult" and not event.data.get("ok")), None)
    steps = [
        _Step(
            _named("DeployApplication"),
            Party.APPLICATION_CONTROLLER,
            f"the application controller has not asked to deploy {pair}",
        ),
        _Step(_named("Deploy"), Party.GATEWAY, f"the gateway was asked to deploy {pair} and has not begun"),
        *_chunks(device, chain),
        _Step(_named("DeploymentResult"), Party.BOARD, f"{device} has all of {application} and has not answered"),
        _Step(
            lambda event: _wrote_entry(
                event, device, "failed" if failed is not None else "deployed", "running", "error"
            ),
            Party.GATEWAY,
            f"{device} has answered its deployment, and the gateway has not written that",
            is_answered=True,
        ),
    ]
    if failed is None:
        steps += [
            _Step(
                lambda event: event.name in ("ApplicationStatus", "RuntimeFault"),
                Party.BOARD,
                f"{device} has not said that {application} runs",
            ),
            _Step(
                lambda event: _wrote_entry(event, device, "running", "error", "stopped"),
                Party.GATEWAY,
                f"{device} has said how {application} is, and the gateway has not written that",
            ),
        ]
    return steps


def _chunks(device: str, chain: Sequence[Event]) -> list[_Step]:
    """Return the missing step of a transfer."""
    deploy = next((event for event in reversed(chain) if event.name == "Deploy"), None)
    if deploy is None or any(event.name == "DeploymentResult" and event.n > deploy.n for event in chain):
        return []
    size, each = deploy.data.get("size") or 0, deploy.data.get("chunkSize") or 1
    sent = {event.data.get("index") for event in chain if event.name == "ModuleChunk" and event.n > deploy.n}
    taken = {event.data.get("index") for event in chain if event.name == "ChunkAcknowledgment" and event.n > deploy.n}
    if unanswered := sorted(index for index in sent - taken if isinstance(index, int)):
        return [_Step(lambda event: False, Party.BOARD, f"{device} has not acknowledged chunk {unanswered[0]}")]
    chunks = -(-size // each)
    if len(sent) < chunks:
        return [_Step(lambda event: False, Party.GATEWAY, f"the gateway has sent {len(sent)} of {chunks} chunks")]
    return []


def _stop(application: str, device: str) -> list[_Step]:
    pair = f"{application} on {device}"
    return [
        _Step(
            _named("StopApplication"),
            Party.APPLICATION_CONTROLLER,
            f"the application controller has not asked to stop {pair}",
        ),
        _Step(_named("Stop"), Party.GATEWAY, f"the gateway was asked to stop {pair} and has not told the device"),
        _Step(_named("StopResult"), Party.BOARD, f"{device} has not answered that it stopped {application}"),
        _Step(
            lambda event: _wrote_entry(event, device, "stopped", "error"),
            Party.GATEWAY,
            f"{device} has stopped {application}, and the gateway has not written that",
        ),
    ]


def _named(name: str) -> Callable[[Event], bool]:
    return lambda event: event.name == name


def _wrote(kind: str, phase: str) -> Callable[[Event], bool]:
    return lambda event: (
        ((event.name == f"PATCH {kind}" and event.data.get("code") == 200) or event.name == kind)
        and status_of(event).get("phase") == phase
    )


def _wrote_entry(event: Event, device: str, *states: str) -> bool:
    entries = status_of(event).get("deviceStatuses")
    entry = entries.get(device) if isinstance(entries, Mapping) and event.name == "PATCH Application" else None
    return isinstance(entry, Mapping) and entry.get("state") in states and event.source == "Gateway"


def _first_missing(
    record: Sequence[Event], chain: Sequence[Event], steps: Iterable[_Step], device: str
) -> Absence | None:
    after: Event | None = chain[0] if chain else None
    for step in steps:
        found = next((event for event in chain if step.is_it(event)), None)
        if found is None:
            who = device if step.party is Party.BOARD else ""
            return replace(_absence(record, step.party, who, step.missing, after), is_answered=step.is_answered)
        after = found if after is None or found.n > after.n else after
    return None


def _absence(record: Sequence[Event], party: Party, who: str, message: str, after: Event | None) -> Absence:
    """Build the verdict; a long silent period is evidence against it, because the machine may have been suspended."""
    later = [event for event in record if after is not None and event.n >= after.n]
    gaps = [(second.at - first.at, first) for first, second in pairwise(later)]
    longest, event = max(gaps, key=lambda gap: gap[0], default=(0.0, None))
    waited = later[-1].at - later[0].at if later else 0.0
    against = ""
    stalled = sum(each.data.get("seconds") or 0.0 for each in later if each.name == "stood still")
    if stalled:
        against = f"the machine was suspended for {stalled:.1f} s meanwhile"
    elif event is not None and longest > max(SHORT, STALL * waited):
        against = f"nothing was recorded for {longest:.1f} s after event {event.n}: the machine may have been suspended"
    return Absence(party, who if party is Party.BOARD else "", message, after, against)
