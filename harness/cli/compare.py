"""``wasmbed compare``: the differences between two runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.output import say

if TYPE_CHECKING:
    from harness.reporting.compare import Change, Comparison

__all__ = ["compare"]

LATEST, PREVIOUS = "latest", "previous"
LISTED = 40


@click.command()
@click.argument("first", metavar="RUN")
@click.argument("second", metavar="RUN")
@click.option(
    "--reports", type=click.Path(path_type=Path), default=Path("reports"), show_default=True, help="Folder of the runs."
)
@click.option("--test", "name", help="Compare the histories of this test, given by its name or a part of it.")
def compare(first: str, second: str, reports: Path, name: str | None) -> int:
    """Show the differences between two runs.

    RUN is a folder, a name (or its beginning) in the reports folder, `latest`, or `previous`. The exit code is 1 if a
    test fails that did not fail before, or, with --test, if the histories differ.
    """
    from harness.core.errors import ProductFailure
    from harness.reporting.compare import compare_runs

    before, after = (_run(text, reports) for text in (first, second))
    say(f"from  {before}\nto    {after}\n")
    if name is not None:
        return _compare_histories(before, after, name)
    found = compare_runs(before, after)
    _print(found)
    return ProductFailure.exit_code if found.worse else 0


def _run(text: str, reports: Path) -> Path:
    from harness.core.errors import UsageError
    from harness.reporting.retention import runs_in

    if Path(text).is_dir():
        return Path(text)
    runs = runs_in(reports)
    back = {LATEST: 1, PREVIOUS: 2}.get(text)
    found = runs[-back:][:1] if back and len(runs) >= back else [run for run in runs if run.name.startswith(text)]
    if len(found) != 1:
        some = ", ".join(run.name for run in runs[-5:]) or "none"
        raise UsageError(
            f"{len(found)} runs begin with {text!r}"
            if found
            else f"unknown run {text!r} (only the newest runs are kept)",
            where=str(reports),
            do=f"name an existing run; the newest: {some}",
        )
    return found[0]


def _compare_histories(first: Path, second: Path, name: str) -> int:
    from harness.core.errors import ProductFailure
    from harness.core.history import read_history
    from harness.testing.compare import difference

    one, two = (_test_folder(run, name) for run in (first, second))
    (before, first_trouble), (after, second_trouble) = (read_history(folder / "history.jsonl") for folder in (one, two))
    for folder, trouble in ((one, first_trouble), (two, second_trouble)):
        for line in trouble:
            say(f"{folder}: {line}", err=True)
    found = difference(before, after, (str(one), str(two)))
    if not found:
        say(f"{one.name}: equal histories ({len(before)} and {len(after)} events)")
        return 0
    colours = {"-": "red", "+": "green"}
    for line in found.split("\n"):
        say(line, fg=colours.get(line[:1]))
    return ProductFailure.exit_code


def _test_folder(run: Path, name: str) -> Path:
    from harness.core.errors import UsageError
    from harness.reporting.runs import iterate_run

    tests = [test for test in iterate_run(run, histories=False) if name in test.name]
    exact = [test for test in tests if test.name == name] or tests
    if len(exact) != 1 or exact[0].folder is None:
        names = ", ".join(test.name for test in exact[:5]) or "none"
        raise UsageError(f"{len(exact)} tests have {name!r} in their name", where=str(run), do=f"name one: {names}")
    return exact[0].folder


def _print(found: Comparison) -> None:
    sections = (
        ("newly failing", "red", found.newly_failing),
        ("newly not run", "yellow", found.newly_not_run),
        ("newly passing", "green", found.newly_passing),
        ("other changes", None, found.other),
        ("sequences", "cyan", found.sequences),
        ("only in the second run", None, found.added),
        ("only in the first run", None, found.removed),
    )
    for title, colour, changes in sections:
        if changes:
            say(f"{title}: {len(changes)}", fg=colour, bold=True)
            for change in changes[:LISTED]:
                say(_line(change))
            if len(changes) > LISTED:
                say(f"    and {len(changes) - LISTED} more")
    say(f"same outcome: {found.same_outcome}")
    before, after = found.duration
    say(f"time of tests in both: {before:.1f} s, {after:.1f} s")
    for time in found.times[:LISTED]:
        say(f"    {time.before:8.2f} s -> {time.after:8.2f} s  {time.test}")
    changed = [boundary for boundary in found.boundaries if boundary[1] != boundary[2]]
    if changed:
        say("events at each boundary, of tests judged in both:")
        width = max(len(name) for name, _, _ in changed)
        for name, one, two in changed:
            say(f"    {name.ljust(width)}  {one:8} -> {two:8}  {two - one:+d}")


def _line(change: Change) -> str:
    blame = f" (to blame: {change.blame})" if change.blame else ""
    lines = [f"    {change.test}: {change.before or 'absent'} -> {change.after or 'absent'}{blame}"]
    if change.message and change.after in ("failed", "not run"):
        lines.append(f"        {change.message.strip().partition(chr(10))[0][:160]}")
    return "\n".join(lines)
