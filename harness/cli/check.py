"""``wasmbed check``: the invariants and the executable sequences, offline."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent
from typing import TextIO

import click

from harness.core.errors import ProductFailure


@click.command()
@click.argument("history", type=click.Path(path_type=Path))
@click.option("--sequence", "names", multiple=True, help="An executable sequence, by name or file; may be repeated.")
@click.option("--only", multiple=True, help="A device or application, where not all of them follow the sequence.")
@click.option("--picture", type=click.File("w", encoding="utf-8"), help="Draw the last verdict on a sequence: an SVG.")
def check(history: Path, names: tuple[str, ...], only: tuple[str, ...], picture: TextIO | None) -> int:
    """Judge HISTORY, a history.jsonl or a folder of them, by what must always hold, and by each --sequence."""
    from harness.core.errors import UsageError
    from harness.core.history import read_history
    from harness.invariants import RULES, find_violations
    from harness.sequences import judge, load, verdict_picture

    sequences = [load(name) for name in names]
    files = sorted(history.rglob("history.jsonl")) if history.is_dir() else [history]
    if not files:
        raise UsageError(
            "holds no history", where=str(history), do="name a history.jsonl, or a folder like reports/<run>"
        )
    broken, drawn = 0, None
    for file in files:
        events, trouble = read_history(file)
        violations = find_violations(events)
        broken += bool(violations)
        verdict = click.style("broken", fg="red") if violations else click.style("good", fg="green")
        click.echo(f"{verdict}  {file}  {len(events)} events, {len(RULES)} rules")
        for line in (*trouble, *violations):
            click.echo(f"    {line}")
        for sequence in sequences:
            judged = judge(sequence, events, only)
            broken += not judged.ok
            word = click.style("follows", fg="green") if judged.ok else click.style("does not follow", fg="red")
            click.echo(f"{word}  {sequence.name}\n{indent(str(judged), '    ')}")
            drawn = judged
    if picture is not None and drawn is not None:
        picture.write(verdict_picture(drawn))
    return ProductFailure.exit_code if broken else 0
