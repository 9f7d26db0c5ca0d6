"""When a pytest-xdist worker dies, its test is one error in each output and keeps its history."""

from collections import Counter

from tests.plugin.project import Project

ALL = ("--summary=summary.md", "--alluredir=allure", "--junitxml=junit.xml")
CRASH = """
import os, signal
import pytest
async def _connects(stack):
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected", within=20)
async def test_a(stack): await _connects(stack)
async def test_killed(stack):
    await _connects(stack)
    os.kill(os.getpid(), signal.SIGKILL)
async def test_b(stack): await _connects(stack)
def test_plain_killed(): os._exit(3)
@pytest.fixture
def ends_badly():
    yield
    os.kill(os.getpid(), signal.SIGSEGV)
async def test_killed_at_its_end(ends_badly, stack): pass
"""


def test_a_killed_worker_is_one_error_in_each_output(project: Project) -> None:
    done = project.run(CRASH, *ALL, "-n2")
    assert done.returncode == 1, done.stdout
    assert project.same_everywhere() == Counter({"passed": 2, "failed": 3})
    errors = {name for _, name, tags in project.junit() if tags == ["error"]}
    assert errors == {"test_killed", "test_plain_killed", "test_killed_at_its_end"}
    assert sorted(project.junit()) == sorted(project.junit(project.folder / "junit.xml"))
    killed = project.results()["test_killed"]
    assert (killed["outcome"], killed["blame"]) == ("failed", None)
    assert "crashed while running 'test_it.py::test_killed'" in killed["message"]
    assert killed["rerun"] == "pytest test_it.py::test_killed"
    assert '"EnrollmentRequest"' in (project.report / "test_it-test_killed" / "history.jsonl").read_text()
    assert f"{project.report / 'test_it-test_killed'}" in (project.report / "junit.xml").read_text()
    assert "test_plain_killed" not in project.results(), "it has no stack, and nothing was recorded"
    assert "to blame: unknown 2" in done.stdout


def test_a_test_whose_worker_died_can_be_tried_again_and_is_one_test(project: Project) -> None:
    code = (
        "import os, pathlib\n"
        "async def test_dies_once(stack):\n"
        "    died = pathlib.Path('died')\n"
        "    if not died.exists():\n"
        "        died.touch()\n"
        "        os._exit(3)\n"
    )
    done = project.run(code, *ALL, "-n1", "--reruns=1")
    assert done.returncode == 0, done.stdout
    assert project.same_everywhere() == Counter({"passed": 1})
    (result,) = project.results().values()
    assert (result["outcome"], result["attempts"]) == ("passed", ["failed"])
    folder = project.report / "test_it-test_dies_once"
    assert {path.name for path in folder.glob("*.jsonl")} == {"history.jsonl", "history-attempt-1.jsonl"}


def test_a_replacement_that_dies_is_reported_too(project: Project) -> None:
    """With ``--dist=each`` pytest-xdist itself reports only the first death of each worker's place."""
    code = "import os\nasync def test_one(stack): os._exit(3)\nasync def test_two(stack): os._exit(3)\n"
    done = project.run(code, "--summary=summary.md", "--alluredir=allure", "--dist=each", "--tx=1*popen")
    assert done.returncode == 1, done.stdout
    assert project.same_everywhere() == Counter({"failed": 2})
    assert "2 failed" in done.stdout, done.stdout
