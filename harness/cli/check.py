"""``wasmbed check``: judge recorded histories by invariants and sequences."""

from __future__ import annotations

import re
from collections.abc import Sequence as Several
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING

import click

from harness.cli.output import say, write_file
from harness.core.errors import ProductFailure, UsageError

if TYPE_CHECKING:
    from harness.core.history import Event
    from harness.sequences import Sequence, SequenceVerdict


@click.command()
@click.argument("history", type=click.Path(path_type=Path))
@click.option("--sequence", "names", multiple=True, help="Executable sequence, by name or file; may be repeated.")
@click.option("--only", multiple=True, help="Device or application to judge; may be repeated.  [default: all]")
@click.option(
    "--picture", type=click.Path(path_type=Path), help="File for a picture (SVG) of the last verdict on a sequence."
)
def check(history: Path, names: tuple[str, ...], only: tuple[str, ...], picture: Path | None) -> int:
    """Judge HISTORY (a history.jsonl, or a folder with some) by the invariants, and by each --sequence."""
    from harness.core.history import read_history
    from harness.invariants import RULES, Judgement
    from harness.sequences import load, verdict_picture

    sequences = [load(name) for name in names]
    files = sorted(filter(_is_history, history.rglob("history*.jsonl"))) if history.is_dir() else [history]
    if not files:
        raise UsageError(
            "no history in this folder", where=str(history), do="name a history.jsonl, or a folder like reports/<run>"
        )
    broken, drawn = 0, None
    for file in files:
        events, trouble = read_history(file)
        judgement = Judgement()
        for event in events:
            judgement.see(event)
        violations = judgement.violations()
        broken += bool(violations)
        say("broken" if violations else "good", fg="red" if violations else "green", nl=False)
        say(f"  {file}  {len(events)} events, {len(RULES)} rules")
        for line in (*trouble, *map(str, violations), *filter(None, [judgement.left_out]), *judgement.unjudged):
            say(indent(line, "    "))
        for sequence in sequences:
            drawn = _judge(file, sequence, events, only)
            broken += not drawn.ok
    if picture is not None and drawn is not None:
        write_file(picture, verdict_picture(drawn), "--picture")
    return ProductFailure.exit_code if broken else 0


def _is_history(file: Path) -> bool:
    """Whether ``file`` is a record of a test or of a platform, and not of a test's earlier attempt."""
    return re.fullmatch(r"history(-\d+)?\.jsonl", file.name) is not None


def _judge(file: Path, sequence: Sequence, events: Several[Event], only: tuple[str, ...]) -> SequenceVerdict:
    from harness.sequences import judge

    try:
        verdict = judge(sequence, events, only)
    except UsageError as error:
        raise UsageError(
            error.what, where=f"{file}: {error.where}" if error.where else str(file), do=error.do
        ) from error
    say("follows" if verdict.ok else "does not follow", fg="green" if verdict.ok else "red", nl=False)
    say(f"  {sequence.name}\n{indent(str(verdict), '    ')}")
    return verdict
