"""Finds the boards that ``--boards`` can name: all kinds, and those with an image of another project, which ``--image``
or a table ``[boards.NAME]`` of the project's file declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.boards.catalogue import Catalogue, registered
from harness.boards.foreign import ForeignImage
from harness.boards.image_table import read_image
from harness.stack import sources
from harness.stack.options import StackOptions

__all__ = ["board_catalogue"]


def board_catalogue(options: StackOptions, root: Path | None = None) -> Catalogue:
    """The catalogue for ``options`` in the project at ``root``, by default that of the working folder.

    A simulated stack has simulated boards only: others are processes or threads. Raises UsageError for an invalid
    table, and for ``--image`` with boards that take none."""
    if options.simulated and options.image is None:
        return Catalogue(registered(only=options.boards))
    tables = sources.read_boards(root or sources.find_root(Path.cwd()))
    given = options.image
    chosen = options.boards.partition("+")[0]
    images = {
        name: _described(name, file, table, given if name == chosen else None) for name, (file, table) in tables.items()
    }
    if given is not None and chosen not in tables:
        _, kind, _ = Catalogue().find(chosen)
        images[kind] = ForeignImage(kind, given.absolute())
    return Catalogue(images=images)


def _described(name: str, file: str, table: Mapping[str, Any], given: Path | None) -> ForeignImage:
    lines = sources.lines_of_table(Path(file).read_text("utf-8"), sources.BOARDS, name)
    where = f"{file} [boards.{name}]"

    def at(key: str) -> str:
        return f"{where}, line {lines[key]}" if key in lines else f"{where} {key}"

    if given is None:
        return read_image(table, Path(file).parent, at)
    image = read_image({**table, "image": str(given.absolute())}, Path(file).parent, at)
    return replace(image, at=lambda key: "--image" if key == "image" else at(key))
