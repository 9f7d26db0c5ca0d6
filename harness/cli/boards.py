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

    from harness.boards.catalogue import registered

    console = Console(highlight=False)

    def detail(text: str) -> None:
        console.print(Padding(text, (0, 0, 0, 4), expand=False))

    for entry in registered():
        if entry.unavailable is not None:
            console.print(f"{', '.join(entry.kinds) or 'boards'} ({entry.name})")
            detail(f"[yellow]not available: {escape(entry.unavailable)}[/]")
            continue
        tier = entry.load()()
        for kind in tier.kinds():
            about = tier.about(kind)
            console.print(f"[green]{kind}[/] ({entry.name}): {escape(about.summary)}")
            detail(f"can: {' '.join(sorted(tier.features(kind)))}")
            if about.unavailable:
                detail(f"[yellow]not available: {escape(about.unavailable)}[/]")
            for thing in about.cannot if verbose else ():
                detail(f"cannot do: {escape(thing)}")
