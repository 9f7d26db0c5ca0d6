"""Properties of the codec for all messages and all bytes."""

from __future__ import annotations

import contextlib
from typing import Any

import cbor2
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.wasmbed.protocol import codec
from harness.wasmbed.protocol.errors import ProtocolError
from harness.wasmbed.protocol.framing import FrameDecoder, frame
from harness.wasmbed.protocol.messages import (
    ApplicationState,
    DeviceMessage,
    EnrollmentAcknowledgment,
    Envelope,
    GatewayMessage,
    Limits,
    Publication,
)
from tests.examples import examples

# No deadline and no health check of slow generation: the machine may be busy.
QUICK = settings(max_examples=examples(150))
THOROUGH = settings(QUICK, max_examples=examples(400))

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
unsigned = st.integers(0, 2**64 - 1)
names = st.text("abc-\u00e9\u6e29\U0001f321", min_size=1, max_size=60)
metrics = st.dictionaries(texts, st.integers(-(2**63), 2**63 - 1), max_size=6)
# By attribute: in the contract, fields of one name have one type in all messages, except optional ones.
ATTRIBUTES: dict[str, st.SearchStrategy[Any]] = {
    "device_id": st.uuids().map(str),
    "application_id": names,
    "state": st.sampled_from(ApplicationState),
    "metrics": metrics,
    "resource_use": metrics,
    "applications": st.dictionaries(names, st.sampled_from(ApplicationState), max_size=4),
    "capabilities": st.lists(texts, max_size=4).map(tuple),
    "runtime_features": st.lists(texts, max_size=4).map(tuple),
    "backtrace": st.lists(texts, max_size=4).map(tuple),
    "arguments": st.lists(texts, max_size=4).map(tuple),
    "public_key": st.binary(max_size=40),
    "nonce": st.binary(min_size=8, max_size=64),
    "data": st.binary(max_size=300),
    "sha256": st.binary(min_size=32, max_size=32),
    "ok": st.booleans(),
    "limits": st.builds(Limits, unsigned, unsigned, unsigned),
    "csr": st.none() | st.binary(max_size=40),
    "certificate": st.none() | st.binary(max_size=40),
    "pairing_token": st.none() | texts,
    "reassigned": st.none() | st.booleans(),
    "error": st.none() | texts,
    "action": st.none() | texts,
    "retry_after": st.none() | unsigned,
    "environment": st.none() | st.dictionaries(texts, texts, max_size=4),
    "publications": st.none() | st.lists(st.builds(Publication, texts, st.binary(max_size=20)), max_size=4).map(tuple),
}
BY_ANNOTATION = {"str": texts, "int": unsigned, "str | None": st.none() | texts, "int | None": st.none() | unsigned}


def attribute(message: type[Any], name: str, annotation: str) -> st.SearchStrategy[Any]:
    if name == "application_id" and annotation == "str | None":
        return st.none() | names
    return ATTRIBUTES[name] if name in ATTRIBUTES else BY_ANNOTATION[annotation]


def messages(union: Any) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(kind, **{name: attribute(kind, name, hint) for name, hint in kind.__annotations__.items()})
        for kind in union.__args__
    )


def envelopes(union: Any) -> st.SearchStrategy[Envelope]:
    return st.builds(Envelope, st.integers(0, 2**32 - 1), messages(union))


@QUICK
@given(envelopes(DeviceMessage))
def test_a_decoded_device_message_equals_the_encoded_one(envelope: Envelope) -> None:
    assert codec.decode_device(codec.encode(envelope)) == envelope


@QUICK
@given(envelopes(GatewayMessage))
def test_a_decoded_gateway_message_equals_the_encoded_one(envelope: Envelope) -> None:
    assert codec.decode_gateway(codec.encode(envelope)) == envelope


@QUICK
@given(envelopes(DeviceMessage | GatewayMessage))
def test_the_encoding_is_the_one_that_another_library_calls_canonical(envelope: Envelope) -> None:
    data = codec.encode(envelope)
    assert data == cbor2.dumps(cbor2.loads(data), canonical=True)


def decode_or_refuse(data: bytes) -> None:
    for decode in (codec.decode_device, codec.decode_gateway):
        with contextlib.suppress(ProtocolError):
            assert isinstance(decode(data), Envelope)


@THOROUGH
@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    decode_or_refuse(data)


@THOROUGH
@given(envelopes(DeviceMessage | GatewayMessage), st.data())
def test_a_damaged_message_is_decoded_or_refused(envelope: Envelope, damage: st.DataObject) -> None:
    data = bytearray(codec.encode(envelope))
    for _ in range(damage.draw(st.integers(1, 4))):
        at = damage.draw(st.integers(0, len(data) - 1))
        data[at : at + damage.draw(st.integers(0, 3))] = damage.draw(st.binary(max_size=9))
        if not data:
            break
    decode_or_refuse(bytes(data))


@THOROUGH
@given(envelopes(DeviceMessage | GatewayMessage), st.data())
def test_an_accepted_message_has_only_one_encoding(envelope: Envelope, damage: st.DataObject) -> None:
    """Flip one byte: if it still decodes, and holds no unknown fields, encoding it again gives the same bytes."""
    data = bytearray(codec.encode(envelope))
    data[damage.draw(st.integers(0, len(data) - 1))] = damage.draw(st.integers(0, 255))
    for decode in (codec.decode_device, codec.decode_gateway):
        try:
            decoded = decode(bytes(data))
        except ProtocolError:
            continue
        again = codec.encode(decoded)
        assert again == data or len(again) < len(data)


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.floats() | texts | st.binary(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(texts, inner, max_size=4)
        | st.dictionaries(unsigned, inner, max_size=4)
    ),
    max_leaves=12,
)


@QUICK
@given(st.dictionaries(st.integers(10, 2**64 - 1), anything, max_size=4))
def test_unknown_fields_change_nothing(unknown: dict[int, Any]) -> None:
    message = EnrollmentAcknowledgment("123e4567-e89b-42d3-a456-426614174000")
    data = cbor2.dumps([1, 7, [3, {0: message.device_id, **unknown}]], canonical=True)
    assert codec.decode_device(data) == Envelope(7, message)


@QUICK
@given(st.lists(st.binary(min_size=1, max_size=50), max_size=8), st.data())
def test_frames_do_not_depend_on_how_the_stream_was_split(payloads: list[bytes], splits: st.DataObject) -> None:
    stream = b"".join(frame(payload) for payload in payloads)
    cuts = sorted(splits.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    decoder, frames = FrameDecoder(64), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        frames += decoder.feed(stream[start:end])
    assert (frames, len(decoder)) == (payloads, 0)
