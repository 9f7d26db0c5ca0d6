"""Rules about what each end says of itself when a device enrolls."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_der_x509_certificate, load_der_x509_csr
from cryptography.x509.oid import NameOID

from harness.core.history import Event
from harness.invariants.cbor import Item
from harness.invariants.identity import same_key
from harness.invariants.invariant import Invariant, Party, Violation, on
from harness.invariants.ledger import Ledger, Link
from harness.invariants.wire import FIELDS, read_event

__all__ = ["INTRODUCTIONS"]


class SignedRequests(Invariant):
    """The certification request in an enrollment request is signed by its own key, which is the one that the device
    asks to enroll."""

    name = "signed requests"
    party = Party.BOARD
    source = "RFC 2986 section 4.2; wasmbed.cddl (enrollment-request)"

    @on("EnrollmentRequest")
    def asked(self, event: Event) -> Iterator[Violation]:
        if event.data.get("csr") is None or (request := _field(event, "csr")) is None:
            return
        if (fault := _fault(request, event)) is not None:
            who = str(event.data.get("device") or "") or _subject(request)
            message = f"the certification request of {who or 'a device'} {fault}"
            yield self.broken(event, message, who=who, link=self.ledger.link(event))


def _fault(request: bytes, event: Event) -> str | None:
    try:
        read = load_der_x509_csr(request)
        key = read.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        signed = read.is_signature_valid
    except (ValueError, UnsupportedAlgorithm, InvalidSignature):
        return "cannot be read"
    if not signed:
        return "is not signed with its own key"
    return None if same_key(event.data.get("publicKey"), key.hex()) else "is for another key than the one to enroll"


def _subject(request: bytes) -> str:
    """The name that a certification request asks for; empty if it cannot be read."""
    try:
        names = load_der_x509_csr(request).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError:
        return ""
    return str(names[0].value) if names else ""


def _field(event: Event, name: str) -> bytes | None:
    """A byte string of a message as it was on the wire; None if the record does not hold all of it."""
    frame = read_event(event)
    if frame is None or frame.faults or not frame.whole or frame.item is None:
        return None
    fields: Item = frame.item.value[2].value[1]
    number = FIELDS[event.source, event.name][1].index(name)
    found = next((value for key, value in fields.value if key.value == number), None)
    return found.value if found is not None and isinstance(found.value, bytes) else None


class OwnProof(Invariant):
    """A device asks to enroll with the key of its certificate; one without a certificate with a certification request
    and with a pairing token that was issued."""

    name = "own proof"
    party = Party.BOARD
    source = "diagrams device-enrollment and device-enrollment-by-request"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._issued: set[object] = set()

    @on("note pairing token issued")
    def issued(self, event: Event) -> Iterator[Violation]:
        self._issued.add(event.data.get("token"))
        yield from ()

    @on("EnrollmentRequest")
    def asked(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is None or not link.known or "certificate" not in link.opened.data:
            return
        who = link.device or "a device without a certificate"
        proved, asked, token = link.certificate, event.data.get("publicKey"), event.data.get("pairingToken")
        if proved is not None:
            if proved.get("publicKey") and asked and not same_key(proved["publicKey"], asked):
                message = f"{who} asked to enroll with another key than its certificate's"
                yield self.broken(event, message, cause=link.opened, link=link)
        elif event.data.get("csr") is None or token is None:
            message = f"{who} asked to enroll without a certification request, or without a pairing token"
            yield self.broken(event, message, cause=link.opened, link=link)
        elif self._issued and token not in self._issued:
            yield self.broken(event, f"{who} sent a pairing token that nobody has issued", link=link)


class IssuedCertificates(Invariant):
    """A gateway that enrolls a device without a certificate sends it one, for the device's key and signed by the
    authority of the devices."""

    name = "issued certificates"
    party = Party.GATEWAY
    source = "diagram device-enrollment-by-request"

    @on("EnrollmentResponse")
    def enrolled(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is None or not link.known or link.request is None or link.request.data.get("csr") is None:
            return
        is_without = "certificate" in link.opened.data and link.certificate is None
        if not is_without:
            return
        if event.data.get("certificate") is None:
            message = f"the gateway enrolled {link.device or 'a device'} by its certification request, and sent none"
            yield self.broken(event, message, cause=link.request, link=link)
        elif (issued := _field(event, "certificate")) is not None and (fault := self._fault(link, issued)) is not None:
            message = f"the certificate that the gateway issued for {link.device} {fault}"
            yield self.broken(event, message, cause=link.request, link=link)

    def _fault(self, link: Link, issued: bytes) -> str | None:
        up = self.ledger.gateways.get(link.gateway)
        authority = (up.data.get("deviceAuthority") or {}) if up is not None else {}
        try:
            certificate = load_der_x509_certificate(issued)
            key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            if link.request is not None and not same_key(link.request.data.get("publicKey"), key.hex()):
                return "is for another key than the device's"
        except (ValueError, UnsupportedAlgorithm):
            return "cannot be read"
        if "der" in authority:
            try:
                certificate.verify_directly_issued_by(load_der_x509_certificate(b64decode(authority["der"])))
            except (ValueError, TypeError, InvalidSignature):
                return "is not signed by the authority of the devices"
        return None


class OneDescription(Invariant):
    """A device says the same of itself in its enrollment request, in its heartbeats, and in the information that it is
    asked for."""

    name = "one description"
    party = Party.BOARD
    source = "wasmbed.cddl (enrollment-request, heartbeat, device-info: architecture, largest module, runtime)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._claimants: set[str] = set()
        """Devices whose test says what capabilities they claim."""

    @on("note claims")
    def claims(self, event: Event) -> Iterator[Violation]:
        self._claimants.add(event.correlation)
        yield from ()

    @on("Heartbeat")
    def beat(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is None or link.connected is not None or (request := link.request) is None:
            return
        if link.device in self._claimants:
            return
        capabilities = request.data.get("capabilities")
        if isinstance(capabilities, list) and "wasm" not in capabilities and event.data.get("runtimeStatus") == "ready":
            message = f"{link.device} asked to enroll without the capability wasm, and its runtime is ready"
            yield self.broken(event, message, cause=request, link=link)

    @on("DeviceInfo")
    def told(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is None or (request := link.request) is None:
            return
        for field in ("architecture", "largestModule"):
            asked, told = request.data.get(field), event.data.get(field)
            if None not in (asked, told) and asked != told:
                message = f"{link.device} asked to enroll with {field} {asked}, and told {told}"
                yield self.broken(event, message, cause=request, link=link)


class GatewaysNameThemselves(Invariant):
    """A gateway tells a device the name and the endpoint that its Gateway resource has, or those of another one that it
    assigns the device to."""

    name = "gateways name themselves"
    party = Party.GATEWAY
    source = "wasmbed.cddl (enrollment-response); the schema of the Gateway"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._written: dict[str, object] = {}
        """By gateway, the endpoint that was written last: the change of the resource may come late."""

    @on("POST Gateway", "PATCH Gateway", "PUT Gateway")
    def written(self, event: Event) -> Iterator[Violation]:
        if endpoint := (event.data.get("spec") or {}).get("endpoint"):
            self._written[str(event.data.get("name"))] = endpoint
        yield from ()

    @on("EnrollmentResponse")
    def told(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is None or not self.ledger.object("Gateway", link.gateway):
            return
        is_another = event.data.get("reassigned") is True and event.data.get("gatewayName") != link.gateway
        name = str(event.data.get("gatewayName")) if is_another else link.gateway
        registered = self.ledger.object("Gateway", name)
        if is_another and not registered and name not in self._written:
            yield self.broken(event, f"the gateway assigned {link.device} to {name}, which is not on record", link=link)
        if not registered:
            return
        endpoint = (registered.get("spec") or {}).get("endpoint")
        for field, wanted in (("gatewayName", name), ("gatewayEndpoint", endpoint)):
            told = event.data.get(field)
            is_on_the_way = field == "gatewayEndpoint" and told == self._written.get(name)
            if None not in (told, wanted) and told != wanted and not is_on_the_way:
                message = f"the gateway told {link.device} {field} {told}; its resource says {wanted}"
                yield self.broken(event, message, link=link)


INTRODUCTIONS = (SignedRequests, OwnProof, IssuedCertificates, OneDescription, GatewaysNameThemselves)
