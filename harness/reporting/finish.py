"""The end of a run, for every front door: write everything that is made from its folder.

Nothing here changes a verdict. A file that cannot be written is noted, and the others are written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.clock import Clock
from harness.core.errors import UsageError, reason
from harness.reporting import allure
from harness.reporting.allure_about import write_about
from harness.reporting.annotations import annotate
from harness.reporting.junit import junit_xml
from harness.reporting.report import write_run_report
from harness.reporting.retention import KEPT, is_run, prune_runs
from harness.reporting.runs import TestRecord, iterate_run
from harness.reporting.summary import summarize
from harness.reporting.trend import FILE, public_row, read_figures, trend_row
from harness.reporting.trend_file import append, read_trend
from harness.reporting.trend_source import source_state

__all__ = ["Ci", "Finished", "finish_run"]

SHOWN = 60
"""The most runs in the page's trend."""


@dataclass(frozen=True, slots=True)
class Ci:
    """The output for a CI job."""

    annotations: bool = False
    summary: Path | None = None
    """A Markdown file to append to."""
    workspace: Path | None = None
    link: str = ""
    """The address of the job's page."""

    @classmethod
    def of(cls, environment: Mapping[str, str], *, annotations: bool = False, summary: Path | None = None) -> Ci:
        """The settings from GitHub Actions' variables in ``environment``; arguments take precedence."""
        running = environment.get("GITHUB_ACTIONS") == "true"
        page, workspace = environment.get("GITHUB_STEP_SUMMARY", ""), environment.get("GITHUB_WORKSPACE", "")
        parts = [environment.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID")]
        return cls(
            annotations or running,
            summary or (Path(page) if running and page else None),
            Path(workspace) if running and workspace else None,
            "{}/{}/actions/runs/{}".format(*parts) if running and all(parts) else "",
        )


@dataclass(slots=True)
class Finished:
    """The result: the ``page``, ``lines`` for the output, and error messages (``trouble``)."""

    page: Path | None = None
    lines: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)

    def messages(self, base: Path) -> list[str]:
        """All lines of output; the page's path is relative to ``base`` if it is inside."""
        page = self.page
        shown = page.relative_to(base) if page is not None and page.is_relative_to(base) else page
        return [*self.lines, *self.trouble, *([f"report: {shown}"] if shown is not None else [])]


def finish_run(
    folder: Path,
    *,
    root: Path,
    clock: Clock,
    command: str = "",
    keep: int = KEPT,
    ci: Ci | None = None,
) -> Finished:
    """Write the page, ``junit.xml``, the row of the trend and the files for CI; keep the newest ``keep`` runs.

    ``root`` is the folder that the tests' files are relative to; ``command`` started the run. A file that cannot be
    written is noted in ``trouble``; no error is raised.
    """
    ci = ci or Ci()
    done = Finished()
    try:
        tests = list(iterate_run(folder, histories=False))
    except UsageError as error:
        done.trouble.append(str(error))
        return done
    rows = _try(done, folder.parent / FILE, lambda: _trend(folder, root, tests, clock, done)) or []
    shown = [public_row(row) for row in rows[-SHOWN:]]
    done.page = _try(done, folder, lambda: write_run_report(folder, command=command, trend=shown))
    junit = folder / "junit.xml"
    _try(done, junit, lambda: junit.write_bytes(junit_xml(folder.name, tests, ended=clock.utcnow())))
    if ci.summary is not None:
        flaky = rows[-1].get("flaky_tests", ()) if rows and rows[-1].get("run") == folder.name else ()
        note = f"Full report: `{_shown(folder, root) / 'index.html'}`"
        _try(done, ci.summary, lambda: _append(ci.summary, summarize(folder.name, tests, flaky=flaky, note=note)))
    if ci.annotations:
        done.lines += _try(done, folder, lambda: annotate(tests, root=root, workspace=ci.workspace)) or []
    if (results := allure.results_folder()) is not None:
        _try(done, results, lambda: write_about(results, _facts(tests, rows), job=_job(ci)))
    if is_run(folder):
        prune_runs(folder.parent, clock, keep=keep)
    return done


def _trend(folder: Path, root: Path, tests: list[TestRecord], clock: Clock, done: Finished) -> list[dict[str, Any]]:
    path, figures = folder.parent / FILE, read_figures(folder.parent / "bench.json")
    source = source_state(root)

    def row(earlier: list[dict[str, Any]]) -> dict[str, Any]:
        return trend_row(folder.name, tests, earlier, at=clock.utcnow(), source=source, figures=figures)

    try:
        return append(path, row)
    except UsageError as error:
        done.trouble.append(str(error))
    try:
        return read_trend(path)[0]
    except UsageError:
        return []


def _facts(tests: list[TestRecord], rows: list[dict[str, Any]]) -> dict[str, str]:
    """The tests' options; where tests differ, all values."""
    found: dict[str, dict[str, None]] = {}
    for test in tests:
        for name, value in allure.facts_of(test.details.get("options") or {}).items():
            found.setdefault(name, {})[value] = None
    facts = {name: ", ".join(values) for name, values in found.items()}
    return facts | ({"source": str(rows[-1]["source"])} if rows and rows[-1].get("source") else {})


def _job(ci: Ci) -> dict[str, str] | None:
    return {"name": "GitHub Actions", "type": "github", "buildUrl": ci.link} if ci.link else None


def _try(done: Finished, path: Path, work: Callable[[], Any]) -> Any:
    """The result of ``work``; if it fails, None, and the error is noted."""
    try:
        return work()
    except UsageError as error:
        done.trouble.append(str(error))
    except OSError as error:
        done.trouble.append(f"{error.filename or path}: cannot be written: {reason(error)}")
    except Exception as error:
        done.trouble.append(f"{path}: a bug in the harness, nothing was written: {type(error).__name__}: {error}")
    return None


def _append(path: Path | None, text: str) -> None:
    if path is not None:
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text + "\n")


def _shown(folder: Path, root: Path) -> Path:
    return folder.relative_to(root) if folder.is_relative_to(root) else folder
