"""Every frame of a history against the contract, by a reader that neither end of a link uses.

So what both ends get wrong in the same way is found, and so is a gateway that takes what it must refuse. The record
holds a frame's bytes; of a long one the beginning.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any

from harness.core.history import Event
from harness.invariants.acceptance import SHOWN_AS_HEX, Unaccepted
from harness.invariants.cbor import Frame, Item, read_frame
from harness.invariants.cddl import load_contract
from harness.invariants.invariant import Invariant, Party, Violation, on
from harness.invariants.ledger import Ledger

__all__ = ["FIELDS", "MESSAGES", "WIRE", "read_event"]

FIELDS: Mapping[tuple[str, str], tuple[int, tuple[str, ...]]] = {
    ("Device", "Heartbeat"): (
        0, ("deviceId", "deviceTime", "status", "metrics", "runtimeStatus", "applications"),
    ),
    ("Device", "EnrollmentRequest"): (
        1,
        (
            "deviceType", "mcuType", "architecture", "capabilities", "publicKey", "firmwareVersion", "nonce", "csr",
            "pairingToken", "largestModule",
        ),
    ),
    ("Device", "Error"): (2, ("code", "message", "retryAfter", "action")),
    ("Device", "EnrollmentAcknowledgment"): (3, ("deviceId",)),
    ("Device", "ApplicationStatus"): (4, ("applicationId", "state", "metrics", "error", "publications")),
    ("Device", "DeploymentResult"): (5, ("applicationId", "ok", "error", "metrics", "code")),
    ("Device", "StopResult"): (6, ("applicationId", "ok", "error")),
    ("Device", "DeviceInfo"): (7, ("memory", "architecture", "runtimeFeatures", "largestModule")),
    ("Device", "RuntimeFault"): (8, ("applicationId", "code", "message", "backtrace", "resourceUse")),
    ("Device", "ChunkAcknowledgment"): (9, ("applicationId", "index")),
    ("Gateway", "HeartbeatAcknowledgment"): (0, ("gatewayTime",)),
    ("Gateway", "EnrollmentResponse"): (
        1, ("deviceId", "gatewayName", "gatewayEndpoint", "heartbeatInterval", "certificate", "reassigned"),
    ),
    ("Gateway", "Error"): (2, ("code", "message", "retryAfter", "action")),
    ("Gateway", "Deploy"): (
        5,
        (
            "applicationId", "name", "size", "sha256", "chunkSize", "limits", "entry", "arguments", "environment",
        ),
    ),
    ("Gateway", "Stop"): (6, ("applicationId",)),
    ("Gateway", "DeviceInfoRequest"): (7, ()),
    ("Gateway", "ApplicationStatusRequest"): (8, ("applicationId",)),
    ("Gateway", "ModuleChunk"): (9, ("applicationId", "index", "data")),
}  # fmt: skip
"""For each message of each end its tag, and the names of its fields by number, as ``wasmbed.cddl`` has them."""
MESSAGES = tuple(dict.fromkeys(name for _, name in FIELDS))
UNCOMPARED = frozenset({"pairingToken", "environment", "publications", "limits"})
"""Fields that the record shows otherwise than the wire: masked, or renamed inside."""


class FramesKeepTheContract(Invariant):
    """Every frame is one item that ``wasmbed.cddl`` allows, in the deterministic encoding; a gateway refuses each that
    is not, and no other, and reads in it what is there.

    The sender of a frame is convicted for its contents, and the gateway for its reaction to them.
    """

    name = "frames keep the contract"
    party = Party.BOARD
    source = "wasmbed.cddl; RFC 8949 section 4.2.1"
    holds_at_boards = True

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._contract = load_contract()

    @on(*MESSAGES)
    def crossed(self, event: Event) -> Iterator[Violation]:
        if self._is_right(event) or (frame := read_event(event)) is None:
            return
        link = self.ledger.link(event)
        faults = self._faults(frame, event.source)
        device = link.device if link is not None else str(event.data.get("device"))
        if faults:
            party = Party.GATEWAY if event.source == "Gateway" else Party.BOARD
            message = f"{event.name} {'to' if event.source == 'Gateway' else 'of'} {device}: {'; '.join(faults[:3])}"
            yield self.broken(event, message, party=party, link=link)
            if event.source == "Device":
                message = f"the gateway took {event.name} of {device}, which breaks the contract: {faults[0]}"
                yield self.broken(event, message, party=Party.GATEWAY)
            return
        for what in _differences(event, frame):
            yield self.broken(event, f"{event.name}, {device}: the gateway's record says {what}", party=Party.GATEWAY)

    @on("UnreadableFrame")
    def refused(self, event: Event) -> Iterator[Violation]:
        if (frame := read_event(event)) is None:
            return
        link = self.ledger.link(event)
        faults = self._faults(frame, event.source)
        device = link.device if link is not None else str(event.data.get("device"))
        if faults and event.source == "Gateway":
            message = f"the gateway sent {device} what is not a message: {'; '.join(faults[:3])}"
            yield self.broken(event, message, party=Party.GATEWAY, link=link)
        elif faults:
            message = f"{device} sent what is not a message: {'; '.join(faults[:3])}"
            yield self.broken(event, message, link=link)
        elif event.source == "Device" and frame.whole and not _is_unknown(frame.item):
            message = f"the gateway refused a frame of {device} that keeps the contract ({event.data.get('reason')})"
            yield self.broken(event, message, party=Party.GATEWAY)

    def _is_right(self, event: Event) -> bool:
        """Whether a message certainly keeps the contract, and the event says what it says: in one look, for speed."""
        head, layout = event.data.get("frame"), FIELDS.get((event.source, event.name))
        if not isinstance(head, str) or layout is None:
            return False
        frame, shown = b64decode(head), event.data
        if len(frame) != shown.get("frameSize"):
            return False
        try:
            _, number, (tag, fields) = self._contract.accepted(f"{event.source.lower()}-frame", frame)
        except Unaccepted:
            return False
        wanted, names = layout
        return (
            tag == wanted
            and number == shown.get("messageId")
            and not any(
                names[key] not in UNCOMPARED and value is not ... and shown.get(names[key], value) != value
                for key, value in fields.items()
            )
        )

    def _faults(self, frame: Frame, source: str) -> list[str]:
        if frame.item is None or frame.broken:
            return frame.faults or ["the frame is empty"]
        return frame.faults + self._contract.faults(f"{source.lower()}-frame", frame.item)


def read_event(event: Event) -> Frame | None:
    """Read the frame of a message; None where the record has no bytes of it."""
    head, size = event.data.get("frame"), event.data.get("frameSize")
    if not isinstance(head, str) or not isinstance(size, int):
        return None
    return read_frame(b64decode(head), size)


def _is_unknown(item: Item | None) -> bool:
    """Whether it is a message with a tag that no device's message has."""
    tags = {tag for (source, _), (tag, _) in FIELDS.items() if source == "Device"}
    message = item.value[2] if item is not None and item.major == 4 and len(item.value) == 3 else None
    return message is not None and message.major == 4 and bool(message.value) and message.value[0].value not in tags


def _differences(event: Event, frame: Frame) -> Iterator[str]:
    """Where the event's words are not the frame's."""
    layout = FIELDS.get((event.source, event.name))
    if layout is None or not frame.whole or frame.item is None:
        return
    tag, names = layout
    _, number, message = frame.item.value
    if message.value[0].value != tag:
        yield f"{event.name}; the frame's tag is {message.value[0]}, not {tag}"
        return
    if number.value != event.data.get("messageId"):
        yield f"message id {event.data.get('messageId')}; the frame's is {number}"
    for key, value in message.value[1].value:
        if key.value >= len(names) or names[key.value] in UNCOMPARED:
            continue
        name = names[key.value]
        shown = _shown(value)
        if name in event.data and shown is not ... and event.data[name] != shown:
            yield f"{name} {event.data[name]!r}; the frame's field {key} is {shown!r}"[:300]


def _shown(item: Item) -> Any:
    """A value as an event shows it; an ellipsis where it shows less than the value."""
    if item.major == 2:
        return item.value.hex() if item.value is not None and item.length <= SHOWN_AS_HEX else ...
    if item.major == 3:
        return item.value.decode("utf-8", "replace") if item.value is not None else ...
    if item.major == 4:
        return [_shown(each) for each in item.value]
    if item.major == 5:
        return {_shown(key): _shown(value) for key, value in item.value}
    return item.value


WIRE = (FramesKeepTheContract,)
