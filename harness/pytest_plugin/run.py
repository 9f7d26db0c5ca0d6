"""One session of pytest: its folder under ``reports``, what it says at the end, and its exit code."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness.core.clock import SystemClock
from harness.core.errors import ProductFailure, RigError, UsageError
from harness.pytest_plugin.settings import options_of
from harness.stack.options import StackOptions

if TYPE_CHECKING:
    from harness.pytest_plugin.world import World

__all__ = ["BLAME", "PLUGIN", "UNKNOWN", "WORLD", "Run", "blame_of"]

WORLD = pytest.StashKey["World"]()
"""Where a test keeps its world while it has one."""
UNKNOWN = "unknown"
BLAME = "blame"
"""The property of a pytest report that says who is to blame; see :func:`blame_of`."""
PLUGIN = "wasmbed-run"
WORKER_INPUT = "wasmbed_run_folder"


class Run:
    """What the tests of one session share; registered as a plugin of its own.

    Under pytest-xdist the controller and each worker have one: the workers write into the controller's folder.
    """

    def __init__(self, config: pytest.Config, options: StackOptions) -> None:
        self.options = options
        self._config = config
        worker: dict[str, Any] | None = getattr(config, "workerinput", None)
        self._is_worker = worker is not None
        self._blames: Counter[str] = Counter()
        self._not_run: list[pytest.TestReport] = []
        self._page: Path | None = None
        self._live = bool(config.getoption("live")) and not self._is_worker
        # What tests print is captured at the file descriptor: this one leads past that.
        self._screen = os.fdopen(os.dup(sys.stdout.fileno()), "w") if self._live else None
        if worker is not None:
            self.folder = Path(worker[WORKER_INPUT])
        else:
            self.folder = (
                config.rootpath / options.reports / SystemClock().utcnow().strftime("%Y-%m-%dT%H-%M-%S-%f")[:-3]
            )

    @classmethod
    def of(cls, config: pytest.Config) -> Run:
        return cast(Run, config.pluginmanager.getplugin(PLUGIN))

    def folder_of(self, item: pytest.Item) -> Path:
        """Where the test's history and result go."""
        return self.folder / folder_name(item.nodeid)

    @contextmanager
    def world(self, item: pytest.Item) -> Iterator[World]:
        """The stack of one test, up until the block ends."""
        from harness.pytest_plugin.world import World

        options = options_of(item, self.options)
        with World.opened(options, self.folder_of(item)) as world:
            item.stash[WORLD] = world
            try:
                with self._shown(item, world):
                    yield world
            finally:
                del item.stash[WORLD]

    @contextmanager
    def _shown(self, item: pytest.Item, world: World) -> Iterator[None]:
        if self._screen is None:
            yield
            return
        from harness.pytest_plugin.live import shown
        from harness.pytest_plugin.verdict import Verdict

        verdict = Verdict.of(item, self.options)
        with shown(self._screen, world.stack.history, verdict.title or item.name, lambda: verdict.outcome):
            yield

    def pytest_unconfigure(self) -> None:
        if self._screen is not None:
            self._screen.close()

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """No dots between the pictures of ``--live``."""
        return ("passed", "", "") if self._live and report.when == "call" and report.passed else None

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """xdist starts a worker: tell it where the run's folder is."""
        node.workerinput[WORKER_INPUT] = str(self.folder)

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip a test that asks for what the boards of this tier cannot do."""
        wanted = {feature for marker in item.iter_markers("requires") for feature in marker.args}
        if not wanted:
            return
        from harness.stack.backends import features

        if missing := wanted - features(options_of(item, self.options)):
            pytest.skip(f"the boards of tier {self.options.boards} have no {', '.join(sorted(missing))}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        blame = blame_of(report)
        if blame == RigError.blame:
            self._not_run.append(report)
        elif blame is not None:
            self._blames[blame] += 1

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._is_worker:
            return
        if session.exitstatus == pytest.ExitCode.TESTS_FAILED and set(self._blames) == {UsageError.blame}:
            session.exitstatus = UsageError.exit_code
        elif session.exitstatus == pytest.ExitCode.OK and self._not_run:
            session.exitstatus = RigError.exit_code
        if self.folder.is_dir():
            from harness.reporting import write_run_report

            self._page = write_run_report(self.folder)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """What a person wants to know at the end: what was not judged and why, whose fault, where to look."""
        write = terminalreporter.write_line
        if self._not_run:
            terminalreporter.section("not run: the rig failed, the product was not judged", yellow=True)
            for report in self._not_run:
                reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
                write(f"NOT RUN {report.nodeid}\n  {str(reason).removeprefix('not run: ')}", yellow=True)
        if len(self._blames) > 0:
            names = {ProductFailure.blame: "the product", UsageError.blame: "the caller"}
            parts = [f"{names.get(blame, blame)} {count}" for blame, count in self._blames.most_common()]
            write(f"to blame: {', '.join(parts)}", red=True)
        if self._page is not None:
            base = self._config.invocation_params.dir
            page = self._page.relative_to(base) if self._page.is_relative_to(base) else self._page
            write(f"report: {page}", bold=True)


def blame_of(report: pytest.TestReport) -> str | None:
    """Who is to blame for a test that did not pass: ``product``, ``rig``, ``usage`` or ``unknown``; else None."""
    return next((str(value) for name, value in report.user_properties if name == BLAME), None)


def folder_name(nodeid: str) -> str:
    """A name for a test's folder that every file system takes; different tests get different ones."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", nodeid.replace(".py::", "-").replace("/", "-")).strip("-")
    return name if len(name) <= 100 else f"{name[:90]}-{sha256(nodeid.encode()).hexdigest()[:8]}"
