"""Async tests run on their stack's loop, whatever plugins are installed; a test that does nothing never passes."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.forked import run_pytest

OTHERS = ("asyncio", "anyio", "trio")
"""Other plugins that run coroutines."""
FOLDER = Path(sys.prefix, "async-plugins")
"""The folder in which ``make setup`` installs them."""
CONNECTS = """
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected", within=60)
"""


@dataclass
class Ran:
    """The results of a pytest run."""

    code: int
    output: str
    results: dict[str, dict[str, Any]]

    @property
    def outcomes(self) -> dict[str, str]:
        return {name: result["outcome"] for name, result in self.results.items()}


Run = Callable[..., Ran]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the tests in ``code``, with those of the other ``plugins``."""

    def run(code: str, *arguments: str, plugins: tuple[str, ...] = ()) -> Ran:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "WASMBED_"))
        }
        if plugins:
            if not FOLDER.is_dir():
                pytest.skip(f"other async plugins are not installed in {FOLDER}: make setup")
            environment["PYTHONPATH"] = str(FOLDER)
        (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
        (tmp_path / "test_it.py").write_text(code)
        absent = [name for name in OTHERS if name not in plugins]
        without = [part for name in absent for part in ("-p", f"no:{name}")] if plugins else []
        if "asyncio" in plugins:  # without this option it prints a warning
            without += ["-o", "asyncio_default_fixture_loop_scope=function"]
        if "hypothesis" in code:
            without += ["-p", "hypothesispytest"]
        done = run_pytest(*without, *arguments, folder=tmp_path, environment=environment)
        results = [json.loads(path.read_text()) for path in tmp_path.glob("reports/*/*/result.json")]
        return Ran(done.returncode, done.stdout, {one["test"].rpartition("::")[2]: one for one in results})

    return run


YIELDS = """
import pytest
async def test_yields(stack):
    yield
    assert 1 == 2
async def helper(stack):
    yield
def test_returns_a_generator(stack):
    return helper(stack)
@pytest.fixture
async def nothing(stack):
    if stack is None:
        yield
@pytest.fixture
async def twice(stack):
    yield 1
    yield 2
async def test_of_nothing(nothing):
    raise AssertionError("never reached")
async def test_of_two(twice):
    assert twice == 1
"""


@pytest.mark.parametrize("options", [(), ("-o", "asyncio_mode=auto")], ids=["alone", "with pytest-asyncio"])
def test_a_yield_in_a_test_never_passes(run: Run, options: tuple[str, ...]) -> None:
    plugins = ("asyncio",) if options else ()
    ran = run(YIELDS, *options, "-W", "ignore::pytest.PytestCollectionWarning", plugins=plugins)
    assert ran.code == 2, ran.output
    assert {result["blame"] for result in ran.results.values()} == {"usage"}
    messages = {name: result["message"] for name, result in ran.results.items()}
    assert "test_yields() contains a yield, so calling it does nothing" in messages["test_yields"]
    assert "test_it.py:3: " in messages["test_yields"]
    assert "remove the yield" in messages["test_yields"]
    assert "helper() contains a yield" not in messages["test_returns_a_generator"]
    assert "test_returns_a_generator() returns a generator" in messages["test_returns_a_generator"]
    assert "the fixture nothing yields nothing" in messages["test_of_nothing"]
    assert "the fixture twice yields more than once" in messages["test_of_two"]


PLAIN = f"""
async def test_plain(stack):{CONNECTS}
def test_without_async(stack):
    assert stack.gateway.running
"""
MARKED = f"""
import pytest
@pytest.mark.asyncio
async def test_marked(stack):{CONNECTS}
@pytest.fixture
async def board(stack):
    yield await stack.boards.power_on()
@pytest.mark.asyncio
async def test_with_fixture(stack, board):
    await stack.device(board).until(phase="Connected", within=60)
"""
ANYIO = """
import anyio, pytest
@pytest.fixture
def anyio_backend():
    return "asyncio"
@pytest.fixture
async def board(stack):
    await anyio.sleep(0)
    yield await stack.boards.power_on()
@pytest.mark.anyio
async def test_anyio(stack, board):
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 0)
    await stack.device(board).until(phase="Connected", within=60)
"""


@pytest.mark.parametrize(
    ("code", "options", "plugins"),
    [
        (PLAIN, ("-o", "asyncio_mode=auto"), ("asyncio",)),
        (PLAIN, ("-o", "asyncio_mode=strict"), ("asyncio",)),
        (PLAIN + MARKED, ("-o", "asyncio_mode=strict"), ("asyncio",)),
        (PLAIN + MARKED, ("-o", "asyncio_mode=auto"), ("asyncio", "anyio")),
        (PLAIN + ANYIO, (), ("anyio",)),
        (ANYIO, ("-o", "anyio_mode=auto"), ("anyio",)),
        (PLAIN, (), ("trio",)),
    ],
    ids=["auto", "strict", "marker", "marker and auto", "anyio", "anyio's auto mode", "trio beside"],
)
def test_other_plugins_leave_tests_with_a_stack_to_its_loop(
    run: Run, code: str, options: tuple[str, ...], plugins: tuple[str, ...]
) -> None:
    ran = run(code, *options, plugins=plugins)
    assert ran.code == 0, ran.output
    assert set(ran.outcomes.values()) == {"passed"}


BESIDE = (
    PLAIN
    + """
import asyncio
async def test_without_a_stack():
    await asyncio.sleep(0)
"""
)


def test_other_plugins_still_run_tests_without_a_stack(run: Run) -> None:
    ran = run(BESIDE, "-o", "asyncio_mode=auto", plugins=("asyncio",))
    assert (ran.code, len(ran.results)) == (0, 2), ran.output
    assert "3 passed" in ran.output


TRIO = """
import pytest
@pytest.mark.trio
async def test_trio(stack):
    raise AssertionError("never reached")
"""
ON_TRIO = """
import pytest
@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_on_trio(stack, anyio_backend):
    raise AssertionError("never reached")
"""
UNITTEST = """
import unittest, pytest
class TestIt(unittest.IsolatedAsyncioTestCase):
    @pytest.fixture(autouse=True)
    def _stack(self, stack):
        self.stack = stack
    async def test_it(self):
        raise AssertionError("never reached")
"""


@pytest.mark.parametrize(
    ("code", "options", "plugin", "message"),
    [
        (TRIO, (), "trio", "asks pytest-trio to run this test on trio\n  -> remove the marker trio"),
        (PLAIN.partition("def test_without")[0], ("-o", "trio_mode=true"), "trio", "or trio_mode, from tests"),
        (ON_TRIO, (), "anyio", "asks anyio to run this test on trio\n  -> remove the marker anyio"),
        (UNITTEST, (), "asyncio", "unittest runs TestIt on its own event loop"),
    ],
    ids=["trio", "trio's auto mode", "anyio on trio", "unittest"],
)
def test_a_test_that_cannot_run_on_the_stacks_loop_is_one_usage_error(
    run: Run, code: str, options: tuple[str, ...], plugin: str, message: str
) -> None:
    ran = run(code, *options, plugins=(plugin,))
    assert ran.code == 2, ran.output
    (result,) = ran.results.values()
    assert (result["outcome"], result["blame"]) == ("failed", "usage")
    assert message in result["message"]
    assert "to blame: the caller 1\n" in ran.output


FIXTURES = """
import asyncio
import pytest
seen = []
@pytest.fixture
async def first(stack):
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(asyncio.Event().wait())
        yield stack
        assert (asyncio.get_running_loop(), asyncio.current_task()) == (loop, task)
        waiting.cancel()
    seen.append(f"first ends, gateway {'up' if stack.gateway.running else 'down'}")
@pytest.fixture
async def board(first):
    return await first.boards.power_on()
@pytest.fixture
async def loop():
    return asyncio.get_running_loop()
class TestIn:
    @pytest.fixture
    async def mine(self, board):
        self.name = board.name
        yield self
        seen.append("mine ends")
    async def test_all(self, mine, stack, board, loop):
        assert mine is self and loop is asyncio.get_running_loop()
        await stack.device(self.name).until(phase="Connected", within=60)
def test_they_are_ended_in_order():
    assert seen == ["mine ends", "first ends, gateway up"]
def test_an_ordinary_test_may_use_them(board):
    assert board.power == "on"
@pytest.fixture
async def broken(stack):
    yield
    assert 1 == 2
async def test_broken_end(broken):
    pass
@pytest.fixture
async def unfit(stack):
    raise RuntimeError("no fit")
async def test_unfit(unfit):
    pass
@pytest.fixture
async def endless(stack):
    await asyncio.Event().wait()
    yield
@pytest.mark.stack(deadline=0.5)
async def test_endless(endless):
    pass
"""


@pytest.mark.parametrize("plugins", [(), ("asyncio", "anyio")], ids=["alone", "with others"])
def test_async_fixtures_run_on_the_stacks_loop(run: Run, plugins: tuple[str, ...]) -> None:
    ran = run(FIXTURES, *(("-o", "asyncio_mode=auto") if plugins else ()), plugins=plugins)
    outcomes = ran.outcomes
    assert outcomes.pop("test_all") == outcomes.pop("test_an_ordinary_test_may_use_them") == "passed", ran.output
    assert set(outcomes.values()) == {"failed"}
    assert "test_they_are_ended_in_order" not in ran.output, "it passed, and has no stack"
    assert "assert 1 == 2" in ran.results["test_broken_end"]["message"]
    assert "no fit" in ran.results["test_unfit"]["message"]
    assert "did not end within 0.5 s (--deadline)" in ran.results["test_endless"]["message"]


GIVEN = f"""
from hypothesis import HealthCheck, given, settings, strategies as st
stacks = set()
on_a_stack = settings(
    max_examples=3, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@on_a_stack
@given(number=st.integers(0, 3))
async def test_given(stack, number):
    stacks.add(id(stack)){CONNECTS}
def test_every_example_ran_on_one_stack():
    assert len(stacks) == 1
@on_a_stack
@given(number=st.integers(0, 3))
async def test_wrong(stack, number):
    assert number < 0
@on_a_stack
@given(number=st.integers(0, 3))
async def test_forgets(stack, number):
    stack.boards.power_on()
@on_a_stack
@given(number=st.integers(0, 3))
async def test_yields(stack, number):
    yield
"""


@pytest.mark.parametrize("plugins", [(), ("asyncio", "anyio", "trio")], ids=["alone", "with others"])
def test_examples_of_hypothesis_run_on_one_stack(run: Run, plugins: tuple[str, ...]) -> None:
    ignored = "ignore::pytest.PytestCollectionWarning"
    ran = run(GIVEN, "-W", ignored, *(("-o", "asyncio_mode=auto") if plugins else ()), plugins=plugins)
    blames = {name: result["blame"] for name, result in ran.results.items()}
    assert blames == {"test_given": None, "test_wrong": "product", "test_forgets": "usage", "test_yields": "usage"}
    assert "number=0" in ran.results["test_wrong"]["message"]
    assert "test_every_example" not in ran.output, "it passed"


DECORATED = f"""
import functools
def decorated(function):
    @functools.wraps(function)
    def wrapper(*arguments, **named):
        return function(*arguments, **named)
    return wrapper
@decorated
async def test_decorated(stack):{CONNECTS}
"""


def test_a_decorated_coroutine_is_run_too(run: Run) -> None:
    ran = run(DECORATED)
    assert ran.code == 0, ran.output
    assert ran.outcomes == {"test_decorated": "passed"}
