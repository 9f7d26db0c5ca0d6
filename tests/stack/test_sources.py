"""The project's file: defaults, profiles, and errors in it."""

from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.stack.sources import read_options

FILE = """
fleet = 3
record = true
profile = "quick"
[profiles.quick]
heartbeat = 1
deadline = 60
[profiles.nightly]
heartbeat = "2min"
boards = "qemu"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "harness.toml").write_text(FILE)
    return tmp_path


def test_without_a_file_the_harnesss_defaults_apply(tmp_path: Path) -> None:
    assert read_options({}, {}, tmp_path).boards == "virtual"


def test_the_command_line_comes_before_the_environment_and_that_before_the_file(project: Path) -> None:
    given, environment = {"heartbeat": "4"}, {"WASMBED_HEARTBEAT": "3", "WASMBED_DEADLINE": "30"}
    options = read_options(given, environment, project)
    assert (options.heartbeat, options.deadline, options.fleet, options.record) == (4, 30, 3, True)
    assert options.profile == "quick"
    assert read_options({}, {}, project).heartbeat == 1


def test_a_profile_is_selected_by_its_name(project: Path) -> None:
    nightly = read_options({"profile": "nightly"}, {"WASMBED_PROFILE": "quick"}, project)
    assert (nightly.heartbeat, nightly.boards, nightly.deadline, nightly.fleet) == (120, "qemu", 300, 3)
    assert read_options({}, {"WASMBED_PROFILE": "nightly"}, project).boards == "qemu"
    with pytest.raises(UsageError, match=r"--profile: unknown profile 'weekly'\n  -> the profiles are: nightly, quick"):
        read_options({"profile": "weekly"}, {}, project)


def test_pyproject_may_hold_the_options(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.wasmbed-harness]\nseed = 5\n")
    assert read_options({}, {}, tmp_path).seed == 5
    (tmp_path / "harness.toml").write_text("")
    assert read_options({}, {}, tmp_path).seed is None, "harness.toml takes precedence"


def test_an_error_spells_the_option_as_its_front_door_does(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\$\{SEED\}: invalid value 'x'"):
        read_options({"seed": "x"}, {}, tmp_path, spelling="${{{NAME}}}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fleet = ", "harness.toml: invalid TOML"),
        ("flet = 3", "harness.toml: unknown option: flet"),
        ("fleet = 0", "harness.toml: fleet: invalid value '0': must be at least 1"),
        ("[profiles.x]\nboards = 3\nflet = 3", "harness.toml profiles.x: unknown option: flet"),
        ("[profiles]\nx = 3", "profiles.x: is not a table"),
        ("profiles = 3", "is not a table"),
        ("boards = 'paper'", "unknown boards 'paper'"),
    ],
)
def test_an_error_in_the_file_is_reported_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "harness.toml").write_text(text)
    with pytest.raises(UsageError) as refused:
        read_options({}, {}, tmp_path)
    assert message in str(refused.value)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "harness.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="invalid TOML"):
        read_options({}, {}, tmp_path)


def test_options_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--kubeconfig: is for --cluster=kubeconfig"):
        read_options({"kubeconfig": "x"}, {}, tmp_path)
    assert read_options({"kubeconfig": "x", "cluster": "kubeconfig"}, {}, tmp_path).cluster == "kubeconfig"
