"""Lets a run of the whole matrix go on where it was stopped, and writes its table.

``reports/matrix/results.jsonl`` has a line for each cell and the digest of the sources that it was judged with.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "reports" / "matrix"
RESULTS = FOLDER / "results.jsonl"
TESTS = "tests/faults/test_matrix.py::"


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("WASMBED_MATRIX") == "all":
        config.pluginmanager.register(Matrix(hasattr(config, "workerinput")), "matrix")


class Matrix:
    """The hooks of a run of the whole matrix; only the first process writes, not the workers."""

    def __init__(self, is_worker: bool) -> None:
        self._is_worker, self._digest = is_worker, digest()
        self._known = known(self._digest)

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out what is known to pass."""
        done = [item for item in items if self._known.get(cell_of(item.nodeid), "failed") != "failed"]
        if done:
            config.hook.pytest_deselected(items=done)
            left = set(map(id, done))
            items[:] = [item for item in items if id(item) not in left]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if self._is_worker or TESTS not in report.nodeid or (report.when != "call" and report.passed):
            return
        outcome = report.outcome
        if outcome == "skipped":
            outcome = "not there" if "does not come" in str(report.longrepr) else "cannot strike"  # type: ignore[assignment]
        FOLDER.mkdir(parents=True, exist_ok=True)
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"cell": cell_of(report.nodeid), "outcome": outcome, "digest": self._digest}) + "\n")

    def pytest_sessionfinish(self) -> None:
        if not self._is_worker and RESULTS.exists():
            from tests.faults.table import write_table

            write_table(known(self._digest), FOLDER / "matrix.md")


def cell_of(nodeid: str) -> str:
    return nodeid.partition("[")[2].removesuffix("]")


def known(digest: str) -> dict[str, str]:
    """The outcomes so far, by cell, of runs with the same sources."""
    lines = RESULTS.read_text("utf-8").splitlines() if RESULTS.exists() else []
    found = [json.loads(line) for line in lines if line.endswith("}")]
    return {each["cell"]: each["outcome"] for each in found if each["digest"] == digest}


def digest() -> str:
    """A digest of everything that a cell's outcome depends on."""
    total = hashlib.sha256(os.environ.get("WASMBED_MATRIX_BOARDS", "sim").encode())
    for path in sorted(_sources()):
        total.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:16]


def _sources() -> Iterable[Path]:
    yield from (ROOT / "harness").rglob("*.py")
    yield from (ROOT / "tests" / "faults").glob("*.py")
    yield from (ROOT / "scenarios" / "sequences").rglob("*.mmd")
    yield from (ROOT / "scenarios" / "modules").glob("*.wat")
