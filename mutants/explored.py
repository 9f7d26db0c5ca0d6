"""``python -m mutants --explore``: schedules of faults against defects that need a race, an outage or a rare fault.

Each defect of ``mutants/explored`` gets explorations (``harness.explore``) of two boards, by one seed after the other,
until one fails. A failure counts if the same case passes without the defect. Each runs in a process of its own, a copy
(``fork``) of one that has imported everything. Results are in ``reports/mutants/explored.jsonl``, one line for each.
"""

from __future__ import annotations

import json
import os
import select
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError
from harness.explore.case import run
from harness.explore.explorer import Explorer
from mutants.defect import Defect, load
from mutants.variants import variant_of

__all__ = ["FOLDER", "Explored", "explore", "page", "table", "write_page"]

FOLDER = Path(__file__).parent / "explored"
BOARDS, SECONDS = 2, 30.0
MOST_RUNS = 80
"""Schedules for one defect."""
WANTED = 0.95


@dataclass(frozen=True, slots=True)
class Explored:
    """The outcome of one defect. ``faults`` are those of the schedule that failed, ``runs`` its number."""

    name: str
    digest: str
    caught: bool
    runs: int
    rule: str = ""
    blamed: str = ""
    faults: tuple[str, ...] = ()
    words: str = ""


def explore(root: Path, output: Path, patterns: Callable[[Defect], bool], workers: int) -> int:
    """Judge the defects that have no result yet, ``workers`` at a time, and write the table. Returns the exit status:
    1 if too few are caught."""
    defects = load(root, FOLDER)
    known = {each.name: each for each in _read(output, defects)}
    waiting = [each for each in defects if patterns(each) and each.name not in known]
    running: dict[int, tuple[Defect, int]] = {}
    while waiting or running:
        while waiting and len(running) < workers:
            reading, pid = _started(lambda defect: asdict(_judged(root, defect)), waiting[0])
            running[reading] = waiting.pop(0), pid
        for reading in select.select(list(running), [], [])[0]:
            defect, pid = running.pop(reading)
            done = Explored(**_answer(reading, pid, defect))
            known[defect.name] = done
            output.mkdir(parents=True, exist_ok=True)
            with (output / "explored.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(done)) + "\n")
            by = (
                f"caught by {done.rule} (blames {done.blamed}) with {', '.join(done.faults)}"
                if done.caught
                else "MISSED"
            )
            print(f"{defect.name}: {by}, {done.runs} schedules", flush=True)
    (output / "explored.md").write_text(table(list(known.values()), defects), "utf-8")
    caught = sum(each.caught for each in known.values())
    print(f"{caught} of {len(known)} caught, {len(defects) - len(known)} not judged")
    return 1 if len(known) == len(defects) and caught < WANTED * len(defects) else 0


def table(results: Sequence[Explored], defects: Sequence[Defect]) -> str:
    """The outcomes as Markdown."""
    what = {each.name: each for each in defects}
    lines = [
        "| defect | behaviour | caught by | blamed | faults of the schedule | schedules |",
        "|---|---|---|---|---|---:|",
    ]
    for each in sorted(results, key=lambda each: each.name):
        blamed = f"{each.blamed}{'' if what[each.name].is_of(each.blamed) else ' (wrong)'}" if each.caught else ""
        rule = each.rule.replace("|", "\\|") if each.caught else "**missed**"
        faults = ", ".join(each.faults)
        lines.append(f"| {each.name} | {what[each.name].what} | {rule} | {blamed} | {faults} | {each.runs} |")
    return "\n".join(lines) + "\n"


def page(results: Sequence[Explored], defects: Sequence[Defect]) -> str:
    """The page of the documentation: how many were caught, each of them, and those that were missed or not judged."""
    caught = [each for each in results if each.caught]
    of_node = [each.name for each in defects if each.file.startswith("firmware/")]
    left = sorted({each.name for each in defects} - {each.name for each in results})
    what = {each.name: each for each in defects}
    right = sum(what[each.name].is_of(each.blamed) for each in caught)
    lines = [
        "# What explorations catch",
        "",
        f"`mutants/explored` has {len(defects)} defects that need a race, an outage or a rare fault,",
        f"{len(of_node)} of them in the firmware's node. {len(results)} were judged",
        "([how](../how-to/measure-the-scenarios.md)): explorations",
        f"of {BOARDS} boards and {SECONDS:g} virtual seconds caught {len(caught)}, {right} of them by the right name.",
        "`python -m mutants --explore --page` makes this page of the results.",
        "",
        *table(results, defects).splitlines(),
    ]
    if left:
        lines += ["", "## Not judged yet", "", *(f"- {name}: {what[name].what}" for name in left)]
    return "\n".join(lines) + "\n"


def write_page(root: Path, output: Path, path: Path) -> None:
    """Write the page of the results so far."""
    defects = load(root, FOLDER)
    path.write_text(page(_read(output, defects), defects), "utf-8")


def _judged(root: Path, defect: Defect) -> Explored:
    """Explore with a defect, in this process. A schedule that fails without it, too, does not count."""
    variant = variant_of(root, defect)
    variant.put_in()
    explorer = Explorer(0, boards=BOARDS, tier=variant.tier, seconds=SECONDS)
    while explorer.runs < MOST_RUNS:
        case = explorer.next()
        outcome = run(case)
        explorer.learn(case, outcome)
        if (failure := outcome.failure) is not None:
            variant.take_out()
            is_sound = run(case).failure is None
            variant.put_in()
            if is_sound:
                faults = tuple(sorted({case.schedule.entries[number].fault.name for number in outcome.applied}))
                words = failure.words[:300]
                return Explored(
                    defect.name, defect.digest, True, explorer.runs, failure.rule, failure.party, faults, words
                )
    return Explored(defect.name, defect.digest, False, explorer.runs)


def _started(work: Callable[[Defect], dict[str, Any]], defect: Defect) -> tuple[int, int]:
    """Do ``work`` in a copy of this process; returns the pipe of its result, and its number."""
    reading, writing = os.pipe()
    if pid := os.fork():
        os.close(writing)
        return reading, pid
    os.close(reading)
    status = 1
    try:
        with os.fdopen(writing, "w", encoding="utf-8") as pipe:
            json.dump(work(defect), pipe)
        status = 0
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(status)


def _answer(reading: int, pid: int, defect: Defect) -> dict[str, Any]:
    with os.fdopen(reading, encoding="utf-8") as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    if not text:
        raise UsageError(f"the process of {defect.name} ended without a result", do="look at its traceback above")
    found: dict[str, Any] = json.loads(text)
    return {**found, "faults": tuple(found["faults"])}


def _read(output: Path, defects: Sequence[Defect]) -> list[Explored]:
    path = output / "explored.jsonl"
    present = {each.name: each.digest for each in defects}
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    found = [Explored(**{**each, "faults": tuple(each["faults"])}) for each in map(json.loads, lines)]
    return [each for each in found if present.get(each.name) == each.digest]
