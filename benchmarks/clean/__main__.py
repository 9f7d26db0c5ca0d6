"""``python -m benchmarks.clean``: random runs of a sound platform, one after the other; no verdict on them is right.

On simulated boards a run takes virtual time, and its seed and recipe decide everything in it; the recipe of the next
run is the one that makes most of what the runs of this commit have least of (:mod:`benchmarks.clean.recipes`). On other
boards several run at the same time, and each history is judged twice, live and from its file. Counts how many runs of
all scenarios they are worth (:mod:`benchmarks.clean.worth`). ``reports/clean-histories`` keeps a line for each run, so
that a stopped program goes on with the next seed, and the history of each run with a verdict. Exit status 1 if this
program, or one before that it goes on from, found a verdict.

Several processes may write into the folder at the same time, each with seeds of its own: ``--from 1000000`` and so on.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import logging
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import uvloop

from benchmarks.clean.commit import present_commit
from benchmarks.clean.page import RANDOM, write_rows
from benchmarks.clean.recipes import RECIPES, next_recipe, options
from benchmarks.clean.run import Run
from benchmarks.clean.worth import count, worth
from harness.core.clock import SystemClock
from harness.core.errors import HarnessError
from harness.core.history import read_history
from harness.invariants import Judgement, describe, find_violations
from harness.stack import Stack
from harness.stack.hosted import HostedStack
from harness.wasmbed.resources.timestamps import format_timestamp

OUTPUT = Path("reports") / "clean-histories"
WANTED = 1_000
SERIES = 1_000_000
"""Seeds of one process."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One run. ``verdict`` is empty if the judges passed it; ``stuck`` says what did not become whole again."""

    seed: int
    boards: str
    devices: int
    events: int
    verdict: str = ""
    stuck: str = ""
    things: dict[str, int] = field(default_factory=dict)
    date: str = ""
    commit: str = ""
    recipe: str = "mixed"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clean", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="begin no run after this time (%(default)s)")
    parser.add_argument("--seed", type=int, help="only the run of this seed, and keep its history")
    parser.add_argument("--recipe", default="mixed", choices=RECIPES, help="the recipe of --seed (%(default)s)")
    parser.add_argument("--boards", default="sim", help="the boards: sim, virtual, qemu, or a kind (%(default)s)")
    parser.add_argument("--together", type=int, default=4, help="runs at the same time, if not simulated (%(default)s)")
    parser.add_argument("--from", type=int, default=0, dest="first", help="first seed of this series (%(default)s)")
    parser.add_argument("--page", type=Path, help="write the rows of the runs into this page, and end")
    given = parser.parse_args(arguments)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    logging.disable()  # warnings of what a fault did
    if given.page is not None:
        write_rows(given.page, RANDOM, _rows(_known()))
        return 0
    if given.seed is not None:
        known = [_one(given.seed, given.boards, given.recipe, keep=True)]
        print(_line(known[0]))
    else:
        known = _known()
        _all(known, given)
        print(_sum(known))
    return 1 if any(each.verdict or each.stuck for each in known) else 0


def _all(known: list[Judged], given: argparse.Namespace) -> None:
    """Run the next seeds until the time is over."""
    clock, boards = SystemClock(), given.boards
    end = clock.now() + 60 * given.minutes
    of_series = (each.seed for each in known if each.boards == boards and 0 <= each.seed - given.first < SERIES)
    seeds = itertools.count(max(of_series, default=given.first - 1) + 1)
    things = _things(each for each in known if (each.boards, each.commit) == (boards, present_commit()))

    def keep(done: Judged) -> None:
        known.append(done)
        things.update(done.things)
        with (OUTPUT / "runs.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(done)) + "\n")
        if done.verdict or done.stuck or len(known) % 50 == 0:
            print(f"{_line(done)}\n{_sum(known)}", flush=True)

    async def one_by_one() -> None:
        while clock.now() < end:
            keep(await _in_real_time(next(seeds), boards, keep=False))

    async def together() -> None:
        await asyncio.gather(*(one_by_one() for _ in range(given.together)))

    if not options(0, boards).simulated:
        uvloop.run(together())
        return
    gc.disable()  # a run is short, and its objects live as long as it does
    while clock.now() < end:
        seed = next(seeds)
        keep(_one(seed, boards, next_recipe(seed, things), keep=False))
        gc.collect()
        gc.freeze()


def _known() -> list[Judged]:
    path = OUTPUT / "runs.jsonl"
    return [Judged(**json.loads(line)) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def _one(seed: int, boards: str, recipe: str, *, keep: bool) -> Judged:
    if options(seed, boards).simulated:
        return _in_virtual_time(seed, boards, recipe, keep=keep)
    return uvloop.run(_in_real_time(seed, boards, keep=keep))


def _in_virtual_time(seed: int, boards: str, recipe: str, *, keep: bool) -> Judged:
    """Run a seed in virtual time; the history is judged as that of a test. One with a verdict is made again, and
    kept."""
    folder, verdict, stuck = OUTPUT / f"{boards}-{recipe}-{seed}", "", ""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with HostedStack.opened(options(seed, boards, recipe), folder if keep else None) as hosted:
            run = Run(hosted.stack, seed, recipe)
            try:
                hosted.run(run.play())
            except HarnessError as error:
                stuck = str(error)
            try:
                hosted.judge()
            except HarnessError as error:
                verdict = str(error)
            events = list(hosted.stack.history)
    except HarnessError as error:  # what it left behind
        verdict += f"\nat its end: {error}"
    done = replace(_judged(seed, boards, run, len(events), count(events), verdict, stuck), recipe=recipe)
    if (verdict or stuck) and not keep:
        _in_virtual_time(seed, boards, recipe, keep=True)
    return done


async def _in_real_time(seed: int, boards: str, *, keep: bool) -> Judged:
    folder = OUTPUT / f"{boards}-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    live, stuck = Judgement(), ""
    async with Stack(options(seed, boards), folder=folder) as stack:
        for event in stack.history:
            live.see(event)
        ending = stack.history.listen(live.see)
        run = Run(stack, seed)
        try:
            await run.play()
            await stack.observe()
        except HarnessError as error:
            stuck = str(error)
        ending()
        events = list(stack.history)
        found = live.violations()
        kept = read_history(folder / "history.jsonl")[0][: len(events)]
    offline = find_violations(kept)
    verdict = describe(found) if found else ""
    if [str(each) for each in found] != [str(each) for each in offline]:
        verdict += f"\nfrom the file: {describe(offline) if offline else 'no verdict'}"
    if live.unjudged:
        verdict += f"\nnot judged: {'; '.join(live.unjudged)}"
    if not (verdict or stuck or keep):
        shutil.rmtree(folder)
    return _judged(seed, boards, run, len(events), count(events), verdict, stuck)


def _judged(seed: int, boards: str, run: Run, events: int, things: dict[str, int], verdict: str, stuck: str) -> Judged:
    now = format_timestamp(SystemClock().now())
    return Judged(seed, boards, run.devices, events, verdict, stuck, dict(things), now, present_commit())


def _line(done: Judged) -> str:
    words = done.verdict or done.stuck or "no verdict"
    run = f"seed {done.seed}, {done.recipe}, on {done.boards} boards"
    return f"{run}: {done.devices} devices, {done.events} events: {words}"


def _sum(known: Sequence[Judged]) -> str:
    runs, kind = worth(_things(known))
    false, stuck = sum(bool(each.verdict) for each in known), sum(bool(each.stuck) for each in known)
    return (
        f"{len(known)} histories, {false} with a verdict, {stuck} stuck: worth {runs:.1f} runs of all scenarios"
        f" (least of {kind}), of {WANTED}"
    )


def _things(known: Iterable[Judged]) -> Counter[str]:
    things = Counter[str]()
    for each in known:
        things.update(each.things)
    return things


def _rows(known: Sequence[Judged]) -> list[tuple[str, ...]]:
    """A row for each commit and kind of boards."""
    rows = list[tuple[str, ...]]()
    for commit, boards in dict.fromkeys((each.commit, each.boards) for each in known if each.commit):
        found = [each for each in known if (each.commit, each.boards) == (commit, boards)]
        runs, kind = worth(_things(found))
        numbers = (len(found), sum(each.devices for each in found), sum(each.events for each in found))
        bad = sum(bool(each.verdict or each.stuck) for each in found)
        rows.append(
            (found[-1].date[:10], commit, boards, *(f"{each:,}" for each in numbers), f"{runs:.1f} ({kind})", str(bad))
        )
    return rows


if __name__ == "__main__":
    sys.exit(main())
