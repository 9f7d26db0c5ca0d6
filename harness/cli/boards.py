"""``wasmbed boards``: the kinds of boards with their features and limits."""

from __future__ import annotations

import click

from harness.cli.output import cell, show


@click.command()
@click.option("--verbose", "-v", is_flag=True, help="Also list what each board cannot do.")
def boards(verbose: bool) -> None:
    """List the kinds of boards that --boards can name."""
    from rich.padding import Padding
    from rich.text import Text

    from harness.boards.catalogue import registered

    def detail(text: str, style: str = "") -> None:
        show(Padding(cell(text, style), (0, 0, 0, 4), expand=False))

    for entry in registered():
        if entry.unavailable is not None:
            show(cell(f"{', '.join(entry.kinds) or 'boards'} ({entry.name})"))
            detail(f"not available: {entry.unavailable}", "yellow")
            continue
        tier = entry.load()()
        for kind in tier.kinds():
            about = tier.about(kind)
            show(Text.assemble(cell(kind, "green"), cell(f" ({entry.name}): {about.summary}")))
            detail(f"can: {' '.join(sorted(tier.features(kind)))}")
            if about.unavailable:
                detail(f"not available: {about.unavailable}", "yellow")
            for thing in about.cannot if verbose else ():
                detail(f"cannot do: {thing}")
