"""Defects on the wire: which there are, and what they make of a message."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cbor2
import pytest

from harness.core.errors import UsageError
from harness.gateways.relay.defects import find_defect, wire_defects
from harness.gateways.relay.grammar import message_types
from harness.invariants.cbor import read_frame
from harness.invariants.cddl import load_contract
from harness.wasmbed.protocol.framing import frame
from harness.wasmbed.protocol.link import Direction
from harness.wasmbed.protocol.messages import Error
from harness.wasmbed.protocol.schema import DEVICE_MESSAGES, GATEWAY_MESSAGES
from tests.gateways.relayed import RelayedWorld

VECTORS = Path(__file__).parent.parent / "protocol" / "vectors"
SENDERS = {"device": Direction.RECEIVED, "gateway": Direction.SENT}


def _payloads(sender: str) -> list[bytes]:
    return [bytes.fromhex(each["hex"]) for each in json.loads((VECTORS / f"{sender}.json").read_text())]


def test_the_grammar_has_every_message_and_field() -> None:
    """The messages and fields are those that the codec knows."""
    of_codec = {
        (sender, layout.tag, tuple((field.number, not field.required) for field in layout.fields))
        for sender, layouts in (("device", DEVICE_MESSAGES), ("gateway", GATEWAY_MESSAGES))
        for layout in layouts.values()
    }
    read = {
        (each.sender, each.tag, tuple((field.number, field.optional) for field in each.fields))
        for each in message_types()
    }
    assert read == of_codec


@pytest.mark.parametrize("sender", SENDERS)
def test_each_defect_alters_a_message_and_leaves_it_readable(sender: str) -> None:
    """Of each message with all its fields, each defect makes something else that the contract allows: it is the
    meaning that is wrong, and only a judge of behaviour can tell."""
    unused = {name for name in wire_defects() if name.startswith(f"{sender}.")}
    for payload in _payloads(sender):
        for name, defect in wire_defects().items():
            applied: list[str] = []
            sent = list(defect.tamper(lambda: applied.append("once"))(SENDERS[sender], payload))  # noqa: B023
            if not applied:
                assert sent == [(0.0, payload)]
                continue
            unused.discard(name)
            assert name.startswith(f"{sender}.")
            assert sent != [(0.0, payload)]
            for _, altered in sent:
                item = read_frame(altered, len(altered)).item
                assert item is not None
                assert load_contract().faults(f"{sender}-frame", item) == [], (name, altered.hex())
    assert unused == set()


def test_a_frame_that_is_not_a_message_is_left_alone() -> None:
    tamper = wire_defects()["device.heartbeat.drop"].tamper(lambda: None)
    for payload in (b"", b"\xff", cbor2.dumps([1, 2]), cbor2.dumps([1, 2, [0, {}, 1]]), cbor2.dumps("text")):
        assert list(tamper(Direction.RECEIVED, payload)) == [(0.0, payload)]


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown wire defect"):
        find_defect("gateway.stop.dorp")


def _tamper(name: str) -> Any:
    return wire_defects()[name].tamper(lambda: None)


@pytest.mark.settings(tamper=_tamper("device.heartbeat.repeat"))
async def test_the_other_end_gets_what_the_record_shows(world: RelayedWorld) -> None:
    """A board's heartbeat arrives twice: the gateway refuses the second, and the record has both."""
    device = await world.connected()
    await world.until_recorded("Heartbeat", 2)
    first, second = world.of_relay("Heartbeat")
    assert first == second
    (refused,) = await world.until_recorded("Error")
    assert refused[4] == "dev-1"
    assert device.id


@pytest.mark.settings(tamper=_tamper("gateway.stop.drop"))
@pytest.mark.parametrize("sent", [bytes.fromhex("7fffffff"), bytes(4), frame(b"\xff"), frame(bytes(100))[:50]])
async def test_what_is_not_a_message_passes_a_defect(world: RelayedWorld, sent: bytes) -> None:
    """The gateway refuses it as it does without the relay, or learns of its end."""
    device = await world.device()
    assert device.link._transport is not None
    device.link._transport.write(sent)
    if len(sent) < 50:
        assert isinstance((await device.receive()).message, Error)
    else:
        await device.link.close()
    (closed,) = await world.until_recorded("ConnectionClosed")
    assert closed[3]["reason"].startswith(("PROTOCOL_ERROR", "closed by the peer in the middle of a frame, after 50"))
