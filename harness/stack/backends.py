"""The cluster kinds of this environment, found by entry point, so that third parties can add their own."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.clusters.cluster import Cluster
from harness.core.clock import Clock
from harness.core.errors import HarnessError, RigError, UsageError, suggestion
from harness.core.history import Tap
from harness.core.identifiers import Randomness
from harness.gateways.gateway import FEATURES as GATEWAY_FEATURES
from harness.stack.api_server import FEATURES as CLUSTER_FEATURES
from harness.stack.controllers import FEATURES as CONTROLLER_FEATURES
from harness.stack.gateway_choice import find_choice, find_gateway
from harness.stack.kinds import kind_names, load_kind
from harness.stack.options import StackOptions, flag
from harness.stack.surroundings import FEATURES as STACK_FEATURES
from harness.stack.system import FEATURES as SYSTEM_FEATURES
from harness.wasmbed.resources.names import DEFAULT_NAMESPACE

__all__ = ["CLUSTERS", "check_names", "check_options", "clusters", "lacking", "make_cluster"]

CLUSTERS = "harness.clusters"
_OTHER_PARTS = frozenset({"kubeconfig", "k3d_config"})
"""Options that name what a cluster is made of: what a kind needs without them is not asked for."""
SIMULATED = frozenset({"gateway-pause"})
"""The features that each gateway has in a simulation."""


def clusters() -> dict[str, str | None]:
    """Every registered cluster kind, with the reason why it cannot run here, or None if it can."""
    found: dict[str, str | None] = {}
    for name in kind_names(CLUSTERS):
        try:
            found[name] = load_kind(CLUSTERS, name).unavailable()
        except HarnessError as error:
            found[name] = error.what
    return found


def check_names(options: StackOptions, root: Path | None = None) -> None:
    """Raise UsageError for unknown boards, links, or cluster kinds, and for an image that cannot be used. Tiers are
    loaded only if the boards' name is not the name of a tier, since it may then be a kind of board; or if there are
    images."""
    from harness.boards.catalogue import GROUP
    from harness.stack.board_choice import board_catalogue

    boards, plus, _ = options.boards.partition("+")
    if plus or options.image is not None or boards not in kind_names(GROUP):
        catalogue = board_catalogue(options, root)
        _check("boards", boards, [*catalogue.entries, *catalogue.kinds, *catalogue.absent, *catalogue.images])
        # A tier that cannot run here is the rig's failure, reported when a board is powered on.
        with contextlib.suppress(RigError):
            catalogue.find(options.boards)
    _check("cluster", options.cluster, kind_names(CLUSTERS))


def _check(option: str, name: str, known: Sequence[str]) -> None:
    if name in known:
        return
    names = ", ".join(dict.fromkeys(known)) or "none; is the harness installed?"
    raise UsageError(
        f"unknown {option} {name!r}", where=f"--{option}", do=f"{suggestion(name, known)}there are: {names}"
    )


def check_options(options: StackOptions, root: Path | None = None) -> None:
    """Check the names as :func:`check_names` does, and that the options do not contradict each other."""
    check_names(options, root)
    if any(_for_some_clusters(options)):
        _options_for(options, load_kind(CLUSTERS, options.cluster))


def _for_some_clusters(options: StackOptions) -> Iterator[tuple[str, Any, str]]:
    """The options in use that only some cluster kinds take: name, value, and a kind that takes it."""
    for option in dataclasses.fields(options):
        if "cluster" in option.metadata and (value := getattr(options, option.name)) is not None:
            yield option.name, value, option.metadata["cluster"]


def _options_for(options: StackOptions, kind: type[Any]) -> dict[str, Any]:
    """The options in use for a cluster kind. Raises UsageError for one that it does not take."""
    given: dict[str, Any] = {}
    for name, value, wanted in _for_some_clusters(options):
        if name not in getattr(kind, "options", ()):
            raise UsageError(f"is for --cluster={wanted}", where=f"--{flag(name)}", do="add that, or leave this out")
        given[name] = value
    return given


def make_cluster(
    options: StackOptions,
    clock: Clock,
    randomness: Randomness,
    tap: Tap,
    namespace: str | None = None,
    state: Path | None = None,
) -> Cluster:
    """The cluster that ``options`` name, with ``namespace``, or by default a new namespace if the cluster is shared.
    ``state`` is a folder to keep everything in.

    Raises RigError if it cannot run here, UsageError for an option that it does not take.
    """
    kind = load_kind(CLUSTERS, options.cluster)
    given = _options_for(options, kind)
    if state is not None:
        if not getattr(kind, "keeps_state", False):
            raise UsageError(
                f"a cluster of kind {options.cluster} keeps its state itself",
                where=f"--state {state}",
                do="leave it out, or choose --cluster=embedded-process",
            )
        given["state"] = state
    if not _OTHER_PARTS & given.keys() and (reason := kind.unavailable()):
        raise RigError(reason, where=f"--cluster={options.cluster}", do="see wasmbed doctor")
    if namespace is None:
        namespace = f"{DEFAULT_NAMESPACE}-{Randomness().token(4)}" if kind.shared else DEFAULT_NAMESPACE
    cluster: Cluster = kind(clock, randomness, namespace, tap, **given)
    return cluster


def has_gates(options: StackOptions) -> bool:
    """Whether the requests of other programs to this kind of cluster can be made to fail."""
    return bool(getattr(load_kind(CLUSTERS, options.cluster), "has_gates", True))


def _api_faults(options: StackOptions) -> frozenset[str]:
    """The features that controllers in a process of their own have."""
    return frozenset(("controllers-api-faults",)) if has_gates(options) else frozenset()


def lacking(options: StackOptions, wanted: Iterable[str]) -> str | None:
    """Why a test that needs these features is skipped. None if the chosen gateway has them, and the chosen kind of
    board, or the default kind of the chosen tier. Some are lost in a simulation, while boards are recorded, and by the
    system's file. Raises UsageError for an unknown feature, RigError if the tier or the gateway cannot run here."""
    from harness.boards.board import FEATURES, NOT_ON_ETHERNET, NOT_RECORDED
    from harness.stack.board_choice import board_catalogue

    names = set(wanted)
    if absent := names & {"other-programs" if options.simulated else "virtual-time"}:
        return f"a {'simulated stack' if options.simulated else 'stack in real time'} has no {', '.join(absent)}"
    names -= STACK_FEATURES.keys()
    if not names:
        return None
    if absent := names & find_choice(options).lacks:
        return f"the system of --gateway={options.gateway} has no {', '.join(sorted(absent))}"
    names -= SYSTEM_FEATURES.keys()
    if "cluster-kill" in names and not getattr(load_kind(CLUSTERS, options.cluster), "can_restart", False):
        return f"the API server of --cluster={options.cluster} cannot be killed"
    names -= CLUSTER_FEATURES.keys()
    if of_controllers := names & CONTROLLER_FEATURES.keys():
        if options.controllers == "process" and (absent := of_controllers - _api_faults(options)):
            return f"controllers in a process of their own have no {', '.join(sorted(absent))}"
        names -= of_controllers
    if of_gateway := names & GATEWAY_FEATURES.keys():
        gateway, choice = find_gateway(options)
        if absent := of_gateway - gateway.features_of(choice) - (SIMULATED if options.simulated else frozenset()):
            return f"the gateway {options.gateway} has no {', '.join(sorted(absent))}"
        if "gateway-api-faults" in names and not gateway.records and not has_gates(options):
            return f"requests of a gateway outside this process cannot fail with --cluster={options.cluster}"
        names -= of_gateway
    catalogue = board_catalogue(options)
    if not names <= FEATURES.keys():
        stacks = CLUSTER_FEATURES.keys() | CONTROLLER_FEATURES.keys() | STACK_FEATURES.keys()
        others = GATEWAY_FEATURES.keys() | stacks | SYSTEM_FEATURES.keys()
        known = sorted(FEATURES.keys() | others | catalogue.features)
        if unknown := sorted(names.difference(known)):
            do = f"{suggestion(unknown[0], known)}the features are {', '.join(known)}"
            raise UsageError(f"no boards have the feature {unknown[0]!r}, nor does a gateway", do=do)
    tier, kind, link = catalogue.find(options.boards)
    features = tier.features(kind) - (NOT_ON_ETHERNET if link == "ethernet" else frozenset())
    lost = NOT_RECORDED if options.record and "record" in features else frozenset()
    if not (missing := names - (features - lost)):
        return None
    recorded = " while they are recorded" if missing <= features else ""
    return f"boards of {options.boards} have no {', '.join(sorted(missing))}{recorded}"
