"""One session of pytest: its folder under ``reports``, what it says at the end, and its exit code."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness.core.clock import SystemClock
from harness.pytest_plugin.settings import options_of, project
from harness.reporting.run_folder import RunFolder, Tally
from harness.stack.options import StackOptions

if TYPE_CHECKING:
    from harness.reporting.finish import Finished
    from harness.reporting.runs import TestRecord
    from harness.stack.record import Record
    from harness.stack.world import World

__all__ = ["BLAME", "LOST", "PLUGIN", "WORLD", "Run", "blame_of"]

WORLD = pytest.StashKey["World"]()
"""Where a test keeps its world while it has one."""
BLAME = "wasmbed-blame"
"""The property of a pytest report that says who is to blame; see :func:`blame_of`."""
LOST = "wasmbed-lost"
"""The property of a pytest report that says why the record is incomplete."""
PLUGIN = "wasmbed-run"
WORKER_INPUT = "wasmbed_run_folder"
WORKER_OUTPUT = "wasmbed_left_behind"


class Run:
    """What the tests of one session share; registered as a plugin of its own.

    Under pytest-xdist the controller and each worker have one: the workers write into the controller's folder.
    """

    def __init__(self, config: pytest.Config, options: StackOptions, defaults: StackOptions) -> None:
        self.options, self.defaults = options, defaults
        self._config = config
        worker: dict[str, Any] | None = getattr(config, "workerinput", None)
        self._is_worker = worker is not None
        self._tally = Tally()
        self._failed = 0
        self._others: dict[str, TestRecord] = {}
        """Tests that failed without a stack."""
        self._lost: dict[str, str] = {}
        self._left: list[str] = []
        """What is left in a cluster, and why."""
        self._finished: Finished | None = None
        self._ends = ExitStack()
        self._live = bool(config.getoption("live")) and not self._is_worker
        # What tests print is captured at the file descriptor: this one leads past that.
        self._screen = os.fdopen(os.dup(sys.stdout.fileno()), "w") if self._live else None
        if worker is not None:
            self.folder = RunFolder(Path(worker[WORKER_INPUT]))
        else:
            self.folder = RunFolder.new(project(config), options, SystemClock())
            if options.reports != StackOptions().reports:  # the default may be where nobody can write, nor has to
                self.folder.check()

    @classmethod
    def of(cls, config: pytest.Config) -> Run:
        return cast(Run, config.pluginmanager.getplugin(PLUGIN))

    @contextmanager
    def world(self, item: pytest.Item) -> Iterator[World]:
        """The stack of one test, up until the block ends."""
        from harness.pytest_plugin.verdict import verdict_of
        from harness.stack.world import World

        options, folder = options_of(item, self.options), self.folder.of(item.nodeid)
        verdict_of(item).write_interrupted(folder)
        history: Record | None = None
        try:
            with World.opened(options, folder) as world:
                history = world.stack.history
                item.stash[WORLD] = world
                try:
                    with self._shown(item, world):
                        yield world
                finally:
                    del item.stash[WORLD]
        finally:
            verdict_of(item).lost = history.lost if history is not None else None

    @contextmanager
    def _shown(self, item: pytest.Item, world: World) -> Iterator[None]:
        if self._screen is None:
            yield
            return
        from harness.pytest_plugin.live import shown
        from harness.pytest_plugin.verdict import verdict_of

        verdict = verdict_of(item)
        with shown(self._screen, world.stack.history, verdict.title or item.name, lambda: verdict.outcome):
            yield

    def pytest_sessionstart(self) -> None:
        """What the stack does becomes steps, where Allure results are written."""
        if (listener := self._config.pluginmanager.getplugin("allure_listener")) is not None:
            from harness.reporting.allure_steps import wrapped

            self._ends.enter_context(wrapped(listener.allure_logger, SystemClock()))

    def pytest_unconfigure(self) -> None:
        self._ends.close()
        if self._screen is not None:
            self._screen.close()

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """No dots between the pictures of ``--live``."""
        return ("passed", "", "") if self._live and report.when == "call" and report.passed else None

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """xdist starts a worker: tell it where the run's folder is."""
        node.workerinput[WORKER_INPUT] = str(self.folder.path)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """An xdist worker has ended: take over what it found left behind."""
        self._left += getattr(node, "workeroutput", {}).get(WORKER_OUTPUT, [])

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin anew what is known of a test, and skip one that asks for what the boards of this tier cannot do."""
        if "stack" in getattr(item, "fixturenames", ()):
            from harness.pytest_plugin.verdict import begin

            begin(item)
        wanted = {str(feature) for marker in item.iter_markers("requires") for feature in marker.args}
        if not wanted:
            return
        from harness.stack.backends import lacking

        if reason := lacking(options_of(item, self.options), wanted):
            pytest.skip(reason)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._failed += report.failed
        if report.failed and blame_of(report) is None:
            self._others.setdefault(report.nodeid, _plain_failure(report))
        self._lost.update((report.nodeid, str(why)) for name, why in report.user_properties if name == LOST)
        if str(report.outcome) == "rerun":  # by pytest-rerunfailures: another attempt is still to come
            return
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        self._tally.take(report.nodeid, blame_of(report), str(reason))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if "harness.stack.world" in sys.modules:  # else no test had a stack
            from harness.stack.world import left_behind

            self._left += left_behind()
        if self._is_worker:
            self._config.workeroutput[WORKER_OUTPUT] = self._left  # type: ignore[attr-defined]
            return
        judged = self._failed == self._tally.blames.total()  # tests without a stack fail without blame
        if judged and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            session.exitstatus = self._tally.exit_code or session.exitstatus
        if self.folder.path.is_dir():  # else no test had a stack: what makes the page is not worth loading
            self._finished = self.folder.finish(list(self._others.values()))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """What a person wants to know at the end: what was not judged and why, whose fault, where to look."""
        write = terminalreporter.write_line
        if self._tally.not_run:
            terminalreporter.section("not run: the rig failed, the product was not judged", yellow=True)
            for told in self._tally.told_not_run():
                write(told, yellow=True)
        if summary := self._tally.summary():
            write(summary, red=True)
        if self._lost:
            reasons = ", ".join(sorted(set(self._lost.values())))
            several = f"{len(self._lost)} tests" if len(self._lost) > 1 else "1 test"
            verdicts = "the verdicts stand" if len(self._lost) > 1 else "the verdict stands"
            write(f"not recorded to the end: {several} ({reasons}); {verdicts}", yellow=True)
        for line in self._left:
            write(line, yellow=True)
        if self._finished is not None:
            for line in self._finished.told(self._config.invocation_params.dir):
                write(line)


def _plain_failure(report: pytest.TestReport) -> TestRecord:
    """What CI is told of a test that failed and had no stack."""
    from harness.reporting.runs import TestRecord

    path, line, _ = report.location
    return TestRecord(
        name=report.nodeid,
        title="",
        outcome="failed",
        blame=None,
        message=report.longreprtext,
        duration=report.duration,
        rerun=shlex.join(["pytest", report.nodeid]),
        details={"file": path, "line": (line or 0) + 1},
    )


def blame_of(report: pytest.TestReport | pytest.CollectReport) -> str | None:
    """Who is to blame for a test that did not pass: ``product``, ``rig``, ``usage`` or ``unknown``; else None."""
    properties = getattr(report, "user_properties", ())  # a report on collection has none
    return next((str(value) for name, value in properties if name == BLAME), None)
