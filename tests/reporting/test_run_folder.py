"""The folders of a run: a different one for each test, whatever its name."""

import json
import re
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.clock import ManualClock
from harness.reporting.run_folder import RunFolder, command_line, folder_name
from harness.reporting.runs import read_run
from harness.reporting.verdict import Verdict
from harness.stack import StackOptions

ALIKE = st.text("ab/:.-[] \\_~", min_size=1, max_size=12) | st.sampled_from(
    ["a/b.py::c", "a-b.py::c", "a.py::b::c", "a/b.py::c[1]", "a b c", "a-b-c", "a.b c"]
)


@given(st.lists(st.tuples(ALIKE, st.integers(1, 3)), unique=True))
def test_no_two_tests_have_the_same_folder(tests: list[tuple[str, int]]) -> None:
    pytests = [(name, number) for name, number in tests if ".py::" in name]
    robots = [(name, number) for name, number in tests if ".py::" not in name]
    for of_one_run in (pytests, robots):
        assert len({folder_name(*test) for test in of_one_run}) == len(of_one_run)


@given(st.text() | st.text(st.characters(categories=["Cs", "L"])), st.integers(1, 3))
def test_the_name_is_valid_on_every_file_system(name: str, number: int) -> None:
    assert re.fullmatch(r"[\w.~-]{1,110}", folder_name(name, number), re.ASCII)
    assert not folder_name(name, number).startswith(".")


def test_a_simple_name_keeps_its_words() -> None:
    assert folder_name("scenarios/test_link.py::test_cut") == "scenarios-test_link-test_cut"
    assert folder_name("It.It Passes") == "It.It-Passes"
    assert folder_name("test_it.py::test_topic[pump/1]").startswith("test_it-test_topic-pump-1~")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.new(tmp_path, StackOptions(), ManualClock(1_800_000_000.0))


def test_a_test_that_is_claimed_twice_has_two_folders(run: RunFolder) -> None:
    first = run.claim("t.py::test_a")
    (first / "history.jsonl").write_text("the first")
    second = run.claim("t.py::test_a")
    assert first != second
    assert run.claimed("t.py::test_a") == [first, second]
    assert (first / "history.jsonl").read_text() == "the first"


def test_verdicts_without_a_folder_are_read_with_the_others(run: RunFolder) -> None:
    folder = run.claim("t.py::test_stack")
    Verdict("t.py::test_stack", "", outcome="failed", blame="product", message="wrong \udcff").write(folder)
    assert run.leave([Verdict("t.py::test_a", "", message=f"{2**64}"), Verdict("t.py::test_b", "", seed=2**64)]) is None
    assert run.leave([Verdict("t.py::test_c", "", outcome="skipped")]) is None
    tests = read_run(run.path)
    assert [(test.name, test.outcome, test.folder) for test in tests] == [
        ("t.py::test_stack", "failed", folder),
        ("t.py::test_a", "passed", None),
        ("t.py::test_b", "passed", None),
        ("t.py::test_c", "skipped", None),
    ]
    assert tests[0].message == "wrong \\udcff"
    assert tests[2].details["seed"] == str(2**64)


def test_a_broken_line_hides_no_other(run: RunFolder) -> None:
    run.leave([Verdict("t.py::test_a", "")])
    with (run.path / "verdicts.jsonl").open("a") as file:
        file.write('{"test": "t.py::te\n' + json.dumps({"test": "t.py::test_b", "outcome": "passed"}) + "\n")
    tests = read_run(run.path)
    assert [(test.name, test.outcome) for test in tests] == [
        ("t.py::test_a", "passed"),
        ("verdicts.jsonl:2", "not run"),
        ("t.py::test_b", "passed"),
    ]
    assert "line 2 of verdicts.jsonl is not readable" in tests[1].trouble[0]


@pytest.mark.parametrize(
    ("docstring", "title"),
    [
        ("A device enrolls.", "A device enrolls."),
        ("A device\n    enrolls, and runs. It stays.\n\n    More.", "A device enrolls, and runs."),
        ("``spec.stopped`` stops it\n\nMore", "spec.stopped stops it"),
        ("", ""),
    ],
)
def test_the_title_of_a_test_is_the_first_sentence_of_its_docstring(docstring: str, title: str) -> None:
    assert Verdict.of("test_it", docstring, StackOptions()).title == title


@pytest.mark.parametrize(
    ("arguments", "module", "text"),
    [
        (["/bin/pytest", "a b.py", "--seed=7"], None, "pytest 'a b.py' --seed=7"),
        (["/lib/pytest/__main__.py", "-q"], "pytest.__main__", "pytest -q"),
        (["/x/__main__.py", "robot"], "harness.robot_library.__main__", "python -m harness.robot_library robot"),
        (["/bin/robot", "\x1b[1m"], None, "robot '\\x1b[1m'"),
        (["/bin/pytest", "x" * 600], None, f"pytest {'x' * 493}..."),
    ],
)
def test_the_command_of_a_run_is_what_a_user_types(
    arguments: list[str], module: str | None, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = ModuleType("__main__")
    main.__spec__ = ModuleSpec(module, None) if module else None
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(sys, "argv", arguments)
    assert command_line() == text
