"""``wasmbed explore``: random schedules of faults against a simulated stack."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.ending import End
from harness.cli.output import say
from harness.stack.options import SIMULATED

if TYPE_CHECKING:
    from harness.explore.session import Session

__all__ = ["explore"]

MOST_WORKERS = 256
MOST_BOARDS = 1_000


@click.command()
@click.option("--minutes", default=10.0, show_default=True, type=click.FloatRange(0, 100_000, min_open=True),
              metavar="M", help="Begin no schedule after this time.")  # fmt: skip
@click.option("--runs", type=click.IntRange(1), metavar="N", help="End after this number of schedules, too.")
@click.option("--boards", default=10, show_default=True, type=click.IntRange(1, MOST_BOARDS), metavar="N",
              help="Boards of each stack.")  # fmt: skip
@click.option("--tier", default="sim", show_default=True, type=click.Choice(sorted(SIMULATED)),
              help="Simulated boards, or the firmware's own code.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), metavar="S",
              help="Of everything that is drawn.")  # fmt: skip
@click.option("--seconds", default=60.0, show_default=True, type=click.FloatRange(0, 86_400, min_open=True),
              metavar="SECONDS", help="Virtual time in which the faults of a schedule begin.")  # fmt: skip
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, MOST_WORKERS), metavar="N",
              help="Processes; what is tried follows from the seed with one.")  # fmt: skip
@click.option("--queue", metavar="URL",
              help="Explore with other machines, through NATS JetStream: nats://HOST:PORT[/NAME].")  # fmt: skip
@click.option("--keep-going", is_flag=True, help="Go on after a failure, and group failures by cause.")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), default=Path("reports") / "explore",
              show_default=True, help="Folder of findings.")  # fmt: skip
def explore(
    minutes: float,
    runs: int | None,
    boards: int,
    tier: str,
    seed: int,
    seconds: float,
    workers: int,
    queue: str | None,
    keep_going: bool,
    output: Path,
) -> int:
    """Run random schedules of faults against simulated stacks, and judge each by all invariants and by whether the
    platform comes to rest.

    A schedule whose history has something new (pairs of phase moves, messages and faults) is kept and varied. A
    failure is made as small as possible and written as a test file, with its history and report. The exit code is 1 if
    there was a failure.
    """
    from harness.core.clock import SystemClock
    from harness.core.errors import ProductFailure, RigError
    from harness.core.loop import new_runner
    from harness.explore.explorer import Explorer
    from harness.explore.session import Limits, Progress, Session
    from harness.explore.session import explore as explore_here
    from harness.stack.kinds import load_kind

    if why := load_kind("harness.boards", tier).unavailable():
        raise RigError(why, where=f"--tier={tier}", do="see wasmbed doctor")
    explorer = Explorer(seed, boards=boards, tier=tier, seconds=seconds)
    progress = Progress(explorer, SystemClock(), say)
    session = Session(explorer, Limits(60 * minutes, runs, keep_going), output, progress)
    try:
        if workers == 1 and queue is None:
            explore_here(session)
        else:
            with new_runner() as runner:
                runner.run(_with_workers(session, workers, queue))
    except KeyboardInterrupt:
        say("interrupted")
    say(progress.line())
    for group in explorer.groups:
        say(f"{group.count} x {group}\n  pytest {session.tests.get(group, 'not shrunk')}")
    return ProductFailure.exit_code if explorer.groups else 0


async def _with_workers(session: Session, count: int, queue: str | None) -> None:
    from harness.core.clock import SystemClock
    from harness.explore.jetstream import JetStreamSource
    from harness.explore.workers import LocalSource, Worker, explore_with

    async def work() -> None:
        workers = [Worker() for _ in range(count)]
        if queue is None:
            await explore_with(session, LocalSource(session), workers)
            return
        async with JetStreamSource.opened(queue, session, SystemClock(), workers=count) as source:
            await explore_with(session, source, workers)

    if not await End().unless(work()):
        say("interrupted")
