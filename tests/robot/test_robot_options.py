"""Options from Robot variables, environment, and file; parallel Robots; exit codes by blame."""

from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.robot_library import __main__ as runner
from harness.robot_library.run import options_of
from tests.robot.project import Project


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("WASMBED_HEARTBEAT", raising=False)
    (tmp_path / "harness.toml").write_text("heartbeat = 4\n[profiles.slow]\nheartbeat = '1min'\n")
    return tmp_path


def test_options_are_read_from_variables_the_environment_and_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deeper = folder / "suites"
    deeper.mkdir()

    def heartbeat(**variables: object) -> float:
        root, options = options_of(
            {f"${{{name}}}": value for name, value in variables.items()} | {"${EXECDIR}": deeper}
        )
        assert root == folder
        return options.heartbeat

    assert heartbeat() == 4
    assert heartbeat(PROFILE="slow") == 60
    assert heartbeat(HEARTBEAT="500 ms") == 0.5
    assert heartbeat(HEARTBEAT=3, RECORD=True) == 3
    assert heartbeat(BOARDS=["a list is not an option's value"]) == 4
    monkeypatch.setenv("WASMBED_HEARTBEAT", "5")
    assert heartbeat(PROFILE="slow") == 5
    assert heartbeat(HEARTBEAT="6") == 6


def test_an_invalid_option_is_reported_by_its_variable(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"\$\{SEED\}: invalid value 'x'"):
        options_of({"${EXECDIR}": folder, "${SEED}": "x"})
    with pytest.raises(UsageError, match="is for --cluster=kubeconfig"):
        options_of({"${EXECDIR}": folder, "${KUBECONFIG}": "x"})


def test_options_in_a_suite_take_precedence_over_robots_variables(project: Project) -> None:
    shown = "    ${x}=    Get Stack Option    heartbeat\n    Should Be Equal As Numbers    ${x}    ${4}\n"
    late = "Later\n    Start Stack    heartbeat=5\n    Stop Stack\n"
    project.write(f"It\n{shown}{late}", "heartbeat=4s")
    code, output = project.run("--variable", "HEARTBEAT:5", "it.robot")
    assert code == 0, output
    assert project.results()["Later"]["options"]["heartbeat"] == 5
    code, output = project.run("--variable", "SEED:x", "--test", "It", "it.robot")
    assert code == 1
    assert "${SEED}: invalid value 'x'" in output


def test_parallel_robots_write_one_run_and_return_one_exit_code(project: Project) -> None:
    project.write("Usage\n    Power On Board    toaster\n", name="one")
    project.write("Rig\n    Power On Boards    1000000    mps2-an385\n", name="two")
    module = "harness.robot_library"
    arguments = ("--processes", "2", "--outputdir", "out", "one.robot", "two.robot")
    code, output = project.run(*arguments, module=module)
    assert code == 2, output
    assert output.count("report: ") == 1
    assert "to blame: the caller 1" in output
    assert "NOT RUN " in output
    (run,) = (path for path in (project.folder / "reports").iterdir() if path.is_dir())
    assert {path.parent.name.rpartition(".")[2] for path in run.glob("*/result.json")} == {"Usage", "Rig"}
    assert (run / "index.html").exists()


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["-v", "SEED:1", "robot"], {"${SEED}": "1"}),
        (["--variable=Reports:x:y"], {"${REPORTS}": "x:y"}),
        (["--processes", "2", "--variable", "SEED:1", "-v"], {"${SEED}": "1", "${}": ""}),
    ],
)
def test_variables_are_found_among_the_arguments(arguments: list[str], found: dict[str, str]) -> None:
    assert runner._variables(arguments) == found


@pytest.mark.parametrize(
    ("robots", "blames", "code"),
    [
        (0, [], 0),
        (0, ["rig"], 3),
        (2, ["usage", "rig"], 2),
        (2, ["usage", "product"], 1),
        (1, [], 1),
        (252, [], 2),
        (253, [], 130),
    ],
)
def test_the_exit_code_gives_the_blame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, robots: int, blames: list[str], code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WASMBED_RUN_FOLDER", "")
    monkeypatch.setenv("ROBOT_OPTIONS", "")
    monkeypatch.setattr(runner, "_run", lambda arguments: robots)
    tally = runner.Tally()
    for blame in blames:
        tally.take("test", blame, "reason")
    monkeypatch.setattr(runner, "_tally", lambda folder: tally)
    assert runner.main([]) == code


def test_an_invalid_folder_for_reports_is_reported_before_any_test_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    assert runner.main(["--variable", "REPORTS:file"]) == 2
    assert f"{tmp_path / 'file'}: is not a folder" in capsys.readouterr().err


def test_an_invalid_option_is_reported_before_any_test_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main(["--variable", "SEED:x"]) == 2
    assert "${SEED}: invalid value 'x'" in capsys.readouterr().err


def test_a_test_is_left_out_if_the_run_lacks_what_its_tags_ask_for(project: Project) -> None:
    """With the reason, and without its setup and teardown; an unknown feature is the test's mistake."""
    fail = "    [Setup]    Fail    setup\n    Fail    body\n    [Teardown]    Fail    teardown\n"
    tests = {"Time": "virtual-time", "Applications": "applications", "Wrong": "aplications", "Fits": "gateway-stop"}
    project.write("".join(f"{name}\n    [Tags]    requires:{tag}\n{fail}" for name, tag in tests.items()))
    (project.folder / "harness.toml").write_text('[gateways.small]\nkind = "process"\nsystem = "system.toml"\n')
    (project.folder / "system.toml").write_text("[resources]\nApplication = false\n")
    code, output = project.run("--variable", "GATEWAY:small", "it.robot")
    assert code == 2, output
    assert "a stack in real time has no virtual-time" in output
    assert "the system of --gateway=small has no applications" in output
    assert "no boards have the feature 'aplications'" in output
    assert "4 tests, 0 passed, 2 failed, 2 skipped" in output
