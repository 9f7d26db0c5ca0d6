"""The project's file: defaults, profiles, and what is wrong with it in words."""

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


def test_without_a_file_there_are_the_harnesss_defaults(tmp_path: Path) -> None:
    assert read_options({}, {}, tmp_path).boards == "virtual"


def test_the_closer_goes_first(project: Path) -> None:
    given, environment = {"heartbeat": "4"}, {"WASMBED_HEARTBEAT": "3", "WASMBED_DEADLINE": "30"}
    options = read_options(given, environment, project)
    assert (options.heartbeat, options.deadline, options.fleet, options.record) == (4, 30, 3, True)
    assert options.profile == "quick"
    assert read_options({}, {}, project).heartbeat == 1


def test_a_profile_is_chosen_by_its_name(project: Path) -> None:
    nightly = read_options({"profile": "nightly"}, {"WASMBED_PROFILE": "quick"}, project)
    assert (nightly.heartbeat, nightly.boards, nightly.deadline, nightly.fleet) == (120, "qemu", 300, 3)
    assert read_options({}, {"WASMBED_PROFILE": "nightly"}, project).boards == "qemu"
    with pytest.raises(UsageError, match=r"--profile: there is no profile 'weekly'\n  -> there are: nightly, quick"):
        read_options({"profile": "weekly"}, {}, project)


def test_pyproject_may_hold_them_too(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.wasmbed-harness]\nseed = 5\n")
    assert read_options({}, {}, tmp_path).seed == 5
    (tmp_path / "harness.toml").write_text("")
    assert read_options({}, {}, tmp_path).seed is None, "a file of its own goes before"


def test_a_front_door_writes_options_its_own_way(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\$\{SEED\}: 'x' is not possible"):
        read_options({"seed": "x"}, {}, tmp_path, spelling="${{{NAME}}}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fleet = ", "harness.toml: is not TOML"),
        ("flet = 3", "harness.toml: no such option: flet"),
        ("fleet = 0", "harness.toml: fleet: '0' is not possible: must be at least 1"),
        ("[profiles.x]\nboards = 3\nflet = 3", "harness.toml profiles.x: no such option: flet"),
        ("[profiles]\nx = 3", "profiles.x: is no table"),
        ("profiles = 3", "is no table"),
        ("boards = 'paper'", "there is no 'paper' here"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "harness.toml").write_text(text)
    with pytest.raises(UsageError) as refused:
        read_options({}, {}, tmp_path)
    assert words in str(refused.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "harness.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="is not TOML"):
        read_options({}, {}, tmp_path)


def test_options_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--kubeconfig: is for --cluster=kubeconfig"):
        read_options({"kubeconfig": "x"}, {}, tmp_path)
    assert read_options({"kubeconfig": "x", "cluster": "kubeconfig"}, {}, tmp_path).cluster == "kubeconfig"
