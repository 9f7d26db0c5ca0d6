"""Rules about admission: certificates, keys, ids, tokens, nonces and revocations."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any

from harness.core.history import Event
from harness.invariants.invariant import Invariant, Party, Violation, on
from harness.invariants.ledger import Ledger, Link, status_of
from harness.wasmbed.resources.timestamps import parse_timestamp

__all__ = ["IDENTITY", "same_key"]

ACCEPTED = ("EnrollmentResponse", "HeartbeatAcknowledgment")
LEEWAY = 1.0
"""Seconds by which a certificate's times and the record's may differ."""
NEEDED_USAGES = frozenset({"digitalSignature", "clientAuth"})
REVOKED_SOON = 2.0
"""Seconds after which a gateway that took a revocation list over has ended the sessions that it concerns."""
REVOKED_TOGETHER = 0.5
"""The same, from when it ended another session because of the list."""


class _Admission(Invariant):
    """An invariant about what a gateway accepts; one verdict a link."""

    party = Party.GATEWAY

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._judged: set[Link] = set()

    def _new(self, event: Event) -> Link | None:
        """The link on which ``event`` accepts a device, the first time."""
        link = self.ledger.link(event)
        if link is None or not link.known or link in self._judged:
            return None
        self._judged.add(link)
        return link


class ValidCertificates(_Admission):
    """A gateway accepts only a device whose certificate was valid when its link began, is for a client's signatures,
    and is not an authority's."""

    name = "valid certificates"
    source = "RFC 5280 sections 4.1.2.5, 4.2.1.3, 4.2.1.9 and 4.2.1.12; diagram certificate-invalid"

    @on(*ACCEPTED)
    def accepted(self, event: Event) -> Iterator[Violation]:
        if (link := self._new(event)) is None or (certificate := link.certificate) is None:
            return
        for what in self._faults(link, certificate):
            message = f"the gateway accepted {link.device} ({event.name}), whose certificate {what}"
            yield self.broken(event, message, cause=link.opened, link=link)

    def _faults(self, link: Link, certificate: Mapping[str, Any]) -> Iterator[str]:
        if "unreadable" in certificate:
            yield f"cannot be read: {certificate['unreadable']}"
        yield from _outside(certificate, link.opened.at)
        if (usages := certificate.get("usages")) is not None:
            if missing := sorted(NEEDED_USAGES.difference(usages)):
                yield f"is not for {' or '.join(missing)}"
            if "ca" in usages:
                yield "is an authority's"
        up = self.ledger.gateways.get(link.gateway)
        authority = up.data.get("deviceAuthority") if up is not None else None
        if isinstance(authority, Mapping):
            if certificate.get("issuer") not in (None, authority.get("subject")):
                yield f"was issued by {certificate['issuer']}, not by {authority.get('subject')}"
            yield from (f"is of an authority that {what}" for what in _outside(authority, link.opened.at))


def _outside(certificate: Mapping[str, Any], at: float) -> Iterator[str]:
    """How a certificate is outside its time."""
    if (end := certificate.get("notAfter")) and parse_timestamp(str(end)) < at - LEEWAY:
        yield f"expired at {end}"
    if (begin := certificate.get("notBefore")) and parse_timestamp(str(begin)) > at + LEEWAY:
        yield f"is not valid before {begin}"


class CertifiedKey(_Admission):
    """The key in an enrollment request is its certificate's, and the key of a device that is accepted is the one that
    its Device was registered with."""

    name = "one key a device"
    source = "docs/reference/protocol (CERTIFICATE_INVALID: key other than the registered one)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._keyless: set[str] = set()
        """Devices that were made to ask for a board, which has not enrolled yet."""

    @on(*ACCEPTED)
    def accepted(self, event: Event) -> Iterator[Violation]:
        if (link := self._new(event)) is None or (certificate := link.certificate) is None:
            return
        proved = certificate.get("publicKey")
        asked = link.request.data.get("publicKey") if link.request is not None else None
        registered = (self.ledger.object("Device", link.device).get("spec") or {}).get("publicKey")
        for what, key, cause in (
            ("asked with another key than its certificate's", asked, link.request),
            ("is registered with another key than its certificate's", registered, link.opened),
        ):
            if proved and key and not same_key(proved, key):
                yield self.broken(event, f"the gateway accepted {link.device}, which {what}", cause=cause, link=link)

    @on("state Device")
    def changed(self, event: Event) -> Iterator[Violation]:
        name, has_key = str(event.data["name"]), "publicKey" in (event.data.get("spec") or {})
        if event.data.get("change") == "added" and not has_key:
            self._keyless.add(name)
        elif event.data.get("change") == "deleted" or name in self._keyless:
            if has_key or event.data.get("change") == "deleted":
                self._keyless.discard(name)
        elif event.data.get("change") == "modified" and has_key:
            write = self.ledger.writer("Device", name)
            if write is not None and write.source == "Gateway":
                yield self.broken(event, f"the gateway replaced the registered key of {name}", cause=write)


def same_key(one: Any, other: Any) -> bool:
    """Whether two events show the same key, each as base64, hex, or size and SHA-256. True where one cannot be read."""
    hashes = [_hash(each) for each in (one, other)]
    return None in hashes or hashes[0] == hashes[1]


def _hash(key: Any) -> str | None:
    if isinstance(key, Mapping):
        return str(key["sha256"]) if "sha256" in key else None
    for decode in (bytes.fromhex, lambda text: b64decode(text, validate=True)):
        try:
            return hashlib.sha256(decode(key)).hexdigest()
        except (TypeError, ValueError):
            continue
    return None


class KnownId(Invariant):
    """A gateway answers a heartbeat only if it carries the id of the Device that the link's certificate names, and a
    device beats with the id that it was given."""

    name = "the device's own id"
    party = Party.GATEWAY
    source = "docs/reference/protocol; diagrams device-enrollment and device-connection"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._said: dict[tuple[Link, Any], Event] = {}

    @on("Heartbeat", "EnrollmentAcknowledgment")
    def said(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is None or not link.known:
            return
        self._said = {(link, event.data.get("messageId")): event}
        given, told = link.response, event.data.get("deviceId")
        if given is not None and given.data.get("deviceId") and given.data["deviceId"] != told:
            message = f"{link.device} sent {event.name} with id {told}; it was given {given.data['deviceId']}"
            yield self.broken(event, message, party=Party.BOARD, cause=given, link=link)

    @on("HeartbeatAcknowledgment")
    def accepted(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is None or (beat := self._said.pop((link, event.data.get("messageId")), None)) is None:
            return
        given = link.response.data.get("deviceId") if link.response is not None else None
        known = (self.ledger.object("Device", link.device).get("status") or {}).get("deviceId")
        wanted, told = given or known, beat.data.get("deviceId")
        if wanted and told and told != wanted:
            message = f"the gateway answered a heartbeat of {link.device} with id {told}; its id is {wanted}"
            yield self.broken(event, message, cause=beat, link=link)

    @on("EnrollmentResponse")
    def enrolled(self, event: Event) -> Iterator[Violation]:
        link, given = self.ledger.link(event), event.data.get("deviceId")
        if link is None:
            return
        known = (self.ledger.object("Device", link.device).get("status") or {}).get("deviceId")
        if known and given and known != given:
            message = f"the gateway gave {link.device} the id {given}; its Device has {known}"
            yield self.broken(event, message, cause=link.request, link=link)


class FreshNonces(Invariant):
    """A device uses a nonce for one enrollment request; a gateway does not enroll by a nonce that the device used
    before, and refuses no other as a replay."""

    name = "fresh nonces"
    party = Party.GATEWAY
    source = "wasmbed.cddl (nonce, fresh for each request); docs/reference/protocol (REPLAYED_MESSAGE)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._used: dict[tuple[str, str], Event] = {}
        self._first: dict[Link, bool] = {}

    @on("EnrollmentRequest")
    def asked(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is None or not (nonce := event.data.get("nonce")):
            return
        before = self._used.get((link.device, str(nonce)))
        self._used[link.device, str(nonce)] = event
        self._first[link] = before is None
        if before is not None:
            message = f"{link.device} sent a nonce again"
            yield self.broken(event, message, party=Party.BOARD, cause=before, link=link)

    @on("EnrollmentResponse", "Error")
    def answered(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is None or event.source != "Gateway" or (first := self._first.pop(link, None)) is None:
            return
        if event.name == "EnrollmentResponse" and not first and not self._restarted(link):
            message = f"the gateway enrolled {link.device} by a request that it had received before"
            yield self.broken(event, message, cause=link.request, link=link)
        elif first and event.data.get("code") == "REPLAYED_MESSAGE":
            message = f"the gateway refused a request of {link.device} as a replay; its nonce is new"
            yield self.broken(event, message, cause=link.request, link=link)

    def _restarted(self, link: Link) -> bool:
        """Whether the gateway may have forgotten: it keeps nonces in memory."""
        return len(self.ledger.gateways) != 1 or self.ledger.disturbed.get("") is not None


class PairingTokens(Invariant):
    """A gateway issues a certificate only for a signing request with the pairing token that was issued for that device
    and not used before."""

    name = "pairing tokens"
    party = Party.GATEWAY
    source = "diagram device-enrollment-by-request"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._issued: dict[str, Event] = {}
        self._spent: dict[str, Event] = {}

    @on("note pairing token issued")
    def issued(self, event: Event) -> Iterator[Violation]:
        self._issued[event.correlation] = event
        yield from ()

    @on("EnrollmentResponse")
    def accepted(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is None or not event.data.get("certificate") or link.request is None:
            return
        token = link.request.data.get("pairingToken")
        issued = self._issued.get(link.device)
        if not link.request.data.get("csr") or not token:
            message = f"the gateway issued {link.device} a certificate without signing request and token"
            yield self.broken(event, message, cause=link.request, link=link)
        elif issued is not None and issued.data.get("token") != token:
            message = f"the gateway took a token for {link.device} that is not the one issued for it"
            yield self.broken(event, message, cause=issued, link=link)
        elif (before := self._spent.get(str(token))) is not None and not self._may_repeat(link, before):
            message = f"the gateway took a token of {link.device} that was used before"
            yield self.broken(event, message, cause=before, link=link)
        self._spent[str(token)] = event

    def _may_repeat(self, link: Link, before: Event) -> bool:
        """Whether a gateway may answer the key that used the token once more: it may not know that it did."""
        former = self.ledger.link(before)
        asked = former.request if former is not None else None
        same = (
            asked is not None
            and link.request is not None
            and asked.data.get("publicKey") == link.request.data.get("publicKey")
        )
        return same and self.ledger.api_trouble is not None


class ListsGrow(Invariant):
    """A revocation list that the authority publishes names every certificate that was revoked, those of the list before
    among them, and has a greater number."""

    name = "revocation lists grow"
    party = Party.GATEWAY
    source = "RFC 5280 sections 5.2.3 and 5.3"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._revoked: dict[str, Event] = {}
        self._number = 0

    @on("note certificate revoked")
    def revoked(self, event: Event) -> Iterator[Violation]:
        self._revoked[str(event.data.get("serial"))] = event
        yield from ()

    @on("note revocation list published")
    def published(self, event: Event) -> Iterator[Violation]:
        serials, number = {str(each) for each in event.data.get("serials") or ()}, event.data.get("number")
        missing = [serial for serial in self._revoked if serial not in serials]
        if missing:
            message = f"the platform's authority published a list without the revoked certificate {missing[0]}"
            yield self.broken(event, message, cause=self._revoked[missing[0]])
        if isinstance(number, int):
            if number <= self._number:
                yield self.broken(event, f"the platform's authority published list {number} after list {self._number}")
            self._number = number
        for serial in serials:
            self._revoked.setdefault(serial, event)


class RevokedDevices(Invariant):
    """From when a revocation list is in force no device that it names is accepted, and its sessions end."""

    name = "revoked devices"
    party = Party.GATEWAY
    source = "RFC 5280 section 5; diagram certificate-invalid"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._lists: dict[str, Event] = {}
        self._applied: Event | None = None
        """The first session that was ended after the latest list."""
        self._judged: set[Link] = set()

    @on("Error")
    def dismissed(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        serial = str((link.certificate or {}).get("serial")) if link is not None else ""
        if serial in self._lists and event.data.get("code") == "CERTIFICATE_INVALID":
            self._applied = self._applied or event
        yield from ()

    @on("note revocation list in force")
    def revoked(self, event: Event) -> Iterator[Violation]:
        self._applied = None
        for serial in event.data.get("serials") or ():
            self._lists.setdefault(str(serial), event)
        yield from ()

    @on(*ACCEPTED, "Deploy", "ModuleChunk")
    def served(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is None or link in self._judged or (certificate := link.certificate) is None:
            return
        revoked = self._lists.get(str(certificate.get("serial")))
        if revoked is None:
            return
        since = event.at - revoked.at
        is_new = link.known and link.opened.n > revoked.n
        if is_new or self._is_due(event, revoked):
            self._judged.add(link)
            message = f"the gateway sent {event.name} to {link.device} {since:.1f} s after its certificate was revoked"
            yield self.broken(event, message, cause=revoked, link=link, waited=None if is_new else revoked)

    def finish(self, last: Event) -> Iterator[Violation]:
        """Sessions that a list left open although it ended another one."""
        for link in self.ledger.all_open():
            serial = str((link.certificate or {}).get("serial"))
            revoked = self._lists.get(serial)
            if revoked is None or link in self._judged or link.connected is None or link.opened.n > revoked.n:
                continue
            if link.refused is None and self._is_due(last, revoked):
                message = f"the session of {link.device} went on for {last.at - revoked.at:.1f} s after its revocation"
                yield self.broken(link.said or revoked, message, cause=revoked, link=link, waited=revoked)

    def _is_due(self, now: Event, revoked: Event) -> bool:
        applied = self._applied is not None and now.at - self._applied.at > REVOKED_TOGETHER
        return applied or now.at - revoked.at > REVOKED_SOON


class ApiToken(Invariant):
    """The gateway's HTTP API accepts orders only from a client that shows the token in the gateway's Secret."""

    name = "the gateway's API token"
    party = Party.GATEWAY
    source = "docs/reference/http-api"

    @on("DeployApplication", "StopApplication")
    def ordered(self, event: Event) -> Iterator[Violation]:
        up = self.ledger.gateways.get(str(event.data.get("gateway")))
        wanted = up.data.get("token") if up is not None else None
        if wanted and "token" in event.data and event.data["token"] != wanted:
            shown = event.data["token"] or "no token"
            message = f"the gateway accepted {event.name} of {event.correlation} with {shown}; its token is {wanted}"
            yield self.broken(event, message, cause=up)


class TrustedGateway(Invariant):
    """A board completes the handshake only with a gateway whose certificates are valid at that time."""

    name = "a gateway to trust"
    party = Party.BOARD
    source = "RFC 5280 section 4.1.2.5; diagram connection-establishment (mutual TLS)"

    @on("TlsConnected")
    def connected(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        up = self.ledger.gateways.get(link.gateway) if link is not None else None
        if link is None or up is None:
            return
        faults = [list(_outside(each, event.at)) for each in up.data.get("certificates") or ()]
        if faults and all(faults):
            message = f"{link.device} trusted a gateway whose certificate {faults[0][0]}"
            yield self.broken(event, message, cause=up, link=link)


class AuthenticatedDevices(Invariant):
    """A gateway makes a Device only of a peer that proved who it is: certificate, or signing request and token."""

    name = "authenticated devices"
    party = Party.GATEWAY
    source = "diagrams device-enrollment and device-enrollment-by-request"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._proofs: dict[str, int] = {}

    @on("TlsConnected", "EnrollmentRequest")
    def proved(self, event: Event) -> Iterator[Violation]:
        certified = event.name == "TlsConnected" and event.data.get("certificate")
        paired = event.name == "EnrollmentRequest" and event.data.get("csr") and event.data.get("pairingToken")
        if certified or paired:
            self._count(str(event.data.get("device") or event.correlation), 1)
        yield from ()

    @on("Error")
    def refused(self, event: Event) -> Iterator[Violation]:
        if event.source == "Gateway" and event.data.get("code") == "CERTIFICATE_INVALID":
            self._count(str(event.data.get("device") or event.correlation), -1)
        yield from ()

    @on("POST Device")
    def made(self, event: Event) -> Iterator[Violation]:
        name = str(event.data.get("name") or event.correlation)
        if event.source == "Gateway" and event.data.get("code") == 201 and self._proofs.get(name, 0) < 1:
            yield self.broken(event, f"the gateway made Device {name} although no peer had proved to be it")

    def _count(self, device: str, change: int) -> None:
        self._proofs[device] = self._proofs.get(device, 0) + change


class UniqueIds(Invariant):
    """No two devices share an id, and none changes its own."""

    name = "unique device ids"
    party = Party.GATEWAY
    source = "docs/reference/resources (Device)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._owners: dict[str, str] = {}
        self._ids: dict[str, str] = {}

    @on("state Device")
    def changed(self, event: Event) -> Iterator[Violation]:
        name = str(event.data["name"])
        if event.data.get("change") == "deleted":
            self._ids.pop(name, None)
        if not (device_id := status_of(event).get("deviceId")):
            return
        write = self.ledger.writer("Device", name)
        if (owner := self._owners.setdefault(device_id, name)) != name:
            yield self.broken(event, f"devices {owner} and {name} share the id {device_id}", cause=write)
        if (before := self._ids.setdefault(name, device_id)) != device_id:
            yield self.broken(event, f"device {name} was {before} and became {device_id}", cause=write)


IDENTITY = (
    AuthenticatedDevices, UniqueIds, ValidCertificates, CertifiedKey, KnownId, FreshNonces, PairingTokens,
    ListsGrow, RevokedDevices, ApiToken, TrustedGateway,
)  # fmt: skip
