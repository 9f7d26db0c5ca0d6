"""``wasmbed boards``: which boards there are, and what each can and cannot do."""

from __future__ import annotations

import click


@click.command()
@click.option("--verbose", "-v", is_flag=True, help="Say what each board cannot do.")
def boards(verbose: bool) -> None:
    """List the kinds of boards that --boards can name."""
    from rich.console import Console
    from rich.markup import escape
    from rich.padding import Padding
    from rich.table import Table

    from harness.boards.catalogue import registered

    table = Table(box=None, pad_edge=False)
    for heading in ("board", "tier", "what it is", "can", "state"):
        table.add_column(heading, overflow="fold", min_width=len("several-applications") if heading == "can" else None)
    cannot: dict[str, tuple[str, ...]] = {}
    for entry in registered():
        if entry.unavailable is not None:
            table.add_row("", entry.name, "", "", f"[yellow]{escape(entry.unavailable)}[/]")
            continue
        tier = entry.load()()
        for kind in tier.kinds():
            about = tier.about(kind)
            state = f"[yellow]{escape(about.unavailable)}[/]" if about.unavailable else "[green]available[/]"
            table.add_row(kind, entry.name, about.summary, " ".join(sorted(tier.features(kind))), state)
            cannot[kind] = about.cannot
    console = Console(highlight=False)
    console.print(table)
    for kind, things in cannot.items() if verbose else ():
        if things:
            console.print(f"\n{kind} cannot do:")
        for thing in things:
            console.print(Padding(f"- {escape(thing)}", (0, 0, 0, 2), expand=False))
