"""Which cluster kinds this environment has, found by entry point: third parties add their own."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from harness.core.errors import HarnessError, RigError, UsageError
from harness.stack.options import StackOptions

__all__ = ["CLUSTERS", "check_names", "clusters", "features", "load_cluster"]

CLUSTERS = "harness.clusters"
BOARDS = "harness.boards"


def clusters() -> dict[str, str | None]:
    """Every cluster kind that is registered, and why it cannot run here: None where it can."""
    found: dict[str, str | None] = {}
    for name in _names(CLUSTERS):
        try:
            found[name] = _load(name).unavailable()
        except HarnessError as error:
            found[name] = error.what
    return found


def check_names(options: StackOptions) -> None:
    """Raise UsageError when the tier or the cluster kind is not one that is registered; loads nothing."""
    for option, group, name in (("boards", BOARDS, options.boards), ("cluster", CLUSTERS, options.cluster)):
        if name not in (known := _names(group)):
            raise UsageError(
                f"there is no {name!r} here",
                where=f"--{option}",
                do=f"there are: {', '.join(known) or 'none; is the harness installed?'}",
            )


def load_cluster(name: str) -> Any:
    """The cluster class of that name; its constructor is a :data:`harness.clusters.cluster.ClusterFactory`.

    Raises RigError where it cannot run here.
    """
    cluster = _load(name)
    if reason := cluster.unavailable():
        raise RigError(reason, where=f"--cluster={name}", do="see wasmbed doctor")
    return cluster


def features(options: StackOptions) -> frozenset[str]:
    """What the default boards of the chosen tier can do. Raises RigError where it cannot run here."""
    from harness.boards.catalogue import Catalogue

    return Catalogue().tier(options.boards).features()


def _names(group: str) -> list[str]:
    return sorted(entry.name for entry in entry_points(group=group))


def _load(name: str) -> Any:
    try:
        (entry,) = entry_points(group=CLUSTERS, name=name)
        return entry.load()
    except (ImportError, AttributeError, ValueError) as error:
        raise RigError(f"cannot be loaded: {error}", where=f"--cluster={name}", do="install what it needs") from error
