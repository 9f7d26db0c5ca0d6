"""The judges' own reader of frames agrees with the golden vectors, and keeps secrets out of what it passes on."""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cbor2
import pytest

from harness.core.errors import UsageError
from harness.core.identifiers import Randomness
from harness.invariants.acceptance import SHOWN_AS_HEX, Unaccepted
from harness.invariants.cbor import mask_secrets, read_frame
from harness.invariants.cddl import Contract, load_contract

VECTORS = Path(__file__).parent.parent / "protocol" / "vectors"


def cases(name: str) -> list[Any]:
    found = json.loads((VECTORS / f"{name}.json").read_text("utf-8"))
    return [pytest.param(case, id=case["name"]) for case in found]


def faults(payload: bytes, direction: str) -> list[str]:
    frame = read_frame(payload, len(payload))
    if frame.item is None or frame.broken:
        return frame.faults or ["nothing"]
    return frame.faults + load_contract().faults(f"{direction}-frame", frame.item)


@pytest.mark.parametrize("case", [*cases("device"), *cases("gateway"), *cases("tolerated")])
def test_what_the_contract_allows_has_no_faults(case: dict[str, Any]) -> None:
    assert faults(bytes.fromhex(case["hex"]), case["direction"]) == []


@pytest.mark.parametrize("case", cases("invalid"))
def test_what_the_codec_refuses_has_faults(case: dict[str, Any]) -> None:
    if case["error"] != "unknown_tag":  # answered, and no fault
        assert faults(bytes.fromhex(case["hex"]), case["direction"])


def test_what_is_accepted_at_once_is_what_the_readers_find() -> None:
    """Whatever byte of a message changes: what is accepted has no fault, and the values are those of the library."""
    accepted = refused = 0
    for case in (each.values[0] for each in (*cases("device"), *cases("gateway"))):
        rule, payload = f"{case['direction']}-frame", bytes.fromhex(case["hex"])
        for changed in (payload, *_changed(payload)):
            try:
                value = load_contract().accepted(rule, changed)
            except Unaccepted:
                refused += 1
                continue
            accepted += 1
            assert faults(changed, case["direction"]) == []
            assert value == _shown(cbor2.loads(changed))
    assert min(accepted, refused) > 1000


@pytest.mark.parametrize("case", [*cases("device"), *cases("gateway")])
def test_a_message_of_known_fields_is_accepted_at_once(case: dict[str, Any]) -> None:
    assert load_contract().accepted(f"{case['direction']}-frame", bytes.fromhex(case["hex"]))


def _changed(payload: bytes) -> Iterator[bytes]:
    for at, byte in enumerate(payload):
        for value in {byte ^ (1 << bit) for bit in range(8)} | {0, 24, 27, 31, 0x60, 0x80, 0xA0, 0xFF}:
            yield payload[:at] + bytes([value]) + payload[at + 1 :]
        yield payload[:at] + payload[at + 1 :]
        yield payload[:at] + payload[at : at + 1] + payload[at:]


def _shown(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex() if len(value) <= SHOWN_AS_HEX else ...
    if isinstance(value, list):
        return [_shown(each) for each in value]
    if isinstance(value, dict):
        return {key: _shown(each) for key, each in value.items()}
    return value


def test_a_fault_names_field_and_value() -> None:
    deploy = {0: "app", 1: "n", 2: -1, 3: bytes(31), 4: 1, 5: {0: 1, 1: 2}, 6: "run", 7: ["a", 7]}
    assert faults(cbor2.dumps([1, 1, [5, deploy]], canonical=True), "gateway") == [
        "field 2: -1 where a whole number from 0 to 18446744073709551615 is due",
        "field 3: 31 bytes where 32 are due",
        "field 5, field 2 is missing",
        "field 7, element 1: 7 where tstr is due",
    ]


DEPLOY = cbor2.dumps(
    [1, 3, [5, {0: "a", 1: "n", 2: 1, 3: bytes(32), 4: 1, 5: {}, 6: "run", 7: [], 8: {"key": "hidden", "zz": "too"}}]],
    canonical=True,
)


@pytest.mark.parametrize("recorded", range(len(DEPLOY) + 1))
def test_a_frame_is_masked_wherever_the_record_cuts_it(recorded: int) -> None:
    masked = b64decode(mask_secrets(b64encode(DEPLOY[:recorded]).decode(), len(DEPLOY)))
    assert b"hidd" not in masked
    assert len(masked) == recorded
    assert read_frame(masked, len(DEPLOY)).faults == []


def test_nothing_secret_is_kept_of_what_cannot_be_read() -> None:
    for broken in (b"\xff" + DEPLOY, DEPLOY + b"hidden", DEPLOY[:40] + b"\xff" + DEPLOY[40:]):
        assert b"hidd" not in b64decode(mask_secrets(b64encode(broken).decode(), len(broken)))


def test_no_bytes_make_the_reader_fail() -> None:
    randomness = Randomness(14)
    for _ in range(4_000):
        payload = bytearray(DEPLOY)
        at, value, length, *_ = randomness.bytes(8)
        payload[at % len(payload)] = value
        head = bytes(payload[: length % (len(payload) + 1)])
        frame = read_frame(head, len(payload))
        if frame.item is not None and not frame.broken:
            load_contract().faults("gateway-frame", frame.item)
        mask_secrets(b64encode(head).decode(), len(payload))


def test_what_is_not_read_of_cddl_is_said() -> None:
    for text in ("a = §", "a = [", "a = uint .size", "= uint"):
        with pytest.raises((UsageError, IndexError)):
            Contract(text)
