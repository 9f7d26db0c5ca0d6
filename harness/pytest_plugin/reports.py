"""pytest's reports: what the harness adds to them, and what they say of a phase of a test.

What is added are attributes. pytest-xdist carries those of the process that runs a test to its controller.
"""

from __future__ import annotations

import re

import pytest

from harness.core.errors import RigError
from harness.reporting.verdict import PhaseResult

__all__ = ["blame_of", "explain", "is_subtest", "keep_unjudged", "lost_of", "phase_of", "tell_lost"]

_BLAME, _TOLD, _LOST, _PARTY = "wasmbed_blame", "wasmbed_told", "wasmbed_lost", "wasmbed_party"
_PHASES = ("setup", "call", "teardown", "collect")
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")

Report = pytest.TestReport | pytest.CollectReport


def explain(report: pytest.TestReport, blame: str, told: str | None = None, party: str = "") -> None:
    """Add who is to blame for a failure, and how the harness tells it, if the error is one of its own."""
    setattr(report, _BLAME, blame)
    setattr(report, _TOLD, told)
    setattr(report, _PARTY, party)


def blame_of(report: Report) -> str | None:
    """Who is to blame for what went wrong in a test with a stack: ``product``, ``rig``, ``usage``, ``unknown``."""
    return getattr(report, _BLAME, None)


def tell_lost(report: pytest.TestReport, why: str) -> None:
    """Add why the test's record is incomplete."""
    setattr(report, _LOST, why)


def lost_of(report: pytest.TestReport) -> str | None:
    """Why the test's record is incomplete; None where it is whole."""
    return getattr(report, _LOST, None)


def is_subtest(report: Report) -> bool:
    """Whether it is of a part of a test: pytest's ``subtests``, those of the plugin before pytest 9, unittest's."""
    return type(report).__name__.lower() == "subtestreport"


def phase_of(report: Report) -> PhaseResult | None:
    """What a phase came to; None where it passed, and for a subtest that does not decide over its test."""
    when = "subtest" if is_subtest(report) else report.when if report.when in _PHASES else "crash"
    outcome = str(report.outcome)
    blame = blame_of(report)
    if blame == RigError.blame and outcome != "passed":
        return PhaseResult("not run", _told(report).removeprefix("not run: "), blame, when)
    if outcome in ("failed", "rerun"):  # "rerun" of pytest-rerunfailures: it failed, and is tried again
        known = blame if blame != "unknown" else None
        party = getattr(report, _PARTY, "")
        return PhaseResult("failed", _told(report), known, when, party) if report.longrepr is not None else None
    if when == "subtest":
        return None
    reason = getattr(report, "wasxfail", None)
    if reason is not None:
        return _expected(report, str(reason).removeprefix("reason: "), when)
    return PhaseResult("skipped", _told(report), None, when) if outcome == "skipped" else None


def keep_unjudged(report: pytest.TestReport, failed_before: PhaseResult | None) -> None:
    """Where the rig failed, pytest counts the test as skipped, and the terminal as ``not run``: nothing was learned.

    Unless an earlier attempt of the test judged the product and failed: that verdict stands. An attempt that is tried
    again stays as it is.
    """
    if blame_of(report) != RigError.blame or report.outcome not in ("failed", "skipped"):
        return
    if hasattr(report, "wasxfail"):  # to expect that the product fails says nothing of the rig
        del report.wasxfail
    told = _told(report).removeprefix("not run: ")
    if failed_before is not None:
        text = f"{failed_before.message}\n\nThe last attempt was not run: {told}"
        explain(report, failed_before.blame or "unknown", text)
        report.outcome, report.longrepr = "failed", text
    else:
        path, line, _ = report.location
        report.outcome, report.longrepr = "skipped", (path, (line or 0) + 1, f"not run: {told}")


def _expected(report: Report, reason: str, when: str) -> PhaseResult:
    if report.outcome == "passed":
        return PhaseResult("unexpected pass", reason or "it was expected to fail", None, when)
    text = "" if report.longrepr is None or isinstance(report.longrepr, tuple) else f"\n\n{report.longrepr}"
    return PhaseResult("expected failure", (reason or "it was expected to fail") + text, None, when)


def _told(report: Report) -> str:
    """The message of a report; its first line says it in short, and the same in every run."""
    if told := getattr(report, _TOLD, None):
        return str(told)
    longrepr = report.longrepr
    if isinstance(longrepr, tuple):
        return str(longrepr[2]).removeprefix("Skipped: ")
    text = str(longrepr)
    crash = getattr(longrepr, "reprcrash", None)
    headline = _ADDRESS.sub("", str(crash.message if crash is not None else text).partition("\n")[0])
    return text if text.partition("\n")[0] == headline else f"{headline}\n\n{text}"
