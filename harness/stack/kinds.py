"""The kinds of clusters and gateways of this environment, found by entry point, so that third parties can add some."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any, cast

from harness.core.errors import RigError, reason

__all__ = ["kind_names", "load_kind"]


def kind_names(group: str) -> list[str]:
    """The names that are registered in a group of entry points."""
    return sorted(entry.name for entry in entry_points(group=group))


def load_kind(group: str, name: str) -> type[Any]:
    """The class registered under that name. Raises RigError if it cannot be loaded; the option in its message has the
    group's last word in the singular."""
    try:
        (entry,) = entry_points(group=group, name=name)
        return cast("type[Any]", entry.load())
    except Exception as error:  # a third party's import may raise anything
        option = group.rpartition(".")[2].removesuffix("s")
        raise RigError(
            f"cannot be loaded: {reason(error)}", where=f"--{option}={name}", do="install what it needs"
        ) from error
