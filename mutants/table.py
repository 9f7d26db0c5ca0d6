"""The outcomes of the defects, as Markdown by area and end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from mutants.scratch import Result

__all__ = ["table"]

WANTED = {"platform": 0.95, "board": 0.95, "firmware": 0.90}
"""The share of each end's defects that the scenarios have to catch."""


def table(results: Sequence[Result], left: Iterable[str]) -> str:
    """The page: totals by end and area, who caught what, what nothing caught, and the defects not judged yet."""
    left = sorted(left)
    lines = ["# Mutants", "", f"{len(results)} defects judged, {len(left)} left.", ""]
    lines += ["| end | area | caught | of | share | by | blamed |", "|---|---|---:|---:|---:|---|---|"]
    for end in sorted({result.end for result in results}):
        of_end = [result for result in results if result.end == end]
        for area in sorted({result.area for result in of_end}):
            lines.append(_row(end, area, [result for result in of_end if result.area == area]))
        lines.append(_row(f"**{end}**", f"wanted: {WANTED[end]:.0%}", of_end))
    lines += ["", "## Missed", ""]
    lines += [f"- {each.name} ({each.area}) {each.words}".rstrip() for each in results if not each.caught] or ["None."]
    lines += ["", "## Caught", "", "| defect | by | scenario | blamed | seconds |", "|---|---|---|---|---:|"]
    for each in sorted((each for each in results if each.caught), key=lambda each: (each.end, each.area, each.name)):
        lines.append(f"| {each.name} | {each.catcher} | {each.test or ''} | {each.blamed} | {each.seconds:.0f} |")
    if left:
        lines += ["", "## Not judged yet", "", *(f"- {name}" for name in left)]
    return "\n".join(lines) + "\n"


def _row(end: str, area: str, results: Sequence[Result]) -> str:
    caught = [result for result in results if result.caught]
    share = len(caught) / len(results)
    by, blamed = (_tally(result.catcher for result in caught), _tally(result.blamed or "nobody" for result in caught))
    return f"| {end} | {area} | {len(caught)} | {len(results)} | {share:.0%} | {by} | {blamed} |"


def _tally(words: Iterable[str]) -> str:
    return ", ".join(f"{word} {count}" for word, count in Counter(words).most_common())
