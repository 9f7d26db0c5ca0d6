"""Writes ``docs/reference/command-line.md`` from the commands themselves: ``python docs/command_reference.py``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from harness.cli.main import wasmbed

PAGE = Path(__file__).parent / "reference" / "command-line.md"
HEAD = """\
# Command line

`wasmbed COMMAND --help` says the same. [Output for scripts](output.md) has the shapes of `-o json`, and
[Install](../install.md#completion) the line that lets a shell complete names.
"""


def text() -> str:
    """The page."""
    context = click.Context(wasmbed, info_name="wasmbed", max_content_width=120)
    return "\n".join([HEAD, _paragraphs(wasmbed), *_sections(wasmbed, context)]).rstrip() + "\n"


def _sections(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        within = click.Context(command, info_name=name, parent=context)
        yield f"## {within.command_path}\n"
        usage = " ".join(command.collect_usage_pieces(within))
        yield f"```console\n$ {within.command_path} {usage}\n```\n"
        yield _paragraphs(command)
        yield from _options(command, within)
        if isinstance(command, click.Group):
            yield from _sections(command, within)


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    records = [found for each in command.get_params(context) if (found := each.get_help_record(context)) is not None]
    records = [record for record in records if "--help" not in record[0]]
    if records:
        yield "| option | meaning |\n|---|---|"
        for option, meaning in records:
            yield f"| `{_cell(option)}` | {_cell(meaning)} |"
        yield ""


def _cell(words: str) -> str:
    return " ".join(words.split()).replace("|", "\\|")


def _paragraphs(command: click.Command) -> str:
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    return "\n\n".join(" ".join(each.split()) for each in paragraphs) + "\n"


if __name__ == "__main__":
    PAGE.write_text(text(), "utf-8")
