"""Frames: their limits, and the memory of a decoder."""

from __future__ import annotations

import tracemalloc

import pytest

from harness.wasmbed.protocol.errors import ProtocolError
from harness.wasmbed.protocol.framing import DEFAULT_LIMIT, HARD_LIMIT, FrameDecoder, frame


def test_the_limits_are_the_designs() -> None:
    assert (DEFAULT_LIMIT, HARD_LIMIT) == (1024 * 1024, 16 * 1024 * 1024)


@pytest.mark.parametrize("limit", [0, -1, HARD_LIMIT + 1])
def test_a_decoder_limit_above_the_hard_limit_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match="a frame limit is 1 to 16777216 bytes"):
        FrameDecoder(limit)


@pytest.mark.parametrize(("payload", "limit"), [(b"", 10), (bytes(11), 10), (bytes(HARD_LIMIT + 1), HARD_LIMIT)])
def test_a_payload_of_invalid_size_is_not_framed(payload: bytes, limit: int) -> None:
    with pytest.raises(ValueError, match="a frame holds 1 to"):
        frame(payload, limit)


def test_frames_before_a_bad_length_are_returned_first() -> None:
    decoder = FrameDecoder(10)
    assert decoder.feed(frame(b"a") + frame(b"b") + frame(bytes(11)) + frame(b"c")) == [b"a", b"b"]
    for _ in range(2):
        with pytest.raises(ProtocolError, match="a frame of 11 bytes is above the limit of 10"):
            decoder.feed(frame(b"d"))
    assert len(decoder) == 0


def test_an_empty_frame_is_refused() -> None:
    with pytest.raises(ProtocolError, match="a frame of length zero"):
        FrameDecoder().feed(bytes(4) + frame(b"a"))


def test_the_number_of_missing_bytes() -> None:
    decoder, seen = FrameDecoder(10), []
    for byte in frame(b"abc"):
        seen.append(decoder.missing)
        decoder.push(bytes([byte]))
    assert seen == [4, 3, 2, 1, 3, 2, 1]
    assert decoder.missing == 0
    decoder.feed(bytes(4))
    assert decoder.missing == 0


def test_a_header_costs_nothing_until_its_bytes_arrive() -> None:
    tracemalloc.start()
    try:
        decoders = [FrameDecoder(HARD_LIMIT) for _ in range(100)]
        for decoder in decoders:
            decoder.push(HARD_LIMIT.to_bytes(4, "big") + b"a")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000


def test_the_memory_of_taken_frames_is_freed() -> None:
    decoder = FrameDecoder()
    tracemalloc.start()
    try:
        assert len(decoder.feed(frame(bytes(DEFAULT_LIMIT)))) == 1
        assert tracemalloc.get_traced_memory()[0] < 10_000
    finally:
        tracemalloc.stop()
