"""How a test ended and who is to blame: pytest's reports corrected, and ``result.json``.

What the rig could not judge is neither passed nor failed: pytest counts it apart, as ``not run``.
"""

from __future__ import annotations

import json
import shlex
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import HarnessError, ProductFailure, RigError, UsageError
from harness.pytest_plugin.run import BLAME, UNKNOWN, Run
from harness.pytest_plugin.settings import options_of
from harness.stack.options import StackOptions

__all__ = ["VERDICT", "Verdict", "judge_phase"]

VERDICT = pytest.StashKey["Verdict"]()
"""Where a test keeps what is known of how it ends."""


@dataclass
class Verdict:
    """What ``result.json`` says of a test."""

    test: str
    title: str
    outcome: str = "passed"
    """``passed``, ``failed``, ``not run`` or ``skipped``."""
    blame: str | None = None
    """``product``, ``rig`` or ``usage``; None where nothing went wrong, or nobody can say."""
    message: str = ""
    duration: float = 0.0
    """Seconds: setting up, the test itself and taking down."""
    rerun: str = ""
    seed: int | None = None
    options: dict[str, Any] | None = None

    @classmethod
    def of(cls, item: pytest.Item, options: StackOptions) -> Verdict:
        """The verdict of ``item``, made when it is first asked for."""
        if VERDICT not in item.stash:
            title = (getattr(getattr(item, "obj", None), "__doc__", None) or "").strip().partition("\n")[0]
            rerun = shlex.join(["pytest", item.nodeid, *options.arguments()])
            try:
                used = asdict(options_of(item, options))
            except UsageError:
                used = asdict(options)
            used["modules"] = options.modules
            item.stash[VERDICT] = cls(item.nodeid, title, rerun=rerun, seed=options.seed, options=used)
        return item.stash[VERDICT]

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(self), indent=2, default=str)
        (folder / "result.json").write_text(text + "\n", encoding="utf-8")


def judge_phase(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
    """Take one phase's report into the verdict, and make the report say what it should.

    The blame goes into the report's properties, with which it travels from an xdist worker to the controller and into
    JUnit files.
    """
    run = Run.of(item.config)
    verdict = Verdict.of(item, run.options)
    verdict.duration += call.duration
    error = _error(call)
    if error is not None:
        _blame(item, report, error)
        _take(verdict, report, error)
    elif report.skipped and verdict.outcome == "passed":
        verdict.outcome, verdict.message = "skipped", _skip_reason(report)
    if report.when == "teardown":
        with suppress(OSError):  # the history has met the same trouble, and the test was not run
            verdict.write(run.folder_of(item))


def _error(call: pytest.CallInfo[None]) -> BaseException | None:
    if call.excinfo is None or isinstance(call.excinfo.value, pytest.skip.Exception):
        return None
    error = call.excinfo.value
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _blame(item: pytest.Item, report: pytest.TestReport, error: BaseException) -> None:
    report.user_properties.append((BLAME, _whose(error) or UNKNOWN))
    if isinstance(error, RigError):
        path, line, _ = item.location
        report.outcome = "skipped"
        report.longrepr = (path, (line or 0) + 1, f"not run: {error}")
    elif isinstance(error, UsageError):
        report.longrepr = f"{item.nodeid}: {error}"


def _whose(error: BaseException) -> str | None:
    if isinstance(error, HarnessError):
        return error.blame
    return str(ProductFailure.blame) if isinstance(error, AssertionError) else None


_RANK = {"passed": 0, "skipped": 1, "not run": 2, "failed": 3}


def _take(verdict: Verdict, report: pytest.TestReport, error: BaseException) -> None:
    outcome = "not run" if isinstance(error, RigError) else "failed"
    if _RANK[outcome] > _RANK[verdict.outcome]:
        verdict.outcome, verdict.blame = outcome, _whose(error)
        verdict.message = str(error) or type(error).__name__
        if not isinstance(error, HarnessError):
            verdict.message = str(report.longrepr)


def _skip_reason(report: pytest.TestReport) -> str:
    return str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)
