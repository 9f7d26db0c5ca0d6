"""``wasmbed compare``: the differences between two runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import completion
from harness.cli.forms import form_option, show_document
from harness.cli.output import say
from harness.cli.runs import REPORTS, find_run

if TYPE_CHECKING:
    from harness.cli.shapes import ChangeRow, CompareDocument
    from harness.reporting.compare import Change, Comparison

__all__ = ["compare"]

LISTED = 40


@click.command()
@click.argument("first", metavar="RUN", shell_complete=completion.runs)
@click.argument("second", metavar="RUN", shell_complete=completion.runs)
@click.option(
    "--reports", type=click.Path(path_type=Path), default=REPORTS, show_default=True, help="Folder of the runs."
)
@click.option("--test", "name", help="Compare the histories of this test, given by its name or a part of it.")
@form_option
def compare(first: str, second: str, reports: Path, name: str | None, form: str) -> int:
    """Show the differences between two runs.

    RUN is a folder, a name (or its beginning) in the reports folder, `latest`, or `previous`. The exit code is 1 if a
    test fails that did not fail before, or, with --test, if the histories differ. With -o name, the newly failing tests
    are named.
    """
    from harness.core.errors import ProductFailure, UsageError
    from harness.reporting.compare import compare_runs

    before, after = (find_run(text, reports) for text in (first, second))
    if name is not None:
        if form not in ("table", "wide"):
            raise UsageError("is for runs, not for histories", where=f"-o {form}", do="omit it, or --test")
        _say_runs(before, after)
        return _compare_histories(before, after, name)
    found = compare_runs(before, after)
    if not show_document(form, _document(before, after, found), [change.test for change in found.newly_failing]):
        _say_runs(before, after)
        _print(found)
    return ProductFailure.exit_code if found.worse else 0


def _document(first: Path, second: Path, found: Comparison) -> CompareDocument:
    def rows(changes: Sequence[Change]) -> list[ChangeRow]:
        return [
            {
                "test": change.test,
                "before": change.before,
                "after": change.after,
                "blame": change.blame,
                "message": change.message,
            }
            for change in changes
        ]

    return {
        "first": str(first),
        "second": str(second),
        "worse": found.worse,
        "newlyFailing": rows(found.newly_failing),
        "newlyNotRun": rows(found.newly_not_run),
        "newlyPassing": rows(found.newly_passing),
        "other": rows(found.other),
        "sequences": rows(found.sequences),
        "added": rows(found.added),
        "removed": rows(found.removed),
        "sameOutcome": found.same_outcome,
        "times": [{"test": time.test, "before": time.before, "after": time.after} for time in found.times],
        "boundaries": [{"boundary": name, "before": one, "after": two} for name, one, two in found.boundaries],
    }


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


def _say_runs(first: Path, second: Path) -> None:
    say(f"from  {first}\nto    {second}\n")


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
