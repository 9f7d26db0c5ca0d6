"""``wasmbed trend``: results of the runs in a reports folder over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.forms import form_option, show_document
from harness.cli.output import cell, console, say, show
from harness.cli.runs import REPORTS
from harness.cli.tables import Table

if TYPE_CHECKING:
    from harness.cli.shapes import RunRow

__all__ = ["sparkline", "trend"]

Rows = Sequence[Mapping[str, Any]]
BLOCKS, LETTERS = "▁▂▃▄▅▆▇█", ".:-=+*%#"
NAME = 19
"""Characters of a run's name: up to the second, which identifies it."""


@click.command()
@click.option(
    "--reports", type=click.Path(path_type=Path), default=REPORTS, show_default=True, help="Folder of the runs."
)
@click.option(
    "--runs", "last", type=click.IntRange(min=1), default=20, show_default=True, help="Number of newest runs."
)
@click.option("--boards", "tier", help="Only runs on boards of this tier.")
@form_option
def trend(reports: Path, last: int, tier: str | None, form: str) -> None:
    """Show pass rate, flake rate and time of the newest runs, and the ratios of the benchmarks.

    Rates and times are compared between runs that are alike: on the same boards, with four of five tests in common.

    A test is flaky if it both passed and failed with the same sources and options. Rates and times are those of judged
    tests: tests that were not run or skipped do not count.
    """
    from harness.core.errors import UsageError
    from harness.reporting.trend import FILE
    from harness.reporting.trend_file import RUNS, read_trend

    path = reports / FILE
    rows, trouble = read_trend(path, last=max(last, RUNS))
    rows = [row for row in rows if tier is None or tier in (row.get("boards") or ())][-last:]
    for line in trouble:
        say(f"{path}: {line}", err=True)
    if not rows:
        what = f"no runs on boards of tier {tier}" if tier else "no runs"
        raise UsageError(what, where=str(path), do="run pytest scenarios, or name another folder with --reports")
    if not show_document(form, {"runs": [_row(row) for row in rows]}, [str(row.get("run")) for row in rows]):
        _print_runs(rows)
        _print_lines(rows)


def _row(row: Mapping[str, Any]) -> RunRow:
    return {
        "run": str(row.get("run")),
        "at": row.get("at"),
        "boards": [str(tier) for tier in row.get("boards") or ()],
        "passed": int(row.get("passed") or 0),
        "failed": int(row.get("failed") or 0),
        "notRun": int(row.get("not_run") or 0),
        "skipped": int(row.get("skipped") or 0),
        "flaky": int(row.get("flaky") or 0),
        "duration": float(row.get("duration") or 0),
        "flakyTests": [str(name) for name in row.get("flaky_tests") or ()],
        "figures": dict(row.get("figures") or {}),
    }


def sparkline(values: Sequence[float | None], *, ascii_only: bool = False) -> str:
    """``values`` as a row of bars; a blank for None."""
    known = [value for value in values if value is not None]
    bars = LETTERS if ascii_only else BLOCKS
    low, span = min(known, default=0.0), max(known, default=0.0) - min(known, default=0.0)
    return "".join(
        " " if value is None else bars[round((value - low) / span * 7) if span else 3] for value in values
    ).rstrip()


def _print_runs(rows: Rows) -> None:
    from harness.reporting.trend import pass_rate

    numbers = ("passed", "failed", "not run", "flaky", "rate", "time")
    table = Table("run", "boards", *numbers, right=numbers)
    for row in rows:
        failed, lost = int(row.get("failed") or 0), int(row.get("not_run") or 0)
        table.add(
            str(row.get("run"))[:NAME],
            ", ".join(map(str, row.get("boards") or ())),
            str(row.get("passed") or 0),
            (str(failed), "red" if failed else ""),
            (str(lost), "yellow" if lost else ""),
            str(row.get("flaky") or 0),
            _percent(pass_rate(row)),
            f"{float(row.get('duration') or 0):.1f} s",
        )
    table.show()


def _print_lines(rows: Rows) -> None:
    from rich.table import Table as RichTable
    from rich.text import Text

    from harness.reporting.trend import alike, flake_rate, pass_rate

    lines: list[tuple[str, list[float | None], str]] = []
    groups = alike(rows)
    for group in groups:
        on = _of(group[-1]) if len(groups) > 1 else ""
        lines += [
            (f"pass rate{on}", [pass_rate(row) for row in group], "%"),
            (f"flake rate{on}", [flake_rate(row) for row in group], "%"),
            (f"time{on}", [float(row.get("duration") or 0) for row in group], "s"),
        ]
    names = {name: None for row in rows for name in row.get("figures") or {}}
    lines += [(name, [(row.get("figures") or {}).get(name) for row in rows], "") for name in names]
    table = RichTable(box=None, pad_edge=False, show_header=False)
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


def _of(row: Mapping[str, Any]) -> str:
    """The words that distinguish runs that are alike from others."""
    judged = int(row.get("passed") or 0) + int(row.get("failed") or 0)
    boards = ", ".join(map(str, row.get("boards") or ()))
    return f"{f' on {boards}' if boards else ''}, {judged} test{'s' if judged != 1 else ''}"


def _shown(value: float, unit: str) -> str:
    return _percent(value) if unit == "%" else f"{value:.1f} {unit}" if unit else f"{value:.3g}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share * 100:.1f} %".replace(".0 %", " %")
