"""``wasmbed mutate``: which defects on the wire a project's own scenarios catch."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

import click

from harness.cli.output import say

__all__ = ["mutate"]


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("selection", nargs=-1, metavar="[-- PYTEST ARGUMENT ...]", type=click.UNPROCESSED)
@click.option("--gateway", default="reference", show_default=True, metavar="KIND",
              help="Whose gateway: a kind, a table [gateways.NAME], or `command:PROGRAM ARGUMENT ...`.")  # fmt: skip
@click.option("--only", multiple=True, metavar="PATTERN", help="Only defects whose name matches, as in 'gateway.*'.")
@click.option("--every", default=1, show_default=True, type=click.IntRange(1), metavar="N", help="Each Nth of them.")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), default=Path("reports") / "wire-mutation",
              show_default=True, help="Folder of results and table; a run that was stopped goes on there.")  # fmt: skip
@click.option("--time-limit", default=600, show_default=True, type=click.IntRange(1), metavar="SECONDS",
              help="For the selection with one defect; one that lets it hang is caught.")  # fmt: skip
@click.option("--list", "lists", is_flag=True, help="Only list the defects.")
def mutate(
    selection: tuple[str, ...],
    gateway: str,
    only: tuple[str, ...],
    every: int,
    output: Path,
    time_limit: int,
    lists: bool,
) -> int:
    """Put defects on the wire between boards and a gateway, one at a time, and run your scenarios with each.

    A defect makes one end send something wrong: a message is lost, repeated or late, has another id, or another value
    in a field. The table says which defects were caught, by which judge, and whom the judge blames; which were missed;
    and which your scenarios never exercise. The arguments after `--` select the scenarios, as for pytest. The exit
    code is 1 if a defect was missed.
    """
    from harness.cli.wire_mutation import CAUGHT, MISSED, WireMutation
    from harness.core.errors import ProductFailure, UsageError
    from harness.gateways.relay.defects import wire_defects

    chosen = [defect for defect in wire_defects().values() if _is_named(defect.name, only)][::every]
    if not chosen:
        raise UsageError("no defect has such a name", where="--only", do="see `wasmbed mutate --list`")
    if lists:
        for defect in chosen:
            say(f"{defect.name:44} {defect.what}")
        return 0
    mutation = WireMutation(gateway, selection, output, time_limit)
    known = mutation.known()
    waiting = [defect for defect in chosen if defect.name not in known]
    if waiting:
        say("the scenarios without a defect ...")
        mutation.check()
    for number, outcome in enumerate(mutation.judge(waiting, known), 1):
        by = f" by {outcome.test or outcome.judge} ({outcome.judge}, blames {outcome.blamed or 'nobody'})"
        caught = outcome.outcome == CAUGHT
        say(f"{number}/{len(waiting)} {outcome.name}: {outcome.outcome}{by if caught else ''}, {outcome.seconds:.0f} s")
    outcomes = [known[defect.name] for defect in chosen]
    for kind in dict.fromkeys(outcome.outcome for outcome in outcomes):
        say(f"{kind}: {sum(outcome.outcome == kind for outcome in outcomes)}")
    say(f"table: {output / 'wire-mutation.md'}")
    return ProductFailure.exit_code if any(outcome.outcome == MISSED for outcome in outcomes) else 0


def _is_named(name: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatch(name, pattern) for pattern in patterns)
