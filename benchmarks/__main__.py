"""``python -m benchmarks [NAME ...]``: measure, print a table, write ``reports/bench.json``.

With names, only those figures are measured anew. Exit status 1 when a figure does not keep to what is wanted.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Column, Table

MODULES = (
    "enrollment", "overload", "memory", "cluster", "state", "kubernetes", "native", "simulation", "qemu", "renode",
    "explore", "report", "sequences", "judges", "relay", "gateways", "failover", "scenarios", "api", "compile",
    "dashboard", "commands",
)  # fmt: skip
LONG = ("soak",)
"""Measured only when named: ten minutes."""
OUTPUT = Path("reports") / "bench.json"


async def measure(name: str) -> list[dict[str, Any]]:
    """The figures of one module, from a process of its own so that they do not disturb each other."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks", "--figures-of", name, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"benchmarks.{name} ended with status {process.returncode}; its words are above")
    figures: list[dict[str, Any]] = json.loads(output)
    return figures


def show(figures: list[dict[str, Any]], console: Console) -> None:
    table = Table.grid("", "", Column(justify="right"), "", padding=(0, 2))
    for figure in figures:
        verdict = "[green]kept" if figure["kept"] else "[red]not kept"
        against = f"{figure['ratio']:.3g} of {figure['peer_value']:,.2f}, {figure['peer']}"
        wanted = figure["wanted"] and f"; wanted: {figure['wanted']}"
        value = f"{figure['value']:,.2f} {figure['unit']}"
        table.add_row(verdict if wanted else "", figure["name"], value, against + wanted)
    for column in table.columns[:3]:
        column.no_wrap = True
    console.print(table)


def main(arguments: list[str]) -> int:
    known = ", ".join(MODULES + LONG)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n\n")[2])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"one of {', '.join(MODULES + LONG)}; all but the last without any"
    )
    parser.add_argument("--figures-of", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.figures_of:
        module = importlib.import_module(f"benchmarks.{options.figures_of}")
        json.dump([figure.as_json() for figure in uvloop.run(module.measure())], sys.stdout)
        return 0
    if unknown := sorted(set(options.names) - set(MODULES + LONG)):
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are: {known}")
    console, figures = Console(), []
    for name in options.names or MODULES:
        with console.status(f"measuring {name} ..."):
            figures += asyncio.run(measure(name))
    show(figures, console)
    OUTPUT.parent.mkdir(exist_ok=True)
    if options.names and OUTPUT.exists():
        names = {figure["name"] for figure in figures}
        figures = [old for old in json.loads(OUTPUT.read_text()) if old["name"] not in names] + figures
    OUTPUT.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    console.print(f"written to {OUTPUT}")
    return 0 if all(figure["kept"] for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
