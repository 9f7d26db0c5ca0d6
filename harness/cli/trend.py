"""``wasmbed trend``: results of the runs in a reports folder over time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from harness.cli.output import cell, console, say, show

__all__ = ["sparkline", "trend"]

Rows = Sequence[Mapping[str, Any]]
BLOCKS, LETTERS = "▁▂▃▄▅▆▇█", ".:-=+*%#"
NAME = 19
"""Characters of a run's name: up to the second, which identifies it."""


@click.command()
@click.option(
    "--reports", type=click.Path(path_type=Path), default=Path("reports"), show_default=True, help="Folder of the runs."
)
@click.option(
    "--runs", "last", type=click.IntRange(min=1), default=20, show_default=True, help="Number of newest runs."
)
@click.option("--boards", "tier", help="Only runs on boards of this tier.")
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON Lines.")
def trend(reports: Path, last: int, tier: str | None, as_json: bool) -> None:
    """Show pass rate, flake rate and time of the newest runs, by their boards, and the ratios of the benchmarks.

    A test is flaky if it both passed and failed with the same sources and options. Rates and times are those of judged
    tests: tests that were not run or skipped do not count.
    """
    from harness.core.errors import UsageError
    from harness.reporting.trend import FILE, public_row
    from harness.reporting.trend_file import RUNS, read_trend

    path = reports / FILE
    rows, trouble = read_trend(path, last=max(last, RUNS))
    rows = [public_row(row) for row in rows if tier is None or tier in (row.get("boards") or ())][-last:]
    for line in trouble:
        say(f"{path}: {line}", err=True)
    if not rows:
        what = f"no runs on boards of tier {tier}" if tier else "no runs"
        raise UsageError(what, where=str(path), do="run pytest scenarios, or name another folder with --reports")
    if as_json:
        for row in rows:
            say(json.dumps(row))
        return
    _print_runs(rows)
    _print_lines(rows)


def sparkline(values: Sequence[float | None], *, ascii_only: bool = False) -> str:
    """``values`` as a row of bars; a blank for None."""
    known = [value for value in values if value is not None]
    bars = LETTERS if ascii_only else BLOCKS
    low, span = min(known, default=0.0), max(known, default=0.0) - min(known, default=0.0)
    return "".join(
        " " if value is None else bars[round((value - low) / span * 7) if span else 3] for value in values
    ).rstrip()


def _print_runs(rows: Rows) -> None:
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
            cell(str(row.get("run"))[:NAME]),
            cell(", ".join(map(str, row.get("boards") or ()))),
            cell(str(row.get("passed") or 0)),
            cell(str(failed), "red" if failed else ""),
            cell(str(lost), "yellow" if lost else ""),
            cell(str(row.get("flaky") or 0)),
            _percent(pass_rate(row)),
            f"{float(row.get('duration') or 0):.1f} s",
        )
    show(table)


def _print_lines(rows: Rows) -> None:
    from rich.table import Table
    from rich.text import Text

    from harness.reporting.trend import by_boards, flake_rate, pass_rate

    lines: list[tuple[str, list[float | None], str]] = []
    groups = by_boards(rows)
    for boards, group in groups.items():
        on = f" on {boards}" if boards and len(groups) > 1 else ""
        lines += [
            (f"pass rate{on}", [pass_rate(row) for row in group], "%"),
            (f"flake rate{on}", [flake_rate(row) for row in group], "%"),
            (f"time{on}", [float(row.get("duration") or 0) for row in group], "s"),
        ]
    names = {name: None for row in rows for name in row.get("figures") or {}}
    lines += [(name, [(row.get("figures") or {}).get(name) for row in rows], "") for name in names]
    table = Table(box=None, pad_edge=False, show_header=False)
    ascii_only = console().options.ascii_only
    for name, values, unit in lines:
        known = [value for value in values if value is not None]
        if known:
            bars = sparkline(values, ascii_only=ascii_only)
            span = f"{_shown(min(known), unit)} to {_shown(max(known), unit)}, latest {_shown(known[-1], unit)}"
            table.add_row(cell(name), Text(bars, style="cyan"), span)
    say("")
    show(table)
    if flaky := {name: None for row in rows for name in row.get("flaky_tests") or ()}:
        say("\nflaky, both passed and failed with the same sources and options:")
        for name in flaky:
            say(f"  {name}")


def _shown(value: float, unit: str) -> str:
    return _percent(value) if unit == "%" else f"{value:.1f} {unit}" if unit else f"{value:.3g}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share * 100:.1f} %".replace(".0 %", " %")
