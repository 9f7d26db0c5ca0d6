"""The pages build without a warning; a broken link or an unknown option would be one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="the documentation's tools are not installed: make setup")
ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md"))]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", str(folder / "cache"), "docs"]
    done = subprocess.run(
        [*command, str(folder / "html")], cwd=ROOT, capture_output=True, text=True, timeout=170, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_the_reference_comes_from_the_code(site: Path) -> None:
    options = (site / "reference" / "options.html").read_text("utf-8")
    assert "WASMBED_HEARTBEAT" in options
    assert "several-applications" in (site / "reference" / "python.html").read_text("utf-8")
    events = (site / "reference" / "events.html").read_text("utf-8")
    assert "EnrollmentRequest" in events
    commands = (site / "reference" / "command-line.html").read_text("utf-8")
    assert "doctor" in commands
    assert (site / "_static" / "flows" / "device-enrollment.svg").stat().st_size > 1000


def test_pages_load_nothing_from_the_network(site: Path) -> None:
    loading = re.compile(r"""<(?:script|img|link)[^>]+(?:src|href)=["']https?://""")
    assert not [page.name for page in site.rglob("*.html") if loading.search(page.read_text("utf-8"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_files_resolve(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
