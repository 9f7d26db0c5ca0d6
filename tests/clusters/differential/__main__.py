"""``python -m tests.clusters.differential [THEME...]``: run themes; without a name, write the page about all."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from harness.clusters.apiserver import ApiserverCluster
from tests.clusters.differential.run import run
from tests.clusters.differential.table import alike_percent, page
from tests.clusters.differential.themes import themes

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "kubernetes-differences.md"


def main(only: list[str]) -> int:
    """Return the exit code: 3 where there is no real server. With names, the differences go to the output instead."""
    if missing := ApiserverCluster.unavailable():
        print(missing, file=sys.stderr)
        return 3
    chosen = [theme for theme in themes() if not only or theme.name in only]
    results = asyncio.run(run(chosen))
    if only:
        for name, compared in results.items():
            for one in compared:
                print(f"{'DIFF' if one.differences else 'same'} {name}: {one.request.name}")
                for found in one.differences:
                    print(f"    {found.path}\n      real     {found.real}\n      embedded {found.embedded}")
    else:
        PAGE.write_text(page(chosen, results), "utf-8")
    total = sum(map(len, results.values()))
    print(f"{total} requests, {alike_percent(results):.1f} % alike", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
