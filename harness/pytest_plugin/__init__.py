"""The pytest front door: the ``stack`` fixture, its options and markers, and verdicts with blame.

Every pytest run in an environment with the harness loads this module, so it imports nothing heavy.
"""

from __future__ import annotations

import os
import sys
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
    from harness.pytest_plugin.run import PLUGIN, PytestRun
    from harness.pytest_plugin.session import Session
    from harness.pytest_plugin.settings import MARKERS, read_defaults, read_options
    from harness.pytest_plugin.shards import parse_shard

    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    try:
        if (shard := config.getoption("shard")) is not None:
            parse_shard(shard)
        session = Session(config, read_options(config, os.environ), read_defaults(config))
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error
    config.pluginmanager.register(PytestRun(config, session), PLUGIN)


@pytest.fixture
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A stack for this test: cluster, gateway, controllers, recorder, and boards to power on."""
    from harness.pytest_plugin.asynchronous import check_others
    from harness.pytest_plugin.run import PytestRun

    check_others(request)
    with PytestRun.of(request.config).hosted_stack(request.node) as hosted:
        yield hosted.stack


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if (shard := config.getoption("shard")) is not None:
        from harness.pytest_plugin.shards import keep_shard, parse_shard

        keep_shard(config, items, *parse_shard(shard))


def pytest_itemcollected(item: pytest.Item) -> None:
    if "stack" in getattr(item, "fixturenames", ()):
        from harness.pytest_plugin.asynchronous import claim

        claim(item)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Run a test that has a stack on the event loop of its stack."""
    from harness.pytest_plugin.run import HOSTED

    hosted = item.stash.get(HOSTED, None)
    if hosted is None or not isinstance(item, pytest.Function) or _is_of_unittest(item):
        return (yield)
    from harness.pytest_plugin.asynchronous import test_on_stack

    __tracebackhide__ = True
    with test_on_stack(item, hosted):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, Any, Any]:
    """Run an ``async`` fixture of a test that has a stack on the same loop."""
    if fixturedef.scope != "function" or "stack" not in request.fixturenames:
        return (yield)
    from harness.pytest_plugin.asynchronous import fixture_on_stack, is_asynchronous

    if not is_asynchronous(fixturedef.func):
        return (yield)
    from harness.pytest_plugin.run import HOSTED

    request.getfixturevalue("stack")
    function = fixture_on_stack(fixturedef.func, request.instance, request.node.stash[HOSTED])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fixturedef, "func", function)
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    from harness.pytest_plugin.verdict import explain_failure, has_stack, trim_traceback

    if not has_stack(item):
        return (yield)
    from harness.pytest_plugin.escaping import escape_report
    from harness.pytest_plugin.run import PytestRun

    if not item.config.option.fulltrace:
        trim_traceback(call)
    report = yield
    escape_report(report)
    explain_failure(item, call, report)
    PytestRun.of(item.config).expect_report_of(item)
    return report


def _is_of_unittest(item: pytest.Function) -> bool:
    unittest = sys.modules.get("unittest")
    return item.cls is not None and unittest is not None and issubclass(item.cls, unittest.TestCase)


def pytest_report_teststatus(
    report: pytest.TestReport | pytest.CollectReport,
) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """Count tests that the rig could not judge as ``not run``."""
    from harness.pytest_plugin.reports import blame_of

    if blame_of(report) == RigError.blame and report.skipped:
        return "not run", "N", ("NOT RUN", {"yellow": True})
    return None
