"""The defects as data, and what is made of them; the run itself is `make mutants`."""

from __future__ import annotations

import ast
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import RigError, UsageError
from harness.wasmbed.gateway.orphans import Orphans
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE
from mutants import __main__ as command
from mutants import defect as module
from mutants.__main__ import main
from mutants.defect import AREAS, SIMULATED, Defect, load, mutated
from mutants.executed import MEASURED, Executed
from mutants.explored import FOLDER as EXPLORED
from mutants.isolated import WITHOUT, Job, Outcome, Task, is_catch
from mutants.reach import REACHED, mark
from mutants.scratch import Result, Scratch, digest
from mutants.swap import can_swap, swap
from mutants.table import page as documented
from mutants.table import table

ROOT = Path(__file__).resolve().parents[2]
DEFECTS = load(ROOT)

ONE = '[[defect]]\nname = "wire/one"\narea = "wire"\nfile = "a.py"\nwhat = "x"\nbefore = "1"\nafter = "2"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of sources with defects of its own."""
    (tmp_path / "defects").mkdir()
    monkeypatch.setattr(module, "FOLDER", tmp_path / "defects")
    return tmp_path


def test_there_are_enough_of_them_in_every_area() -> None:
    ends = [AREAS[defect.area].end for defect in DEFECTS]
    assert ends.count("platform") + ends.count("board") >= 120
    assert {defect.area for defect in DEFECTS} == set(AREAS)


@pytest.mark.parametrize("area", AREAS)
def test_the_scenarios_of_an_area_exist(area: str) -> None:
    assert all((ROOT / "scenarios" / name).is_file() for name in AREAS[area].first)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_a_defect_is_small_and_a_program(defect: Defect) -> None:
    """One to ten lines, in a file of the product, that can still be compiled; a sentence says what it does."""
    assert defect.file.startswith(("harness/wasmbed/", "harness/boards/virtual/", "firmware/"))
    assert defect.before != defect.after
    assert max(len(defect.before.splitlines()), len(defect.after.splitlines())) <= 12
    assert defect.what.endswith(".")
    if defect.file.endswith(".py"):
        ast.parse(mutated(ROOT, defect))


def test_a_stale_defect_is_refused_by_name(folder: Path) -> None:
    (folder / "defects/some.toml").write_text(ONE)
    for text in ("3\n", "1\n1\n"):
        (folder / "a.py").write_text(text)
        with pytest.raises(UsageError, match=r"1 defects are stale:\n  wire/one: its text is \d times in a\.py"):
            load(folder)
    (folder / "a.py").write_text("x = 1\n")
    (defect,) = load(folder)
    assert mutated(folder, defect) == "x = 2\n"


def test_names_and_areas_are_checked(folder: Path) -> None:
    (folder / "a.py").write_text("1")
    (folder / "defects/some.toml").write_text(ONE + ONE)
    with pytest.raises(UsageError, match="named twice: wire/one"):
        load(folder)
    (folder / "defects/some.toml").write_text(ONE.replace('area = "wire"', 'area = "moon"'))
    with pytest.raises(UsageError, match="unknown areas: moon"):
        load(folder)


def test_the_working_tree_is_never_touched(tmp_path: Path) -> None:
    """A defect is put into a copy, and taken out of it again."""
    scratch = Scratch(ROOT, tmp_path / "copy", tmp_path / "output")
    defect = next(defect for defect in DEFECTS if defect.name == "wire/interval-in-seconds")
    original = (ROOT / defect.file).read_text("utf-8")
    with scratch._defective(defect):
        assert (scratch.folder / defect.file).read_text("utf-8") == mutated(ROOT, defect)
        assert (ROOT / defect.file).read_text("utf-8") == original
    assert (scratch.folder / defect.file).read_text("utf-8") == original


def test_the_table_names_catchers_parties_and_what_was_missed() -> None:
    def result(name: str, catcher: str = "", blamed: str = "") -> Result:
        test = "scenarios/x::y" if blamed else None
        return Result(name, "0", "wire", "platform", bool(blamed), test, catcher, blamed, "", 4, ran=9)

    defects = [Defect(name, "wire", "a.py", "1", "2", "It breaks.") for name in "abcd"]
    found = [result("a", "until", "gateway"), result("b", "wire", "board pump-1"), result("c", "none")]
    page = table({each.name: each for each in found}, defects)
    assert "| platform | wire | 2 | 3 | 67% | until 1, wire 1 | gateway 1, board 1 | 50% |" in page
    assert "| **platform** | wanted: 95% | 2 | 3 | 67% |" in page
    assert "- c (wire): It breaks. 9 scenarios pass." in page
    assert "- b: board pump-1, not gateway" in page
    assert "| a | until | scenarios/x::y | gateway | 4 |" in page
    assert page.endswith("- d\n")


def test_the_page_shows_verdicts_of_different_areas() -> None:
    areas = list(AREAS)
    defects = [Defect(f"{area}/{n}", area, f"a{n}.py", "1", "2", "It breaks.") for area in areas for n in range(2)]
    results = {}
    for number, each in enumerate(defects):
        area, judge = AREAS[each.area], ("until", "wire", "mock", "invariant")[number % 4]
        party = area.parties[0]
        head = (each.name, each.digest, each.area, area.end)
        results[each.name] = Result(*head, True, "scenarios/x::y", judge, party, f"convicts {party}", 1, ran=1)
    text = documented(results, defects)
    samples = [line.partition("/")[0] for line in text.splitlines() if line.startswith("`") and "/" in line]
    assert len(samples) == len(set(samples)) == 10
    assert "## Not caught\n\nNone." in text


def test_the_party_is_the_areas_or_the_defects_own() -> None:
    """A board is named by its name; a word that only begins like a party is another one."""
    defect = Defect("a", "board-link", "a.py", "1", "2", "It breaks.")
    assert [defect.is_of(blamed) for blamed in ("board", "board pump-1", "boards", "gateway", "")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert replace(defect, parties=("gateway",)).is_of("gateway")


SOURCE = "import os\n\n\ndef one(x):\n    if x:\n        return 1\n    return 2\n\n\ndef two():\n    return 3\n"


def test_a_defect_is_tried_by_the_scenarios_that_execute_its_lines(tmp_path: Path) -> None:
    """Those of the changed line first, then those of its function; of code outside of functions all of them."""
    file = f"{MEASURED[0]}/a.py"
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(SOURCE)
    lines = {"scenarios/t::first": [5, 6], "scenarios/t::second": [5, 7], "scenarios/t::third": [11]}
    outcomes = [{"test": test, "seconds": 1.0, "lines": {file: executed}} for test, executed in lines.items()]
    Executed.of(tmp_path, outcomes).write(tmp_path / "executed.json")
    executed = Executed.read(tmp_path / "executed.json")

    def touched(before: str, after: str) -> list[list[str]]:
        found = executed.touched_by(tmp_path, Defect("a", "wire", file, before, after, "It breaks."))
        return [sorted(test.removeprefix("scenarios/t::") for test in tests) for tests in found]

    assert touched("return 2", "return 4") == [["second"], ["first"]]
    assert touched("    return 2", "    x = 0\n    return 2") == [["second"], ["first"]]
    assert touched("import os", "import re") == [["first", "second", "third"]]
    later = {"test": "scenarios/t::fourth", "seconds": 1.0, "lines": {file: [7]}}
    executed = Executed.of(tmp_path, [later], executed)
    assert touched("return 2", "return 4") == [["fourth", "second"], ["first"]]


def test_code_is_replaced_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions, methods, properties and wrapped ones, for those who hold a reference already."""
    before = (
        "from functools import cache\n\n\ndef plain(x):\n    return 1\n\n\n@cache\ndef wrapped():\n    return 1\n\n\n"
        "class C:\n    @property\n    def p(self):\n        return 1\n\n    @classmethod\n    def c(cls):\n"
        "        return 1\n"
    )
    (tmp_path / "swapped_module.py").write_text(before)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("swapped_module")
    held, after = module.plain, before.replace("return 1", "return 2")
    assert can_swap(before, after)
    swap(tmp_path, "swapped_module.py", before, after)
    assert [held(0), module.wrapped(), module.C().p, module.C.c()] == [2, 2, 2, 2]
    assert not can_swap(before, before.replace("def plain(x)", "def plain(x=1)"))
    assert not can_swap(before, f"X = 1\n{before}")


@pytest.mark.parametrize(
    ("outcome", "message", "party", "counts"),
    [
        ("passed", "", "", False),
        ("failed", "assert 1 == 2", "", True),
        ("failed", "TimeoutError: the test did not end within 60 s (--deadline)", "", False),
        ("failed", "TimeoutError: the test did not end within 60 s (--deadline)", "gateway", True),
        ("not run", "a board is absent", "", False),
        ("usage", "", "", False),
        ("hang", "did not end within 100 s", "", False),
        ("crash", "", "", False),
    ],
)
def test_only_what_a_judge_said_is_a_catch(outcome: str, message: str, party: str, counts: bool) -> None:
    blame = "usage" if outcome == "usage" else None
    outcome = "failed" if outcome == "usage" else outcome
    assert is_catch({"outcome": outcome, "message": message, "party": party, "blame": blame}) == counts


def _outcome(task: str, test: str, outcome: str = "passed") -> dict[str, Any]:
    words = "assert 1 == 2" if outcome == "failed" else ""
    return asdict(Outcome(task, f"scenarios/t::{test}", outcome, words, party="gateway" if words else ""))


def test_a_result_is_known_when_its_own_scenarios_have_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when the last of those that one interpreter judges have: a run that is cut off loses nothing."""
    scratch = Scratch(ROOT, tmp_path / "copy", tmp_path / "output")
    defects = [each for each in DEFECTS if each.area == "wire" and scratch._can_swap(each)][:3]
    first, second, third = (each.name for each in defects)
    outcomes = [
        _outcome(first, "one", "failed"),
        _outcome(second, "one"),
        _outcome(WITHOUT, "one"),
        "first is known",
        _outcome(third, "two", "failed"),
        _outcome(second, "two"),
        "second is known",
        _outcome(WITHOUT, "two", "failed"),
    ]
    seen: list[Any] = []

    def run(*_: object, **__: object) -> Iterator[Any]:
        for each in outcomes:
            if isinstance(each, str):
                seen.append(each)
            else:
                yield each

    monkeypatch.setattr(scratch, "_order", lambda *_: ["scenarios/t::one", "scenarios/t::two"])
    monkeypatch.setattr(scratch, "_outcomes", run)
    seen.extend((result.name, result.catcher, result.blamed) for result in scratch.judge(defects, {}))
    assert seen == [
        (first, "assert", "gateway"),
        "first is known",
        (second, "none", ""),
        "second is known",
        (third, "unsound", ""),
    ]
    assert scratch._known_green(SIMULATED) == {"scenarios/t::one"}


@pytest.mark.parametrize("has_begun", [False, True])
def test_what_was_cut_off_is_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_begun: bool) -> None:
    """A run whose interpreter is killed would count every defect that is left as missed."""
    written = json.dumps(_outcome("a", "one")) if has_begun else ""
    scratch = Scratch(ROOT, tmp_path / "copy", tmp_path / "output")
    defect = next(each for each in DEFECTS if scratch._can_swap(each))
    script = tmp_path / "cut_off.sh"
    script.write_text(f"#!/bin/sh\n[ -z '{written}' ] || echo '{written}' > /dev/fd/$1\nkill -TERM $$\n")
    script.chmod(0o755)

    def command(*arguments: str) -> list[str]:
        return [str(script), json.loads(Path(arguments[-1]).read_text())["output"].rpartition("/")[2]]

    monkeypatch.setattr(scratch, "_order", lambda *_: ["scenarios/t::one", "scenarios/t::two"])
    monkeypatch.setattr(scratch, "_command", command)
    with pytest.raises(RigError, match="cut off"):
        list(scratch.judge([replace(defect, name="a")], {}))


def test_a_scenario_that_fails_with_a_defect_runs_without_it_too(tmp_path: Path) -> None:
    """In the same interpreter, which has the defect in copies only, and its outcomes come through a pipe."""
    (tmp_path / "product.py").write_text("def one():\n    return 1\n")
    lines = [
        "import product",
        "def test_right():",
        "    assert product.one() == 1",
        "def test_wrong():",
        "    assert 0",
    ]
    (tmp_path / "test_it.py").write_text("\n".join(lines))
    after = "def one():\n    return 2\n"
    tasks = [Task(name, [f"test_it.py::test_{name}"], "product.py", after) for name in ("right", "wrong")]
    reading, writing = os.pipe()
    job = Job(tasks, f"/dev/fd/{writing}", [f"--reports={tmp_path / 'reports'}"], together=1)
    (tmp_path / "job.json").write_text(json.dumps(asdict(job)))
    arguments = ["env", f"PYTHONPATH={tmp_path}:{ROOT}", sys.executable, "-m", "mutants.isolated", "job.json"]
    done = subprocess.run(arguments, cwd=tmp_path, pass_fds=(writing,), capture_output=True, text=True, check=False)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        found = [json.loads(line) for line in pipe]
    assert [(each["task"], each["outcome"]) for each in found] == [
        ("right", "failed"),
        (WITHOUT, "passed"),
        ("wrong", "failed"),
        (WITHOUT, "failed"),
    ], done.stdout + done.stderr


@pytest.mark.parametrize(
    ("again", "judged"), [(None, ["a", "c"]), ("missed", ["a", "b", "c"]), ("older", ["a", "b", "c", "d"])]
)
def test_judged_again_is_what_was_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch, again: str | None, judged: list[str]
) -> None:
    """One that has no result, one that another state of the sources missed, one that the defect changed since."""
    present = digest(folder)
    text = "".join(ONE.replace("wire/one", name) for name in "abcde")
    (folder / "defects/some.toml").write_text(text)
    (folder / "a.py").write_text("1")
    defects = {each.name: each for each in load(folder)}

    def result(name: str, *, caught: bool, sources: str, of: str = "") -> str:
        head = (name, of or defects[name].digest, "wire", "platform")
        return Result(*head, caught, None, "assert", "gateway", "", 1, ran=1, sources=sources).to_json()

    kept = [
        result("b", caught=False, sources="old"),
        result("c", caught=True, sources=present, of="another defect"),
        result("d", caught=True, sources="old"),
        result("e", caught=True, sources=present),
    ]
    (folder / "results.jsonl").write_text("\n".join(kept))
    monkeypatch.setattr(command, "OUTPUT", folder)
    monkeypatch.setattr(command, "ROOT", folder)
    found: list[str] = []
    monkeypatch.setattr(command, "_judge", lambda waiting, *_: found.extend(each.name for each in waiting))
    main([] if again is None else ["--again", again])
    assert found == judged


def test_the_defects_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "--area", "wire", "wire/ids-*"]) == 0
    assert capsys.readouterr().out.split() == ["wire/ids-repeat", "wire", "Message", "ids", "repeat", "after", "eight."]


def test_defects_for_exploration_are_in_the_bodies_of_functions() -> None:
    """Explorations put them into processes that have imported everything."""
    defects = load(ROOT, EXPLORED)
    assert len(defects) >= 40
    assert sum(each.file.startswith("firmware/wasmbed-node/") for each in defects) >= 15
    for defect in (each for each in defects if each.file.endswith(".py")):
        assert can_swap((ROOT / defect.file).read_text("utf-8"), mutated(ROOT, defect)), defect.name


def test_a_mark_tells_whether_a_run_reaches_a_defect() -> None:
    """One that lets something never happen is reached where it would happen."""
    (defect,) = [each for each in load(ROOT, EXPLORED) if each.name == "application-status/orphans-run-on"]
    text = (ROOT / defect.file).read_text("utf-8")
    orphans = Orphans(None, None)  # type: ignore[arg-type]
    mark(ROOT, [defect])
    try:
        orphans.gone(DEVICE, "pump-1", {})
        assert defect.name not in REACHED
        orphans.gone(APPLICATION, "app", {})
        assert defect.name in REACHED
    finally:
        swap(ROOT, defect.file, "", text)
        REACHED.clear()
