"""``python -m benchmarks.clean``: random runs of a sound platform, one after the other; every history is judged twice,
live and from its file, and no verdict is right.

Counts how many runs of all scenarios that is worth, by devices and by events. ``reports/clean-histories`` keeps a line
for each run, so that a stopped program goes on with the next seed, and the history of each run with a verdict. Exit
status 1 if this program, or one before that it goes on from, found a verdict.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

from benchmarks.clean.run import Run, options
from harness.core.clock import SystemClock
from harness.core.errors import HarnessError
from harness.core.history import read_history
from harness.invariants import Judgement, describe, find_violations
from harness.stack import Stack

OUTPUT = Path("reports") / "clean-histories"
SUITE_DEVICES, SUITE_EVENTS = 858, 87_191
"""Devices and events of one run of all scenarios on virtual boards (337 histories, measured 2026-11-30)."""
WANTED = 1_000


@dataclass(frozen=True, slots=True)
class Judged:
    """One run. ``verdict`` is empty if the judges passed it; ``stuck`` says what did not become whole again."""

    seed: int
    boards: str
    devices: int
    events: int
    verdict: str = ""
    stuck: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clean", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="begin no run after this time (%(default)s)")
    parser.add_argument("--seed", type=int, help="only the run of this seed, and keep its history")
    parser.add_argument("--boards", default="virtual", help="the boards: virtual, qemu, or a kind of board")
    parser.add_argument("--together", type=int, default=4, help="runs at the same time (%(default)s)")
    parser.add_argument("--from", type=int, default=0, dest="first", help="first seed of this series (%(default)s)")
    given = parser.parse_args(arguments)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    if given.seed is not None:
        known = [uvloop.run(_one(given.seed, given.boards, keep=True))]
        print(_line(known[0]))
    else:
        known = _known()
        first = max((each.seed + 1 for each in known if each.boards == given.boards), default=given.first)
        uvloop.run(_all(known, itertools.count(max(first, given.first)), given))
        print(_sum(known))
    return 1 if any(each.verdict or each.stuck for each in known) else 0


async def _all(known: list[Judged], seeds: Iterator[int], given: argparse.Namespace) -> None:
    """Run the next seeds, several at the same time, until the time is over."""
    clock = SystemClock()
    end = clock.now() + 60 * given.minutes

    async def one_by_one() -> None:
        while clock.now() < end:
            done = await _one(next(seeds), given.boards)
            known.append(done)
            with (OUTPUT / "runs.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(done)) + "\n")
            if done.verdict or done.stuck or len(known) % 20 == 0:
                print(f"{_line(done)}\n{_sum(known)}", flush=True)

    await asyncio.gather(*(one_by_one() for _ in range(given.together)))


def _known() -> list[Judged]:
    path = OUTPUT / "runs.jsonl"
    return [Judged(**json.loads(line)) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


async def _one(seed: int, boards: str, *, keep: bool = False) -> Judged:
    folder = OUTPUT / f"{boards}-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    done = await _judged(seed, boards, folder)
    if not (done.verdict or done.stuck or keep):
        shutil.rmtree(folder)
    return done


async def _judged(seed: int, boards: str, folder: Path) -> Judged:
    live, stuck, devices = Judgement(), "", 0
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
        devices, events = run.devices, list(stack.history)
        found = live.violations()
        kept = read_history(folder / "history.jsonl")[0][: len(events)]
    offline = find_violations(kept)
    verdict = describe(found) if found else ""
    if [str(each) for each in found] != [str(each) for each in offline]:
        verdict += f"\nfrom the file: {describe(offline) if offline else 'no verdict'}"
    if live.unjudged:
        verdict += f"\nnot judged: {'; '.join(live.unjudged)}"
    return Judged(seed, boards, devices, len(events), verdict, stuck)


def _line(done: Judged) -> str:
    words = done.verdict or done.stuck or "no verdict"
    return f"seed {done.seed} on {done.boards} boards: {done.devices} devices, {done.events} events: {words}"


def _sum(known: Sequence[Judged]) -> str:
    devices, events = sum(each.devices for each in known), sum(each.events for each in known)
    false, stuck = sum(bool(each.verdict) for each in known), sum(bool(each.stuck) for each in known)
    return (
        f"{len(known)} histories, {false} with a verdict, {stuck} stuck: {devices / SUITE_DEVICES:.1f} runs of all"
        f" scenarios by devices, {events / SUITE_EVENTS:.1f} by events, of {WANTED}"
    )


if __name__ == "__main__":
    sys.exit(main())
