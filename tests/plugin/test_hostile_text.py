"""Text from a device is escaped in pytest's failure reports, too."""

import json
import os
import re
import subprocess
from pathlib import Path

from tests.processes import PYTEST

HOSTILE = "X\x1b]0;owned\x07\x1b[2J\x9b31m\x7f\x85\u2028\u202e\u2066\rY"
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
CODE = f"""
import pytest
from harness.core.errors import ProductFailure, RigError, UsageError
HOSTILE = {HOSTILE!r}
class Odd:
    def __repr__(self):
        return HOSTILE
async def test_product(stack):
    raise ProductFailure(HOSTILE, where=HOSTILE, do=HOSTILE)
async def test_usage(stack):
    raise UsageError(HOSTILE)
async def test_rig(stack):
    raise RigError(HOSTILE)
async def test_exception(stack):
    raise ValueError(HOSTILE)
async def test_chain(stack):
    try:
        raise OSError(HOSTILE)
    except OSError as error:
        raise ValueError(HOSTILE) from error
async def test_difference(stack):
    seen = Odd()
    assert f"one\\n{{HOSTILE}}\\ntwo" == "one\\ntwo", HOSTILE
async def test_skipped(stack):
    pytest.skip(HOSTILE)
def test_argument(stack, odd=Odd()):
    assert odd is None
@pytest.fixture
def broken(stack):
    raise ValueError(HOSTILE)
def test_in_setup(broken):
    pass
async def test_logged(stack):
    from harness.core.logs import get_log
    get_log("harness.x").warning("device %s", HOSTILE)
    assert 0
"""


def test_a_failure_report_has_no_control_characters(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(CODE)
    done = subprocess.run(
        [*PYTEST, "-rA", "--showlocals", "-vv", "--annotations=yes", "--summary=summary.md"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "WASMBED_"))},
        capture_output=True,
        timeout=300,
        check=False,
    )
    output = done.stdout.decode() + done.stderr.decode()
    assert not RAW.findall(output), repr(output)
    assert output.count("X\\x1b]0;owned\\x07\\x1b[2J\\x9b31m\\x7f\\x85\\u2028\\u202e\\u2066\\rY") > 30
    assert not RAW.findall((tmp_path / "summary.md").read_text())
    results = [json.loads(path.read_text()) for path in tmp_path.glob("reports/*/*/result.json")]
    assert len(results) == 10
    assert not [result for result in results if RAW.findall(result["message"])]
