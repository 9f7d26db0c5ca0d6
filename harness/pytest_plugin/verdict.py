"""How a test ended and who is to blame: pytest's reports corrected, and ``result.json``.

What the rig could not judge is neither passed nor failed: pytest counts it apart, as ``not run``.
"""

from __future__ import annotations

import shlex
import traceback
from contextlib import suppress
from types import FrameType, TracebackType

import pytest

from harness.core.errors import HarnessError, RigError, UsageError
from harness.pytest_plugin.run import BLAME, LOST, Run
from harness.pytest_plugin.settings import options_of
from harness.reporting import allure
from harness.reporting.junit import properties_of
from harness.reporting.verdict import UNKNOWN, Verdict, blame_for

__all__ = ["VERDICT", "begin", "judge_phase", "trim_traceback", "verdict_of"]

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
        verdict = item.stash[VERDICT] = Verdict.of(item.nodeid, title, used, rerun)
        path, line, _ = item.location
        verdict.file, verdict.line = path, (line or 0) + 1
        verdict.severity = next((str(marker.args[0]) for marker in item.iter_markers("severity")), None)
        verdict.links = [_link(*marker.args, **marker.kwargs) for marker in item.iter_markers("link")]
    return item.stash[VERDICT]


def begin(item: pytest.Item) -> None:
    """A test begins, or is tried once more."""
    earlier = item.stash.get(VERDICT, None)
    if earlier is not None:
        del item.stash[VERDICT]
        attempts = verdict_of(item).attempts = [*earlier.attempts, earlier.outcome]
        history = Run.of(item.config).folder.of(item.nodeid) / "history.jsonl"
        with suppress(OSError):
            history.rename(history.with_name(f"history-attempt-{len(attempts)}.jsonl"))
    verdict = verdict_of(item)
    allure.begin_test(verdict.options or {}, severity=verdict.severity, links=verdict.links)


def judge_phase(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
    """Take one phase's report into the verdict, and make the report say what it should.

    The blame goes into the report's properties, with which it travels from an xdist worker to the controller and into
    JUnit files.
    """
    verdict = verdict_of(item)
    verdict.duration += call.duration
    verdict.parts[call.when] = call.duration
    error = _error(call)
    if error is not None:
        _blame(item, report, error)
        verdict.line = _line(item, error) or verdict.line
        verdict.take(error, str(report.longrepr))
    elif report.skipped:
        verdict.skip(str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr))
    if report.when == "teardown":
        _leave(item, report, verdict)


def _leave(item: pytest.Item, report: pytest.TestReport, verdict: Verdict) -> None:
    """Write the result, and hand it to whoever else wants it: JUnit files, Allure."""
    folder = Run.of(item.config).folder.of(item.nodeid)
    verdict.write(folder)
    report.user_properties += properties_of(verdict.record(folder))
    trouble = allure.end_test(folder) if allure.results_folder() is not None else None
    if lost := verdict.lost or trouble:
        report.user_properties.append((LOST, lost))


def _line(item: pytest.Item, error: BaseException) -> int | None:
    """Where in the test's own file it failed."""
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if _file(frame) == str(item.path)]
    return lines[-1] if lines else None


def _file(frame: FrameType) -> str:
    return frame.f_code.co_filename


def _link(url: str, name: str | None = None, type: str = "link") -> dict[str, str]:
    return {"url": url, "name": name or url, "type": type}


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
        line = _line(item, error)
        place = item.nodeid if line is None else f"{item.location[0]}:{line}"
        report.longrepr = f"{error}\n\n{place}: {type(error).__name__}"
    elif isinstance(error, HarnessError) and (crash := getattr(report.longrepr, "reprcrash", None)) is not None:
        crash.message = str(error)  # the line in the summary is short: no room for the name of the class
