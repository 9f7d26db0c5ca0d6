"""A module is assembled from chunks, and every wrong chunk is refused."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.boards.virtual.reception import DeploymentCode, DeploymentRefused, Reception
from harness.wasmbed.protocol.messages import Deploy, Limits, ModuleChunk

MODULE = bytes(range(100))
DEPLOY = Deploy("app", "app", 100, hashlib.sha256(MODULE).digest(), 30, Limits(1, 1, 1), "run")


def chunk(index: int, size: int = 30) -> ModuleChunk:
    return ModuleChunk("app", index, MODULE[index * size : (index + 1) * size])


@given(st.binary(min_size=1, max_size=500), st.integers(1, 600))
def test_chunks_of_any_size_make_the_module(module: bytes, size: int) -> None:
    deploy = replace(DEPLOY, size=len(module), sha256=hashlib.sha256(module).digest(), chunk_size=size)
    reception = Reception(deploy, 500)
    parts = [module[start : start + size] for start in range(0, len(module), size)]
    assert reception.chunks == len(parts)
    results = [reception.add(ModuleChunk("app", index, part)) for index, part in enumerate(parts)]
    assert results == [None] * (len(parts) - 1) + [module]


def test_a_repeated_chunk_changes_nothing() -> None:
    reception = Reception(DEPLOY, 100)
    for index in (0, 0, 1, 0, 1, 2):
        assert reception.add(chunk(index)) is None
    assert reception.held == 90
    assert reception.add(chunk(3)) == MODULE


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (chunk(1), "chunk 1 came when 0 was due"),
        (ModuleChunk("app", 0, b"short"), "holds 5 bytes, not 30"),
        (ModuleChunk("app", 0, bytes(31)), "holds 31 bytes, not 30"),
        (ModuleChunk("app", 0, b""), "holds 0 bytes, not 30"),
    ],
)
def test_a_wrong_chunk_ends_it(wrong: ModuleChunk, words: str) -> None:
    with pytest.raises(DeploymentRefused, match=words) as refused:
        Reception(DEPLOY, 100).add(wrong)
    assert refused.value.code == DeploymentCode.BAD_CHUNK


def test_the_last_chunk_holds_the_rest_and_no_more() -> None:
    reception = Reception(DEPLOY, 100)
    for index in range(3):
        reception.add(chunk(index))
    with pytest.raises(DeploymentRefused, match="holds 30 bytes, not 10"):
        reception.add(ModuleChunk("app", 3, bytes(30)))


def test_another_hash_than_announced() -> None:
    reception = Reception(replace(DEPLOY, sha256=bytes(32)), 100)
    for index in range(3):
        reception.add(chunk(index))
    with pytest.raises(DeploymentRefused, match="announced was 0000") as refused:
        reception.add(chunk(3))
    assert refused.value.code == DeploymentCode.HASH_MISMATCH


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"size": 101}, DeploymentCode.TOO_LARGE),
        ({"size": 0}, DeploymentCode.BAD_CHUNK),
        ({"chunk_size": 0}, DeploymentCode.BAD_CHUNK),
    ],
)
def test_an_announcement_that_cannot_be(changes: dict[str, int], code: DeploymentCode) -> None:
    with pytest.raises(DeploymentRefused) as refused:
        Reception(replace(DEPLOY, **changes), 100)  # type: ignore[arg-type]
    assert refused.value.code == code
