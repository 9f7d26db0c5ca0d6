"""Each Robot test is in each output once, with Robot's final outcome."""

import json
import re
from collections import Counter
from xml.etree import ElementTree as ET

from robot.api import ExecutionResult

from tests.robot.project import Project

MIX = """
It Uses A Stack
    Power On Board
It Has No Stack
    No Operation
A/B
    Power On Board    name=first
A:B
    Power On Board    name=second
    Fail    on purpose
Twice
    Power On Board    name=first
Twice
    Power On Board    name=second
    Fail    on purpose
It Is Known To Fail
    [Tags]    known
    Device Should Reach Phase    nobody    Connected    within=100ms
Ping ::1 v1.2
    Power On Board
"""
FAILED = {"It.A:B", "It.Twice (#2)"}


def page(project: Project) -> list[dict[str, object]]:
    (path,) = project.folder.glob("reports/*/index.html")
    found = re.search(r'<script type="application/json" id="run">(.*?)</script>', path.read_text("utf-8"), re.DOTALL)
    return json.loads(found[1])["tests"]


def test_each_test_is_in_each_output_once(project: Project) -> None:
    project.write(MIX)
    _, output = project.run("--skiponfailure", "known", "--variable", "SUMMARY:summary.md", "it.robot")
    tests = page(project)
    assert {test["name"] for test in tests if test["outcome"] == "failed"} == FAILED, output
    counts = Counter(str(test["outcome"]) for test in tests)
    assert counts == Counter({"passed": 5, "failed": 2, "skipped": 1})
    robots = ExecutionResult(project.folder / "output.xml").statistics.total
    assert (robots.passed, robots.failed, robots.skipped) == (5, 2, 1)
    assert "to blame: the product 2" in output, "a failure that Robot expects has no blame"
    ((row),) = [json.loads(line) for line in (project.folder / "reports" / "trend.jsonl").read_text().splitlines()]
    assert (row["passed"], row["failed"], row["skipped"]) == (5, 2, 1)
    assert ": 2 failed, 5 passed, 1 skipped" in (project.folder / "summary.md").read_text("utf-8")
    (junit,) = project.folder.glob("reports/*/junit.xml")
    cases = list(ET.parse(junit).getroot()[0].iter("testcase"))
    assert {(case.get("classname"), case.get("name")) for case in cases} >= {("It", "Ping ::1 v1.2"), ("It", "A/B")}
    assert len(cases) == 8
    assert len(list(project.folder.glob("reports/*/*/history.jsonl"))) == 7


def test_a_failed_suite_teardown_fails_its_tests(project: Project) -> None:
    project.write(
        "One\n    Power On Board\nTwo\n    No Operation\nThree\n    Fail    on purpose\n",
        more="Suite Teardown    Fail    the bench is not as it was\n",
    )
    code, output = project.run("it.robot")
    assert code == 3, output
    assert {test["name"]: test["outcome"] for test in page(project)} == dict.fromkeys(
        ("It.One", "It.Two", "It.Three"), "failed"
    )
    assert "the bench is not as it was" in str(next(test for test in page(project) if test["name"] == "It.Two"))
    assert "to blame: the product 3" in output


def test_a_test_that_never_started_is_not_run(project: Project) -> None:
    project.write("One\n    Power On Board\n    Fail    on purpose\nTwo\n    Power On Board\n")
    _, output = project.run("--exitonfailure", "it.robot")
    assert {test["name"]: test["outcome"] for test in page(project)} == {"It.One": "failed", "It.Two": "not run"}, (
        output
    )


def test_parallel_robots_lose_no_test(project: Project) -> None:
    for name in ("a", "b"):
        project.write("With\n    Power On Board\nWithout\n    No Operation\n", name=name)
    project.write("Without\n    No Operation\n", name="c")
    code, output = project.run("--processes", "2", ".", module="harness.robot_library")
    assert code == 0, output
    assert Counter(test["outcome"] for test in page(project)) == Counter({"passed": 5})


def test_parallel_robots_without_a_stack_write_no_run(project: Project) -> None:
    project.write("Without\n    No Operation\n")
    code, output = project.run("--processes", "2", ".", module="harness.robot_library")
    assert code == 0, output
    assert not list(project.folder.glob("reports/2*"))
