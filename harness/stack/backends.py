"""Which cluster kinds this environment has, found by entry point: third parties add their own."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import entry_points
from typing import Any, cast

from harness.clusters.cluster import Cluster
from harness.core.clock import Clock
from harness.core.errors import HarnessError, RigError, UsageError, reason, suggestion
from harness.core.history import Tap
from harness.core.identifiers import Randomness
from harness.stack.options import StackOptions, flag

__all__ = ["CLUSTERS", "check_names", "check_options", "clusters", "lacking", "make_cluster"]

CLUSTERS = "harness.clusters"
NAMESPACE = "wasmbed"


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
    """Raise UsageError when the boards, their link or the cluster kind are not among those there are; tiers are loaded
    only where none has the name, which may then be a kind of board."""
    from harness.boards.catalogue import GROUP, Catalogue

    boards, plus, _ = options.boards.partition("+")
    if plus or boards not in _names(GROUP):
        catalogue = Catalogue()
        _check("boards", boards, [*catalogue.entries, *catalogue.kinds, *catalogue.absent])
        # A tier that cannot run here is the rig's failure, and told when boards are wanted.
        with contextlib.suppress(RigError):
            catalogue.find(options.boards)
    _check("cluster", options.cluster, _names(CLUSTERS))


def _check(option: str, name: str, known: Sequence[str]) -> None:
    if name in known:
        return
    names = ", ".join(dict.fromkeys(known)) or "none; is the harness installed?"
    raise UsageError(
        f"there is no {name!r} here", where=f"--{option}", do=f"{suggestion(name, known)}there are: {names}"
    )


def check_options(options: StackOptions) -> None:
    """As :func:`check_names`, and that the options do not contradict each other. Raises UsageError."""
    check_names(options)
    if any(_for_some_clusters(options)):
        _given(options, _load(options.cluster))


def _for_some_clusters(options: StackOptions) -> Iterator[tuple[str, Any, str]]:
    """The options given that only some kinds of clusters take: name, value, and a kind that does."""
    for option in dataclasses.fields(options):
        if "cluster" in option.metadata and (value := getattr(options, option.name)) is not None:
            yield option.name, value, option.metadata["cluster"]


def _given(options: StackOptions, kind: type[Any]) -> dict[str, Any]:
    """What the cluster is given of them. Raises UsageError for one that it does not take."""
    given: dict[str, Any] = {}
    for name, value, wanted in _for_some_clusters(options):
        if name not in getattr(kind, "options", ()):
            raise UsageError(f"is for --cluster={wanted}", where=f"--{flag(name)}", do="add that, or leave this out")
        given[name] = value
    return given


def make_cluster(
    options: StackOptions, clock: Clock, randomness: Randomness, tap: Tap, namespace: str | None = None
) -> Cluster:
    """The cluster that ``options`` ask for, with a namespace of its own where others may be using it too, unless one is
    named.

    Raises RigError where it cannot run here, UsageError for an option that it does not take.
    """
    kind = _load(options.cluster)
    given = _given(options, kind)
    if "kubeconfig" not in given and (reason := kind.unavailable()):
        raise RigError(reason, where=f"--cluster={options.cluster}", do="see wasmbed doctor")
    if namespace is None:
        namespace = f"{NAMESPACE}-{Randomness().token(4)}" if kind.shared else NAMESPACE
    cluster: Cluster = kind(clock, randomness, namespace, tap, **given)
    return cluster


def lacking(options: StackOptions, wanted: Iterable[str]) -> str | None:
    """Why a test that needs these features is left out; None where the chosen kind of boards, or the default one of the
    chosen tier, has them all, recorded if ``options`` say so. Raises UsageError for a feature that no boards have,
    RigError where that tier cannot run here."""
    from harness.boards.board import FEATURES, NOT_RECORDED
    from harness.boards.catalogue import Catalogue

    catalogue, names = Catalogue(), set(wanted)
    if not names <= FEATURES.keys():
        known = sorted(FEATURES.keys() | catalogue.features)
        if strange := sorted(names.difference(known)):
            there = f"{suggestion(strange[0], known)}the features are {', '.join(known)}"
            raise UsageError(f"no boards have the feature {strange[0]!r}", do=there)
    tier, kind, _ = catalogue.find(options.boards)
    features = tier.features(kind)
    given_up = NOT_RECORDED if options.record and "record" in features else frozenset()
    if not (missing := names - (features - given_up)):
        return None
    recorded = " while they are recorded" if missing <= features else ""
    return f"boards of {options.boards} have no {', '.join(sorted(missing))}{recorded}"


def _names(group: str) -> list[str]:
    return sorted(entry.name for entry in entry_points(group=group))


def _load(name: str) -> type[Any]:
    try:
        (entry,) = entry_points(group=CLUSTERS, name=name)
        return cast("type[Any]", entry.load())
    except Exception as error:  # whatever a third party's import does wrong
        raise RigError(
            f"cannot be loaded: {reason(error)}", where=f"--cluster={name}", do="install what it needs"
        ) from error
