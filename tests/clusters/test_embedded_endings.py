"""How objects end, seen by clients: definitions with their finalizer, owners elsewhere, names in use, JSON patches."""

from __future__ import annotations

import pytest

from harness.clusters.embedded import EmbeddedCluster
from harness.clusters.embedded.messages import Request
from harness.clusters.embedded.patches import JSON_PATCH
from harness.clusters.embedded.timing import LATEST
from harness.clusters.watch_times import WatchTimes
from harness.core.clock import ManualClock
from harness.core.identifiers import Randomness
from tests.clusters.conftest import definition

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.org/v1/namespaces/default/widgets"
MAPS = "/api/v1/namespaces/default/configmaps"
KEEP = "example.org/keep"
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"


def owned_by(owner, name="owned"):
    meta = owner["metadata"]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": meta["name"], "uid": meta["uid"]}
    return {"metadata": {"name": name, "ownerReferences": [reference]}}


async def test_a_definition_is_deleted_with_a_finalizer(api):
    await api("POST", WIDGETS, {**api.widget(), "metadata": {"name": "one", "finalizers": [KEEP]}})
    watch = await api.ask("GET", f"{DEFINITIONS}?watch=1&resourceVersion={api.server.version}")
    answer = await api("DELETE", f"{DEFINITIONS}/widgets.example.org")
    assert answer["metadata"]["finalizers"] == [CLEANUP]
    assert answer["status"]["conditions"][-1]["reason"] == "InstanceDeletionPending"
    assert (await api("GET", f"{WIDGETS}/one"))["metadata"]["deletionTimestamp"]
    await api("PATCH", f"{WIDGETS}/one", [{"op": "remove", "path": "/metadata/finalizers"}], JSON_PATCH)
    assert [line["type"] for line in await api.lines(watch)] == ["MODIFIED", "DELETED"]
    assert (await api.refused("GET", f"{DEFINITIONS}/widgets.example.org"))[0] == 404


async def test_other_finalizers_of_a_definition_stay(api):
    path = f"{DEFINITIONS}/widgets.example.org"
    await api("PATCH", path, {"metadata": {"finalizers": [KEEP]}}, "application/merge-patch+json")
    await api("DELETE", path)
    assert (await api("GET", path))["metadata"]["finalizers"] == [KEEP]
    await api("PATCH", path, {"metadata": {"finalizers": None}}, "application/merge-patch+json")
    assert (await api.refused("GET", path))[0] == 404


async def test_an_owner_in_another_namespace_is_no_owner(api):
    owner = await api("POST", "/api/v1/namespaces/kube-public/configmaps", {"metadata": {"name": "owner"}})
    await api("POST", MAPS, owned_by(owner))
    assert (await api.refused("GET", f"{MAPS}/owned"))[0] == 404, "it is collected at once"


async def test_an_owner_in_a_namespace_keeps_what_is_outside(api):
    owner = await api("POST", MAPS, {"metadata": {"name": "owner"}})
    await api("POST", "/api/v1/namespaces", owned_by(owner))
    assert (await api("GET", "/api/v1/namespaces/owned"))["status"]["phase"] == "Active"


async def test_a_name_that_is_being_deleted_is_taken(api):
    await api("POST", MAPS, {"metadata": {"name": "x", "finalizers": [KEEP]}})
    await api("DELETE", f"{MAPS}/x")
    message = (await api.refused("POST", MAPS, {"metadata": {"name": "x"}}))[2]["message"]
    assert message == 'object is being deleted: configmaps "x" already exists'


async def test_a_dry_run_of_a_deletion_shows_what_would_be(api):
    await api("POST", MAPS, {"metadata": {"name": "x", "finalizers": [KEEP]}})
    shown = await api("DELETE", f"{MAPS}/x", {"dryRun": ["All"]})
    assert shown["metadata"]["deletionTimestamp"]
    assert "deletionTimestamp" not in (await api("GET", f"{MAPS}/x"))["metadata"]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ({"kind": "Foo", "apiVersion": "v1"}, 400, 'no kind "Foo" is registered'),
        ({"gracePeriodSeconds": "x"}, 400, "Go struct field DeleteOptions.gracePeriodSeconds of type int64"),
        ([], 400, "couldn't get version/kind; json parse error"),
        ({"propagationPolicy": "Maybe"}, 422, "Unsupported value"),
        ({"preconditions": {"uid": "a"}}, 409, 'cannot be fulfilled on ConfigMap "x": the UID in the precondition (a)'),
    ],
)
async def test_options_of_a_deletion_are_checked(api, options, code, message):
    await api("POST", MAPS, {"metadata": {"name": "x"}})
    found = await api.refused("DELETE", f"{MAPS}/x", options)
    assert (found[0], message in found[2]["message"]) == (code, True)
    await api("GET", f"{MAPS}/x")


@pytest.mark.parametrize(
    ("operation", "items"),
    [
        ({"op": "add", "path": "/spec/anything/list/-", "value": 3}, [1, 2, 3]),
        ({"op": "add", "path": "/spec/anything/list/-1", "value": 3}, [1, 2, 3]),
        ({"op": "remove", "path": "/spec/anything/list/-1"}, [1]),
        ({"op": "replace", "path": "/spec/anything/list/-2", "value": 9}, [9, 2]),
        ({"op": "test", "path": "/spec/anything/nothing", "value": None}, [1, 2]),
        ({"op": "replace", "path": "/spec/anything/more", "value": 3}, [1, 2]),
        ({"op": "add", "path": "/spec/anything/a~1b~0c", "value": 3}, [1, 2]),
    ],
)
async def test_operations_that_kubernetes_takes(api, operation, items):
    await api("POST", WIDGETS, api.widget(anything={"list": [1, 2]}))
    patched = await api("PATCH", f"{WIDGETS}/one", [operation], JSON_PATCH)
    assert patched["spec"]["anything"]["list"] == items
    for key in ("more", "a/b~c"):
        if operation["path"].endswith(("more", "a~1b~0c")) and key in patched["spec"]["anything"]:
            assert patched["spec"]["anything"][key] == 3


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "dance", "path": "/spec"},
        {"path": "/spec"},
        {"op": "add", "value": 1},
        {"op": "remove", "path": "/spec/anything/nothing"},
        {"op": "add", "path": "/nothing/here", "value": 1},
        {"op": "remove", "path": "/spec/anything/list/-9"},
        {"op": "test", "path": "/spec/size", "value": 7},
    ],
)
async def test_operations_that_it_does_not(api, operation):
    await api("POST", WIDGETS, api.widget(anything={"list": [1, 2]}))
    code, reason, status = await api.refused("PATCH", f"{WIDGETS}/one", [operation], JSON_PATCH)
    assert (code, reason) == (422, "Invalid")
    assert status["message"] == "the server rejected our request due to an error in our request"


@pytest.mark.parametrize(("times", "late"), [(WatchTimes.PROMPT, False), (WatchTimes.LATE, True)])
async def test_the_path_of_a_new_type_may_be_404_for_a_while(times, late):
    clock = ManualClock()
    cluster = EmbeddedCluster(clock, Randomness(7), watches=times)
    await cluster.start()
    made = cluster.server.answer(Request("POST", DEFINITIONS, body=definition()))
    assert made.status == 201
    assert (cluster.server.answer(Request("GET", WIDGETS)).status == 404) is late
    await clock.advance(LATEST)
    assert cluster.server.answer(Request("GET", WIDGETS)).status == 200
    await cluster.stop()
