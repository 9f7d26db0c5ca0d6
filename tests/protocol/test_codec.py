"""The codec's limits: messages that it refuses to send, its errors, and the cost of hostile frames."""

from __future__ import annotations

import contextlib
import tracemalloc
from typing import Any

import cbor2
import pytest

from harness.wasmbed.protocol import codec
from harness.wasmbed.protocol import messages as m
from harness.wasmbed.protocol.deterministic import MAXIMUM_DEPTH, MAXIMUM_ITEMS
from harness.wasmbed.protocol.errors import ProtocolError, UnknownTag, UnsupportedVersion

DEVICE_ID = "123e4567-e89b-42d3-a456-426614174000"
LIMITS = m.Limits(65_536, 1_000_000, 1_000)
MEBIBYTE = 1 << 20


@pytest.mark.parametrize(
    ("message", "named"),
    [
        (m.EnrollmentAcknowledgment("short"), "EnrollmentAcknowledgment.device_id: 5 bytes"),
        (m.Stop(""), "Stop.application_id: 0 bytes"),
        (m.Stop("a" * 254), "Stop.application_id: 254 bytes"),
        (m.Stop(None), "Stop.application_id"),  # type: ignore[arg-type]
        (m.HeartbeatAcknowledgment(-1), "HeartbeatAcknowledgment.gateway_time: -1"),
        (m.HeartbeatAcknowledgment(2**64), "gateway_time"),
        (m.HeartbeatAcknowledgment(True), "gateway_time: not an integer"),
        (m.HeartbeatAcknowledgment(1.0), "gateway_time: not an integer"),  # type: ignore[arg-type]
        (m.ApplicationStatus("a", "flying"), "ApplicationStatus.state"),  # type: ignore[arg-type]
        (m.ApplicationStatus("a", m.ApplicationState.RUNNING, {"x": 2**63}), "ApplicationStatus.metrics"),
        (m.ApplicationStatus("a", m.ApplicationState.RUNNING, {1: 1}), "metrics"),  # type: ignore[dict-item]
        (m.ApplicationStatus("a", m.ApplicationState.RUNNING, publications=["x"]), "publications"),  # type: ignore[list-item]
        (m.DeviceInfo(0, "", "wasm", 0), "DeviceInfo.runtime_features: a string, not a sequence"),
        (m.DeploymentResult("a", 1), "DeploymentResult.ok: neither true nor false"),  # type: ignore[arg-type]
        (m.Deploy("a", "a", 1, b"short", 1, LIMITS, "run"), "Deploy.sha256: 5 bytes, not 32"),
        (m.Deploy("a", "a", 1, bytes(32), 1, m.Limits(1, 1, -1), "run"), "Deploy.limits: -1"),
        (m.Error("X", "\ud800"), "surrogates not allowed"),
        ("text", "is not a message"),
    ],
)
def test_what_the_contract_does_not_allow_is_not_sent(message: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        codec.encode(m.Envelope(1, message))


@pytest.mark.parametrize("message_id", [-1, 2**32, True, None, "1"])
def test_a_message_id_outside_32_bits_is_not_sent(message_id: Any) -> None:
    with pytest.raises(ValueError, match="message id"):
        codec.encode(m.Envelope(message_id, m.Stop("a")))


def test_equal_values_of_different_types_are_encoded_the_same() -> None:
    """Lists instead of tuples, any mapping, and enumerations instead of text are encoded alike."""
    request = m.EnrollmentRequest("mcu", "", "", ["wasm"], b"", "", bytes(8))
    assert codec.decode_device(codec.encode(m.Envelope(1, request))).message == m.EnrollmentRequest(
        "mcu", "", "", ("wasm",), b"", "", bytes(8)
    )
    coded, plain = m.Error(m.ErrorCode.PROTOCOL_ERROR, "x"), m.Error("PROTOCOL_ERROR", "x")
    assert codec.encode(m.Envelope(1, coded)) == codec.encode(m.Envelope(1, plain))


def test_the_order_of_a_mapping_does_not_change_its_encoding() -> None:
    status = [
        m.ApplicationStatus("a", m.ApplicationState.RUNNING, metrics)
        for metrics in ({"bb": 1, "a": 2, "\u6e29": 3}, {"\u6e29": 3, "a": 2, "bb": 1})
    ]
    first, second = (codec.encode(m.Envelope(1, each)) for each in status)
    assert first == second == cbor2.dumps(cbor2.loads(first), canonical=True)


def test_a_refusal_names_the_field_and_the_byte() -> None:
    data = cbor2.dumps([1, 9, [6, {0: "a", 1: 1}]])
    with pytest.raises(
        ProtocolError, match=r"^StopResult: field 1 \(ok\): neither true nor false \(byte 10\)$"
    ) as caught:
        codec.decode_device(data)
    assert caught.value.message_id == 9
    assert caught.value.to_message() == m.Error("PROTOCOL_ERROR", caught.value.reason)


def test_an_unknown_tag_can_be_answered() -> None:
    with pytest.raises(UnknownTag, match="unknown message tag 99") as caught:
        codec.decode_device(cbor2.dumps([1, 9, [99, {}]]))
    assert (caught.value.tag, caught.value.message_id) == (99, 9)


@pytest.mark.parametrize("version", [2**64 - 1, "x" * 100_000, -1, None, 1.5, b"\0" * 1000])
def test_an_unknown_version_has_a_short_error(version: Any) -> None:
    with pytest.raises(UnsupportedVersion) as caught:
        codec.decode_device(cbor2.dumps([version, 1, [3, {0: DEVICE_ID}]], canonical=True))
    assert len(caught.value.reason) < 100


def with_unknown_field(content: bytes) -> bytes:
    return b"\x83\x01\x01\x82\x03\xa2\x00" + cbor2.dumps(DEVICE_ID) + b"\x01" + content


def test_the_largest_allowed_structure_is_decoded() -> None:
    around = 3 + 2 + 4
    codec.decode_device(
        with_unknown_field(b"\x99" + (MAXIMUM_ITEMS - around).to_bytes(2, "big") + bytes(MAXIMUM_ITEMS - around))
    )
    deepest = b"\x81" * (MAXIMUM_DEPTH - 3) + b"\0"
    codec.decode_device(with_unknown_field(deepest))
    with pytest.raises(ProtocolError, match="more than 16384 items"):
        codec.decode_device(with_unknown_field(b"\x99\x40\x00" + bytes(MAXIMUM_ITEMS)))
    with pytest.raises(ProtocolError, match="more than 16 levels"):
        codec.decode_device(with_unknown_field(b"\x81" + deepest))


def status_with(publications: bytes) -> bytes:
    return b"\x83\x01\x01\x82\x04\xa4\x00\x61a\x01\x67running\x02\xa0\x04" + publications


BOMBS = {
    "an array that announces 2^40 elements": with_unknown_field(b"\x9b\0\0\x01\0\0\0\0\0"),
    "a map that announces 2^63 pairs": with_unknown_field(b"\xbb\x80\0\0\0\0\0\0\0"),
    "bytes that announce 2^40": with_unknown_field(b"\x5b\0\0\x01\0\0\0\0\0"),
    "text that announces 2^31": with_unknown_field(b"\x7a\x80\0\0\0" + bytes(100)),
    "arrays of 65535 in one another": with_unknown_field(b"\x99\xff\xff" * 12),
    "a mebibyte of opened arrays": b"\x81" * MEBIBYTE,
    "a mebibyte of opened maps": b"\xa1\x00" * (MEBIBYTE // 2),
    "a mebibyte of empty maps": with_unknown_field(b"\x9a\0\x0f\xff\0" + b"\xa0" * 0xFFF00),
    "a mebibyte of empty arrays": with_unknown_field(b"\x9a\0\x0f\xff\0" + b"\x80" * 0xFFF00),
    "as many empty maps as are allowed": with_unknown_field(b"\x99\x3f\xf0" + b"\xa0" * 0x3FF0),
    "as many empty publications as are allowed": status_with(b"\x99\x15\x00" + b"\x82\x60\x40" * 0x1500),
    "a mebibyte of text with one wide character": with_unknown_field(
        b"\x7a\0\x10\0\0" + "\U0001f321".encode() + b"a" * (MEBIBYTE - 4)
    ),
    "a mebibyte of bytes": with_unknown_field(b"\x5a\0\x10\0\0" + bytes(MEBIBYTE)),
    "a large bignum": with_unknown_field(b"\xc2\x5a\0\x10\0\0" + b"\xff" * MEBIBYTE),
    "a version of a mebibyte": b"\x83\x7a\0\x10\0\0" + b"a" * MEBIBYTE + b"\x01\x80",
}


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS.keys())
def test_a_hostile_frame_costs_little_more_than_its_own_size(data: bytes) -> None:
    tracemalloc.start()
    try:
        with contextlib.suppress(ProtocolError):
            codec.decode_device(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < (100_000 if len(data) < 200 else 6 * len(data) + 3 * MEBIBYTE)
