"""The outcomes of the defects, as Markdown by area and end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from mutants.defect import AREAS, Defect
from mutants.scratch import Result

__all__ = ["RIGHT", "WANTED", "page", "table"]

WANTED = {"platform": 0.95, "board": 0.95, "firmware": 0.90}
"""The share of each end's defects that the scenarios have to catch."""
SAMPLES = 10
"""Verdicts that the documentation shows."""
RIGHT = 0.90
"""The share of the catches that have to name the right party."""


def table(results: Mapping[str, Result], defects: Sequence[Defect]) -> str:
    """The page: totals by end and area, who caught what, what nothing caught, and the defects not judged yet."""
    judged = [(each, results[each.name]) for each in defects if each.name in results]
    caught, missed = [pair for pair in judged if pair[1].caught], [pair for pair in judged if not pair[1].caught]
    left = sorted({each.name for each in defects} - set(results))
    lines = ["# Mutants", "", f"{len(judged)} defects judged, {len(left)} left.", "", *_totals(judged, caught)]
    lines += ["", "## Missed", "", *_missed(missed)]
    wrong = [(each, found) for each, found in caught if not each.is_of(found.blamed)]
    lines += ["", "## Another party, or none", ""]
    lines += [f"- {each.name}: {found.blamed or 'none'}, not {_parties(each)}" for each, found in wrong] or ["None."]
    lines += ["", "## Caught", "", "| defect | by | scenario | blamed | seconds |", "|---|---|---|---|---:|"]
    for each, found in sorted(caught, key=lambda pair: (pair[1].end, pair[1].area, pair[0].name)):
        lines.append(f"| {each.name} | {found.catcher} | {found.test or ''} | {found.blamed} | {found.seconds:.0f} |")
    if left:
        lines += ["", "## Not judged yet", "", *(f"- {name}" for name in left)]
    return "\n".join(lines) + "\n"


def page(results: Mapping[str, Result], defects: Sequence[Defect]) -> str:
    """The page of the documentation: totals, what nothing caught, and a verdict from each of ten areas."""
    judged = [(each, results[each.name]) for each in defects if each.name in results]
    caught, missed = [pair for pair in judged if pair[1].caught], [pair for pair in judged if not pair[1].caught]
    lines = [
        "# What the scenarios catch",
        "",
        f"{len(judged)} of {len(defects)} defects of `mutants/defects` were put into the sources one by one, and",
        "judged by the scenarios alone ([how](../how-to/measure-the-scenarios.md)); `python -m mutants --page` makes",
        "this page of the results.",
        "",
        *_states(judged),
        *_left(results, defects),
        *_totals(judged, caught),
        "",
        "## Not caught",
        "",
        *_missed(missed),
        "",
        "## Ten verdicts",
        "",
        "The first line of a verdict, by which a reader finds the defect:",
    ]
    for each, found in _samples(caught):
        lines += ["", f"`{each.name}`: {each.what} {found.test} says:", "", "```text", found.words, "```"]
    return "\n".join(lines) + "\n"


def _states(judged: Sequence[tuple[Defect, Result]]) -> list[str]:
    """How many states of harness and scenarios the results are of."""
    found = Counter(result.sources for _, result in judged)
    if len(found) == 1:
        return [f"All were judged on one state of harness and scenarios ({next(iter(found))}).", ""]
    told = ", ".join(f"{state or 'unknown'}: {count}" for state, count in found.most_common())
    return [f"They were judged on several states of harness and scenarios ({told}).", ""]


def _left(results: Mapping[str, Result], defects: Sequence[Defect]) -> list[str]:
    """How many defects of each end were not judged."""
    left = Counter(AREAS[each.area].end for each in defects if each.name not in results)
    return [f"Not judged: {', '.join(f'{end} {count}' for end, count in sorted(left.items()))}.", ""] if left else []


def _samples(caught: Sequence[tuple[Defect, Result]]) -> list[tuple[Defect, Result]]:
    """Ten catches of different areas, by different judges before by the same."""
    found: list[tuple[Defect, Result]] = []
    for pair in sorted(caught, key=lambda pair: pair[0].digest):
        areas, judges = [each.area for each, _ in found], Counter(result.catcher for _, result in found)
        if pair[0].area not in areas and judges[pair[1].catcher] < SAMPLES // 3 and pair[0].is_of(pair[1].blamed):
            found.append(pair)
    return sorted(found[:SAMPLES], key=lambda pair: pair[0].name)


def _totals(judged: Sequence[tuple[Defect, Result]], caught: Sequence[tuple[Defect, Result]]) -> list[str]:
    lines = ["| end | area | caught | of | share | by | blamed | right party |"]
    lines += ["|---|---|---:|---:|---:|---|---|---:|"]
    for end in sorted({result.end for _, result in judged}):
        of_end = [pair for pair in judged if pair[1].end == end]
        for area in sorted({result.area for _, result in of_end}):
            lines.append(_row(end, area, [pair for pair in of_end if pair[1].area == area]))
        lines.append(_row(f"**{end}**", f"wanted: {WANTED[end]:.0%}", of_end))
    if seconds := sorted(result.seconds for _, result in caught):
        middle, last = seconds[len(seconds) // 2], seconds[len(seconds) * 9 // 10]
        lines += ["", f"A catch took {middle:.1f} s of its scenarios' processor time, 90 % at most {last:.1f} s."]
    return lines


def _missed(missed: Sequence[tuple[Defect, Result]]) -> list[str]:
    return [f"- {each.name} ({each.area}): {each.what} {_why(found)}" for each, found in missed] or ["None."]


def _why(found: Result) -> str:
    if found.catcher == "not executed":
        return "No scenario executes it."
    return found.words or f"{found.ran} scenarios pass."


def _parties(defect: Defect) -> str:
    return " or ".join(defect.parties or AREAS[defect.area].parties)


def _row(end: str, area: str, judged: Sequence[tuple[Defect, Result]]) -> str:
    caught = [(each, found) for each, found in judged if found.caught]
    share = len(caught) / len(judged)
    right = sum(each.is_of(found.blamed) for each, found in caught) / len(caught) if caught else 0.0
    by = _tally(found.catcher for _, found in caught)
    blamed = _tally(_kind(found.blamed) for _, found in caught)
    return f"| {end} | {area} | {len(caught)} | {len(judged)} | {share:.0%} | {by} | {blamed} | {right:.0%} |"


def _kind(blamed: str) -> str:
    """The party without the name of the one that was meant."""
    several = ("board", "controller manager")
    return next((party for party in several if blamed.startswith(f"{party} ")), blamed or "none")


def _tally(words: Iterable[str]) -> str:
    return ", ".join(f"{word} {count}" for word, count in Counter(words).most_common())
