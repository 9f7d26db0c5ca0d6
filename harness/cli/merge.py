"""``wasmbed merge``: one report from the runs of a suite's shards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import completion
from harness.cli.output import say
from harness.cli.runs import RunPath
from harness.core.errors import ProductFailure, RigError

if TYPE_CHECKING:
    from harness.reporting.runs import TestRecord

__all__ = ["merge", "outcome", "write_report"]


@click.command()
@click.argument("shards", metavar="RUN...", nargs=-1, required=True, type=RunPath(), shell_complete=completion.runs)
@click.option(
    "--into", type=click.Path(path_type=Path), required=True, help="The new run's folder, such as reports/nightly."
)
def merge(shards: Sequence[Path], into: Path) -> int:
    """Merge the runs of shards (pytest --shard=INDEX/NUMBER) into one, with page, junit.xml and a row of the trend.

    RUN is a run's folder, as reports/2026-11-30T02-17-00-000-1f2e, `latest`, or the beginning of its name. The exit
    code is 1 if a test failed, 3 if one could not be run.
    """
    return outcome(write_report(shards, into, f"wasmbed merge, {len(shards)} shards"))


def write_report(shards: Sequence[Path], into: Path, command: str) -> list[TestRecord]:
    """Merge runs into a new folder and say what it has; returns its tests."""
    from harness.core.clock import SystemClock
    from harness.reporting.finish import finish_run
    from harness.reporting.merge import merge_runs

    tests = merge_runs(shards, into)
    done = finish_run(into, root=Path.cwd(), clock=SystemClock(), command=command)
    say(", ".join(f"{count} {outcome}" for outcome, count in Counter(test.outcome for test in tests).most_common()))
    for line in done.messages(Path.cwd()):
        say(line)
    return tests


def outcome(tests: Sequence[TestRecord]) -> int:
    """The exit code of a run with these tests."""
    outcomes = {test.outcome for test in tests}
    if "failed" in outcomes:
        return ProductFailure.exit_code
    return RigError.exit_code if "not run" in outcomes else 0
