"""One session of pytest: its folder under ``reports``, what it says at the end, and its exit code."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness.core.clock import SystemClock
from harness.core.plain_json import plain
from harness.pytest_plugin.names import unique_name
from harness.pytest_plugin.reported import ReportedTests
from harness.pytest_plugin.settings import options_of, project
from harness.reporting import allure
from harness.reporting.run_folder import RunFolder
from harness.reporting.tally import Tally
from harness.reporting.verdict import INTERRUPTED, worst
from harness.stack.options import StackOptions

if TYPE_CHECKING:
    from harness.reporting.finish import Finished
    from harness.stack.hosted import HostedStack

__all__ = ["PLUGIN", "WORLD", "PytestRun"]

WORLD = pytest.StashKey["HostedStack"]()
"""Where a test keeps its world while it has one."""
PLUGIN = "wasmbed-run"
WORKER_INPUT = "wasmbed_run_folder"
EACH_INPUT = "wasmbed_each"
WORKER_OUTPUT = "wasmbed_left_behind"


class PytestRun:
    """What the tests of one session share; registered as a plugin of its own.

    Under pytest-xdist the controller and each worker have one: the workers write into the controller's folder.
    """

    def __init__(self, config: pytest.Config, options: StackOptions, defaults: StackOptions) -> None:
        self.options, self.defaults = options, defaults
        self._config = config
        worker: dict[str, Any] | None = getattr(config, "workerinput", None)
        self._is_worker = worker is not None
        self.records = not config.option.setuponly
        """Whether tests are recorded: with ``--setup-only`` and ``--setup-plan`` none runs."""
        self._each = worker[EACH_INPUT] if worker is not None else config.getoption("dist", "no") == "each"
        self._worker = str(worker["workerid"]) if worker is not None else None
        self.reported = ReportedTests(worker=self._worker, each=self._each)
        self._numbers: dict[pytest.Item, int] = {}
        self._item: pytest.Item | None = None
        """The test with a stack that runs, or ran last."""
        self._dead: dict[str, Any] = {}
        """The workers that died."""
        self._not_collected: dict[str, pytest.CollectReport] = {}
        self._tally = Tally()
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
    def of(cls, config: pytest.Config) -> PytestRun:
        return cast(PytestRun, config.pluginmanager.getplugin(PLUGIN))

    def name_of(self, item: pytest.Item) -> str:
        """The name of a test that is unique in this run."""
        return unique_name(item.nodeid, self._worker if self._each else None, self._numbers.get(item, 1))

    @contextmanager
    def world(self, item: pytest.Item) -> Iterator[HostedStack]:
        """The stack of one test, up until the block ends."""
        from harness.pytest_plugin.verdict import folder_of, recorded
        from harness.stack.hosted import HostedStack

        options, verdict = options_of(item, self.options), recorded(item).verdict
        folder = folder_of(item) if self.records else None
        if folder is not None:
            verdict.write_interrupted(folder)
        history = None
        try:
            with HostedStack.opened(options, folder) as world:
                history = world.stack.history
                item.stash[WORLD] = world
                try:
                    with self._shown(item, world):
                        yield world
                finally:
                    del item.stash[WORLD]
        finally:
            verdict.lost = history.lost if history is not None else None

    @contextmanager
    def _shown(self, item: pytest.Item, world: HostedStack) -> Iterator[None]:
        if self._screen is None:
            yield
            return
        from harness.pytest_plugin.live import shown
        from harness.pytest_plugin.verdict import recorded

        found = recorded(item)
        with shown(self._screen, world.stack.history, found.verdict.title or item.name, lambda: found.outcome):
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
        node.workerinput[WORKER_INPUT], node.workerinput[EACH_INPUT] = str(self.folder.path), self._each

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """A worker ended. In which test it died xdist says next, but not of a replacement with ``--dist=each``."""
        if error is not None and error != "keyboard-interrupt":
            self._dead[str(node.gateway.id)] = node
        self._left += getattr(node, "workeroutput", {}).get(WORKER_OUTPUT, [])

    @pytest.hookimpl(wrapper=True)
    def pytest_report_to_serializable(self) -> Generator[None, Any, Any]:
        """What goes from a worker to the controller is made of what can be sent: one value must not end the worker."""
        return plain((yield)) if self._is_worker else (yield)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Tell tests of the same id apart (``--keep-duplicates``)."""
        seen: Counter[str] = Counter()
        for item in session.items:
            seen[item.nodeid] += 1
            if seen[item.nodeid] > 1:
                self._numbers[item] = seen[item.nodeid]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if not report.passed:
            self._not_collected[report.nodeid] = report

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        """A test that does not come to its end has not passed, though its setup has."""
        try:
            return (yield)
        except (KeyboardInterrupt, pytest.exit.Exception):
            allure.settle("not run", None, INTERRUPTED)
            raise

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin anew what is known of a test, and skip one that asks for what the boards of this tier cannot do."""
        if (name := self.name_of(item)) != item.nodeid:
            allure.distinguish(name.removeprefix(item.nodeid).strip())
        from harness.pytest_plugin.verdict import begin, has_stack

        if has_stack(item):
            begin(item)
        wanted = {str(feature) for marker in item.iter_markers("requires") for feature in marker.args}
        if not wanted:
            return
        from harness.stack.backends import lacking

        if reason := lacking(options_of(item, self.options), wanted):
            pytest.skip(reason)

    def made(self, item: pytest.Item) -> None:
        """A report on ``item``, which has a stack, was made and comes next."""
        self._item = item

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The first to hear what pytest reports: what the rig kept from being judged is corrected before it counts."""
        test = self.reported.take(report)
        item = self._item
        if item is not None and item.nodeid == report.nodeid and test.finished and not test.crashed:
            from harness.pytest_plugin.verdict import record

            record(item, test, report)
            self._item = None
        if test.finished and not hasattr(report, "node"):  # else a worker has said so already
            bad = worst(test.phases)
            allure.settle(test.outcome, bad.blame if bad else None, bad.message if bad else "")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if "harness.stack.hosted" in sys.modules:  # else no test had a stack
            from harness.stack.hosted import left_behind

            self._left += left_behind()
        if self._is_worker:
            self._config.workeroutput[WORKER_OUTPUT] = self._left  # type: ignore[attr-defined]
            return
        from harness.pytest_plugin.ending import count, crash_report, leave

        for test in list(self.reported):
            if not test.finished and test.worker in self._dead:
                report = crash_report(test, self._dead[test.worker])
                session.config.hook.pytest_runtest_logreport(report=report)
        judged = count(self.reported, self.folder, self._tally)
        judged &= not any(report.failed for report in self._not_collected.values())
        if judged and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            session.exitstatus = self._tally.exit_code or session.exitstatus
        if self.folder.path.is_dir():  # else no test had a stack: what makes the page is not worth loading
            trouble = leave(self._config, self.folder, self.reported, self._not_collected.values())
            self._finished = self.folder.finish()
            self._finished.trouble += trouble

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """What a person wants to know at the end: what was not judged and why, whose fault, where to look."""
        write = terminalreporter.write_line
        if self._tally.not_run:
            terminalreporter.section("not run: the rig failed, the product was not judged", yellow=True)
            for told in self._tally.not_run_messages():
                write(told, yellow=True)
        if summary := self._tally.summary():
            write(summary, red=True)
        lost = [test.lost for test in self.reported if test.lost]
        if lost:
            reasons = ", ".join(sorted(set(lost)))
            several = f"{len(lost)} tests" if len(lost) > 1 else "1 test"
            verdicts = "the verdicts stand" if len(lost) > 1 else "the verdict stands"
            write(f"not recorded to the end: {several} ({reasons}); {verdicts}", yellow=True)
        for line in self._left:
            write(line, yellow=True)
        if self._finished is not None:
            for line in self._finished.messages(self._config.invocation_params.dir):
                write(line)
