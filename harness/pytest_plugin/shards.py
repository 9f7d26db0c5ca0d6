"""Cuts a suite into shards, each for a pytest of its own elsewhere: the indexes of a Kubernetes Job, for example.

A test's shard follows from its id alone, so all agree without asking each other, whatever each of them selects.
"""

from __future__ import annotations

import re
from hashlib import sha256

import pytest

from harness.core.errors import UsageError

__all__ = ["keep_shard", "parse_shard"]

_FORM = re.compile(r"([0-9]{1,6})/([0-9]{1,6})", re.ASCII)


def parse_shard(text: str) -> tuple[int, int]:
    """Index and number of shards, from ``INDEX/NUMBER``. Raises UsageError."""
    found = _FORM.fullmatch(text)
    index, number = (int(found[1]), int(found[2])) if found is not None else (0, 0)
    if index >= number:
        raise UsageError(
            f"{text!r} is not a shard", where="--shard", do="write INDEX/NUMBER, as 0/4 for the first of four"
        )
    return index, number


def keep_shard(config: pytest.Config, items: list[pytest.Item], index: int, number: int) -> None:
    """Deselect the tests of the other shards."""
    kept: list[pytest.Item] = []
    others: list[pytest.Item] = []
    for item in items:
        (kept if _shard(item.nodeid, number) == index else others).append(item)
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = kept


def _shard(test: str, number: int) -> int:
    return int.from_bytes(sha256(test.encode("utf-8", "surrogatepass")).digest()[:8]) % number
