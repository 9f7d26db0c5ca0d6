"""The limit of file descriptors is raised, and errors about it name the limit."""

import errno
import subprocess
import sys

import pytest

from harness.core.errors import reason

PROGRAM = """
import logging, os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
from harness.core import descriptors
print(descriptors.raise_limit(), resource.getrlimit(resource.RLIMIT_NOFILE))
before = descriptors.available()
ends = os.pipe()
print(before - descriptors.available(), descriptors.explain(24))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "printed"),
    [
        (100, 300, ["file descriptors: soft limit raised from 100 to the hard limit, 300", "300 (300, 300)"]),
        (300, 300, ["300 (300, 300)"]),
    ],
)
def test_the_soft_limit_becomes_the_hard_one(soft: int, hard: int, printed: list[str]) -> None:
    command = [sys.executable, "-c", PROGRAM, str(soft), str(hard)]
    *lines, last = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines == printed
    assert last.startswith(f"2 Too many open files (the limit is {hard}; raise it: ulimit -Hn in a root shell, ")


def test_an_error_for_lack_of_descriptors_names_the_limit() -> None:
    error = OSError(errno.EMFILE, "Too many open files", "/some/file")
    assert "the limit is" in reason(error)
    assert "LimitNOFILE=" in reason(error)
