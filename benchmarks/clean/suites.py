"""``python -m benchmarks.clean.suites``: all scenarios in virtual time, again and again, each time with another seed
and another order of what is ready. The platform is sound, so no verdict is right.

A line of ``reports/clean-histories/suites.jsonl`` is one run of all scenarios: how many were judged, and which failed.
A stopped program goes on with the next seed. A suite is what one run judges. ``--page`` writes the sums of the runs of
each commit into the table of a page, beside the rows of other commits. Exit status 1 if a scenario failed, or
did not run because of the rig.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from benchmarks.clean.commit import present_commit
from benchmarks.clean.page import SUITES, write_rows
from harness.core.clock import SystemClock
from harness.reporting.catchers import catches
from harness.stack.options import ORDERS
from harness.wasmbed.resources.timestamps import format_timestamp

RUNS = Path("reports") / "clean-histories" / "suites.jsonl"
TIERS = ("sim", "sim-native")


@dataclass(frozen=True, slots=True)
class Suite:
    """One run of all scenarios. ``failed``: each scenario with a verdict, its party and first line; ``unjudged``: those
    that the rig did not let run."""

    date: str
    commit: str
    boards: str
    order: str
    seed: int
    judged: int
    failed: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clean.suites", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="begin no run after this time (%(default)s)")
    parser.add_argument("--boards", choices=TIERS, default=TIERS[0], help="the boards (%(default)s)")
    parser.add_argument("--page", type=Path, help="write the sums into this page, and end")
    given = parser.parse_args(arguments)
    known, commit = _known(), present_commit()
    if given.page is not None:
        write_rows(given.page, SUITES, _rows(known))
        return 0
    clock, seed = SystemClock(), max((each.seed + 1 for each in known), default=1)
    end, found = clock.now() + 60 * given.minutes, list[Suite]()
    while not found or clock.now() < end:
        order = ORDERS[seed % len(ORDERS)]
        found.append(done := _run(given.boards, order, seed, commit))
        RUNS.parent.mkdir(parents=True, exist_ok=True)
        with RUNS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(done)) + "\n")
        print(f"--boards={done.boards} --schedule-order={order} --seed={seed}: {done.judged} scenarios", flush=True)
        for bad in (*done.failed, *done.unjudged):
            print(f"  {bad}", flush=True)
        seed += 1
    print(_sum(found))
    return 1 if any(each.failed or each.unjudged for each in found) else 0


def _run(boards: str, order: str, seed: int, commit: str) -> Suite:
    with tempfile.TemporaryDirectory(prefix="wasmbed-clean-") as folder:
        options = [f"--boards={boards}", f"--schedule-order={order}", f"--seed={seed}", f"--reports={folder}"]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "scenarios", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        documents = list(Path(folder).glob("*/junit.xml"))
        if not documents:
            sys.exit(f"pytest could not run:\n{(done.stdout + done.stderr)[-2000:]}")
        cases = [case for document in documents for case in ET.parse(document).iter("testcase")]
        judged = sum(case.find("skipped") is None for case in cases)
        bad = [each for document in documents for each in catches(document.parent)]
        words = {each: f"{each.test} ({each.blamed or 'nobody'}): {each.words[:200]}" for each in bad}
        failed = tuple(text for each, text in words.items() if each.judge != "rig")
        unjudged = tuple(text for each, text in words.items() if each.judge == "rig")
        if failed:  # the histories tell why
            shutil.copytree(folder, RUNS.parent / f"{boards}-{order}-{seed}", dirs_exist_ok=True)
        return Suite(format_timestamp(SystemClock().now()), commit, boards, order, seed, judged, failed, unjudged)


def _known() -> list[Suite]:
    lines = RUNS.read_text("utf-8").splitlines() if RUNS.exists() else []
    return [Suite(**json.loads(line)) for line in lines]


def _sum(runs: Iterable[Suite]) -> str:
    runs = list(runs)
    failed = sum(len(each.failed) for each in runs)
    return f"{len(runs)} suites, {sum(each.judged for each in runs)} scenarios, {failed} with a verdict"


def _rows(runs: Sequence[Suite]) -> list[tuple[str, ...]]:
    """A row for each commit and tier."""
    rows = list[tuple[str, ...]]()
    for commit, boards in dict.fromkeys((each.commit, each.boards) for each in runs):
        found = [each for each in runs if (each.commit, each.boards) == (commit, boards)]
        judged, failed = sum(each.judged for each in found), sum(len(each.failed) for each in found)
        rows.append((found[-1].date[:10], commit, boards, str(len(found)), f"{judged:,}", str(failed)))
    return rows


if __name__ == "__main__":
    sys.exit(main())
