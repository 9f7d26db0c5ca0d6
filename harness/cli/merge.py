"""``wasmbed merge``: one report from the runs of a suite's shards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from harness.cli.output import say

__all__ = ["merge"]


@click.command()
@click.argument("shards", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--into", type=click.Path(path_type=Path), required=True, help="The new run's folder, such as reports/nightly."
)
def merge(shards: Sequence[Path], into: Path) -> int:
    """Merge the runs of shards (pytest --shard=INDEX/NUMBER) into one, with page, junit.xml and a row of the trend.

    RUN is a run's folder, as reports/2026-11-30T02-17-00-000-1f2e. The exit code is 1 if a test failed, 3 if one could
    not be run.
    """
    from harness.core.clock import SystemClock
    from harness.core.errors import ProductFailure, RigError
    from harness.reporting.finish import finish_run
    from harness.reporting.merge import merge_runs

    tests = merge_runs(shards, into)
    done = finish_run(into, root=Path.cwd(), clock=SystemClock(), command=f"wasmbed merge, {len(shards)} shards")
    outcomes = Counter(test.outcome for test in tests)
    say(", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common()))
    for line in done.messages(Path.cwd()):
        say(line)
    if outcomes["failed"]:
        return ProductFailure.exit_code
    return RigError.exit_code if outcomes["not run"] else 0
