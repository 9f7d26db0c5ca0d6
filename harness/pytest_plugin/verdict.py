"""The record of a test with a stack while it runs: what is known of it, who is to blame for its errors, its folder."""

from __future__ import annotations

import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType

import pytest

from harness.core.errors import HarnessError, RigError, UsageError
from harness.pytest_plugin.names import case_of, rerun_command
from harness.pytest_plugin.reported import ReportedTest
from harness.pytest_plugin.reports import explain, phase_of, tell_lost
from harness.pytest_plugin.run import PytestRun
from harness.pytest_plugin.settings import options_of
from harness.reporting import allure
from harness.reporting.junit import properties_of
from harness.reporting.runs import read_test
from harness.reporting.verdict import UNKNOWN, PhaseResult, Verdict, blame_for, worst

__all__ = ["Recorded", "begin", "explain_failure", "record", "recorded", "trim_traceback"]


@dataclass
class Recorded:
    """One attempt of a test, on its way."""

    verdict: Verdict
    folder: Path | None = None
    """Where it is recorded, once something is."""
    made: list[PhaseResult] | None = None
    """What its phases came to so far, before pytest reported them."""

    @property
    def outcome(self) -> str:
        """How it ends, as far as is known."""
        bad = worst(self.made or ())
        return "passed" if bad is None else bad.outcome


RECORDED = pytest.StashKey[Recorded]()


def has_stack(item: pytest.Item) -> bool:
    """Whether a test asks for a stack among its arguments, or has asked for one by ``request.getfixturevalue``."""
    return "stack" in getattr(item, "fixturenames", ()) or RECORDED in item.stash


def recorded(item: pytest.Item) -> Recorded:
    """The record of ``item``, made when it is first asked for."""
    if RECORDED not in item.stash:
        item.stash[RECORDED] = Recorded(_verdict(item))
    return item.stash[RECORDED]


def folder_of(item: pytest.Item) -> Path:
    """Where ``item`` is recorded: a folder of its own, the same for every attempt."""
    found = recorded(item)
    if found.folder is None:
        found.folder = PytestRun.of(item.config).folder.claim(found.verdict.test)
    return found.folder


def begin(item: pytest.Item) -> None:
    """A test begins, or is tried once more: what an earlier attempt left stays beside."""
    earlier = item.stash.get(RECORDED, None)
    if earlier is not None:
        del item.stash[RECORDED]
        _keep_attempt(item, earlier.folder)
    elif getattr(item, "execution_count", 1) > 1:  # of pytest-rerunfailures: the worker of the attempt before died
        run = PytestRun.of(item.config)
        folders = run.folder.claimed(recorded(item).verdict.test)
        known = read_test(folders[-1], histories=False).details.get("attempts") if folders else None
        run.reported.resume(item.nodeid, item.location, known or [])
        _keep_attempt(item, folders[-1] if folders else None)
    verdict = recorded(item).verdict
    allure.begin_test(verdict.options or {}, severity=verdict.severity, links=verdict.links)


def explain_failure(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
    """Add to ``report`` who is to blame, and have it say in words what the harness's own errors say."""
    found = recorded(item)
    error = _error(call)
    if error is not None and (report.failed or isinstance(error, RigError)):
        found.verdict.line = _line(item, error) or found.verdict.line
        explain(report, blame_for(error) or UNKNOWN, str(error) if isinstance(error, HarnessError) else None)
        _tell(item, report, error)
    elif report.failed:  # pytest's own: a strict xfail that passed
        explain(report, UNKNOWN)
    phase = phase_of(report)
    found.made = [*(found.made or ()), *([phase] if phase is not None else [])]


def record(item: pytest.Item, test: ReportedTest, report: pytest.TestReport) -> None:
    """All is reported: write the result, and hand it to whoever else wants it - JUnit files, Allure."""
    verdict, run = recorded(item).verdict, PytestRun.of(item.config)
    test.tell(verdict)
    if not run.records:
        return
    folder = folder_of(item)
    report.user_properties += properties_of(verdict.record(folder))
    verdict.write(folder)
    trouble = allure.end_test(folder) if allure.results_folder() is not None else None
    test.lost = verdict.lost or trouble
    if test.lost is not None:
        tell_lost(report, test.lost)


def _verdict(item: pytest.Item) -> Verdict:
    run = PytestRun.of(item.config)
    description = getattr(getattr(item, "obj", None), "__doc__", None) or ""
    # pytest-xdist adds the group to the id with --dist=loadgroup: no command line knows it by that.
    nodeid = f"{item.parent.nodeid}::{item.name}" if item.parent is not None else item.nodeid
    try:
        used = options_of(item, run.options)
    except UsageError:
        used = run.options
    used = used.replace(modules=run.options.modules)
    command = rerun_command(item.config, nodeid, run.options.arguments(run.defaults))
    verdict = Verdict.of(run.name_of(item), description, used, command)
    path, line, _ = item.location
    verdict.file, verdict.line, verdict.case = path, (line or 0) + 1, case_of(item.nodeid)
    verdict.severity = next((str(marker.args[0]) for marker in item.iter_markers("severity")), None)
    verdict.links = [_link(*marker.args, **marker.kwargs) for marker in item.iter_markers("link")]
    return verdict


def _keep_attempt(item: pytest.Item, folder: Path | None) -> None:
    recorded(item).folder = folder
    if folder is None:
        return
    number = 1 + len(list(folder.glob("history-attempt-*.jsonl")))
    for path in (folder / "history.jsonl", *folder.glob("*.svg")):
        if "-attempt-" not in path.stem:
            with suppress(OSError):
                path.rename(path.with_name(f"{path.stem}-attempt-{number}{path.suffix}"))


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


def _tell(item: pytest.Item, report: pytest.TestReport, error: BaseException) -> None:
    if isinstance(error, UsageError):
        line = _line(item, error)
        place = item.nodeid if line is None else f"{item.location[0]}:{line}"
        report.longrepr = f"{error}\n\n{place}: {type(error).__name__}"
    elif isinstance(error, HarnessError) and (crash := getattr(report.longrepr, "reprcrash", None)) is not None:
        crash.message = str(error)  # the line in the summary is short: no room for the name of the class
