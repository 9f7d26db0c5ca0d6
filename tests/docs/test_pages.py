"""The pages build without a warning; a broken link or an unknown option would be one."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest

from harness.boards.board import FEATURES
from harness.sequences import catalogue

pytest.importorskip("sphinx", reason="the documentation's tools are not installed: make setup")
ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md"))]


@pytest.mark.system("Sphinx")
def test_the_site_has_the_reference_from_the_code_and_loads_nothing_from_the_network(tmp_path: Path) -> None:
    """One test, since the pages are built for it."""
    site = tmp_path / "html"
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", str(tmp_path / "cache"), "docs"]
    done = subprocess.run([*command, str(site)], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    options = (site / "reference" / "options.html").read_text("utf-8")
    assert "WASMBED_HEARTBEAT" in options
    assert "several-applications" in (site / "reference" / "python.html").read_text("utf-8")
    events = (site / "reference" / "events.html").read_text("utf-8")
    assert "EnrollmentRequest" in events
    commands = (site / "reference" / "command-line.html").read_text("utf-8")
    assert "doctor" in commands
    assert "--record=yes|no" in options
    flows = (site / "reference" / "flows.html").read_text("utf-8")
    for flow in catalogue().flows:
        assert f'id="{flow.name}"' in flows
        assert (site / "_static" / "flows" / f"{flow.name}.svg").stat().st_size > 1000
    loading = re.compile(r"""<(?:script|img|link)[^>]+(?:src|href)=["']https?://""")
    assert not [page.name for page in site.rglob("*.html") if loading.search(page.read_text("utf-8"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_files_resolve(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def tracked() -> list[str]:
    """All files of the repository, with their folders."""
    command = ["git", "ls-files", "-z"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("this is not a git repository")
    files = done.stdout.rstrip("\0").split("\0")
    return [f"/{name}" for name in {*files, *(str(folder) for file in files for folder in Path(file).parents)}]


NAMED_FILE = re.compile(r"`([\w./*-]+(?:\.(?:py|rs|mmd|cddl|toml|yaml)|/))`")


def test_every_file_of_the_reading_path_exists() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = set(NAMED_FILE.findall(text))
    assert len(named) > 40
    names = tracked()
    missing = [name for name in named if not any(re.search(rf"/{_pattern(name)}$", file) for file in names)]
    assert sorted(missing) == []


def test_every_file_of_the_table_of_rooms_is_in_its_room() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rooms = dict(re.findall(r"^\| `([\w/]+)` \| (.+) \|$", text, re.MULTILINE))
    assert len(rooms) > 10
    named = [f"{room}/{name}" for room, names in rooms.items() for name in NAMED_FILE.findall(names)]
    assert len(named) > 40
    assert [name for name in named if not any((ROOT / "harness").glob(name))] == []


def _pattern(name: str) -> str:
    return re.escape(name.rstrip("/")).replace(r"\*", "[^/]*")


def test_every_decision_has_a_date_a_context_and_a_cost() -> None:
    text = (ROOT / "docs" / "decisions.md").read_text("utf-8")
    decisions = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    form = re.compile(r"\d{4}-\d\d-\d\d: .+\n\n- Context: .*\n- Decision: .*\n- Given up: ", re.DOTALL)
    assert [text.partition("\n")[0] for text in decisions if not form.match(text)] == []


def test_make_help_lists_every_command() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    listed = re.findall(r'@echo "make (\S+) ', text)
    assert sorted(listed) == sorted(set(phony.split()) - {"help"})


def test_every_feature_of_boards_has_its_own_description() -> None:
    assert len(set(FEATURES.values())) == len(FEATURES)


def test_the_glossary_has_each_word_once_and_in_order() -> None:
    sections = re.split(r"^## ", (ROOT / "docs" / "glossary.md").read_text("utf-8"), flags=re.MULTILINE)[1:]
    words = [re.findall(r"^\| ([a-z ]+) \| (?!meaning)", section, re.MULTILINE) for section in sections]
    assert words == [sorted(section) for section in words]
    assert len(set(chain(*words))) == len(list(chain(*words))) > 40
