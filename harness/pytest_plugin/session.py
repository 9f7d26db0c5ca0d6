"""The facts of a session that its hooks and its tests share: options, folder, names, and the reports so far."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness.core.clock import SystemClock
from harness.pytest_plugin.names import unique_name
from harness.pytest_plugin.reported import ReportedTests
from harness.pytest_plugin.settings import project
from harness.reporting.run_folder import RunFolder
from harness.stack.options import StackOptions

__all__ = ["Session"]

FOLDER_INPUT = "wasmbed_run_folder"
EACH_INPUT = "wasmbed_each"


class Session:
    """One session of pytest. Under pytest-xdist the controller and each worker have one, with the same folder."""

    def __init__(self, config: pytest.Config, options: StackOptions, defaults: StackOptions) -> None:
        """Raises UsageError if ``options`` name a folder for reports that cannot be written."""
        self.options, self.defaults = options, defaults
        worker: dict[str, Any] | None = getattr(config, "workerinput", None)
        self.is_worker = worker is not None
        self.records = not config.option.setuponly
        """Whether tests are recorded. With ``--setup-only`` and ``--setup-plan`` no test runs."""
        self._each = worker[EACH_INPUT] if worker is not None else config.getoption("dist", "no") == "each"
        """Whether each worker runs all tests (``--dist=each``)."""
        self._worker = str(worker["workerid"]) if worker is not None else None
        self.reported = ReportedTests(worker=self._worker, each=self._each)
        self._numbers: dict[pytest.Item, int] = {}
        if worker is not None:
            self.folder = RunFolder(Path(worker[FOLDER_INPUT]))
        else:
            self.folder = RunFolder.new(project(config), options, SystemClock())
            if options.reports != StackOptions().reports:  # the default folder may be unusable if no test has a stack
                self.folder.check()
        config.stash[SESSION] = self

    @classmethod
    def of(cls, config: pytest.Config) -> Session:
        """The session of ``config``."""
        return config.stash[SESSION]

    def configure_worker(self, workerinput: dict[str, Any]) -> None:
        """Pass the facts on to a worker of pytest-xdist."""
        workerinput[FOLDER_INPUT], workerinput[EACH_INPUT] = str(self.folder.path), self._each

    def number_duplicates(self, items: list[pytest.Item]) -> None:
        """Give tests of the same id (``--keep-duplicates``) different names."""
        seen: Counter[str] = Counter()
        for item in items:
            seen[item.nodeid] += 1
            if seen[item.nodeid] > 1:
                self._numbers[item] = seen[item.nodeid]

    def name_of(self, item: pytest.Item) -> str:
        """The name of a test, unique in this run."""
        return unique_name(item.nodeid, self._worker if self._each else None, self._numbers.get(item, 1))


SESSION = pytest.StashKey[Session]()
