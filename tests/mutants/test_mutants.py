"""The defects as data, and what is made of them; the run itself is `make mutants`."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from harness.core.errors import UsageError
from mutants import defect as module
from mutants.__main__ import main
from mutants.defect import AREAS, Defect, load, mutated
from mutants.scratch import Result, Scratch
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
    scratch = Scratch(ROOT, tmp_path / "copy")
    defect = next(defect for defect in DEFECTS if defect.name == "wire/interval-in-seconds")
    original = (ROOT / defect.file).read_text("utf-8")
    with scratch._defective(defect):
        assert (scratch.folder / defect.file).read_text("utf-8") == mutated(ROOT, defect)
        assert (ROOT / defect.file).read_text("utf-8") == original
    assert (scratch.folder / defect.file).read_text("utf-8") == original


def test_the_table_names_catchers_parties_and_what_was_missed() -> None:
    def result(name: str, catcher: str = "") -> Result:
        test, blamed = ("scenarios/x::y", "gateway") if catcher else (None, "")
        return Result(name, "0", "wire", "platform", bool(catcher), test, catcher, blamed, "", 4)

    page = table([result("a", "until"), result("b", "wire"), result("c")], ["d"])
    assert "| platform | wire | 2 | 3 | 67% | until 1, wire 1 | gateway 2 |" in page
    assert "| **platform** | wanted: 95% | 2 | 3 | 67% |" in page
    assert "- c (wire)" in page
    assert "| a | until | scenarios/x::y | gateway | 4 |" in page
    assert page.endswith("- d\n")


def test_the_defects_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "--area", "wire", "wire/ids-*"]) == 0
    assert capsys.readouterr().out.split() == ["wire/ids-repeat", "wire", "Message", "ids", "repeat", "after", "eight."]
