"""pytest's reports: adds blame to them, and reads the result of a test's phase from them.

The harness adds attributes to a report. pytest-xdist carries them from the worker to its controller.
"""

from __future__ import annotations

import re

import pytest

from harness.core.errors import RigError
from harness.reporting.verdict import PhaseResult

__all__ = ["blame_of", "explain", "is_subtest", "keep_unjudged", "lost_of", "phase_of", "set_lost"]

_BLAME, _MESSAGE, _LOST, _PARTY = "wasmbed_blame", "wasmbed_message", "wasmbed_lost", "wasmbed_party"
_PHASES = ("setup", "call", "teardown", "collect")
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")

Report = pytest.TestReport | pytest.CollectReport


def explain(report: pytest.TestReport, blame: str, message: str | None = None, party: str = "") -> None:
    """Add the blame for a failure, the part of the product that the record convicts, and for one of the harness's own
    errors its message."""
    setattr(report, _BLAME, blame)
    setattr(report, _MESSAGE, message)
    setattr(report, _PARTY, party)


def blame_of(report: Report) -> str | None:
    """The blame for the failure of a test with a stack: ``product``, ``rig``, ``usage``, ``unknown``."""
    return getattr(report, _BLAME, None)


def set_lost(report: pytest.TestReport, reason: str) -> None:
    """Add the reason why the test's history is incomplete."""
    setattr(report, _LOST, reason)


def lost_of(report: pytest.TestReport) -> str | None:
    """Why the test's history is incomplete; None if it is complete."""
    return getattr(report, _LOST, None)


def is_subtest(report: Report) -> bool:
    """Whether a report is of a subtest: pytest's ``subtests``, the plugin's before pytest 9, or unittest's."""
    return type(report).__name__.lower() == "subtestreport"


def phase_of(report: Report) -> PhaseResult | None:
    """The result of a phase; None if it passed, and for a subtest that does not affect its test."""
    when = "subtest" if is_subtest(report) else report.when if report.when in _PHASES else "crash"
    outcome = str(report.outcome)
    blame = blame_of(report)
    if blame == RigError.blame and outcome != "passed":
        return PhaseResult("not run", _message(report).removeprefix("not run: "), blame, when)
    if outcome in ("failed", "rerun"):  # pytest-rerunfailures' "rerun": it failed and is tried again
        known = blame if blame != "unknown" else None
        party = getattr(report, _PARTY, "")
        return PhaseResult("failed", _message(report), known, when, party) if report.longrepr is not None else None
    if when == "subtest":
        return None
    reason = getattr(report, "wasxfail", None)
    if reason is not None:
        return _expected(report, str(reason).removeprefix("reason: "), when)
    return PhaseResult("skipped", _message(report), None, when) if outcome == "skipped" else None


def keep_unjudged(report: pytest.TestReport, failed_before: PhaseResult | None) -> None:
    """Make pytest count a test as skipped, shown as ``not run``, if the rig failed and the product was not judged.

    If an earlier attempt judged the product and failed, that verdict stands. The report of an attempt that is tried
    again stays unchanged.
    """
    if blame_of(report) != RigError.blame or report.outcome not in ("failed", "skipped"):
        return
    if hasattr(report, "wasxfail"):  # an expected failure of the product does not excuse the rig
        del report.wasxfail
    message = _message(report).removeprefix("not run: ")
    if failed_before is not None:
        text = f"{failed_before.message}\n\nThe last attempt was not run: {message}"
        explain(report, failed_before.blame or "unknown", text)
        report.outcome, report.longrepr = "failed", text
    else:
        path, line, _ = report.location
        report.outcome, report.longrepr = "skipped", (path, (line or 0) + 1, f"not run: {message}")


def _expected(report: Report, reason: str, when: str) -> PhaseResult:
    if report.outcome == "passed":
        return PhaseResult("unexpected pass", reason or "it was expected to fail", None, when)
    text = "" if report.longrepr is None or isinstance(report.longrepr, tuple) else f"\n\n{report.longrepr}"
    return PhaseResult("expected failure", (reason or "it was expected to fail") + text, None, when)


def _message(report: Report) -> str:
    """The message of a report. Its first line is a summary that is the same in each run."""
    if message := getattr(report, _MESSAGE, None):
        return str(message)
    longrepr = report.longrepr
    if isinstance(longrepr, tuple):
        return str(longrepr[2]).removeprefix("Skipped: ")
    text = str(longrepr)
    crash = getattr(longrepr, "reprcrash", None)
    headline = _ADDRESS.sub("", str(crash.message if crash is not None else text).partition("\n")[0])
    return text if text.partition("\n")[0] == headline else f"{headline}\n\n{text}"
