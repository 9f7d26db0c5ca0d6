"""Properties of the original's dialects for all messages and all bytes."""

from __future__ import annotations

import contextlib
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.wasmbed.protocol.describe import describe
from harness.wasmbed.protocol.dialects import r, u
from harness.wasmbed.protocol.dialects.messages import (
    ApplicationConfig,
    ApplicationMetrics,
    BareHeartbeat,
    BareHeartbeatAcknowledgment,
    DeployModule,
    DeviceDialectMessage,
    DeviceUuid,
    GatewayDialectMessage,
    NumberedState,
    NumberedStatus,
)
from harness.wasmbed.protocol.errors import ProtocolError
from harness.wasmbed.protocol.framing import HARD_LIMIT
from harness.wasmbed.protocol.messages import DeploymentResult, Envelope, Heartbeat
from tests.examples import examples

QUICK = settings(max_examples=examples(150))
THOROUGH = settings(QUICK, max_examples=examples(400))

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
unsigned = st.integers(0, 2**64 - 1)
ids = st.integers(0, 2**32 - 1)
floats = st.floats(width=32, allow_nan=False)
lists = st.lists(texts, max_size=4).map(tuple)
ATTRIBUTES: dict[str, st.SearchStrategy[Any]] = {
    "public_key": st.binary(max_size=60),
    "module": st.binary(max_size=300),
    "uuid": st.binary(min_size=16, max_size=16),
    "state": st.sampled_from(NumberedState),
    "ok": st.booleans(),
    "code": st.none(),
    "runtime_features": lists,
    "config": st.none()
    | st.builds(ApplicationConfig, unsigned, unsigned, st.dictionaries(texts, texts, max_size=4), lists),
}
METRICS = {
    NumberedStatus: st.none() | st.builds(ApplicationMetrics, unsigned, floats, unsigned, unsigned),
    DeploymentResult: st.just({}),
}
BY_ANNOTATION = {"str": texts, "int": unsigned, "str | None": st.none() | texts}


def attribute(kind: type[Any], name: str, annotation: str) -> st.SearchStrategy[Any]:
    if name == "metrics":
        return METRICS[kind]
    return ATTRIBUTES[name] if name in ATTRIBUTES else BY_ANNOTATION[annotation]


def messages(union: Any) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(
            kind, **{name: attribute(kind, name, hint) for name, hint in getattr(kind, "__annotations__", {}).items()}
        )
        for kind in union.__args__
    )


@QUICK
@given(messages(DeviceDialectMessage), st.none() | ids)
def test_a_decoded_device_message_equals_the_encoded_one(message: Any, message_id: int | None) -> None:
    data = r.encode(message, message_id)
    reading = r.decode_device(data)
    assert reading[:3] == (message, len(data), message_id)
    assert (reading.malformed is not None) == (isinstance(message, NumberedStatus) and message.metrics is not None)


@QUICK
@given(messages(GatewayDialectMessage), st.none() | ids)
def test_a_decoded_gateway_message_equals_the_encoded_one(message: Any, message_id: int | None) -> None:
    data = r.encode(message, message_id)
    reading = r.decode_gateway(data)
    assert reading[:3] == (message, len(data), message_id)
    assert (reading.malformed is not None) == (isinstance(message, DeployModule) and message.config is not None)


@QUICK
@given(st.lists(messages(DeviceDialectMessage), max_size=5))
def test_messages_that_arrived_together_are_read_one_by_one(sent: list[Any]) -> None:
    data, at, read = b"".join(map(r.encode, sent)), 0, []
    while at < len(data):
        reading = r.decode_device(data, at)
        read.append(reading.message)
        at = reading.end
    assert read == sent


@QUICK
@given(ids)
def test_the_framed_dialect_carries_heartbeats(message_id: int) -> None:
    for message, decode in ((BareHeartbeat(), u.decode_device), (BareHeartbeatAcknowledgment(), u.decode_gateway)):
        envelope = Envelope(message_id, message)  # type: ignore[arg-type]
        assert decode(u.encode(envelope)) == envelope


def read_or_refuse(data: bytes) -> None:
    for decode in (u.decode_device, u.decode_gateway, r.decode_device, r.decode_gateway):
        with contextlib.suppress(ProtocolError):
            read = decode(data)
            assert describe(read.message) is not None


@THOROUGH
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    read_or_refuse(data)


@THOROUGH
@given(messages(DeviceDialectMessage | GatewayDialectMessage), st.none() | ids, st.data())
def test_a_damaged_message_is_read_or_refused(message: Any, message_id: int | None, damage: st.DataObject) -> None:
    data = bytearray(r.encode(message, message_id))
    for _ in range(damage.draw(st.integers(1, 4))):
        at = damage.draw(st.integers(0, len(data) - 1))
        data[at : at + damage.draw(st.integers(0, 3))] = damage.draw(st.binary(max_size=9))
        if not data:
            break
    read_or_refuse(bytes(data))


def test_hostile_bytes_cost_about_what_arrived() -> None:
    many = HARD_LIMIT - 32
    hostile = [
        bytes.fromhex("85070060 9a") + many.to_bytes(4, "big") + b"\x60" * many,  # as many empty features
        bytes.fromhex("85070060 9b ffffffffffffffff"),
        bytes.fromhex("8206 7b ffffffffffffffff"),
        b"\x81" * many,
    ]
    tracemalloc.start()
    for data in hostile:
        for decode in (u.decode_device, u.decode_gateway, r.decode_device, r.decode_gateway):
            with pytest.raises(ProtocolError):
                decode(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * HARD_LIMIT


@pytest.mark.parametrize(
    ("message", "named"),
    [
        (Heartbeat("d", 0, "ok", {}, "idle"), "is not a message of this dialect"),
        (DeploymentResult("a", True, metrics={"ms": 1}), "neither metrics nor a code"),
        (DeploymentResult("a", None), "None where a value must be"),  # type: ignore[arg-type]
        (DeviceUuid(b"short"), "5 bytes, not 16"),
        (NumberedStatus("a", 7), "7 is not a valid NumberedState"),  # type: ignore[arg-type]
        (NumberedStatus("a", NumberedState.RUNNING, None, ApplicationMetrics(-1, 0.0, 0, 0)), "-1 is not within"),
        (NumberedStatus("a", NumberedState.RUNNING, None, ApplicationMetrics(0, 1e300, 0, 0)), "32 bits"),
        (DeployModule("a", "b", "text"), "not of type bytes"),  # type: ignore[arg-type]
        (DeployModule("a", "b", b"", ApplicationConfig(0, 0, {"K": 1})), "is not text"),  # type: ignore[dict-item]
        (DeployModule("a", "b", b"", ApplicationConfig(0, 0, {}, "-v")), "a string, not a sequence"),
    ],
)
def test_what_the_dialect_does_not_have_is_not_sent(message: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        r.encode(message)
    with pytest.raises(ValueError, match="is not a message of this dialect"):
        u.encode(Envelope(1, message))
