"""Which cluster kinds and board tiers this environment has, found by entry point: third parties add their own."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from harness.boards.board import Tier
from harness.core.errors import HarnessError, RigError, UsageError
from harness.stack.options import StackOptions

__all__ = ["BOARDS", "CLUSTERS", "Backend", "backends", "check_names", "features", "load_cluster", "load_tier"]

BOARDS = "harness.boards"
CLUSTERS = "harness.clusters"


@dataclass(frozen=True, slots=True)
class Backend:
    """A cluster kind or a board tier: its name, and why it cannot run here (None where it can)."""

    name: str
    unavailable: str | None


def backends(group: str) -> list[Backend]:
    """Every backend that is registered under ``group``, by name."""
    found = []
    for name in sorted(_registered(group)):
        try:
            found.append(Backend(name, cast("str | None", _load(group, name).unavailable())))
        except HarnessError as error:
            found.append(Backend(name, error.what))
    return found


def check_names(options: StackOptions) -> None:
    """Raise UsageError when the tier or the cluster kind is not one that is registered."""
    _entry(BOARDS, options.boards)
    _entry(CLUSTERS, options.cluster)


def load_tier(name: str) -> type[Tier]:
    """The tier of that name. Raises UsageError for an unknown one, RigError where it cannot run here."""
    return cast("type[Tier]", _usable(BOARDS, name))


def load_cluster(name: str) -> Any:
    """The cluster class of that name; its constructor is a :data:`harness.clusters.cluster.ClusterFactory`.

    Raises UsageError for an unknown one, RigError where it cannot run here.
    """
    return _usable(CLUSTERS, name)


def features(options: StackOptions) -> frozenset[str]:
    """What the default boards of the chosen tier can do."""
    return load_tier(options.boards)().features()


def _registered(group: str) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=group)}


def _entry(group: str, name: str) -> EntryPoint:
    registered = _registered(group)
    if name not in registered:
        option = group.removeprefix("harness.")
        raise UsageError(
            f"there is no {name!r} here",
            where=f"--{option.removesuffix('s') if group == CLUSTERS else option}",
            do=f"there are: {', '.join(sorted(registered)) or 'none; is the harness installed?'}",
        )
    return registered[name]


def _load(group: str, name: str) -> Any:
    try:
        return _entry(group, name).load()
    except (ImportError, AttributeError) as error:
        raise RigError(f"cannot be loaded: {error}", where=f"{group}: {name}", do="install what it needs") from error


def _usable(group: str, name: str) -> Any:
    backend = _load(group, name)
    if reason := backend.unavailable():
        raise RigError(reason, where=f"{group}: {name}", do="see wasmbed doctor")
    return backend
