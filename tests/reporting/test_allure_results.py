"""Allure results of real runs, read as files and by Allure's own npm tool."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from harness.reporting import allure
from harness.reporting.allure_steps import OPERATIONS
from harness.reporting.trend_file import read_trend
from tests.forked import run_pytest, run_python

TOOL = Path(__file__).parent / "allure" / "node_modules" / ".bin" / "allure"
ALONE = "-p no:asyncio -p no:anyio -p no:trio"
"""Async plugins that are installed for separate tests."""
PROJECT = '''
import asyncio
import pytest
from harness.core.errors import RigError

@pytest.mark.severity("critical")
@pytest.mark.link("https://example.org/issues/5", "five", type="issue")
async def test_good(stack):
    """Two devices enroll and one of them runs an application."""
    boards = await asyncio.gather(stack.boards.power_on(), stack.boards.power_on())
    for board in boards:
        await stack.device(board).until(phase="Connected", within=20)
    application = await stack.deploy("hello", to=boards[0])
    await application.until(phase="Running", within=20)
    await stack.gateway.restart()
    with pytest.raises(TypeError):
        await stack.deploy()
    stack.history.follows("device-enrollment")

async def test_product(stack):
    await stack.device("nobody").until(phase="Connected", within=0.1)

async def test_rig(stack):
    raise RigError("the board is not there", where="bench 4", do="plug it in")

async def test_usage(stack):
    await stack.boards.power_on("toaster")

async def test_unknown(stack):
    raise KeyError("x")

def test_without_a_stack():
    pass
'''


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a run on a worker of pytest-xdist."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "test_it.py").write_text(PROJECT)
    (folder / "pytest.ini").write_text(f"[pytest]\nfilterwarnings = error\naddopts = {ALONE}\n")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "WASMBED_", "GITHUB_"))}
    job = {"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://example.org"}
    job |= {"GITHUB_REPOSITORY": "a/b", "GITHUB_RUN_ID": "7"}
    done = run_pytest("-n1", "--alluredir=results", "--seed=7", folder=folder, environment=kept | job)
    assert "3 failed, 2 passed, 1 not run" in done.stdout, done.stdout + done.stderr
    return folder / "results"


@pytest.fixture(scope="module")
def tests(results: Path) -> dict[str, dict[str, Any]]:
    found = (json.loads(path.read_text()) for path in results.glob("*-result.json"))
    return {result["name"]: result for result in found}


SUITE = """
*** Settings ***
Library    harness.robot_library

*** Test Cases ***
Good
    [Tags]    severity:critical    issue:https://example.org/issues/5
    ${board}=    Power On Board
    Device Should Reach Phase    ${board}    Connected    within=20s
    History Should Follow    device-enrollment

Product
    Device Should Reach Phase    nobody    Connected    within=100ms

Usage
    Power On Board    toaster

Rig
    Start Stack    cluster=kubeconfig
"""


@pytest.fixture(scope="module")
def robot_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a run of Robot."""
    folder = tmp_path_factory.mktemp("suites")
    (folder / "it.robot").write_text(SUITE)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "WASMBED_", "GITHUB_"))}
    kept = {key: value for key, value in kept.items() if key != "KUBECONFIG"} | {"HOME": str(folder)}
    command = ["-m", "robot", "--listener", "allure_robotframework:results", "--variable", "SEED:7", "it.robot"]
    done = run_python(*command, folder=folder, environment=kept)
    assert "4 tests, 1 passed, 2 failed, 1 skipped" in done.stdout, done.stdout + done.stderr
    return folder / "results"


def test_robot_writes_the_same_allure_results(robot_results: Path) -> None:
    tests = {(found := json.loads(path.read_text()))["name"]: found for path in robot_results.glob("*-result.json")}
    ends = {name: (test["status"], labels(test, "blame")) for name, test in tests.items()}
    assert ends == {
        "Good": ("passed", []),
        "Product": ("failed", ["product"]),
        "Usage": ("failed", ["usage"]),
        "Rig": ("skipped", ["rig"]),
    }
    categories = categories_of(robot_results, tests)
    assert categories == {"Good": [], "Product": ["Product"], "Usage": ["Usage"], "Rig": ["Rig"]}
    good = tests["Good"]
    assert [step["name"].rpartition(".")[2] for step in good["steps"]] == [
        "Power On Board",
        "Device Should Reach Phase",
        "History Should Follow",
    ]
    assert {each["name"]: each["value"] for each in good["parameters"]}["seed"] == "7"
    assert labels(good, "severity") == ["critical"]
    assert [link["url"] for link in good["links"]] == ["https://example.org/issues/5"]
    attached = {each["name"] for each in good["attachments"]}
    assert attached == {"run this test again", "history", "console virtual-1", "sequence device-enrollment"}
    assert "tier=virtual\n" in (robot_results / "environment.properties").read_text()


def test_a_robot_run_ends_like_any_run(robot_results: Path) -> None:
    reports = robot_results.parent / "reports"
    ((row,), trouble) = read_trend(reports / "trend.jsonl")
    assert trouble == []
    assert (row["passed"], row["failed"], row["not_run"], row["boards"]) == (1, 2, 1, ["virtual"])
    (junit,) = reports.glob("*/junit.xml")
    cases = {case.get("name"): case for case in ET.parse(junit).getroot().iter("testcase")}
    good = {each.get("name"): each.get("value") for each in cases["Good"].iter("property")}
    assert (cases["Good"].get("classname"), cases["Good"].get("file"), good["severity"]) == (
        "It",
        "it.robot",
        "critical",
    )
    assert {"tier", "seed", "duration.call", "rerun", "report", "link"} <= set(good)
    assert cases["Rig"].find("skipped") is not None


def labels(result: dict[str, Any], name: str) -> list[str]:
    return [label["value"] for label in result["labels"] if label["name"] == name]


def test_operations_of_the_stack_are_steps(tests: dict[str, dict[str, Any]]) -> None:
    steps = [(step["name"], step["status"]) for step in tests["test_good"]["steps"]]
    assert steps == [
        ("power on", "passed"),
        ("power on", "passed"),
        ("Device virtual-1 until phase=Connected", "passed"),
        ("Device virtual-2 until phase=Connected", "passed"),
        ("deploy hello", "passed"),
        ("Application hello-1 until phase=Running", "passed"),
        ("restart Gateway gateway-1", "passed"),
        ("history follows device-enrollment", "passed"),
        ("every invariant holds", "passed"),
    ]
    deploy = tests["test_good"]["steps"][4]
    assert deploy["parameters"] == [{"name": "module", "value": "hello"}, {"name": "to", "value": "virtual-1"}]
    assert deploy["start"] <= deploy["stop"]
    (failed,) = tests["test_product"]["steps"]
    assert failed["status"] == "failed"
    assert "did not reach phase=Connected" in failed["statusDetails"]["message"]
    (broken,) = tests["test_usage"]["steps"]
    assert (broken["name"], broken["status"]) == ("power on", "broken")


def test_allure_gets_parameters_severity_and_links(tests: dict[str, dict[str, Any]]) -> None:
    good = tests["test_good"]
    assert {each["name"]: (each["value"], each.get("excluded")) for each in good["parameters"]} == {
        "tier": ("virtual", None),
        "cluster": ("embedded", None),
        "fleet": ("5", None),
        "heartbeat": ("30.0", None),
        "seed": ("7", True),
    }
    assert labels(good, "severity") == ["critical"]
    assert good["links"] == [{"type": "issue", "url": "https://example.org/issues/5", "name": "five"}]
    assert "parameters" not in tests["test_without_a_stack"]


def test_history_consoles_and_pictures_are_attached(results: Path, tests: dict[str, dict[str, Any]]) -> None:
    attached = {each["name"]: results / each["source"] for each in tests["test_good"]["attachments"]}
    assert set(attached) == {
        "run this test again",
        "history",
        "console virtual-1",
        "console virtual-2",
        "sequence device-enrollment",
    }
    assert attached["run this test again"].read_text() == "pytest test_it.py::test_good --seed=7"
    assert b'"EnrollmentRequest"' in attached["history"].read_bytes()
    assert "wasmbed" in attached["console virtual-1"].read_text()
    assert attached["sequence device-enrollment"].read_text().startswith("<svg")


def test_allure_gets_the_blame(tests: dict[str, dict[str, Any]]) -> None:
    blames = {name: (result["status"], labels(result, "blame")) for name, result in tests.items()}
    assert blames == {
        "test_good": ("passed", []),
        "test_product": ("failed", ["product"]),
        "test_rig": ("skipped", ["rig"]),
        "test_usage": ("broken", ["usage"]),
        "test_unknown": ("broken", ["unknown"]),
        "test_without_a_stack": ("passed", []),
    }


def test_allure_gets_the_environment_of_the_run(results: Path) -> None:
    about = dict(line.split("=", 1) for line in (results / "environment.properties").read_text().splitlines())
    assert (about["tier"], about["cluster"], about["seed"]) == ("virtual", "embedded", "7")
    assert {"harness", "python", "system"} < set(about)
    assert json.loads((results / "executor.json").read_text())["buildUrl"] == "https://example.org/a/b/actions/runs/7"


def categories_of(results: Path, tests: Mapping[str, dict[str, Any]]) -> dict[str, list[str]]:
    """The categories as Allure 2 computes them: status and the whole message must match."""
    categories = json.loads((results / "categories.json").read_text())
    return {
        name: [
            category["name"].partition(":")[0]
            for category in categories
            if result["status"] in category["matchedStatuses"]
            and re.fullmatch(category["messageRegex"], (result.get("statusDetails") or {}).get("message", ""))
        ]
        for name, result in tests.items()
    }


def test_every_failure_is_in_one_category(results: Path, tests: dict[str, dict[str, Any]]) -> None:
    assert categories_of(results, tests) == {
        "test_good": [],
        "test_product": ["Product"],
        "test_rig": ["Rig"],
        "test_usage": ["Usage"],
        "test_unknown": ["Unknown cause"],
        "test_without_a_stack": [],
    }


def test_allure_generates_its_report(results: Path, tmp_path: Path) -> None:
    if not TOOL.exists():
        pytest.skip(f"the tool allure is not installed: npm ci --prefix {Path(__file__).parent.name}/allure in tests")
    done = subprocess.run(
        [str(TOOL), "generate", "--config", str(results / "allurerc.json"), "-o", str(tmp_path / "out"), str(results)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (page,) = tmp_path.glob("out/index.html")
    assert page.stat().st_size > 1000
    widgets = tmp_path / "out" / "widgets"
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["stats"] == {
        "total": 6,
        "failed": 1,
        "broken": 2,
        "passed": 2,
        "skipped": 1,
    }
    environment = {each["name"]: each["values"] for each in read(widgets / "allure_environment.json")}
    assert environment["tier"] == ["virtual"]
    nodes = read(widgets / "default" / "categories.json")["nodes"].values()
    counts = {
        node["name"].partition(":")[0]: node["statistic"]["total"] for node in nodes if node["type"] == "category"
    }
    assert counts == {"Product": 1, "Rig": 1, "Usage": 1, "Unknown cause": 1}
    shown = [read(path) for path in tmp_path.glob("out/data/test-results/*.json")]
    (good,) = [each for each in shown if each["name"] == "test_good"]
    assert [step["name"] for step in good["steps"] if step["type"] == "step"][:2] == ["power on", "power on"]
    attached = [step["link"]["name"] for step in good["steps"] if step["type"] == "attachment"]
    assert {"history", "console virtual-1"} < set(attached)


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_every_step_names_an_operation_that_exists() -> None:
    missing = [
        f"{kind.__name__}.{name}" for kind, names in OPERATIONS.items() for name in names if name not in vars(kind)
    ]
    assert missing == []


def test_the_consoles_of_a_fleet_are_one_attachment(leave: Callable[..., Path], tmp_path: Path) -> None:
    from harness.core.clock import ManualClock
    from harness.core.history import History, Kind
    from harness.reporting.runs import read_run

    test = leave(tmp_path / "run" / "fleet")
    history = History(ManualClock(), test / "history.jsonl")
    for number in range(allure.CONSOLES + 1):
        history.record(Kind.CONSOLE, "Device", "", "Console", {"board": f"b-{number}", "text": "\x1b[1mhi"}, "x")
    history.close()
    (record,) = read_run(tmp_path / "run")
    ((name, text),) = allure._consoles(record)
    assert (name, text.splitlines()[0]) == ("consoles", "b-0: hi")


def test_nothing_is_written_without_allure(tmp_path: Path) -> None:
    if allure.results_folder() is not None:
        pytest.skip("this very run writes Allure results")
    allure.begin_test({"boards": "virtual"}, severity="critical")
    assert allure.end_test(tmp_path) is None
