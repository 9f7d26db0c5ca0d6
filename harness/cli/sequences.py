"""``wasmbed sequences``: list, read and record executable sequence diagrams."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.output import say, show_error

if TYPE_CHECKING:
    from harness.sequences import Document, Sequence

__all__ = ["sequences"]


@click.group(invoke_without_command=True)
@click.option(
    "--check",
    "run",
    is_flag=False,
    flag_value="",
    metavar="RUN",
    help="Fail for each diagram that accepts any history, and for each arrow that no history below the folder RUN "
    "exercised; without RUN, of the newest run in reports.",
)
@click.pass_context
def sequences(ctx: click.Context, run: str | None) -> int:
    """List, check, read and record executable sequence diagrams."""
    if ctx.invoked_subcommand is not None:
        return 0
    return ctx.invoke(list_flows) if run is None else _check(Path(run) if run else None)


def _check(run: Path | None) -> int:
    """Print each vacuous part, and return 1 if there is any, 2 if a diagram is broken."""
    from harness.core.errors import ProductFailure, UsageError
    from harness.core.history import read_history
    from harness.sequences import catalogue, vacuous

    folder = run or max(Path("reports").glob("*-*T*"), default=None)
    files = sorted(folder.rglob("history*.jsonl")) if folder is not None else []
    if not files:
        what = f"there is no history below {folder or 'reports'}"
        raise UsageError(what, where="--check", do="run the scenarios first, or name the folder of a run")
    flows, broken = catalogue()
    for error in broken.values():
        show_error(error)
    problems = vacuous(flows, (read_history(file)[0] for file in files))
    say("\n".join([*problems, f"{len(problems)} vacuous parts, by {len(files)} histories of {folder}"]))
    return UsageError.exit_code if broken else ProductFailure.exit_code if problems else 0


@sequences.command("list")
@click.argument("names", nargs=-1)
@click.option("--arrows", is_flag=True, help="Show each arrow and its event.")
def list_flows(names: tuple[str, ...] = (), arrows: bool = False) -> int:
    """List the sequences, or only NAMES: arrows, bindings, state. The exit code is 2 if one is broken."""
    from harness.core.errors import UsageError
    from harness.sequences import SequenceCatalogue, catalogue, load

    flows, broken = SequenceCatalogue([load(name) for name in names], {}) if names else catalogue()
    lost = [(name, "-", "-", "-", f"broken: {error.where}: {error.what}") for name, error in broken.items()]
    if arrows:
        blocks = ["\n".join(_arrows(flow)) for flow in flows] + [f"{name}: {state}" for name, *_, state in lost]
        say("\n\n".join(blocks))
    else:
        _table([("sequence", "about", "arrows", "bindings", "state"), *sorted([*map(_row, flows), *lost])])
    return UsageError.exit_code if broken else 0


def _table(rows: list[tuple[str, str, str, str, str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        say("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=False)) + f"  {row[4]}")


def _row(flow: Sequence) -> tuple[str, str, str, str, str]:
    from harness.sequences import coverage

    state = f"pending: {flow.pending}" if flow.pending else "ready"
    return flow.name, flow.subject.value, str(len(coverage([flow], []).arrows)), f"{len(flow.events)} events", state


def _arrows(flow: Sequence) -> list[str]:
    lines = [f"{flow.name}: {flow.title}", f"  about one {flow.subject.value}; {_row(flow)[4]}"]
    for arrow in flow.arrows:
        where = f"line {arrow.arrow.line}" + ("" if arrow.origin == flow.name else f" of {arrow.origin}")
        event = arrow.event
        about = f"about {event.subject.value}" if event.subject else "about nothing"
        pending = f"; pending: {event.pending}" if event.pending else ""
        lines.append(f"{arrow.position + 1:>4}.  {arrow}")
        lines.append(f"      {where}; {event.name} from {event.source} to {event.target}, {about}{pending}")
    return lines


@sequences.command(short_help="Summarize the diagrams of a file.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def parse(file: Path, as_json: bool) -> int:
    """Read FILE (a .mmd file, or a Markdown file with Mermaid blocks) and summarize its diagrams.

    Each diagram that does not parse is an error with its line; the exit code is then 2.
    """
    from harness.core.errors import UsageError
    from harness.sequences import read_documents

    documents, broken = read_documents(file)
    if as_json:
        say(json.dumps([document.summary() for document in documents], indent=2))
    for document in () if as_json else documents:
        say("\n".join(_document(document)))
    for error in broken:
        show_error(error)
    if not documents and not broken:
        say(f"note: {file} has no sequence diagram", err=True)
    return UsageError.exit_code if broken else 0


def _document(document: Document) -> list[str]:
    diagram = document.diagram
    kinds = Counter(fragment.kind for _, fragment in diagram.fragments)
    fragments = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "none"
    return [
        f"line {document.line}: {document.title or '(no title)'}",
        f"    participants  {len(diagram.participants)}: {', '.join(item.name for item in diagram.participants)}",
        f"    arrows        {len(diagram.arrows)}",
        f"    fragments     {fragments}",
    ]


@sequences.command(short_help="Record a diagram that accepts a history.")
@click.argument("history", type=click.Path(path_type=Path))
@click.option(
    "--about",
    type=click.Choice(["device", "application", "caller"]),
    help="Subject of the diagram.  [default: application]",
)
def record(history: Path, about: str | None) -> None:
    """Print a diagram that accepts HISTORY (a history.jsonl), as the start of a new executable sequence."""
    from harness.core.history import read_history
    from harness.sequences import record as as_diagram

    events, trouble = read_history(history)
    for line in trouble:
        say(f"note: {line}", err=True)
    say(as_diagram(events, about), nl=False)
