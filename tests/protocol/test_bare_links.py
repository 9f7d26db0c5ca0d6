"""Links without frames, as the fork of the original has them."""

from __future__ import annotations

import pytest

from harness.wasmbed.protocol.dialects import bare
from harness.wasmbed.protocol.dialects.messages import BareHeartbeat, PublicKey, UuidAcknowledgment
from harness.wasmbed.protocol.dialects.r import LARGEST_READ, encode
from harness.wasmbed.protocol.errors import ProtocolError


def messages(*reads: bytes) -> list[object]:
    decoder = bare.ReadDecoder(from_device=True)
    for read in reads:
        decoder.push(read)
    found: list[object] = []
    while (payload := decoder.pop()) is not None:
        try:
            found.append(bare.decode_device(payload).message)
        except ProtocolError:
            found.append(payload)
    assert len(decoder) == 0
    return found


def test_messages_that_the_transport_has_joined_are_two() -> None:
    joined = encode(UuidAcknowledgment()) + encode(BareHeartbeat())
    assert messages(joined) == [UuidAcknowledgment(), BareHeartbeat()]


def test_a_message_in_two_reads_is_none() -> None:
    """The original takes each read for a message of its own."""
    whole = encode(PublicKey(bytes(40)))
    assert messages(whole[:20], whole[20:], encode(BareHeartbeat())) == [whole[:20], whole[20:], BareHeartbeat()]


def test_what_is_longer_than_a_read_is_cut_off() -> None:
    whole = encode(PublicKey(bytes(LARGEST_READ)))
    assert messages(whole) == [whole[:LARGEST_READ], whole[LARGEST_READ:]]


@pytest.mark.parametrize("data", [b"", b"\xff"])
def test_nothing_and_no_message(data: bytes) -> None:
    assert messages(data) == ([data] if data else [])
