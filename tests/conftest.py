"""Hooks for the tests of all rooms: ``async`` tests and fixtures, each test on an event loop of its own.

A test of a scenario has a stack, and the harness's plugin runs it. The rooms' own tests have none; with the hooks below
they are written alike. A room that needs another loop overrides the fixture ``new_loop``.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import shutil
import signal
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as examples

from tests.examples import QUICK
from tests.forked import forking_commands, use_server
from tests.longest_first import LongestFirst

examples.load_profile(QUICK)  # --hypothesis-profile=deep comes after it

FORKING = "wasmbed/forking-commands"
TIME_LIMIT = 300.0
"""Seconds for an asynchronous test, and for each of its fixtures."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "settings(**options): how the room's fixture makes what the test is about")
    config.addinivalue_line("markers", "time_limit(seconds): of an asynchronous test that takes longer than others")
    if hasattr(config, "cache"):  # absent with -p no:cacheprovider
        config.pluginmanager.register(LongestFirst(config))
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    if worker is not None:
        use_server(Path(worker[FORKING]))
    elif config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(OneForkServer())


class OneForkServer:
    """Starts the fork server when the first worker starts; see ``tests.forked``."""

    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput[FORKING] = str(forking_commands())


def pytest_sessionstart() -> None:
    """Hide the CI job from the runs that tests start, which must not write into its page; and have them obey Ctrl+C.

    A shell has its jobs in the background ignore it, and so would they.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in [name for name in os.environ if name.startswith("GITHUB_")]:
        del os.environ[name]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Collect no garbage while modules are imported, and keep them out of later collections: they stay to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Keep what a run has loaded out of the ten collections with which pytest then looks for errors in destructors."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def new_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """A function that makes the event loop; None: asyncio's default. A room may override this fixture."""
    return None


@pytest.fixture
def runner(new_loop: Callable[[], asyncio.AbstractEventLoop] | None) -> Iterator[asyncio.Runner]:
    """The event loop of an asynchronous test and its fixtures. They leave no task behind."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        yield runner
        left = asyncio.all_tasks(runner.get_loop())
        assert not left, f"tasks left behind: {left}"


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The options of the test's marker ``settings``."""
    return {name: value for marker in request.node.iter_markers("settings") for name, value in marker.kwargs.items()}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The distribution's Chromium under Playwright; nothing is downloaded.

    Closed at the end of the module, because Playwright's synchronous API blocks other event loops.
    """
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("Chromium is not installed: install the distribution's package chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as engine:
        opened = engine.chromium.launch(executable_path=executable, args=[*root, "--disable-dev-shm-usage"])
        yield opened
        opened.close()


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(name: str, obj: object) -> None:
    if name.startswith("test") and inspect.iscoroutinefunction(obj):
        pytest.mark.usefixtures("runner")(obj)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    parameters = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: value for name, value in pyfuncitem.funcargs.items() if name in parameters}
    marker = pyfuncitem.get_closest_marker("time_limit")
    limit = TIME_LIMIT if marker is None else marker.args[0]
    pyfuncitem.funcargs["runner"].run(asyncio.wait_for(pyfuncitem.obj(**arguments), limit))
    return True


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, Any, Any]:
    function: Any = fixturedef.func
    if not inspect.isasyncgenfunction(function) and not inspect.iscoroutinefunction(function):
        return (yield)
    runner: asyncio.Runner = request.getfixturevalue("runner")

    def returns(**arguments: Any) -> Any:
        return runner.run(asyncio.wait_for(function(**arguments), TIME_LIMIT))

    def yields(**arguments: Any) -> Iterator[Any]:
        living = LivingFixture(function(**arguments))
        yield runner.run(asyncio.wait_for(living.enter(), TIME_LIMIT))
        runner.run(asyncio.wait_for(living.leave(), TIME_LIMIT))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fixturedef, "func", yields if inspect.isasyncgenfunction(function) else returns)
        return (yield)


class LivingFixture:
    """A generator in a task of its own: a time limit or a group of tasks in it begins and ends in the same task."""

    def __init__(self, generator: AsyncGenerator[Any, None]) -> None:
        self._generator = generator
        self._test_has_ended = asyncio.Event()

    async def enter(self) -> Any:
        """Run it to its ``yield`` and return the value."""
        self._value: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._live())
        await asyncio.wait([self._task, self._value], return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            await self._task
        return self._value.result()

    async def leave(self) -> None:
        """Let it come to its end."""
        self._test_has_ended.set()
        await self._task

    async def _live(self) -> None:
        self._value.set_result(await anext(self._generator))
        await self._test_has_ended.wait()
        async for _ in self._generator:
            raise AssertionError("an asynchronous fixture yields once")
