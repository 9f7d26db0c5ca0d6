"""How a test ended and who is to blame: pytest's reports corrected, and ``result.json``.

What the rig could not judge is neither passed nor failed: pytest counts it apart, as ``not run``.
"""

from __future__ import annotations

import shlex
from types import TracebackType

import pytest

from harness.core.errors import HarnessError, RigError, UsageError
from harness.pytest_plugin.run import BLAME, Run
from harness.pytest_plugin.settings import options_of
from harness.reporting.verdict import UNKNOWN, Verdict, blame_for

__all__ = ["VERDICT", "judge_phase", "trim_traceback", "verdict_of"]

VERDICT = pytest.StashKey[Verdict]()
"""Where a test keeps what is known of how it ends."""


def verdict_of(item: pytest.Item) -> Verdict:
    """The verdict on ``item``, made when it is first asked for."""
    if VERDICT not in item.stash:
        run = Run.of(item.config)
        title = (getattr(getattr(item, "obj", None), "__doc__", None) or "").strip().partition("\n")[0]
        rerun = shlex.join(["pytest", item.nodeid, *run.options.arguments(run.defaults)])
        try:
            used = options_of(item, run.options)
        except UsageError:
            used = run.options
        used = used.replace(modules=run.options.modules)
        item.stash[VERDICT] = Verdict.of(item.nodeid, title, used, rerun)
    return item.stash[VERDICT]


def judge_phase(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
    """Take one phase's report into the verdict, and make the report say what it should.

    The blame goes into the report's properties, with which it travels from an xdist worker to the controller and into
    JUnit files.
    """
    verdict = verdict_of(item)
    verdict.duration += call.duration
    error = _error(call)
    if error is not None:
        _blame(item, report, error)
        verdict.take(error, str(report.longrepr))
    elif report.skipped:
        verdict.skip(str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr))
    if report.when == "teardown":
        verdict.write(Run.of(item.config).folder.of(item.nodeid))


def trim_traceback(call: pytest.CallInfo[None]) -> None:
    """Leave the harness's own frames out of the traceback of an error that is made for people: it says what it has to
    say in words, and the test's own line is the one to look at."""
    if call.excinfo is None or not isinstance(error := call.excinfo.value, HarnessError):
        return
    trace, kept = error.__traceback__, []
    while trace is not None:
        if not str(trace.tb_frame.f_globals.get("__name__", "")).startswith("harness."):
            kept.append(trace)
        trace = trace.tb_next
    own: TracebackType | None = None
    for each in reversed(kept):
        own = TracebackType(own, each.tb_frame, each.tb_lasti, each.tb_lineno)
    if own is not None:
        call.excinfo = pytest.ExceptionInfo.from_exception(error.with_traceback(own))


def _error(call: pytest.CallInfo[None]) -> BaseException | None:
    if call.excinfo is None or isinstance(call.excinfo.value, pytest.skip.Exception):
        return None
    error = call.excinfo.value
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _blame(item: pytest.Item, report: pytest.TestReport, error: BaseException) -> None:
    report.user_properties.append((BLAME, blame_for(error) or UNKNOWN))
    if isinstance(error, RigError):
        path, line, _ = item.location
        report.outcome = "skipped"
        report.longrepr = (path, (line or 0) + 1, f"not run: {error}")
    elif isinstance(error, UsageError):
        report.longrepr = f"{item.nodeid}: {error}"
    elif isinstance(error, HarnessError) and (crash := getattr(report.longrepr, "reprcrash", None)) is not None:
        crash.message = str(error)  # the line in the summary is short: no room for the name of the class
