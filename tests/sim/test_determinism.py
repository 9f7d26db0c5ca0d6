"""The same seed gives the same decoded history, in every process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from harness.sim import SimNativeTier
from harness.sim.canonical import canonical

MISSING = SimNativeTier.unavailable()
ROOT = Path(__file__).resolve().parents[2]


LIVES = 5
"""In each of two processes."""
NEEDED = (
    'import aiohttp, cbor2, cryptography, wasmtime; from importlib.metadata import version; version("wasmbed-harness")'
)
"""Fails on a Python without the harness, as an installed distribution, and what it needs."""


def histories(
    boards: str, folder: Path, seed: int, hash_seed: int, lives: int = 1, python: str = sys.executable
) -> list[list[bytes]]:
    """The histories of the program ``life.py``, canonical."""
    command = [python, str(Path(__file__).with_name("life.py")), boards, str(seed), str(folder), str(lives)]
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    files = [folder / str(number) / "history.jsonl" for number in range(lives)]
    return [list(canonical(file.read_bytes().splitlines())) for file in files]


@pytest.mark.parametrize(
    "boards",
    [
        "sim",
        pytest.param(
            "sim-native",
            marks=[pytest.mark.system("ten lives"), pytest.mark.skipif(MISSING is not None, reason=str(MISSING))],
        ),
    ],
)
def test_one_seed_gives_one_history(tmp_path: Path, boards: str) -> None:
    """Ten runs in two processes with different hashes of strings, so with another order of sets, tell the same story;
    another seed tells another one."""
    found = histories(boards, tmp_path / "a", 7, 1, LIVES) + histories(boards, tmp_path / "b", 7, 2, LIVES)
    assert len(found[0]) > 500
    assert all(each == found[0] for each in found[1:])
    assert histories(boards, tmp_path / "c", 8, 1) != [found[0]]


def other_pythons() -> list[str]:
    """The other Pythons of this machine that have what a simulation needs."""
    names = [f"python3.{minor}" for minor in (11, 12, 13) if minor != sys.version_info.minor]
    programs = [os.environ.get("WASMBED_OTHER_PYTHON"), *map(shutil.which, names)]
    return [
        each
        for each in programs
        if each is not None and subprocess.run([each, "-c", NEEDED], capture_output=True, check=False).returncode == 0
    ]


def test_every_python_tells_the_same_history(tmp_path: Path) -> None:
    """Python 3.11 to 3.13 run one seed alike."""
    others = other_pythons()
    if not others:
        pytest.skip("no other Python with the harness's dependencies; WASMBED_OTHER_PYTHON may name one")
    (here,) = histories("sim", tmp_path / "here", 7, 1)
    for number, python in enumerate(others):
        assert histories("sim", tmp_path / str(number), 7, 1, python=python) == [here], python


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
