"""``python -m mutants``: put each defect into a copy of the sources and run the scenarios until one fails.

Each result is kept in ``reports/mutants``, one line, as soon as it is known, and the table beside them: a run that was
stopped goes on where it was, with ``--again older`` also one that judges everything on the present sources. Exit status
1 if an end's share of caught defects, or of the right parties among them, is below what is wanted and all its defects
were judged.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from fnmatch import fnmatch
from pathlib import Path
from queue import SimpleQueue

from harness.core.errors import RigError, UsageError
from mutants.defect import AREAS, Defect, load
from mutants.scratch import Result, Scratch, digest
from mutants.table import RIGHT, WANTED, page, table

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "reports" / "mutants"
BATCH = 60
"""Defects that one interpreter judges; it takes some seconds to start."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m mutants", description=__doc__)
    parser.add_argument("patterns", nargs="*", metavar="NAME", help="defects to judge, by name or pattern; else all")
    parser.add_argument("-j", type=int, default=1, metavar="N", dest="workers", help="defects at the same time")
    parser.add_argument("--area", choices=sorted(AREAS), help="only defects of this area")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each Nth defect, for a sample")
    parser.add_argument(
        "--again",
        choices=("older", "missed"),
        help="judge also those with a result of other sources, or without a catch",
    )
    parser.add_argument(
        "--explore", action="store_true", help="schedules of faults against the defects of mutants/explored"
    )
    parser.add_argument("--measure", action="store_true", help="measure anew which scenario executes which lines")
    parser.add_argument("--page", type=Path, help="write the page of the documentation from the results, and end")
    parser.add_argument("--list", action="store_true", help="only list the defects, and refuse stale ones")
    given = parser.parse_args(arguments)
    if given.explore:
        from mutants.explored import explore, write_page

        if given.page:
            write_page(ROOT, OUTPUT, given.page)
            return 0
        named, again = lambda each: _is_named(each, given.patterns), given.again == "missed"
        return explore(ROOT, OUTPUT, named, given.workers, missed_again=again)
    try:
        defects = load(ROOT)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    chosen = [each for each in defects if given.area in (None, each.area) and _is_named(each, given.patterns)]
    chosen = chosen[:: given.every]
    if given.list:
        print("\n".join(f"{each.name:48} {each.area:14} {each.what}" for each in chosen))
        return 0
    if given.page:
        given.page.write_text(page(_read(defects), defects), "utf-8")
        return 0
    if given.measure:
        with Scratch.claimed(ROOT, OUTPUT, "platform") as copy:
            copy.measure(OUTPUT / "executed.json")
    known = _read(defects)
    caught_by = {name: result.test for name, result in known.items() if result.test}
    if given.again == "older":
        known = {name: result for name, result in known.items() if result.sources == digest(ROOT)}
    elif given.again == "missed":
        known = {name: result for name, result in known.items() if result.caught}
    waiting = [each for each in chosen if each.name not in known]
    try:
        _judge(waiting, caught_by, given.workers)
    except RigError as error:
        print(error, file=sys.stderr)
        return RigError.exit_code
    return _verdict(_read(defects), defects)


def _judge(waiting: Sequence[Defect], caught_by: Mapping[str, str], workers: int) -> None:
    done = itertools.count(1)
    with ExitStack() as ends, ThreadPoolExecutor(workers) as pool:
        copies: SimpleQueue[Scratch] = SimpleQueue()
        purpose = "firmware" if any(AREAS[each.area].end == "firmware" for each in waiting) else "platform"
        for _ in range(min(workers, len(waiting))):
            copies.put(ends.enter_context(Scratch.claimed(ROOT, OUTPUT, purpose)))

        def judge(defects: Sequence[Defect]) -> None:
            copy = copies.get()
            try:
                for result in copy.judge(defects, caught_by):
                    _keep(result)
                    outcome = f"caught by {result.catcher}, {result.test}" if result.caught else "MISSED"
                    cost = f"{result.ran} scenarios, {result.seconds:.0f} s of processor time"
                    print(f"{next(done)}/{len(waiting)} {result.name}: {outcome} ({cost})", flush=True)
            finally:
                copies.put(copy)

        try:
            list(pool.map(judge, [waiting[start : start + BATCH] for start in range(0, len(waiting), BATCH)]))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _is_named(defect: Defect, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatch(defect.name, pattern) for pattern in patterns)


def _read(defects: Sequence[Defect]) -> dict[str, Result]:
    path = OUTPUT / "results.jsonl"
    if not path.exists():
        return {}
    present = {defect.name: defect.digest for defect in defects}
    found = [Result(**json.loads(line)) for line in path.read_text("utf-8").splitlines()]
    current = {result.name: result for result in found if present.get(result.name) == result.digest}
    # One whose scenario fails without it too is not judged yet.
    return {name: result for name, result in current.items() if result.catcher != "unsound"}


def _keep(result: Result) -> None:
    """Add a line: several runs may write at the same time, and the last line of a defect counts."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    with (OUTPUT / "results.jsonl").open("a", encoding="utf-8") as file:
        file.write(f"{result.to_json()}\n")


def _verdict(known: dict[str, Result], defects: Sequence[Defect]) -> int:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    (OUTPUT / "mutants.md").write_text(table(known, defects), "utf-8")
    print(f"table: {OUTPUT.relative_to(ROOT) / 'mutants.md'}")
    failed = False
    for end, wanted in WANTED.items():
        of_end = [defect for defect in defects if AREAS[defect.area].end == end]
        judged = [(defect, known[defect.name]) for defect in of_end if defect.name in known]
        caught = [(defect, result) for defect, result in judged if result.caught]
        right = sum(defect.is_of(result.blamed) for defect, result in caught)
        left = len(of_end) - len(judged)
        print(f"{end}: {len(caught)} of {len(judged)} caught, {right} of them by the right name, {left} not judged")
        too_few = len(caught) < wanted * len(of_end) or right < RIGHT * len(caught)
        failed |= bool(of_end) and not left and too_few
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
