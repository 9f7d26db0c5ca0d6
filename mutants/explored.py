"""``python -m mutants --explore``: schedules of faults against defects that need a race, an outage or a rare fault.

An exploration (``harness.explore``) of two boards without any defect gives the schedules. Each defect of
``mutants/explored`` gets those that pass and reach its statements, until one fails. Each runs in a process of its own,
a copy (``fork``) of one that has imported everything. Results are in ``reports/mutants/explored.jsonl``, a line each.
"""

from __future__ import annotations

import json
import os
import select
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

from harness.core.errors import UsageError
from harness.explore.case import Case, Outcome, run
from harness.explore.explorer import Explorer
from mutants.defect import Defect, load
from mutants.reach import REACHED, mark
from mutants.scratch import digest
from mutants.variants import variant_of

__all__ = ["FOLDER", "Explored", "explore", "page", "table", "write_page"]

FOLDER = Path(__file__).parent / "explored"
BOARDS, SECONDS = 2, 30.0
MOST_RUNS = 400
"""Schedules for one defect. Rare faults need many; those that do not reach a defect cost it nothing."""
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


@dataclass(frozen=True, slots=True)
class Tried:
    """A case, whether it fails without a defect, and the defects of Python that it reaches."""

    case: Case
    failed: bool
    reached: frozenset[str]

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Self:
        return cls(Case.from_json(given["case"]), given["outcome"]["failure"] is not None, frozenset(given["reached"]))

    def may_meet(self, defect: Defect) -> bool:
        """Whether the defect can make a difference to it; of one of the firmware nobody knows."""
        return defect.name in self.reached or not defect.file.endswith(".py")


def explore(
    root: Path, output: Path, patterns: Callable[[Defect], bool], workers: int, *, missed_again: bool = False
) -> int:
    """Judge the defects that have no result yet, or were missed, ``workers`` at a time, and write the table. Returns
    the exit status: 1 if too few are caught."""
    defects = load(root, FOLDER)
    known = {each.name: each for each in _read(output, defects)}
    done = {name for name, each in known.items() if each.caught or not missed_again}
    waiting = [each for each in defects if patterns(each) and each.name not in done]
    output.mkdir(parents=True, exist_ok=True)
    cases = {tier: _cases(root, output, defects, tier, workers) for tier in {_tier(each) for each in waiting}}
    work = (
        (each.name, partial(lambda each: asdict(_judged(root, each, cases[_tier(each)])), each)) for each in waiting
    )
    for answer in _parallel(work, workers):
        one = Explored(**{**answer, "faults": tuple(answer["faults"])})
        known[one.name] = one
        with (output / "explored.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(one)) + "\n")
        by = f"caught by {one.rule} (blames {one.blamed}) with {', '.join(one.faults)}" if one.caught else "MISSED"
        print(f"{one.name}: {by}, {one.runs} schedules", flush=True)
    (output / "explored.md").write_text(table(list(known.values()), defects), "utf-8")
    caught = sum(each.caught for each in known.values())
    print(f"{caught} of {len(known)} caught, {len(defects) - len(known)} not judged")
    return 1 if len(known) == len(defects) and caught < WANTED * len(defects) else 0


def _cases(root: Path, output: Path, defects: Sequence[Defect], tier: str, workers: int) -> list[Tried]:
    """The cases of an exploration of the product without a defect; those of the present sources are kept in a file."""
    path = output / f"explored-{tier}-{digest(root)}.jsonl"
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    if len(lines) < MOST_RUNS:
        mark(root, [each for each in defects if each.file.endswith(".py")])
        explorer = Explorer(len(lines), boards=BOARDS, tier=tier, seconds=SECONDS)
        for earlier in map(json.loads, lines):
            explorer.learn(Case.from_json(earlier["case"]), Outcome.from_json(earlier["outcome"]))
        with path.open("a", encoding="utf-8") as file:
            numbers = range(len(lines), MOST_RUNS)
            work = ((f"case {number}", partial(_tried, explorer.next())) for number in numbers)
            for answer in _parallel(work, workers):
                explorer.learn(Case.from_json(answer["case"]), Outcome.from_json(answer["outcome"]))
                lines.append(json.dumps(answer))
                file.write(lines[-1] + "\n")
                if len(lines) % 50 == 0:
                    print(f"{len(lines)} of {MOST_RUNS} schedules on {tier} without a defect", flush=True)
    return [Tried.from_json(each) for each in map(json.loads, lines)]


def _tier(defect: Defect) -> str:
    return "sim-native" if defect.file.startswith("firmware/") else "sim"


def _parallel(work: Iterator[tuple[str, Callable[[], dict[str, Any]]]], workers: int) -> Iterator[dict[str, Any]]:
    """Do each in a copy of this process, some at a time; yields their answers as they come. ``work`` is asked for the
    next one when it can begin."""
    running: dict[int, tuple[str, int]] = {}
    while True:
        while len(running) < workers and (following := next(work, None)) is not None:
            name, begin = following
            reading, pid = _started(begin)
            running[reading] = name, pid
        if not running:
            return
        for reading in select.select(list(running), [], [])[0]:
            name, pid = running.pop(reading)
            yield _answer(reading, pid, name)


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


def _judged(root: Path, defect: Defect, cases: Sequence[Tried]) -> Explored:
    """Repeat with a defect, in this process, the cases that reach it, until one fails."""
    variant = variant_of(root, defect)
    variant.put_in()
    for number, tried in enumerate(cases):
        if tried.failed or not tried.may_meet(defect):
            continue
        outcome = run(tried.case)
        if (failure := outcome.failure) is not None:
            faults = tuple(sorted({tried.case.schedule.entries[each].fault.name for each in outcome.applied}))
            words = failure.words[:300]
            return Explored(defect.name, defect.digest, True, number + 1, failure.rule, failure.party, faults, words)
    return Explored(defect.name, defect.digest, False, len(cases))


def _tried(case: Case) -> dict[str, Any]:
    """Run a case without a defect, in this process."""
    outcome = run(case)
    return {"case": case.to_json(), "outcome": outcome.to_json(), "reached": sorted(REACHED)}


def _started(work: Callable[[], dict[str, Any]]) -> tuple[int, int]:
    """Do ``work`` in a copy of this process; returns the pipe of its result, and its number."""
    reading, writing = os.pipe()
    if pid := os.fork():
        os.close(writing)
        return reading, pid
    os.close(reading)
    status = 1
    try:
        with os.fdopen(writing, "w", encoding="utf-8") as pipe:
            json.dump(work(), pipe)
        status = 0
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(status)


def _answer(reading: int, pid: int, what: str) -> dict[str, Any]:
    with os.fdopen(reading, encoding="utf-8") as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    if not text:
        raise UsageError(f"the process of {what} ended without a result", do="look at its traceback above")
    found: dict[str, Any] = json.loads(text)
    return found


def _read(output: Path, defects: Sequence[Defect]) -> list[Explored]:
    path = output / "explored.jsonl"
    present = {each.name: each.digest for each in defects}
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    found = [Explored(**{**each, "faults": tuple(each["faults"])}) for each in map(json.loads, lines)]
    latest = {each.name: each for each in found if present.get(each.name) == each.digest}
    return list(latest.values())
