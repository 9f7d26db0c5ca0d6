"""A test with subtests is counted once, with pytest's outcome for the whole test."""

from collections import Counter

from tests.plugin.project import Project

ALL = ("--summary=summary.md", "--alluredir=allure", "--junitxml=junit.xml")
SUBTESTS = """
import unittest
import pytest
from harness.core.errors import ProductFailure, RigError
async def test_skips(stack, subtests):
    with subtests.test("left out"): pytest.skip("no camera")
    with subtests.test("kept"): pass
async def test_fails(stack, subtests):
    with subtests.test("one"): raise ProductFailure("wrong")
    with subtests.test("two"): assert 1 == 2
async def test_fails_itself_too(stack, subtests):
    with subtests.test("one"): raise ProductFailure("wrong")
    assert 3 == 4
async def test_expected(stack, subtests):
    with subtests.test("known"): pytest.xfail("known bug")
async def test_rig(stack, subtests):
    with subtests.test("lost"): raise RigError("the board is not there")
    with subtests.test("kept"): pass
def test_plain(subtests):
    with subtests.test("one"): assert 0
    with subtests.test("left out"): pytest.skip("no camera")
@pytest.mark.usefixtures("stack")
class TestUnittest(unittest.TestCase):
    def test_unit_skips(self):
        with self.subTest("left out", board=1): self.skipTest("no camera")
        with self.subTest("kept", board=2): pass
    def test_unit_fails(self):
        with self.subTest("one", board=1): self.assertEqual(1, 2)
"""
FAILED = {"test_fails", "test_fails_itself_too", "test_plain", "TestUnittest::test_unit_fails"}
PASSED = {"test_skips", "test_expected", "TestUnittest::test_unit_skips"}


def test_a_test_with_subtests_is_counted_once(project: Project) -> None:
    for workers in ((), ("-n2",)):
        done = project.run(SUBTESTS, *ALL, "--clean-alluredir", *workers)
        assert done.returncode == 1, done.stdout
        assert project.same_everywhere() == Counter({"passed": 3, "failed": 4, "not run": 1})
        outcomes = project.outcomes()
        assert {name for name, outcome in outcomes.items() if outcome == "failed"} == FAILED
        assert {name for name, outcome in outcomes.items() if outcome == "passed"} == PASSED
        assert outcomes["test_rig"] == "not run"
        assert "to blame: the product 3" in done.stdout, "one test, one failure"
        own = {(suite, name): tags for suite, name, tags in project.junit()}
        pytests = {(suite, name): tags for suite, name, tags in project.junit(project.folder / "junit.xml")}
        assert own.keys() == pytests.keys()
        assert {case for case, tags in own.items() if "failure" in tags} == {
            case for case, tags in pytests.items() if "failure" in tags
        }
        assert max(map(len, own.values())) == 1


def test_the_failure_of_a_subtest_is_in_the_message(project: Project) -> None:
    project.run(SUBTESTS)
    message = project.results()["test_fails"]["message"]
    assert message.startswith("wrong\n\nassert 1 == 2\n")
    assert project.results()["test_fails"]["blame"] == "product"
    assert project.results()["test_rig"]["message"] == "the board is not there"
