"""Long tests first and side by side with short ones, so that the processors compute from the beginning to the end.

A test is long if it took a second in the last run, which pytest's cache keeps. Most of that second it waits, for a
deadline or for another process. pytest-xdist gives each worker an equal share of the tests in their order. The long
ones are dealt to the beginnings of half of the shares: those workers wait while the others compute. All other tests
keep their order, and with it the fixtures that they share. Workers get the list from the process that started them:
they must have the same order, whatever another run writes meanwhile.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, TypeVar

import pytest

T = TypeVar("T")
LONG = 1.0
"""Seconds."""
_KEY = "wasmbed/long-tests"


class LongestFirst:
    """The order of this run, and the durations for the next."""

    def __init__(self, config: pytest.Config) -> None:
        self._config, self._took = config, Counter[str]()
        worker: dict[str, Any] | None = getattr(config, "workerinput", None)
        self._is_worker = worker is not None
        self._long: dict[str, float] = config.cache.get(_KEY, {}) if worker is None else worker[_KEY]
        self._workers: int = 1 if worker is None else worker["workercount"]

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput[_KEY] = self._long

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self._is_worker:
            long = {item: self._long[item.nodeid] for item in items if item.nodeid in self._long}
            items[:] = dealt(items, long, self._workers)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":  # what is set up may be for the tests after it, too
            self._took[report.nodeid] += report.duration

    def pytest_sessionfinish(self) -> None:
        if not self._is_worker and self._took:
            known = {name: took for name, took in self._long.items() if name not in self._took}
            self._config.cache.set(_KEY, known | {name: took for name, took in self._took.items() if took >= LONG})


def dealt(items: list[T], long: dict[T, float], workers: int) -> list[T]:
    """``items`` in an order of which every second of ``workers`` equal parts begins with its share of the ``long``."""
    first = sorted(long, key=lambda item: -long[item])
    rest = [item for item in items if item not in long]
    waiting = (workers + 1) // 2
    order: list[T] = []
    for worker in range(workers):
        share = (len(items) - len(order)) // (workers - worker)  # as pytest-xdist counts
        own = [] if worker % 2 else first[worker // 2 :: waiting]
        room = max(share - len(own), 0)
        order += own + rest[:room]
        rest = rest[room:]
    return order + rest
