"""The end of a session: counts blame, and writes the results that no process has written yet.

The process that ran a test with a stack has recorded it. The rest are tests without a stack, failed collections, and
tests whose worker died.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from harness.pytest_plugin.names import case_of, rerun_command
from harness.pytest_plugin.reported import ReportedTest
from harness.pytest_plugin.reports import phase_of
from harness.reporting import allure
from harness.reporting.run_folder import RunFolder
from harness.reporting.tally import Tally
from harness.reporting.verdict import Verdict, worst

__all__ = ["count", "crash_report", "leave"]


def crash_report(test: ReportedTest, node: Any) -> pytest.TestReport:
    """The report that xdist makes of a test whose worker died."""
    return pytest.TestReport(
        nodeid=test.nodeid,
        location=test.location,
        keywords={},
        outcome="failed",
        longrepr=f"worker {test.worker!r} crashed while running {test.nodeid!r}",
        when="???",  # type: ignore[arg-type]
        node=node,
    )


def count(tests: Iterable[ReportedTest], folder: RunFolder, tally: Tally) -> bool:
    """Add the blame of each failure to ``tally``. Returns whether each failed test had a stack: the harness does not
    judge the others, and leaves the exit code to pytest."""
    judged = True
    for test in tests:
        bad = worst(test.phases)
        if bad is None:
            continue
        if bad.outcome != "failed" or test.judged or (test.crashed and _record(test, folder) is not None):
            tally.count(test.name, bad.outcome, bad.blame, bad.message)
        else:
            judged = False
    return judged


def leave(
    config: pytest.Config,
    folder: RunFolder,
    tests: Iterable[ReportedTest],
    not_collected: Iterable[pytest.CollectReport],
) -> list[str]:
    """Write the missing results, so that each output has each test once. Returns error texts."""
    missing = [_not_collected(config, report) for report in not_collected]
    unseen = [verdict.record(None) for verdict in missing]
    """Tests whose end Allure's plugin has not seen."""
    trouble = []
    for test in tests:
        record = _record(test, folder)
        if record is not None and test.finished and not test.crashed:
            continue
        verdict = _verdict(config, test, record)
        if record is None:
            missing.append(verdict)
        elif test.crashed:
            verdict.write(record)
            trouble += [f"{test.name}: {verdict.lost}"] if verdict.lost else []
        if test.crashed:
            unseen.append(verdict.record(record))
    if allure.results_folder() is not None:
        trouble += [error for record in unseen if (error := allure.add_missing(record))]
    if lost := folder.leave(missing):
        trouble.append(f"{len(missing)} tests without a stack are missing from all outputs: {lost}")
    return trouble


def _record(test: ReportedTest, folder: RunFolder) -> Path | None:
    """The folder that the process running ``test`` wrote; None if there is none."""
    written = [claimed for claimed in folder.claimed(test.name) if (claimed / "result.json").exists()]
    return written[-1] if written else None


def _verdict(config: pytest.Config, test: ReportedTest, record: Path | None) -> Verdict:
    verdict = Verdict.read(record) if record is not None else None
    if verdict is None:
        path, line, _ = test.location
        verdict = Verdict(test.name, "", rerun=rerun_command(config, test.nodeid), case=case_of(test.nodeid))
        verdict.file, verdict.line = path, None if line is None else line + 1
    test.write_into(verdict)
    if not test.finished:
        verdict.interrupt()
    return verdict


def _not_collected(config: pytest.Config, report: pytest.CollectReport) -> Verdict:
    phase = phase_of(report)
    verdict = Verdict(report.nodeid, "", rerun=rerun_command(config, report.nodeid), case=case_of(report.nodeid))
    verdict.file = report.fspath or None
    verdict.judge([phase] if phase is not None else [])
    return verdict
