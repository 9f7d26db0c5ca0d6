"""Runs pytest again and again, each time in a copy of a process that has imported it.

Of a run of a few simulated scenarios, two thirds are imports.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["run_pytest"]

_IMPORTED = [
    "pytest",
    "_pytest.junitxml",
    "harness.boards.virtual",
    "harness.clusters.embedded",
    "harness.gateways.reference",
    "harness.pytest_plugin.session",
    "harness.reporting.finish",
    "harness.sim.tier",
    "harness.stack.boards",
    "harness.stack.hosted",
]


def run_pytest(arguments: Sequence[str], environment: Mapping[str, str], output: Path, within: float) -> int | None:
    """Run pytest in this folder, with its output in a file; returns its exit code, or None if it did not end within
    that many seconds. The process that is copied ends with this one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED)
    copy = context.Process(target=_run, args=(tuple(arguments), dict(environment), str(output)))
    copy.start()
    try:
        copy.join(within)
        return copy.exitcode
    finally:
        if copy.is_alive():
            copy.kill()
            copy.join()
        copy.close()


def _run(arguments: tuple[str, ...], environment: dict[str, str], output: str) -> None:
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.environ.clear()
    os.environ.update(environment)
    import pytest

    sys.argv = ["pytest", *arguments]
    sys.exit(pytest.main(list(arguments)))
