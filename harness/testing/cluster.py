"""Checks that a kind of cluster keeps the contract, without a platform, for authors of a kind.

    from harness.testing.cluster import check_cluster

    asyncio.run(check_cluster(MyCluster))

All checks share one cluster, because some kinds take long to start; each check has its own objects.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

from harness.clusters.cluster import ClusterFactory
from harness.core.clock import SystemClock
from harness.core.errors import HarnessError, ProductFailure, UsageError
from harness.core.identifiers import Randomness
from harness.testing import cluster_details as details
from harness.testing import cluster_objects as objects
from harness.testing import cluster_watches as watches
from harness.testing.cluster_fixture import ClusterFixture, TapCall
from harness.wasmbed.resources.api import ApiError

__all__ = ["CLUSTER_CHECKS", "ClusterCheck", "check_cluster"]

ClusterCheck = Callable[[ClusterFixture], Awaitable[None]]

CLUSTER_CHECKS: Mapping[str, ClusterCheck] = MappingProxyType(
    {
        check.__name__: check
        for check in (
            objects.stores_what_it_is_given,
            objects.keeps_what_it_has,
            objects.refuses_a_name_twice,
            objects.says_what_is_not_there,
            objects.makes_up_names,
            objects.defaults_and_prunes,
            objects.validates,
            objects.merges_patches,
            objects.keeps_the_status_apart,
            objects.counts_generations,
            objects.refuses_stale_writes,
            objects.lets_one_of_two_win,
            objects.deletes_on_conditions,
            objects.waits_for_finalizers,
            objects.collects_dependents,
            objects.selects,
            objects.keeps_other_kinds,
            details.keeps_microseconds,
            details.creates_by_replacing,
            details.reserves_names,
            details.limits_data,
            details.refuses_wrong_types,
            details.serves_new_types,
            watches.tells_changes_in_order,
            watches.goes_on_where_it_stopped,
            watches.watches_a_selection,
            watches.serves_many_watchers,
            watches.tells_the_tap,
            watches.tells_causes_first,
            watches.writes_a_kubeconfig,
            watches.refuses_what_it_does_not_know,
        )
    }
)
"""Every check by name; its docstring is the rule."""


async def check_cluster(
    factory: ClusterFactory,
    *,
    only: Iterable[str] | None = None,
    progress: Callable[[str, str], object] | None = None,
) -> None:
    """Run every check, or ``only`` some, against one cluster.

    ``progress`` is called with each check's name and outcome: ``passed`` or ``failed``. Raises ProductFailure with all
    failures by name, RigError if the cluster cannot be started, UsageError for an unknown check.
    """
    names = list(CLUSTER_CHECKS) if only is None else list(only)
    for name in names:
        if name not in CLUSTER_CHECKS:
            raise UsageError(f"unknown check {name!r}", do=f"the checks are {', '.join(CLUSTER_CHECKS)}")
    failures: dict[str, str] = {}
    async with _fixture(factory) as fixture:
        for name in names:
            try:
                await CLUSTER_CHECKS[name](fixture)
            except HarnessError as failure:
                failures[name] = failure.what
            except (ApiError, OSError, KeyError, TypeError) as error:
                failures[name] = f"{type(error).__name__}: {error}"
            if progress is not None:
                progress(name, "failed" if name in failures else "passed")
    if failures:
        listed = "\n".join(f"{name}: {what}" for name, what in failures.items())
        raise ProductFailure(f"{len(failures)} of {len(names)} cluster checks failed: {', '.join(failures)}\n{listed}")


@asynccontextmanager
async def _fixture(factory: ClusterFactory) -> AsyncIterator[ClusterFixture]:
    calls: list[TapCall] = []

    def tap(source: str, target: str, name: str, data: Mapping[str, Any], correlation: str) -> None:
        calls.append(TapCall(source, target, name, data, correlation))

    clock, randomness = SystemClock(), Randomness()
    cluster = factory(clock, randomness, f"check-{randomness.token(4)}", tap)
    try:
        await cluster.start()
        api = cluster.client("Checker")
        try:
            yield ClusterFixture(cluster, api, clock, randomness, calls)
        finally:
            await api.close()
    finally:
        await cluster.stop()
