"""The tutorial as written: its files are written, its commands run, and their output is compared."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from harness.boards.platform import find_platforms
from harness.boards.qemu import QemuTier
from tests.forked import forking_commands, run_python
from tests.gateways.go_gateway import GO_SOURCES, go_gateway

DOCS = Path(__file__).parents[2] / "docs"
OPTION = re.compile(r"^:(caption|class): (.*)\n", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    caption: str = ""
    kind: str = ""


def blocks(page: Path) -> Iterator[Block]:
    for token in MarkdownIt().parse(page.read_text("utf-8")):
        if token.type == "fence":
            head, _, body = token.content.partition("\n\n")
            options = dict(OPTION.findall(head + "\n"))
            text = body if options else token.content
            yield Block(
                token.info.removeprefix("{code-block} "), text, options.get("caption", ""), options.get("class", "")
            )


def contains(expected: str, output: str) -> bool:
    """Whether ``output`` has these lines in order; ``...`` matches anything within a line."""
    lines = [
        ".*".join(map(re.escape, re.sub("={3,}", "===", line).strip().split("...")))
        for line in expected.strip("\n").splitlines()
    ]
    output = re.sub("={3,}", "===", output)
    return re.search("^" + "\n".join(rf"(?:E )? *{line} *" for line in lines) + "$", output, re.MULTILINE) is not None


def follow(page: Path, folder: Path, *, skipped: tuple[str, ...] = (), **variables: str) -> int:
    """Write the page's files, run its commands in ``folder``, and compare the output; returns the number of commands.

    Commands of the classes ``skipped`` are left out.
    """
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "WASMBED_"))},
        "PATH": f"{forking_commands()}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "80",
        **variables,
    }
    place, output, steps = folder, "", 0
    for block in blocks(page):
        if block.caption:
            (place / block.caption).write_text(block.text, "utf-8")
        elif block.language == "sh":
            if block.kind in skipped:
                continue
            script = f"set -e\n{block.text}\npwd > {folder}/here"
            done = subprocess.run(
                ["sh", "-c", script],
                cwd=place,
                env=environment,
                capture_output=True,
                text=True,
                timeout=600,
                check=False,
            )
            output = done.stdout + done.stderr
            assert (done.returncode != 0) == (block.kind == "fails"), output
            if done.returncode == 0:
                place = Path((folder / "here").read_text("utf-8").strip())
            steps += 1
        elif block.language == "text":
            assert contains(block.text, output), f"the page says\n{block.text}\nand this was printed:\n{output}"
    return steps


@pytest.mark.system("QEMU")
@pytest.mark.skipif(sys.platform == "win32", reason="its commands are for a POSIX shell")
def test_the_tutorial_runs_as_written(tmp_path: Path) -> None:
    has_images = QemuTier.unavailable() is None and find_platforms("qemu-system-arm")["mps2-an385"].image_path.exists()
    assert follow(DOCS / "tutorial.md", tmp_path, skipped=() if has_images else ("needs-qemu",)) >= 5


@pytest.mark.skipif(sys.platform == "win32", reason="its commands are for a POSIX shell")
def test_a_gateway_in_go_is_tested_as_written(tmp_path: Path) -> None:
    """It passes scenarios as they are, and the verdict on its defect blames the gateway by arrow and frame."""
    shutil.copy(go_gateway("small"), tmp_path / "gateway")
    shutil.copy(GO_SOURCES / "small" / "crds.yaml", tmp_path)
    assert follow(DOCS / "how-to/test-your-gateway.md", tmp_path, WASMBED=str(DOCS.parent)) == 3


@pytest.mark.parametrize("page", ["how-to/add-a-board.md", "how-to/add-a-cluster.md"])
def test_programs_in_the_guides_run(page: str, tmp_path: Path) -> None:
    programs = [block.text for block in blocks(DOCS / page) if block.kind == "runs"]
    assert programs
    for program in programs:
        done = run_python("-c", program, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "passed" in done.stdout


def test_the_first_pages_robot_suite_runs(tmp_path: Path) -> None:
    (suite,) = (block.text for block in blocks(DOCS.parent / "README.md") if block.language == "robotframework")
    (tmp_path / "readme.robot").write_text(suite, "utf-8")
    done = run_python("-m", "robot", "--outputdir", str(tmp_path / "out"), "readme.robot", folder=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "1 test, 1 passed" in done.stdout
