"""The hooks of one pytest session: stacks for tests, results as reports come in, the summary, and the exit code."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness.core.clock import SystemClock
from harness.core.plain_json import plain
from harness.pytest_plugin.session import Session
from harness.pytest_plugin.settings import options_of, required
from harness.pytest_plugin.verdict import begin, folder_of, has_stack, record, recorded
from harness.reporting import allure
from harness.reporting.tally import Tally
from harness.reporting.verdict import INTERRUPTED, worst

if TYPE_CHECKING:
    from harness.reporting.finish import Finished
    from harness.stack.hosted import HostedStack

__all__ = ["HOSTED", "PLUGIN", "PytestRun"]

HOSTED = pytest.StashKey["HostedStack"]()
"""A test's stack, while it has one."""
PLUGIN = "wasmbed-run"
WORKER_OUTPUT = "wasmbed_left_behind"


class PytestRun:
    """The hooks that a session's tests share, registered as a separate plugin."""

    def __init__(self, config: pytest.Config, session: Session) -> None:
        self._config, self._session = config, session
        self._item: pytest.Item | None = None
        """The test with a stack whose report comes next."""
        self._dead: dict[str, Any] = {}
        """The workers that died, by name."""
        self._not_collected: dict[str, pytest.CollectReport] = {}
        self._tally = Tally()
        self._left: list[str] = []
        """Objects that stayed in a cluster, with reasons."""
        self._finished: Finished | None = None
        self._ends = ExitStack()
        self._live = bool(config.getoption("live")) and not session.is_worker
        # pytest captures the file descriptor of the output; this duplicate bypasses the capture.
        self._screen = os.fdopen(os.dup(sys.stdout.fileno()), "w") if self._live else None

    @classmethod
    def of(cls, config: pytest.Config) -> PytestRun:
        """The plugin of this session."""
        return cast(PytestRun, config.pluginmanager.getplugin(PLUGIN))

    @contextmanager
    def hosted_stack(self, item: pytest.Item) -> Iterator[HostedStack]:
        """The stack of one test, running until the block ends."""
        from harness.stack.hosted import HostedStack

        options, verdict = options_of(item, self._session.options), recorded(item).verdict
        folder = folder_of(item) if self._session.records else None
        if folder is not None:
            verdict.write_interrupted(folder)
        stack = history = None
        try:
            with HostedStack.opened(options, folder) as hosted:
                stack = hosted.stack
                history = stack.history
                item.stash[HOSTED] = hosted
                try:
                    with self._shown(item, hosted):
                        yield hosted
                finally:
                    del item.stash[HOSTED]
        finally:
            verdict.lost = history.lost if history is not None else None
            verdict.cluster_seconds = stack.cluster_seconds if stack is not None else 0.0

    @contextmanager
    def _shown(self, item: pytest.Item, hosted: HostedStack) -> Iterator[None]:
        if self._screen is None:
            yield
            return
        from harness.pytest_plugin.live import dashboard_of, shown

        found, stack = recorded(item), hosted.stack
        title, where = found.verdict.title or item.name, hosted.run(dashboard_of(stack))
        with shown(self._screen, stack.history, title, lambda: found.outcome, where):
            yield

    def pytest_sessionstart(self) -> None:
        """Record the stack's actions as Allure steps, if Allure results are written."""
        if (listener := self._config.pluginmanager.getplugin("allure_listener")) is not None:
            from harness.reporting.allure_steps import wrapped

            self._ends.enter_context(wrapped(listener.allure_logger, SystemClock()))

    def pytest_unconfigure(self) -> None:
        self._ends.close()
        if self._screen is not None:
            self._screen.close()

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Print no dots between the tables of ``--live``."""
        return ("passed", "", "") if self._live and report.when == "call" and report.passed else None

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Configure a worker that xdist starts."""
        self._session.configure_worker(node.workerinput)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Note that a worker ended. xdist reports its test next, but not for a replacement with ``--dist=each``."""
        if error is not None and error != "keyboard-interrupt":
            self._dead[str(node.gateway.id)] = node
        self._left += getattr(node, "workeroutput", {}).get(WORKER_OUTPUT, [])

    @pytest.hookimpl(wrapper=True)
    def pytest_report_to_serializable(self) -> Generator[None, Any, Any]:
        """Convert a worker's report to values that xdist can send: any other value would end the worker."""
        return plain((yield)) if self._session.is_worker else (yield)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._session.number_duplicates(session.items)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if not report.passed:
            self._not_collected[report.nodeid] = report

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        """Settle a test that is interrupted: it has not passed, although its setup has."""
        try:
            return (yield)
        except (KeyboardInterrupt, pytest.exit.Exception):
            allure.settle("not run", None, INTERRUPTED)
            raise

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Start an attempt of a test, and skip the test if the boards lack a feature that it requires."""
        if (name := self._session.name_of(item)) != item.nodeid:
            allure.distinguish(name.removeprefix(item.nodeid).strip())
        if has_stack(item):
            begin(item)
        wanted = required(item)
        if not wanted:
            return
        from harness.stack.backends import lacking

        if reason := lacking(options_of(item, self._session.options), wanted):
            pytest.skip(reason)

    def expect_report_of(self, item: pytest.Item) -> None:
        """Note that the next report is of ``item``, which has a stack."""
        self._item = item

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Correct reports of tests that the rig could not judge, before other plugins see them; write results."""
        test = self._session.reported.take(report)
        item = self._item
        if item is not None and item.nodeid == report.nodeid and test.finished and not test.crashed:
            record(item, test, report)
            self._item = None
        if test.finished and not hasattr(report, "node"):  # a worker has settled the others
            bad = worst(test.phases)
            allure.settle(test.outcome, bad.blame if bad else None, bad.message if bad else "")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if "harness.stack.hosted" in sys.modules:  # otherwise no test had a stack
            from harness.stack.hosted import left_behind

            self._left += left_behind()
        if self._session.is_worker:
            self._config.workeroutput[WORKER_OUTPUT] = self._left  # type: ignore[attr-defined]
            return
        from harness.pytest_plugin.ending import count, crash_report, leave

        reported, folder = self._session.reported, self._session.folder
        for test in list(reported):
            if not test.finished and test.worker in self._dead:
                report = crash_report(test, self._dead[test.worker])
                session.config.hook.pytest_runtest_logreport(report=report)
        judged = count(reported, folder, self._tally)
        judged &= not any(report.failed for report in self._not_collected.values())
        if judged and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            session.exitstatus = self._tally.exit_code or session.exitstatus
        if folder.path.is_dir():  # otherwise no test had a stack, and there is no page to make
            trouble = leave(self._config, folder, reported, self._not_collected.values())
            self._finished = folder.finish()
            self._finished.trouble += trouble

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print how to replay a schedule of faults, the tests that were not judged, the blame, and the run's files."""
        write = terminalreporter.write_line
        if self._session.options.schedule is not None:
            write(f"replay the faults: {shlex.join(['pytest', *self._session.options.replaying()])}")
        if self._tally.not_run:
            terminalreporter.section("not run: the rig failed, the product was not judged", yellow=True)
            for message in self._tally.not_run_messages():
                write(message, yellow=True)
        if summary := self._tally.summary():
            write(summary, red=True)
        lost = [test.lost for test in self._session.reported if test.lost]
        if lost:
            reasons = ", ".join(sorted(set(lost)))
            several = f"{len(lost)} tests" if len(lost) > 1 else "1 test"
            verdicts = "the verdicts stand" if len(lost) > 1 else "the verdict stands"
            write(f"incomplete history: {several} ({reasons}); {verdicts}", yellow=True)
        for line in self._left:
            write(line, yellow=True)
        if self._finished is not None:
            for line in self._finished.messages(self._config.invocation_params.dir):
                write(line)
