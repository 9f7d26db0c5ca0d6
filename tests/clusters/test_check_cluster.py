"""The kit for clusters: a cluster with something wrong fails the check that is about it, by name."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from harness.clusters.embedded import EmbeddedCluster
from harness.clusters.embedded.client import EmbeddedApi
from harness.core.errors import ProductFailure, RigError, UsageError
from harness.testing import cluster_fixture
from harness.testing.cluster import CLUSTER_CHECKS, check_cluster
from harness.wasmbed.resources.api import Conflict, NotFound, WatchEvent


def broken(**overrides):
    """A cluster whose clients have methods replaced."""
    client = type("Broken", (EmbeddedApi,), overrides)

    class Cluster(EmbeddedCluster):
        def client(self, name):
            return client(self.server, self.namespace, name)

    return Cluster


async def failures(factory, *only):
    outcomes = {}
    with pytest.raises(ProductFailure) as caught:
        await check_cluster(factory, only=only or None, progress=outcomes.__setitem__)
    return {name for name, outcome in outcomes.items() if outcome == "failed"}, str(caught.value)


async def test_all_failures_are_reported_by_name(monkeypatch):
    monkeypatch.setattr(cluster_fixture, "PATIENCE", 0.2)
    monkeypatch.setattr(cluster_fixture, "COLLECTED_WITHIN", 0.2)

    async def patch_status(self, resource, name, patch):
        return await EmbeddedApi.patch(self, resource, name, patch)

    failed, message = await failures(broken(patch_status=patch_status))
    assert {"keeps_the_status_apart", "tells_changes_in_order", "selects"} <= failed
    assert message.startswith(f"{len(failed)} of {len(CLUSTER_CHECKS)} cluster checks failed: ")
    assert "keeps_the_status_apart: the status became {'phase': 'Pending'}" in message


async def test_a_cluster_that_shares_its_objects():
    kept = {}

    async def get(self, resource, name):
        return kept.setdefault(name, await EmbeddedApi.get(self, resource, name))

    async def create(self, resource, body):
        made = await EmbeddedApi.create(self, resource, body)
        return kept.setdefault(made["metadata"]["name"], made)

    failed, message = await failures(broken(get=get, create=create), "keeps_what_it_has")
    assert failed == {"keeps_what_it_has"}
    assert "an object was altered without a request" in message


async def test_a_cluster_that_lets_everything_through():
    async def create(self, resource, body):
        try:
            return await EmbeddedApi.create(self, resource, body)
        except Conflict:
            return body

    async def delete(self, resource, name, **conditions):
        try:
            await EmbeddedApi.delete(self, resource, name)
        except NotFound as error:
            raise Conflict(error.status) from error

    cluster = broken(create=create, delete=delete)
    failed, message = await failures(cluster, "refuses_a_name_twice", "says_what_is_not_there", "deletes_on_conditions")
    assert failed == {"refuses_a_name_twice", "says_what_is_not_there", "deletes_on_conditions"}
    assert "a second object of one name was not refused, but has to be with Conflict" in message
    assert "a deletion of an absent object was refused with 404 NotFound" in message


async def test_a_cluster_whose_watches_end_or_are_silent(monkeypatch):
    monkeypatch.setattr(cluster_fixture, "PATIENCE", 0.05)

    @asynccontextmanager
    async def ended(self, resource, **more):
        async def events():
            yield WatchEvent("ADDED", {"metadata": {"name": "x", "resourceVersion": "1"}})

        yield events()

    _, message = await failures(broken(watch=ended), "tells_changes_in_order")
    assert "a watch reported ADDED x of 4 events and then ended" in message

    @asynccontextmanager
    async def silent(self, resource, **more):
        more["label_selector"] = "no=body"
        async with EmbeddedApi.watch(self, resource, **more) as events:
            yield events

    _, message = await failures(broken(watch=silent), "tells_changes_in_order")
    assert "a watch reported nothing of 4 events and then was silent for 0.05 s" in message

    async def delete(self, resource, name, **conditions):
        pass

    monkeypatch.setattr(cluster_fixture, "COLLECTED_WITHIN", 0.05)
    _, message = await failures(broken(delete=delete), "collects_dependents")
    assert "an object whose owner was deleted stayed for 0.05 s" in message


async def test_what_breaks_inside_a_check_is_a_failure_too():
    async def create(self, resource, body):
        return {}

    _, message = await failures(broken(create=create), "counts_generations")
    assert "counts_generations: KeyError: 'metadata'" in message


async def test_unknown_checks_and_clusters_are_refused():
    with pytest.raises(UsageError, match="unknown check 'dances'"):
        await check_cluster(EmbeddedCluster, only=["dances"])

    class Absent(EmbeddedCluster):
        async def start(self):
            raise RigError("no cluster here")

    with pytest.raises(RigError, match="no cluster here"):
        await check_cluster(Absent)
