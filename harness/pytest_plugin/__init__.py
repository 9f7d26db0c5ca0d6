"""The pytest front door: the ``stack`` fixture, its options and markers, and verdicts that say who is to blame.

Loaded by every pytest of an environment that has the harness installed, so nothing heavy is imported here.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from harness.core.errors import RigError, UsageError

if TYPE_CHECKING:
    from harness.stack import Stack


def pytest_addoption(parser: pytest.Parser) -> None:
    from harness.pytest_plugin.settings import add_options

    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "stack(**options): options of this test's stack, as in stack(heartbeat=0.5)")
    config.addinivalue_line("markers", "requires(*features): skip where the boards lack one, as in requires('csr')")
    config.addinivalue_line("markers", "severity(level): blocker, critical, normal, minor or trivial, for reports")
    config.addinivalue_line(
        "markers", "link(url, name=None, type='link'): something to read; type may be 'issue', 'tms'"
    )
    from harness.pytest_plugin.run import PLUGIN, Run
    from harness.pytest_plugin.settings import read_defaults, read_options

    try:
        run = Run(config, read_options(config, os.environ), read_defaults(config))
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error
    config.pluginmanager.register(run, PLUGIN)


@pytest.fixture
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A world of this test's own: cluster, gateway, controllers, recorder, and boards to power on."""
    from harness.pytest_plugin.run import Run

    with Run.of(request.config).world(request.node) as world:
        yield world.stack


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an ``async def`` test on the event loop that its stack lives on; one without ``async`` as ever, but not past
    what it should have awaited."""
    from harness.pytest_plugin.run import WORLD

    world = pyfuncitem.stash.get(WORLD, None)
    if world is None:
        return None
    from harness.pytest_plugin.awaiting import watched

    __tracebackhide__ = True
    arguments: dict[str, Any] = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    with watched():
        if not inspect.iscoroutinefunction(pyfuncitem.obj):
            pyfuncitem.obj(**arguments)
            return True
        world.begin()
        world.run(pyfuncitem.obj(**arguments))
    world.judge()
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    if "stack" not in getattr(item, "fixturenames", ()):
        return (yield)
    from harness.pytest_plugin.run import Run
    from harness.pytest_plugin.verdict import explain_failure, trim_traceback

    if not item.config.option.fulltrace:
        trim_traceback(call)
    report = yield
    explain_failure(item, call, report)
    Run.of(item.config).made(item)
    return report


def pytest_report_teststatus(
    report: pytest.TestReport | pytest.CollectReport,
) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """What the rig could not judge is counted as ``not run``."""
    from harness.pytest_plugin.reports import blame_of

    if blame_of(report) == RigError.blame and report.skipped:
        return "not run", "N", ("NOT RUN", {"yellow": True})
    return None
