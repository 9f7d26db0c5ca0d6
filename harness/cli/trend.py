"""``wasmbed trend``: how the runs under a reports folder went over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["sparkline", "trend"]

Rows = Sequence[Mapping[str, Any]]
BLOCKS, LETTERS = "▁▂▃▄▅▆▇█", ".:-=+*%#"
NAME = 19
"""Of a run's name: to the second, which is enough to name it again."""


@click.command()
@click.option("--reports", type=click.Path(path_type=Path), default=Path("reports"), show_default=True, help="Folder.")
@click.option("--runs", "last", type=click.IntRange(min=1), default=20, show_default=True, help="How many of the last.")
@click.option("--boards", "tier", help="Only runs on boards of this tier.")
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON Lines.")
def trend(reports: Path, last: int, tier: str | None, as_json: bool) -> None:
    """Show pass rate, flake rate and time over the last runs, by the boards they ran on, and the benchmarks' ratios.

    Flaky is a test that both passed and failed with the same sources and the same options. The rates are shares of the
    tests that were judged, and time is theirs: what was not run or skipped does not count.
    """
    import orjson
    from rich.console import Console

    from harness.core.errors import UsageError
    from harness.reporting.trend import FILE, public_row
    from harness.reporting.trend_file import RUNS, read_trend

    path = reports / FILE
    rows, trouble = read_trend(path, last=max(last, RUNS))
    rows = [public_row(row) for row in rows if tier is None or tier in (row.get("boards") or ())][-last:]
    for line in trouble:
        click.echo(f"{path}: {line}", err=True)
    if not rows:
        what = f"knows no run on boards of tier {tier}" if tier else "knows no run"
        raise UsageError(what, where=str(path), do="run scenarios (pytest scenarios), or name the folder: --reports")
    if as_json:
        for row in rows:
            click.echo(orjson.dumps(row))
        return
    console = Console()
    _print_runs(console, rows)
    _print_lines(console, rows)


def sparkline(values: Sequence[float | None], *, ascii_only: bool = False) -> str:
    """``values`` as a row of bars, the lowest to the highest; a blank where there is none."""
    known = [value for value in values if value is not None]
    bars = LETTERS if ascii_only else BLOCKS
    low, span = min(known, default=0.0), max(known, default=0.0) - min(known, default=0.0)
    return "".join(
        " " if value is None else bars[round((value - low) / span * 7) if span else 3] for value in values
    ).rstrip()


def _print_runs(console: Console, rows: Rows) -> None:
    from rich.table import Table

    from harness.reporting.trend import pass_rate

    table = Table(box=None, pad_edge=False, collapse_padding=True, header_style="bold")
    table.add_column("run", no_wrap=True)
    table.add_column("boards", overflow="fold")
    for name in ("passed", "failed", "not run", "flaky", "rate", "time"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        failed, lost = int(row.get("failed") or 0), int(row.get("not_run") or 0)
        table.add_row(
            str(row.get("run"))[:NAME],
            ", ".join(map(str, row.get("boards") or ())),
            str(row.get("passed") or 0),
            f"[red]{failed}[/red]" if failed else "0",
            f"[yellow]{lost}[/yellow]" if lost else "0",
            str(row.get("flaky") or 0),
            _percent(pass_rate(row)),
            f"{float(row.get('duration') or 0):.1f} s",
        )
    console.print(table)


def _print_lines(console: Console, rows: Rows) -> None:
    from rich.table import Table
    from rich.text import Text

    from harness.reporting.trend import by_boards, flake_rate, pass_rate

    lines: list[tuple[str, list[float | None], str]] = []
    groups = by_boards(rows)
    for boards, alike in groups.items():
        on = f" on {boards}" if boards and len(groups) > 1 else ""
        lines += [
            (f"pass rate{on}", [pass_rate(row) for row in alike], "%"),
            (f"flake rate{on}", [flake_rate(row) for row in alike], "%"),
            (f"time{on}", [float(row.get("duration") or 0) for row in alike], "s"),
        ]
    names = {name: None for row in rows for name in row.get("figures") or {}}
    lines += [(name, [(row.get("figures") or {}).get(name) for row in rows], "") for name in names]
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, values, unit in lines:
        known = [value for value in values if value is not None]
        if known:
            bars = sparkline(values, ascii_only=console.options.ascii_only)
            span = f"{_shown(min(known), unit)} to {_shown(max(known), unit)}, now {_shown(known[-1], unit)}"
            table.add_row(name, Text(bars, style="cyan"), span)
    console.print()
    console.print(table)
    if flaky := {name: None for row in rows for name in row.get("flaky_tests") or ()}:
        console.print("\nflaky, both passed and failed with the same sources and options:")
        for name in flaky:
            console.print(f"  {name}", markup=False, soft_wrap=True)


def _shown(value: float, unit: str) -> str:
    return _percent(value) if unit == "%" else f"{value:.1f} {unit}" if unit else f"{value:.3g}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share * 100:.1f} %".replace(".0 %", " %")
