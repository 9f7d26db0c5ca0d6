"""Interrupted tests and failed collections are once in each output, as in pytest's."""

from collections import Counter

import pytest

from tests.plugin.project import Project

ALL = ("--summary=summary.md", "--alluredir=allure", "--clean-alluredir")
FIRST = "async def test_good(stack): pass\n"
EARLY = {
    "interrupted": "async def test_ends(stack): raise KeyboardInterrupt\n",
    "exit": "import pytest\nasync def test_ends(stack): pytest.exit('enough')\n",
    "plain": "def test_ends(): raise KeyboardInterrupt\n",
}


@pytest.mark.parametrize("end", EARLY)
def test_the_test_in_which_a_run_ends_is_not_run(project: Project, end: str) -> None:
    done = project.run(FIRST + EARLY[end] + "async def test_never(stack): pass\n", *ALL)
    assert done.returncode == pytest.ExitCode.INTERRUPTED, done.stdout
    assert project.same_everywhere() == Counter({"passed": 1, "not run": 1})
    assert project.outcomes()["test_ends"] == "not run"
    assert sorted(project.junit()) == [("test_it", "test_ends", ["skipped"]), ("test_it", "test_good", [])]


@pytest.mark.parametrize("option", ["-x", "--maxfail=1"])
def test_a_run_that_stops_at_the_first_failure_has_the_tests_so_far(project: Project, option: str) -> None:
    code = FIRST + "def test_bad(): assert 0\nasync def test_never(stack): pass\n"
    project.run(code, *ALL, option)
    assert project.same_everywhere() == Counter({"passed": 1, "failed": 1})


def test_a_failed_collection_is_an_error_and_pytest_decides_the_exit_code(project: Project) -> None:
    (project.folder / "test_broken.py").write_text("import nonsense\n")
    (project.folder / "test_left_out.py").write_text("import pytest\npytest.skip('no', allow_module_level=True)\n")
    rig = "from harness.core.errors import RigError\nasync def test_rig(stack): raise RigError('no board')\n"
    for workers in ((), ("-n1",)):
        options = ("--continue-on-collection-errors", "--junitxml=junit.xml", *workers)
        done = project.run(FIRST + rig, *ALL, *options)
        assert done.returncode == pytest.ExitCode.TESTS_FAILED, "not 3: more than the rig is wrong"
        assert project.same_everywhere() == Counter({"passed": 1, "not run": 1, "failed": 1, "skipped": 1})
        assert sorted(project.junit()) == sorted(project.junit(project.folder / "junit.xml"))
        message = next(test["message"] for test in project.page()["tests"] if test["name"] == "test_broken.py")
        assert "No module named 'nonsense'" in message


def test_a_shared_fixture_that_fails_fails_each_test_once(project: Project) -> None:
    code = (
        "import pytest\n"
        "@pytest.fixture(scope='session')\n"
        "def bench(): raise ValueError('no bench')\n"
        "@pytest.fixture\n"
        "def at_end():\n"
        "    yield\n"
        "    raise ValueError('no end')\n"
        "async def test_one(bench, stack): pass\n"
        "async def test_two(bench, stack): pass\n"
        "def test_plain(bench): pass\n"
        "async def test_end(at_end, stack): pass\n"
        "async def test_both(at_end, stack): assert 0\n"
    )
    project.run(code, *ALL)
    assert project.same_everywhere() == Counter({"failed": 5})
    results = project.results()
    assert results["test_one"]["message"].startswith("ValueError: no bench\n")
    both = results["test_both"]["message"]
    assert both.startswith("assert 0\n")
    assert "\n\nValueError: no end\n" in both
    assert results["test_both"]["blame"] == "product"
