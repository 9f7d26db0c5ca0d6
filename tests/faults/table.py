"""The coverage table of the crash-point matrix: arrow by fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from harness.faults import ArrowMoment
from tests.faults.cells import FAULTS, Cell, points

__all__ = ["write_table"]

MARKS = {"passed": "✓", "failed": "**✗**", "cannot strike": "·", "not there": " "}


def write_table(outcomes: Mapping[str, str], path: Path) -> None:
    """Write a Markdown table with a row for each crash point and a column for each fault."""
    single = {cell: outcome for cell, outcome in outcomes.items() if "+" not in cell}
    count = Counter(single.values())
    lines = [
        "# Crash-point matrix",
        "",
        f"{count['passed']} cells recovered, {count['failed']} did not. In {count['cannot strike']} the fault had "
        "nothing to strike, such as a board without power or a gateway that was down. "
        f"{count['not there']} are of arrows that the life of their sequence does not have.",
        "",
        "✓ recovered, **✗** did not, · nothing to strike, empty: not run, or the arrow does not come.",
        "",
    ]
    if pairs := Counter(outcome for cell, outcome in outcomes.items() if "+" in cell):
        lines += [f"Pairs of faults: {pairs['passed']} recovered, {pairs['failed']} did not.", ""]
    sequence = ""
    for name, number, side in points():
        if name != sequence:
            sequence = name
            lines += [
                "",
                f"## {name}",
                "",
                "| | arrow | " + " | ".join(FAULTS) + " |",
                "|---|---|" + "---|" * len(FAULTS),
            ]
        arrow = str(ArrowMoment(side, name, number).arrow).replace("|", "\\|")
        marks = [MARKS[single.get(str(Cell(name, number, side, fault)), "not there")] for fault in FAULTS]
        lines.append(f"| {side} {number} | {arrow} | " + " | ".join(marks) + " |")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
