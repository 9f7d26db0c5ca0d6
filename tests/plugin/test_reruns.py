"""``--reruns``: an attempt in which the rig failed is tried again, and does not count.

The verdict is that of the last attempt that judged the product. A test without such an attempt is not run.
"""

from collections import Counter

import pytest

from tests.plugin.project import Project

ATTEMPTS = """
import itertools
import pytest
from harness.core.errors import ProductFailure, RigError
TRIED = {}
def attempt(name, *outcomes):
    outcome = outcomes[min(next(TRIED.setdefault(name, itertools.count())), len(outcomes) - 1)]
    if outcome == "rig": raise RigError("the emulator died")
    if outcome == "fail": raise ProductFailure("it is wrong")
async def test_rig_then_good(stack): attempt("a", "rig", "pass")
async def test_bad_then_rig_then_good(stack): attempt("b", "fail", "rig", "pass")
async def test_bad_then_rig(stack): attempt("c", "fail", "rig")
async def test_rig_then_bad(stack): attempt("d", "rig", "fail")
async def test_rig(stack): attempt("e", "rig")
@pytest.fixture
def prepared(stack): attempt("f", "rig", "pass")
async def test_rig_in_setup_then_good(prepared): pass
async def test_subtests(stack, subtests):
    with subtests.test("one"): attempt("g", "rig", "pass")
"""
ENDS = {
    "test_rig_then_good": ("passed", None, ["not run"]),
    "test_bad_then_rig_then_good": ("passed", None, ["failed", "not run"]),
    "test_bad_then_rig": ("failed", "product", ["failed", "not run"]),
    "test_rig_then_bad": ("failed", "product", ["not run", "failed"]),
    "test_rig": ("not run", "rig", ["not run", "not run"]),
    "test_rig_in_setup_then_good": ("passed", None, ["not run"]),
    "test_subtests": ("passed", None, ["not run"]),
}


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["alone", "xdist"])
def test_the_last_attempt_that_judged_decides(project: Project, workers: tuple[str, ...]) -> None:
    done = project.run(ATTEMPTS, "--reruns=2", "--summary=summary.md", "--alluredir=allure", *workers)
    assert "2 failed, 4 passed" in done.stdout, done.stdout
    assert "1 not run" in done.stdout, done.stdout
    results = project.results()
    assert {name: (each["outcome"], each["blame"], each["attempts"]) for name, each in results.items()} == ENDS
    message = "it is wrong\n\nThe last attempt was not run: the emulator died"
    assert results["test_bad_then_rig"]["message"] == message
    assert project.same_everywhere() == Counter({"passed": 4, "failed": 2, "not run": 1})
    flaky = [row["flaky_tests"] for row in project.page()["trend"]]
    assert flaky == [["test_it.py::test_bad_then_rig_then_good"]], "a failed rig does not make a test flaky"


def test_only_a_rig_that_failed_in_the_last_attempt_exits_with_3(project: Project) -> None:
    code = ATTEMPTS[: ATTEMPTS.index("async def test_rig_then_good")] + (
        'async def test_rig_then_good(stack): attempt("a", "rig", "pass")\n'
        'async def test_rig(stack): attempt("e", "rig")\n'
    )
    done = project.run(code, "--reruns=1")
    assert done.returncode == 3, done.stdout
    assert "1 passed, 1 not run, 2 rerun" in done.stdout or "1 passed, 2 rerun, 1 not run" in done.stdout, done.stdout


def test_a_test_that_may_not_be_tried_again_is_not_run_at_once(project: Project) -> None:
    done = project.run(ATTEMPTS, "--reruns=2", "--only-rerun=ProductFailure")
    results = project.results()
    assert (results["test_rig"]["outcome"], results["test_rig"]["attempts"]) == ("not run", []), done.stdout
    assert (results["test_bad_then_rig"]["outcome"], results["test_bad_then_rig"]["blame"]) == ("failed", "product")
