"""``wasmbed check``: judge recorded histories by invariants and sequences."""

from __future__ import annotations

import re
from collections.abc import Sequence as Several
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING

import click

from harness.cli import completion
from harness.cli.forms import form_option, show_document
from harness.cli.output import say, write_file
from harness.cli.runs import RunPath
from harness.core.errors import ProductFailure, UsageError

if TYPE_CHECKING:
    from harness.cli.shapes import HistoryRow, SequenceRow
    from harness.core.history import Event
    from harness.sequences import Sequence, SequenceVerdict


@click.command()
@click.argument("history", type=RunPath(), shell_complete=completion.runs)
@click.option("--sequence", "names", multiple=True, help="Executable sequence, by name or file; may be repeated.")
@click.option("--only", multiple=True, help="Device or application to judge; may be repeated.  [default: all]")
@click.option(
    "--picture", type=click.Path(path_type=Path), help="File for a picture (SVG) of the last verdict on a sequence."
)
@form_option
def check(history: Path, names: tuple[str, ...], only: tuple[str, ...], picture: Path | None, form: str) -> int:
    """Judge HISTORY by the invariants, and by each --sequence.

    HISTORY is a history.jsonl, a folder with some, or a run in reports: `latest`, `previous`, its name or the beginning
    of its name. With -o name, only the files that are not good are named.
    """
    from harness.core.history import read_history
    from harness.invariants import RULES, Judgement
    from harness.sequences import load, verdict_picture

    sequences = [load(name) for name in names]
    files = sorted(filter(_is_history, history.rglob("history*.jsonl"))) if history.is_dir() else [history]
    if not files:
        raise UsageError(
            "no history in this folder", where=str(history), do="name a history.jsonl, or a folder like reports/<run>"
        )
    rows: list[HistoryRow] = []
    drawn = None
    for file in files:
        events, trouble = read_history(file)
        judgement = Judgement()
        for event in events:
            judgement.see(event)
        violations = judgement.violations()
        row: HistoryRow = {
            "file": str(file),
            "events": len(events),
            "rules": len(RULES),
            "good": not violations,
            "violations": [str(violation) for violation in violations],
            "notes": [*trouble, *filter(None, [judgement.left_out]), *judgement.unjudged],
            "sequences": [],
        }
        if form in ("table", "wide"):
            _say_judged(row)
        for sequence in sequences:
            drawn = _judge(file, sequence, events, only)
            verdict: SequenceRow = {"sequence": sequence.name, "follows": drawn.ok, "text": str(drawn)}
            row["sequences"].append(verdict)
            row["good"] &= drawn.ok
            if form in ("table", "wide"):
                _say_followed(verdict)
        rows.append(row)
    show_document(form, {"histories": rows}, [row["file"] for row in rows if not row["good"]])
    if picture is not None and drawn is not None:
        write_file(picture, verdict_picture(drawn), "--picture")
    return 0 if all(row["good"] for row in rows) else ProductFailure.exit_code


def _say_judged(row: HistoryRow) -> None:
    say("good" if row["good"] else "broken", fg="green" if row["good"] else "red", nl=False)
    say(f"  {row['file']}  {row['events']} events, {row['rules']} rules")
    for line in (*row["violations"], *row["notes"]):
        say(indent(line, "    "))


def _say_followed(row: SequenceRow) -> None:
    say("follows" if row["follows"] else "does not follow", fg="green" if row["follows"] else "red", nl=False)
    say(f"  {row['sequence']}\n{indent(row['text'], '    ')}")


def _is_history(file: Path) -> bool:
    """Whether ``file`` is a record of a test or of a platform, and not of a test's earlier attempt."""
    return re.fullmatch(r"history(-\d+)?\.jsonl", file.name) is not None


def _judge(file: Path, sequence: Sequence, events: Several[Event], only: tuple[str, ...]) -> SequenceVerdict:
    from harness.sequences import judge

    try:
        return judge(sequence, events, only)
    except UsageError as error:
        raise UsageError(
            error.what, where=f"{file}: {error.where}" if error.where else str(file), do=error.do
        ) from error
