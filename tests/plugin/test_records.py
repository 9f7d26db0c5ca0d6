"""Each test has one record, or one for each worker if all workers run all tests, and is in all outputs."""

import json
from collections import Counter

from tests.plugin.project import Project

ALL = ("--summary=summary.md", "--alluredir=allure")
COLLIDE = """
import pytest
@pytest.mark.parametrize("topic", ["pump/1", "pump-1", "pump:1", "pump 1", "pump[1]", "pump-1-", "[::1]", "\\u00fc"])
async def test_topic(stack, topic):
    stack.history.note("topic", topic=topic)
    assert topic != "pump/1"
class Test:
    async def test_a(self, stack): pass
async def test_a(stack): pass
"""
WORKERS = """
async def test_worker(stack, worker_id):
    stack.history.note("worker", worker=worker_id)
    assert worker_id == "gw0"
"""
AGAIN = """
TRIED = []
async def test_again(stack):
    TRIED.append(1)
    assert len(TRIED) > 1
"""


def test_names_that_differ_only_in_punctuation_are_two_tests(project: Project) -> None:
    done = project.run(COLLIDE, *ALL)
    assert "1 failed, 9 passed" in done.stdout, done.stdout
    assert project.same_everywhere() == Counter({"passed": 9, "failed": 1})
    assert project.outcomes()["test_topic[pump/1]"] == "failed"
    assert [name for _, name, tags in project.junit() if tags] == ["test_topic[pump/1]"]
    topics = set()
    for path in project.report.glob("*/history.jsonl"):
        events = [json.loads(line) for line in path.read_text().splitlines()]
        topics |= {event["data"]["topic"] for event in events if event["name"] == "topic"}
    assert topics == {"pump/1", "pump-1", "pump:1", "pump 1", "pump[1]", "pump-1-", "[::1]", "\u00fc"}


def test_workers_that_all_run_a_test_write_a_record_each(project: Project) -> None:
    done = project.run(WORKERS, *ALL, "--dist=each", "--tx=2*popen")
    assert "1 failed, 1 passed" in done.stdout, done.stdout
    assert project.same_everywhere() == Counter({"passed": 1, "failed": 1})
    assert project.outcomes() == {"test_worker (gw0)": "passed", "test_worker (gw1)": "failed"}
    assert [case[:2] for case in project.junit()] == [("test_it", "test_worker")] * 2
    seen = {(result["worker"], result["outcome"]) for result in project.results().values()}
    assert seen == {("gw0", "passed"), ("gw1", "failed")}


def test_a_test_that_is_named_twice_runs_twice_and_has_two_records(project: Project) -> None:
    (project.folder / "test_it.py").write_text(AGAIN)
    done = project.pytest(*ALL, "--keep-duplicates", "test_it.py", "test_it.py")
    assert "1 failed, 1 passed" in done.stdout, done.stdout
    assert project.same_everywhere() == Counter({"passed": 1, "failed": 1})
    assert project.outcomes() == {"test_again": "failed", "test_again (#2)": "passed"}
    assert len(list(project.report.glob("*/history.jsonl"))) == 2


def test_each_test_of_a_run_is_in_all_outputs(project: Project) -> None:
    code = AGAIN + "def test_plain(): pass\ndef test_plain_fails(): assert 0\n"
    for workers in ((), ("-n2",)):
        done = project.run(code, *ALL, "--clean-alluredir", *workers)
        assert "2 failed, 1 passed" in done.stdout, done.stdout
        assert project.same_everywhere() == Counter({"passed": 1, "failed": 2})
        assert len(project.results()) == 1, "only a test with a stack has a folder"
        assert {name for _, name, _ in project.junit()} == {"test_again", "test_plain", "test_plain_fails"}


def test_a_run_that_only_sets_up_records_nothing(project: Project) -> None:
    for option in ("--setup-plan", "--setup-only", "--collect-only"):
        done = project.run(AGAIN, option)
        assert done.returncode == 0, done.stdout
        assert "test_again" in done.stdout
        assert not (project.folder / "reports").exists(), option


def test_a_test_that_takes_its_stack_by_getfixturevalue_is_recorded(project: Project) -> None:
    code = """
import pytest
@pytest.fixture
def lazy(request):
    return request.getfixturevalue("stack")
def test_passes(request):
    assert request.getfixturevalue("stack").history
def test_fails(request):
    request.getfixturevalue("stack")
    assert 1 == 2
def test_fails_behind_a_fixture(lazy):
    assert 1 == 2
"""
    project.run(code, "--summary=summary.md", "--alluredir=allure")
    assert project.same_everywhere() == {"passed": 1, "failed": 2}
