"""``wasmbed check``: the invariants, offline."""

from __future__ import annotations

from pathlib import Path

import click

from harness.core.errors import ProductFailure


@click.command()
@click.argument("history", type=click.Path(path_type=Path))
def check(history: Path) -> int:
    """Judge HISTORY, a history.jsonl or a folder of them, by what must always hold."""
    from harness.core.errors import UsageError
    from harness.core.history import read_history
    from harness.invariants import RULES, find_violations

    files = sorted(history.rglob("history.jsonl")) if history.is_dir() else [history]
    if not files:
        raise UsageError(
            "holds no history", where=str(history), do="name a history.jsonl, or a folder like reports/<run>"
        )
    broken = 0
    for file in files:
        events, trouble = read_history(file)
        violations = find_violations(events)
        broken += bool(violations)
        verdict = click.style("broken", fg="red") if violations else click.style("good", fg="green")
        click.echo(f"{verdict}  {file}  {len(events)} events, {len(RULES)} rules")
        for line in (*trouble, *violations):
            click.echo(f"    {line}")
    return ProductFailure.exit_code if broken else 0
