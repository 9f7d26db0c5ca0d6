"""``wasmbed boards``: the kinds of boards with their features and limits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.cluster import asynchronous
from harness.cli.forms import form_option, show_document
from harness.cli.output import cell, show

if TYPE_CHECKING:
    from harness.boards.catalogue import Catalogue
    from harness.cli.shapes import BoardRow
    from harness.testing.board import Promise

PATIENCE = 60.0
"""Seconds for each action of a board that is checked, so that no verdict depends on the computer's speed."""
HEARTBEAT = 2.0
BROKEN = 1


@click.command()
@click.option("--verbose", "-v", is_flag=True, help="Also list what each board cannot do.")
@click.option("--check", "kind", metavar="KIND", help="Check boards of this kind, and list which promises they keep.")
@click.option("--image", type=click.Path(path_type=Path), help="Firmware image of another project, with --check.")
@form_option
@asynchronous
async def boards(verbose: bool, kind: str | None, image: Path | None, form: str) -> int:
    """List the kinds of boards that --boards can name, or check one of them.

    The checks have their own gateway. The exit code is 1 if a promise is not kept.
    """
    from harness.core.errors import UsageError
    from harness.stack.board_choice import board_catalogue
    from harness.stack.options import StackOptions

    if kind is None:
        if image is not None:
            raise UsageError("is for --check", where="--image", do="add --check KIND")
        catalogue = board_catalogue(StackOptions())
        rows = _rows(catalogue)
        if not show_document(form, {"boards": rows}, [f"board/{row['name']}" for row in rows]):
            _list(catalogue, verbose or form == "wide")
        return 0
    if form not in ("table", "wide"):
        raise UsageError("is for the list of boards", where=f"-o {form}", do="omit it, or --check")
    catalogue = board_catalogue(StackOptions(boards=kind, image=image))
    try:
        return await _check(catalogue, kind)
    finally:
        await catalogue.close()


async def _check(catalogue: Catalogue, kind: str) -> int:
    from dataclasses import replace

    from harness.testing.board import Expectations, Verdict, board_promises

    tier, name, link = catalogue.find(kind)
    features = tier.features(name)
    found = await board_promises(
        lambda settings, environment: tier.make(name, replace(settings, link=link), environment),
        expectations=Expectations(PATIENCE, HEARTBEAT),
        progress=lambda promise: _show(promise, features),
    )
    return BROKEN if any(promise.verdict in (Verdict.NOT_KEPT, Verdict.NOT_RUN) for promise in found) else 0


def _show(promise: Promise, features: frozenset[str]) -> None:
    from rich.padding import Padding
    from rich.text import Text

    style = {"kept": "green", "not kept": "red", "not run": "yellow"}.get(promise.verdict, "")
    summary = " ".join(promise.summary.split())
    show(Text.assemble(cell(f"{promise.verdict:15}", style), cell(f"{promise.name}: {summary}")))
    if promise.error is not None:
        show(Padding(cell(promise.error.what.splitlines()[0]), (0, 0, 0, 15), expand=False))
    elif missing := promise.features - features:
        show(Padding(cell(f"for boards with {', '.join(sorted(missing))}"), (0, 0, 0, 15), expand=False))


def _rows(catalogue: Catalogue) -> list[BoardRow]:
    rows: list[BoardRow] = []
    for entry in catalogue.entries.values():
        if entry.unavailable is not None:
            for kind in entry.kinds:
                row: BoardRow = {"name": kind, "tier": entry.name, "summary": "", "features": [], "cannot": [],
                                 "unavailable": entry.unavailable}  # fmt: skip
                rows.append(row)
            continue
        tier = catalogue.tier(entry.name)
        for kind in tier.kinds():
            about = tier.about(kind)
            rows.append(
                {
                    "name": kind,
                    "tier": entry.name,
                    "summary": about.summary,
                    "features": sorted(tier.features(kind)),
                    "cannot": list(about.cannot),
                    "unavailable": about.unavailable or None,
                }
            )
    return rows


def _list(catalogue: Catalogue, verbose: bool) -> None:
    from rich.padding import Padding
    from rich.text import Text

    def detail(text: str, style: str = "") -> None:
        show(Padding(cell(text, style), (0, 0, 0, 4), expand=False))

    for entry in catalogue.entries.values():
        if entry.unavailable is not None:
            show(cell(f"{', '.join(entry.kinds) or 'boards'} ({entry.name})"))
            detail(f"not available: {entry.unavailable}", "yellow")
            continue
        tier = catalogue.tier(entry.name)
        for kind in tier.kinds():
            about = tier.about(kind)
            show(Text.assemble(cell(kind, "green"), cell(f" ({entry.name}): {about.summary}")))
            detail(f"can: {' '.join(sorted(tier.features(kind)))}")
            if about.unavailable:
                detail(f"not available: {about.unavailable}", "yellow")
            for thing in about.cannot if verbose else ():
                detail(f"cannot do: {thing}")
