"""The verdict of a test with a stack while the test runs: its folder, its errors, and the blame for them."""

from __future__ import annotations

import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType

import pytest

from harness.core.errors import HarnessError, RigError, UsageError
from harness.pytest_plugin.names import case_of, rerun_command
from harness.pytest_plugin.reported import ReportedTest
from harness.pytest_plugin.reports import explain, phase_of, set_lost
from harness.pytest_plugin.session import Session
from harness.pytest_plugin.settings import options_of
from harness.reporting import allure
from harness.reporting.junit import properties_of
from harness.reporting.runs import read_test
from harness.reporting.verdict import UNKNOWN, PhaseResult, Verdict, blame_for, notes_of, party_for, worst

__all__ = ["Recorded", "begin", "explain_failure", "record", "recorded", "trim_traceback"]


@dataclass
class Recorded:
    """One attempt of a test in progress."""

    verdict: Verdict
    folder: Path | None = None
    """Where it is recorded, once something is recorded."""
    phases: list[PhaseResult] = field(default_factory=list)
    """The results of its phases so far that did not simply pass, before pytest reports them."""

    @property
    def outcome(self) -> str:
        """The outcome so far."""
        bad = worst(self.phases)
        return "passed" if bad is None else bad.outcome


RECORDED = pytest.StashKey[Recorded]()


def has_stack(item: pytest.Item) -> bool:
    """Whether a test takes a stack as an argument, or got one by ``request.getfixturevalue``."""
    return "stack" in getattr(item, "fixturenames", ()) or RECORDED in item.stash


def recorded(item: pytest.Item) -> Recorded:
    """The attempt of ``item`` in progress; made at the first call."""
    if RECORDED not in item.stash:
        item.stash[RECORDED] = Recorded(_verdict(item))
    return item.stash[RECORDED]


def folder_of(item: pytest.Item) -> Path:
    """The folder in which ``item`` is recorded, the same for all attempts."""
    found = recorded(item)
    if found.folder is None:
        found.folder = Session.of(item.config).folder.claim(found.verdict.test)
    return found.folder


def begin(item: pytest.Item) -> None:
    """Start a test, or another attempt of it; the files of earlier attempts are kept."""
    earlier = item.stash.get(RECORDED, None)
    if earlier is not None:
        del item.stash[RECORDED]
        _keep_attempt(item, earlier.folder)
    elif getattr(item, "execution_count", 1) > 1:  # set by pytest-rerunfailures: the previous attempt's worker died
        session = Session.of(item.config)
        folders = session.folder.claimed(recorded(item).verdict.test)
        attempts = read_test(folders[-1], histories=False).details.get("attempts") if folders else None
        session.reported.resume(item.nodeid, item.location, attempts or [])
        _keep_attempt(item, folders[-1] if folders else None)
    verdict = recorded(item).verdict
    allure.begin_test(verdict.options or {}, severity=verdict.severity, links=verdict.links)


def explain_failure(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
    """Add blame to ``report``, and show the harness's own errors by their messages."""
    found = recorded(item)
    error = _error(call)
    if error is not None and (report.failed or isinstance(error, RigError)):
        found.verdict.line = _line(item, error) or found.verdict.line
        message = "\n\n".join([str(error), *notes_of(error)]) if isinstance(error, HarnessError) else None
        if message is None and party_for(error):
            message = _with_party(report, error)
        explain(report, blame_for(error) or UNKNOWN, message, party_for(error))
        _show(item, report, error)
    elif report.failed:  # pytest's own failure: a strict xfail that passed
        explain(report, UNKNOWN)
    phase = phase_of(report)
    if phase is not None:
        found.phases.append(phase)


def record(item: pytest.Item, test: ReportedTest, report: pytest.TestReport) -> None:
    """Write the result of a test after its last report, and pass it on to JUnit files and Allure."""
    verdict = recorded(item).verdict
    test.write_into(verdict)
    if not Session.of(item.config).records:
        return
    folder = folder_of(item)
    report.user_properties += properties_of(verdict.record(folder))
    verdict.write(folder)
    trouble = allure.end_test(folder) if allure.results_folder() is not None else None
    test.lost = verdict.lost or trouble
    if test.lost is not None:
        set_lost(report, test.lost)


def _verdict(item: pytest.Item) -> Verdict:
    session = Session.of(item.config)
    description = getattr(getattr(item, "obj", None), "__doc__", None) or ""
    # With --dist=loadgroup pytest-xdist adds the group to the id, and no command line accepts that.
    nodeid = f"{item.parent.nodeid}::{item.name}" if item.parent is not None else item.nodeid
    try:
        used = options_of(item, session.options)
    except UsageError:
        used = session.options
    used = used.replace(modules=session.options.modules)
    command = rerun_command(item.config, nodeid, session.options.arguments(session.defaults))
    verdict = Verdict.of(session.name_of(item), description, used, command)
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
    """The line of the test's own file at which it failed."""
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if _file(frame) == str(item.path)]
    return lines[-1] if lines else None


def _file(frame: FrameType) -> str:
    return frame.f_code.co_filename


def _link(url: str, name: str | None = None, type: str = "link") -> dict[str, str]:
    return {"url": url, "name": name or url, "type": type}


def trim_traceback(call: pytest.CallInfo[None]) -> None:
    """Remove the harness's frames from the traceback of one of its own errors: its message explains the failure, and
    the reader needs the line of the test."""
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


def _with_party(report: pytest.TestReport, error: BaseException) -> str:
    """The message of an error that is not the harness's own: its first line, and the party that the record convicts."""
    text = str(report.longrepr)
    headline = str(getattr(getattr(report.longrepr, "reprcrash", None), "message", text)).partition("\n")[0]
    return f"{headline}; {notes_of(error)[-1].partition(chr(10))[0]}\n\n{text}"


def _show(item: pytest.Item, report: pytest.TestReport, error: BaseException) -> None:
    if isinstance(error, UsageError):
        line = _line(item, error)
        where = item.nodeid if line is None else f"{item.location[0]}:{line}"
        report.longrepr = f"{error}\n\n{where}: {type(error).__name__}"
    elif isinstance(error, HarnessError) and (crash := getattr(report.longrepr, "reprcrash", None)) is not None:
        crash.message = str(error)  # the summary line has no room for the class name
