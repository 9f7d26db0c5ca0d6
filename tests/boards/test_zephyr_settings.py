"""A settings partition holds what Zephyr's NVS back end finds in it."""

from __future__ import annotations

import struct

import pytest

from harness.boards.zephyr_settings import NoRoom, settings_partition

ENTRY = 8


def read(partition: bytes, sector: int) -> dict[str, bytes]:
    """Read the settings as the back end does: the newest record of each id, names by number, values 0x4000 above."""
    records: dict[int, bytes] = {}
    sectors = [partition[start : start + sector] for start in range(0, len(partition), sector)]
    used = [each for each in sectors if each != b"\xff" * sector]
    for number, each in enumerate(used):
        is_closed = each[-ENTRY:] != b"\xff" * ENTRY
        assert is_closed == (number < len(used) - 1), "only the last sector in use is open"
        for at in range(sector - 2 * ENTRY, 0, -ENTRY):
            if each[at : at + ENTRY] == b"\xff" * ENTRY:
                break
            identity, offset, length, part = struct.unpack_from("<HHHB", each, at)
            assert part == 0xFF
            assert offset % ENTRY == 0
            assert offset + length <= at
            if identity != 0xFFFF:
                records[identity] = each[offset : offset + length]
            last = at
        if is_closed:
            assert struct.unpack_from("<HHH", each, sector - ENTRY) == (0xFFFF, last, 0)
    count = int.from_bytes(records.pop(0x8000), "little")
    return {records[number].decode(): records[number + 0x4000] for number in range(0x8001, count + 1)}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"wasmbed/endpoint": b"10.0.2.2:4000"},
        {"a": b"1", "b/c": b"\0" * 300, "d": bytes(range(256))},
        {f"key/{number}": bytes([number]) * 100 for number in range(1, 20)},
    ],
)
def test_what_is_written_is_read(settings: dict[str, bytes]) -> None:
    partition = settings_partition(settings.items(), 8192, 512)
    assert len(partition) == 8192
    assert partition[-512:] == b"\xff" * 512, "a sector is left for the garbage collection"
    assert read(partition, 512) == settings


def test_a_setting_without_a_value_is_left_out() -> None:
    assert read(settings_partition([("a", b""), ("b", b"1")], 8192, 4096), 4096) == {"b": b"1"}


def test_entries_have_the_checksum_of_zephyr() -> None:
    """CRC-8 with 0x07 from 0xff, over the seven bytes before it; the first entry ends a garbage collection."""
    assert settings_partition([], 8192, 4096)[4096 - 16 : 4096 - 8] == bytes.fromhex("ffff00000000ff5c")


@pytest.mark.parametrize(
    ("length", "size", "sector", "words"),
    [
        (4096, 16384, 4096, "a record of 4096 bytes in sectors of 4096"),
        (400, 1024, 512, "all sectors but one are full"),
        (1, 512, 512, "all sectors but one are full"),
    ],
)
def test_settings_that_do_not_fit_are_refused(length: int, size: int, sector: int, words: str) -> None:
    with pytest.raises(NoRoom, match=words):
        settings_partition([("a", bytes(length)), ("b", bytes(length))], size, sector)
