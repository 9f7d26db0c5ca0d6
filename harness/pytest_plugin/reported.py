"""Combines pytest's reports into one outcome for each test of a session.

The process that runs the tests uses it, and so does pytest-xdist's controller, which also gets reports of tests whose
worker died.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from harness.core.errors import RigError
from harness.pytest_plugin.names import unique_name
from harness.pytest_plugin.reports import blame_of, explain, is_subtest, keep_unjudged, lost_of, phase_of
from harness.reporting.verdict import PhaseResult, Verdict, worst

__all__ = ["ReportedTest", "ReportedTests"]


@dataclass
class ReportedTest:
    """The reports of one test so far. The attempts of pytest-rerunfailures belong to one test."""

    nodeid: str
    name: str
    """Unique in the run."""
    location: tuple[str, int | None, str]
    worker: str | None = None
    phases: list[PhaseResult] = field(default_factory=list)
    """The phases of the current attempt that did not simply pass."""
    parts: dict[str, float] = field(default_factory=dict)
    attempts: list[str] = field(default_factory=list)
    """The outcomes of earlier attempts."""
    failed_before: PhaseResult | None = None
    """The failure of the last earlier attempt that failed."""
    lost: str | None = None
    judged: bool = False
    """Whether blame was decided, even if it is unknown: true for a test with a stack."""
    crashed: bool = False
    finished: bool = False
    again: bool = False
    """Whether another attempt follows."""
    index: int | None = None

    @property
    def outcome(self) -> str:
        """The outcome of the current attempt so far."""
        bad = worst(self.phases)
        return "passed" if bad is None else bad.outcome

    def begin_attempt(self) -> None:
        """Start another attempt: the next reports belong to it."""
        if self.outcome == "failed":
            self.failed_before = worst(self.phases)
        self.attempts.append(self.outcome)
        self.phases, self.parts = [], {}
        self.finished = self.again = self.crashed = False

    def take(self, report: pytest.TestReport) -> None:
        """Add a report of this test."""
        if self._rig_failed_in_subtest(report):
            report.outcome = "failed"  # keep_unjudged corrects it
        keep_unjudged(report, self.failed_before)
        phase = phase_of(report)
        if phase is not None:
            self.phases.append(phase)
        self.crashed |= phase is not None and phase.when == "crash"
        self.finished = self.crashed or report.when == "teardown"
        self.again |= str(report.outcome) == "rerun"
        self.judged |= blame_of(report) is not None
        self.lost = lost_of(report) or self.lost
        if not is_subtest(report) and not self.crashed:
            self.parts[report.when] = report.duration

    def write_into(self, verdict: Verdict) -> None:
        """Copy the reported results into ``verdict``."""
        verdict.judge(self.phases)
        verdict.parts, verdict.duration = dict(self.parts), sum(self.parts.values())
        verdict.attempts, verdict.worker = list(self.attempts), self.worker

    def _rig_failed_in_subtest(self, report: pytest.TestReport) -> bool:
        """Whether only the rig failed in the subtests of a test that is about to pass."""
        subtests = [phase for phase in self.phases if phase.when == "subtest"]
        if report.when != "call" or is_subtest(report) or not report.passed or not subtests:
            return False
        if any(phase.outcome == "failed" for phase in subtests):
            return False
        explain(report, RigError.blame, subtests[0].message)
        return True


class ReportedTests:
    """All reported tests, in the order of their first reports. ``worker`` is this process's worker name, if it is a
    worker. ``each`` says whether each worker runs all tests: a test is then counted once for each worker."""

    def __init__(self, *, worker: str | None = None, each: bool = False) -> None:
        self._worker, self._each = worker, each
        self._tests: dict[tuple[str, str], list[ReportedTest]] = {}

    def __iter__(self) -> Iterator[ReportedTest]:
        return (test for same in self._tests.values() for test in same)

    def take(self, report: pytest.TestReport) -> ReportedTest:
        """Add ``report`` to its test, and return that test."""
        worker, crashed = worker_of(report) or self._worker, report.when not in ("setup", "call", "teardown")
        same = self._tests.setdefault((report.nodeid, (worker or "") if self._each else ""), [])
        index = getattr(report, "item_index", None)
        known = [test for test in same if None in (index, test.index) or test.index == index]
        test = known[-1] if known else None
        if test is not None and test.again and (crashed or report.when == "setup" or is_subtest(report)):
            test.begin_attempt()  # older versions of pytest-rerunfailures do not report the last teardown
        elif test is None or (test.finished and not crashed):
            name = unique_name(report.nodeid, worker if self._each else None, len(same) + 1)
            test = ReportedTest(report.nodeid, name, report.location, index=index)
            same.append(test)
        test.worker = worker or test.worker
        test.take(report)
        return test

    def resume(self, nodeid: str, location: tuple[str, int | None, str], attempts: list[str]) -> None:
        """Add a test that is tried again here because its worker died, after earlier ``attempts``."""
        died = PhaseResult("failed", "the worker of the previous attempt died", None, "crash")
        test = ReportedTest(nodeid, unique_name(nodeid), location, attempts=[*attempts, "failed"], failed_before=died)
        self._tests.setdefault((nodeid, ""), []).append(test)


def worker_of(report: pytest.TestReport) -> str | None:
    """The pytest-xdist worker that sent a report; None without one."""
    node = getattr(report, "node", None)  # a report of a crash has only this
    return getattr(report, "worker_id", None) or (str(node.gateway.id) if node is not None else None)
