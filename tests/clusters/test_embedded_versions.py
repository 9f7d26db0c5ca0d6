"""Definitions with several versions, and the scale subresource."""

from __future__ import annotations

import pytest

from harness.clusters.embedded.apply import APPLY_PATCH
from harness.clusters.embedded.definitions import version_rank
from harness.clusters.embedded.patches import MERGE_PATCH

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PLACE = "/apis/example.org/{}/namespaces/default/things"
STRING = {"type": "string"}


def version(name, properties, **members):
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}
    return {"name": name, "served": True, "storage": False, "schema": {"openAPIV3Schema": schema}, **members}


def things(*versions):
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.org"},
        "spec": {
            "group": "example.org",
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": list(versions),
        },
    }


def thing(name="one", group_version="example.org/v1", **spec):
    return {"apiVersion": group_version, "kind": "Thing", "metadata": {"name": name}, "spec": spec}


async def test_a_version_shows_only_its_own_fields(api):
    stored = version("v1", {"old": STRING, "both": STRING, "size": {"type": "integer", "default": 1}}, storage=True)
    await api("POST", DEFINITIONS, things(stored, version("v2", {"both": STRING, "new": STRING})))
    await api("POST", PLACE.format("v1"), thing(old="a", both="b"))
    assert (await api("GET", PLACE.format("v2") + "/one"))["spec"] == {"both": "b"}
    made = await api("POST", PLACE.format("v2"), thing("two", "example.org/v2", both="b", new="c"))
    assert made["spec"] == {"both": "b"}
    assert (await api("GET", PLACE.format("v1") + "/two"))["spec"] == {"both": "b", "size": 1}
    listed = await api("GET", PLACE.format("v2"))
    assert [item["spec"] for item in listed["items"]] == [{"both": "b"}, {"both": "b"}]


@pytest.mark.parametrize(
    ("more", "warning"),
    [
        ({}, "example.org/v1beta1 Thing is deprecated; use example.org/v1 Thing"),
        ({"deprecationWarning": "v1beta1 goes soon"}, "v1beta1 goes soon"),
    ],
)
async def test_a_deprecated_version_warns(api, more, warning):
    await api(
        "POST", DEFINITIONS, things(version("v1", {}, storage=True), version("v1beta1", {}, deprecated=True, **more))
    )
    await api("POST", PLACE.format("v1"), thing())
    for path in ("/one", ""):
        assert (await api.ask("GET", PLACE.format("v1beta1") + path)).warnings == [warning]
        assert (await api.ask("GET", PLACE.format("v1") + path)).warnings == []


async def test_a_version_that_objects_are_stored_in_stays(api):
    await api("POST", DEFINITIONS, things(version("v1", {}, storage=True), version("v2", {})))
    path = f"{DEFINITIONS}/things.example.org"
    await api("PATCH", path, {"spec": {"versions": [version("v1", {}), version("v2", {}, storage=True)]}}, MERGE_PATCH)
    gone = {"spec": {"versions": [version("v2", {}, storage=True)]}}
    code, _, status = await api.refused("PATCH", path, gone, MERGE_PATCH)
    assert (code, status["details"]["causes"][0]["field"]) == (422, "status.storedVersions[0]")
    await api("PATCH", f"{path}/status", {"status": {"storedVersions": ["v2"]}}, MERGE_PATCH)
    await api("PATCH", path, gone, MERGE_PATCH)


def test_versions_are_ranked_as_clients_prefer_them():
    names = ["foo", "v1", "v1alpha1", "v11", "v1beta2", "v2", "v1beta1"]
    assert sorted(names, key=version_rank, reverse=True) == ["v11", "v2", "v1", "v1beta2", "v1beta1", "v1alpha1", "foo"]


@pytest.fixture
async def scaled(api):
    """The path of a Thing whose replicas are a subresource."""
    made = things(version("v1", {"replicas": {"type": "integer"}, "color": STRING}, storage=True))
    made["spec"]["versions"][0]["subresources"] = {
        "scale": {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        }
    }
    schema = made["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["status"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    await api("POST", DEFINITIONS, made)
    await api(
        "POST", PLACE.format("v1"), thing(replicas=2, color="red") | {"status": {"replicas": 1, "selector": "a=b"}}
    )
    return PLACE.format("v1") + "/one"


async def test_scale_shows_and_sets_replicas(api, scaled):
    found = await api("GET", f"{scaled}/scale")
    assert (found["kind"], found["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert (found["spec"], found["status"]) == ({"replicas": 2}, {"replicas": 1, "selector": "a=b"})
    assert (await api("PATCH", f"{scaled}/scale", {"spec": {"replicas": 5}}, MERGE_PATCH))["spec"] == {"replicas": 5}
    stored = await api("GET", scaled)
    assert stored["spec"] == {"replicas": 5, "color": "red"}
    assert [entry["subresource"] for entry in stored["metadata"]["managedFields"] if "subresource" in entry] == [
        "scale"
    ]
    found["spec"] = {"replicas": 7}
    assert (await api.refused("PUT", f"{scaled}/scale", found))[:2] == (409, "Conflict")
    del found["metadata"]["resourceVersion"]
    await api("PUT", f"{scaled}/scale", found)
    assert (await api("GET", scaled))["spec"]["replicas"] == 7


async def test_what_scale_refuses(api, scaled):
    for replicas, code in ((-1, 422), ("two", 422)):
        assert (await api.refused("PATCH", f"{scaled}/scale", {"spec": {"replicas": replicas}}, MERGE_PATCH))[0] == code
    assert (await api.refused("DELETE", f"{scaled}/scale"))[:2] == (405, "MethodNotAllowed")
    assert (await api.refused("GET", scaled.replace("one", "none") + "/scale"))[0] == 404
    assert (await api.refused("PUT", f"{scaled}/scale", thing(replicas=1)))[0] == 400
    assert (await api.refused("PATCH", f"{scaled}/scale?fieldManager=x", thing(), APPLY_PATCH))[0] == 400
    await api("PATCH", scaled, {"spec": {"replicas": None}}, MERGE_PATCH)
    assert "does not exist" in (await api.refused("GET", f"{scaled}/scale"))[2]["message"]
