"""The plugin as users meet it: a separate project, run by a separate pytest."""

import re
from pathlib import Path

import pytest

from tests.plugin.project import Project
from tests.processes import PYTEST

PASSES = '''
async def test_enrolls(stack):
    """A device enrolls."""
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected")
'''
PRODUCT = """
async def test_wrong(stack):
    await stack.device("nobody").until(phase="Connected", within=0.1)
"""
ASSERTION = """
async def test_assertion(stack):
    assert 1 == 2
"""
INVARIANT = """
from harness.core.history import Kind
async def test_invariant(stack):
    data = {"change": "added", "name": "x", "status": {"phase": "Dancing"}}
    stack.history.record(Kind.STATE, "Kubernetes", "", "Device", data, "x")
"""
RIG = """
import pytest
from harness.core.errors import RigError
async def test_rig(stack):
    raise RigError("the board is not there", where="bench 4", do="plug it in")
@pytest.fixture
def broken(stack):
    raise RigError("the emulator died")
async def test_rig_in_setup(broken):
    raise AssertionError("never reached")
"""
USAGE = """
import pytest
async def test_usage(stack):
    await stack.boards.power_on("toaster")
@pytest.mark.stack(hartbeat=1)
async def test_marker(stack):
    raise AssertionError("never reached")
"""
MARKED = """
import pytest
@pytest.mark.stack(heartbeat="500ms", fleet="3")
async def test_unit(stack):
    assert (stack.options.heartbeat, stack.options.fleet) == (0.5, 3)
@pytest.mark.stack(heartbeat="5x")
async def test_typo(stack):
    raise AssertionError("never reached")
@pytest.mark.stack(hartbeat=5)
async def test_misspelled(stack):
    raise AssertionError("never reached")
"""
HANGS = """
import asyncio
import pytest
@pytest.mark.stack(deadline=0.2)
async def test_hangs(stack):
    await asyncio.get_running_loop().create_future()
@pytest.mark.stack(deadline=5)
async def test_times_out_by_itself(stack):
    raise TimeoutError("my own")
"""
SKIPPED = """
import pytest
@pytest.mark.requires("csr", "watchdog")
async def test_needs_more(stack):
    raise AssertionError("never reached")
"""
MISSPELLED = """
import pytest
pytestmark = pytest.mark.requires("wasm")
@pytest.mark.requires("tsl")
async def test_typo(stack):
    raise AssertionError("never reached")
@pytest.mark.requires(["csr", "wasm"])
async def test_list(stack):
    raise AssertionError("never reached")
"""
FORGOTTEN = """
async def test_nothing_done(stack):
    stack.boards.power_on()
async def test_attribute(stack):
    board = stack.boards.power_on()
    board.name
async def test_unpacked(stack):
    one, two = stack.boards.power_on(count=2)
async def test_measured(stack):
    len(stack.boards.power_on(count=2))
async def test_other_warnings_stay(stack):
    import warnings
    warnings.warn("something else")
def test_without_async(stack):
    board = stack.boards.power_on()
    del board
"""
INTERRUPTED = """
import asyncio, os, signal
async def test_interrupted(stack):
    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)
    await asyncio.get_running_loop().create_future()
"""
PLAIN = """
def test_plain():
    pass
"""


def test_a_passed_run_writes_histories_results_and_a_page(project: Project) -> None:
    done = project.run(PASSES + PLAIN, "--seed=7", "--heartbeat=5", "--live")
    assert done.returncode == 0, done.stdout
    assert "A device enrolls.  passed" in done.stdout
    assert "1 Connected" in done.stdout
    assert "2 passed" in done.stdout
    page = re.search(r"report: (reports/\S+/index\.html)", done.stdout)
    assert page
    assert (project.folder / page[1]).stat().st_size > 1000
    assert (project.folder / "reports" / ".gitignore").read_text().endswith("\n*\n")
    (result,) = project.results().values()
    assert (result["outcome"], result["blame"], result["seed"]) == ("passed", None, 7)
    assert result["title"] == "A device enrolls."
    assert result["rerun"] == "pytest test_it.py::test_enrolls --seed=7 --heartbeat=5.0"
    assert result["options"]["cluster"] == "embedded"
    (history,) = project.folder.glob("reports/*/*/history.jsonl")
    assert '"EnrollmentRequest"' in history.read_text()


def test_a_run_without_a_stack_writes_nothing(project: Project) -> None:
    assert project.run(PLAIN).returncode == 0
    assert not (project.folder / "reports").exists()


def test_each_outcome_has_its_blame_and_the_product_decides_the_exit_code(project: Project) -> None:
    done = project.run(PASSES + PRODUCT + ASSERTION + INVARIANT + RIG + USAGE + HANGS + SKIPPED, "-n", "2")
    assert done.returncode == 1, done.stdout
    assert "6 failed, 1 passed, 1 skipped, 1 error, 2 not run" in done.stdout
    outcomes = {name: (result["outcome"], result["blame"]) for name, result in project.results().items()}
    assert outcomes == {
        "test_enrolls": ("passed", None),
        "test_wrong": ("failed", "product"),
        "test_assertion": ("failed", "product"),
        "test_invariant": ("failed", "product"),
        "test_rig": ("not run", "rig"),
        "test_rig_in_setup": ("not run", "rig"),
        "test_usage": ("failed", "usage"),
        "test_marker": ("failed", "usage"),
        "test_hangs": ("failed", None),
        "test_times_out_by_itself": ("failed", None),
        "test_needs_more": ("skipped", None),
    }
    assert "bench 4: the board is not there" in done.stdout
    assert "to blame: the product 3, the caller 2, unknown 2" in done.stdout
    assert "boards of virtual have no watchdog" in project.results()["test_needs_more"]["message"]
    assert "Dancing" in project.results()["test_invariant"]["message"]
    assert "the test did not end within 0.2 s (--deadline)" in project.results()["test_hangs"]["message"]
    assert "my own" in project.results()["test_times_out_by_itself"]["message"]
    assert "there is no such resource" in project.results()["test_wrong"]["message"]
    assert "FAILED test_it.py::test_wrong - Device nobody: did not reach" in done.stdout
    assert "in wait" not in done.stdout, "the harness's own frames do not help a reader"
    assert "\n--boards: there are no boards of kind 'toaster'\n" in done.stdout
    assert re.search(r"^test_it\.py:\d+: UsageError$", done.stdout, re.MULTILINE), "a usage error has a file and a line"
    assert "FAILED test_it.py::test_usage - --boards: there are no" in done.stdout
    assert "power_on" not in done.stdout, "a usage error needs no traceback"


def test_a_run_with_only_rig_errors_exits_with_3(project: Project) -> None:
    done = project.run(PASSES + RIG)
    assert done.returncode == 3, done.stdout
    assert "1 passed, 2 not run" in done.stdout


def test_a_run_with_only_usage_errors_exits_with_2(project: Project) -> None:
    assert project.run(PASSES + USAGE).returncode == 2


def test_an_invalid_option_is_one_clear_message(project: Project) -> None:
    done = project.run(PASSES, WASMBED_SEED="x")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "WASMBED_SEED: invalid value 'x'" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_marker_takes_options_as_text(project: Project) -> None:
    done = project.run(MARKED)
    results = project.results()
    assert results["test_unit"]["outcome"] == "passed", done.stdout
    assert "heartbeat=: invalid value '5x': must be a positive number of seconds" in results["test_typo"]["message"]
    assert "did you mean 'heartbeat'?" in results["test_misspelled"]["message"]


def test_an_unknown_feature_is_the_callers_error_even_if_the_boards_cannot_run(project: Project) -> None:
    done = project.run(MISSPELLED, "--boards=qemu", WASMBED_IMAGES=str(project.folder))
    assert done.returncode == 2, done.stdout
    message = (
        "no boards have the feature 'tsl', nor does a gateway\n  -> did you mean 'tls'? the features are applications, "
    )
    assert message in project.results()["test_typo"]["message"]
    assert "no boards have the feature" in project.results()["test_list"]["message"]


def test_a_folder_that_cannot_be_written_is_the_rigs_fault(project: Project) -> None:
    (project.folder / "reports").write_text("a file")
    done = project.run("".join(PASSES.replace("test_enrolls", f"test_{n}") for n in range(5)))
    assert done.returncode == 3, done.stdout
    tests = "NOT RUN test_it.py::test_0, test_it.py::test_1, test_it.py::test_2 and 2 more\n  "
    assert done.stdout.count(tests + str(project.folder / "reports")) == 1
    assert "--reports" in done.stdout


def test_an_invalid_folder_for_reports_is_reported_before_any_test_runs(project: Project) -> None:
    (project.folder / "file").write_text("")
    done = project.run(PASSES, "--reports=file/reports")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout
    assert f"{project.folder / 'file'}: is not a folder" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_forgotten_await_is_explained(project: Project) -> None:
    done = project.run(FORGOTTEN)
    assert done.returncode == 1, "the warning has no blame"
    results = project.results()
    assert results.pop("test_other_warnings_stay")["blame"] is None
    assert {result["blame"] for result in results.values()} == {"usage"}
    for result in results.values():
        assert "Boards.power_on() was called and never awaited" in result["message"]
        assert re.search(r"test_it\.py:\d+: ", result["message"])
    assert "Unraisable" not in done.stdout


def test_an_interrupted_test_has_a_result(project: Project) -> None:
    done = project.run(INTERRUPTED, "--seed=3")
    assert done.returncode == pytest.ExitCode.INTERRUPTED, done.stdout
    (result,) = project.results().values()
    assert (result["outcome"], result["blame"]) == ("not run", None)
    assert "interrupted" in result["message"]
    assert result["rerun"] == "pytest test_it.py::test_interrupted --seed=3"


def test_tests_that_cannot_be_collected_are_reported_by_pytest(project: Project) -> None:
    done = project.run("import nonsense", "-n", "1")
    assert "No module named 'nonsense'" in done.stdout
    assert "INTERNALERROR" not in done.stdout + done.stderr


def test_options_are_read_from_the_projects_file_and_its_profiles(project: Project) -> None:
    (project.folder / "harness.toml").write_text("seed = 4\n[profiles.slow]\nheartbeat = '60s'\n")
    assert project.run(PASSES, "--profile=slow", "--fleet=7").returncode == 0
    (result,) = project.results().values()
    assert (result["seed"], result["options"]["heartbeat"], result["options"]["fleet"]) == (4, 60, 7)
    assert result["rerun"] == "pytest test_it.py::test_enrolls --heartbeat=60.0 --fleet=7"
    done = project.run(PASSES, WASMBED_PROFILE="fast")
    assert "WASMBED_PROFILE: unknown profile 'fast'\n  -> the profiles are: slow" in done.stderr


def test_the_projects_file_may_be_above_the_folder_of_the_tests(project: Project, tmp_path: Path) -> None:
    (tmp_path / "harness.toml").write_text("seed = 4\n")
    (tmp_path / "scenarios").mkdir()
    scenarios = type(project)(tmp_path / "scenarios")
    assert scenarios.run(PASSES).returncode == 0
    (result,) = project.results().values()
    assert result["seed"] == 4


def test_tests_without_a_stack_do_not_load_the_modules_of_stacks(project: Project) -> None:
    code = "import atexit, sys; atexit.register(lambda: print('loaded', *sys.modules))\ndef test_plain(): pass"
    (project.folder / "test_it.py").write_text(code)
    done = project.shell([*PYTEST])
    assert done.returncode == 0, done.stdout
    loaded = set(done.stdout.rpartition("loaded")[2].split())
    assert "harness.pytest_plugin.run" in loaded
    assert not loaded & {
        "harness.stack.stack",
        "harness.sequences",
        "aiohttp",
        "cryptography",
        "kubernetes",
        "wasmtime",
    }
