"""Code blocks in the pages that no test executes: they parse, and their options exist."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import click
import pytest
from markdown_it import MarkdownIt

from harness.cli.main import wasmbed
from harness.stack import StackOptions
from tests.forked import forking_commands, run_pytest

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md"))]
SCENARIO = """
async def test_enrolls(stack):
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected", within=20)
"""


def blocks(page: Path, *languages: str) -> list[str]:
    """The fenced code blocks in these languages, without Sphinx's options."""
    fences = [token for token in MarkdownIt().parse(page.read_text("utf-8")) if token.type == "fence"]
    chosen = [token for token in fences if token.info.removeprefix("{code-block}").strip() in languages]
    return [re.sub(r"\A(:\w+:.*\n)+\n?", "", token.content) for token in chosen]


def commands(page: Path) -> list[list[str]]:
    """The arguments of every command line in a page's code blocks."""
    tokens = [token for token in MarkdownIt().parse(page.read_text("utf-8")) if token.type in ("fence", "code_block")]
    lines = [line.strip().removeprefix("$ ") for token in tokens for line in token.content.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.startswith(("wasmbed ", "pytest "))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_code_blocks_parse(page: Path) -> None:
    for program in blocks(page, "python"):
        compile(program, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    for table in blocks(page, "toml"):
        tomllib.loads(table)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_options_of_commands_exist(page: Path) -> None:
    unknown = []
    for words in commands(page):
        command: click.Command = wasmbed
        known = {f"--{name.replace('_', '-')}" for name in StackOptions.names()}
        known |= {"--live", "--alluredir", "--junitxml", "--debug"}
        if words[0] == "wasmbed":
            for word in words[1:]:
                if isinstance(command, click.Group):
                    command = command.get_command(click.Context(command), word) or command
            own = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
            known = known | own if command.context_settings.get("ignore_unknown_options") else own
            assert command is not wasmbed, words
        given = {word.partition("=")[0] for word in words if word.startswith("--") and word != "--"}
        unknown += [(shlex.join(words), option) for option in given - known - {"--help", "--version"}]
    assert unknown == []


def test_the_guide_to_async_tests_runs(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "\n\n".join(blocks(ROOT / "docs" / "how-to" / "write-async-tests.md", "python"))
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "WASMBED_"))}
    done = run_pytest("-q", folder=tmp_path, environment=kept)
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


def test_the_guide_to_sequences_runs(tmp_path: Path) -> None:
    """Run its commands on a real run, and on a copy with one line removed."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "WASMBED_"))},
        "PATH": f"{forking_commands()}{os.pathsep}{os.environ['PATH']}",
    }

    def shell(script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", script],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    (tmp_path / "scenarios" / "sequences").mkdir(parents=True)
    (tmp_path / "test_it.py").write_text(SCENARIO)
    assert shell("pytest -q test_it.py").returncode == 0
    (history,) = tmp_path.glob("reports/*/*/history.jsonl")
    record, listing, check = blocks(ROOT / "docs" / "how-to" / "write-a-sequence.md", "sh")
    path = str(history.relative_to(tmp_path))
    done = shell(record.replace("reports/<run>/<test>/history.jsonl", path))
    assert done.returncode == 0, done.stderr
    listed = shell(listing)
    assert listed.returncode == 0, listed.stderr
    assert "EnrollmentRequest" in listed.stdout
    assert shell(check.replace("changed.jsonl", path)).returncode == 0
    lines = history.read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in lines if json.loads(line)["name"] != "EnrollmentResponse"]
    (tmp_path / "changed.jsonl").write_text("".join(kept), "utf-8")
    judged = shell(check)
    assert judged.returncode == 1, judged.stdout + judged.stderr
    assert "EnrollmentResponse" in judged.stdout
    assert (tmp_path / "verdict.svg").read_text("utf-8").startswith("<svg")
