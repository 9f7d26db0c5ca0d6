"""``python -m benchmarks [NAME ...]``: measure, print a table, write ``reports/bench.json``.

With names, only those figures are measured anew. Exit status 1 when a figure does not keep to what is wanted.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

MODULES = ("enrollment", "memory", "cluster", "qemu", "renode", "report", "sequences")
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
    table = Table(title="Figures, each against its peer in the same run")
    for heading in ("name", "value", "unit", "peer", "peer value", "ratio", "wanted", ""):
        table.add_column(heading, justify="right" if heading in ("value", "peer value", "ratio") else "left")
    for figure in figures:
        numbers = [f"{figure[key]:,.2f}" for key in ("value", "peer_value", "ratio")]
        verdict = "[green]kept" if figure["kept"] else "[red]not kept"
        row = (figure["name"], numbers[0], figure["unit"], figure["peer"], *numbers[1:], figure["wanted"])
        table.add_row(*row, verdict if figure["wanted"] else "")
    console.print(table)


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--figures-of"]:
        module = importlib.import_module(f"benchmarks.{arguments[1]}")
        json.dump([figure.as_json() for figure in uvloop.run(module.measure())], sys.stdout)
        return 0
    unknown = sorted(set(arguments) - set(MODULES))
    if unknown:
        print(f"there is no benchmark {', '.join(unknown)}; there are: {', '.join(MODULES)}", file=sys.stderr)
        return 2
    console, figures = Console(), []
    for name in arguments or MODULES:
        with console.status(f"measuring {name} ..."):
            figures += asyncio.run(measure(name))
    show(figures, console)
    OUTPUT.parent.mkdir(exist_ok=True)
    if arguments and OUTPUT.exists():
        names = {figure["name"] for figure in figures}
        figures = [old for old in json.loads(OUTPUT.read_text()) if old["name"] not in names] + figures
    OUTPUT.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    console.print(f"written to {OUTPUT}")
    return 0 if all(figure["kept"] for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
