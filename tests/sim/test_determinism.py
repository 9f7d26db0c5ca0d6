"""The same seed gives the same decoded history, in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from harness.sim import SimNativeTier
from harness.sim.canonical import canonical

MISSING = SimNativeTier.unavailable()
ROOT = Path(__file__).resolve().parents[2]


def history(boards: str, folder: Path, seed: int, hash_seed: int) -> list[bytes]:
    """The history of the program ``life.py``, canonical."""
    command = [sys.executable, str(Path(__file__).with_name("life.py")), boards, str(seed), str(folder)]
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return list(canonical((folder / "history.jsonl").read_bytes().splitlines()))


@pytest.mark.parametrize(
    "boards",
    ["sim", pytest.param("sim-native", marks=pytest.mark.skipif(MISSING is not None, reason=str(MISSING)))],
)
def test_one_seed_gives_one_history(tmp_path: Path, boards: str) -> None:
    """Two processes with different hashes of strings, so with another order of sets, tell the same story; another seed
    tells another one."""
    first, again = history(boards, tmp_path / "1", 7, 1), history(boards, tmp_path / "2", 7, 2)
    assert len(first) > 500
    assert first == again
    assert first != history(boards, tmp_path / "3", 8, 1)


def test_what_comes_from_keys_is_named_in_order() -> None:
    """Keys, serial numbers, and the digests of signed documents get names; raw frames are left out."""
    lines = [
        orjson.dumps({"data": {"frame": "00", "publicKey": "A", "certificate": {"serial": "1", "size": 3}}}),
        orjson.dumps({"data": {"certificate": {"sha256": "x", "subject": "d"}}}),
        orjson.dumps({"data": {"spec": {"publicKey": "A"}, "sha256": "of a module", "size": 4, "csr": None}}),
        orjson.dumps({"data": [{"publicKey": "B", "serial": None}]}),
    ]
    assert [orjson.loads(line)["data"] for line in canonical(lines)] == [
        {"publicKey": "publicKey 1", "certificate": {"serial": "serial 2"}},
        {"certificate": {"sha256": "sha256 3", "subject": "d"}},
        {"spec": {"publicKey": "publicKey 1"}, "sha256": "of a module", "size": 4, "csr": None},
        [{"publicKey": "publicKey 4", "serial": None}],
    ]
