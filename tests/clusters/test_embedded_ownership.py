"""Managed fields from the first write, and server-side apply after other writes."""

from __future__ import annotations

import orjson

from harness.clusters.embedded.apply import APPLY_PATCH
from harness.clusters.embedded.field_changes import Changes
from harness.clusters.embedded.ownership import ANCIENT, Manager, contains, record, released
from harness.clusters.embedded.patches import MERGE_PATCH

MAPS = "/api/v1/namespaces/default/configmaps"
WIDGETS = "/apis/example.org/v1/namespaces/default/widgets"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def config(name="c", **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def managers(stored):
    return {
        (entry["manager"], entry["operation"], entry.get("subresource", "")): entry["fieldsV1"]
        for entry in stored["metadata"]["managedFields"]
    }


async def test_fields_have_owners_from_the_first_write(api):
    made = await api("POST", f"{MAPS}?fieldManager=maker", config(a="1"))
    assert managers(made) == {("maker", "Update", ""): {"f:data": {".": {}, "f:a": {}}}}
    changed = await api("PATCH", f"{MAPS}/c?fieldManager=hand", {"data": {"a": "2", "b": "3"}}, MERGE_PATCH)
    assert managers(changed) == {
        ("maker", "Update", ""): {"f:data": {}},
        ("hand", "Update", ""): {"f:data": {"f:a": {}, "f:b": {}}},
    }
    _, _, status = await api.refused("PATCH", f"{MAPS}/c?fieldManager=tool", config(a="9"), APPLY_PATCH)
    assert status["message"] == 'Apply failed with 1 conflict: conflict with "hand" using v1: .data.a'
    gone = await api("PATCH", f"{MAPS}/c?fieldManager=other", {"data": {"b": None}}, MERGE_PATCH)
    assert managers(gone)["hand", "Update", ""] == {"f:data": {"f:a": {}}}


async def test_a_status_that_is_patched_again_keeps_its_owner(api):
    await api("POST", WIDGETS, api.widget())
    for count in (1, 2, 3):
        path = f"{WIDGETS}/one/status?fieldManager=gateway"
        patched = await api("PATCH", path, {"status": {"count": count}}, MERGE_PATCH)
    assert managers(patched)["gateway", "Update", "status"] == {"f:status": {"f:count": {}}}


async def test_kubectl_goes_on_from_its_annotation(api):
    first = config(a="1")
    first["metadata"]["annotations"] = {LAST_APPLIED: orjson.dumps(config(a="1")).decode()}
    await api("POST", f"{MAPS}?fieldManager=kubectl-client-side-apply", first)
    _, _, status = await api.refused("PATCH", f"{MAPS}/c?fieldManager=other", config(a="2"), APPLY_PATCH)
    assert status["reason"] == "Conflict"
    applied = await api("PATCH", f"{MAPS}/c?fieldManager=kubectl", config(a="2"), APPLY_PATCH)
    assert applied["data"] == {"a": "2"}
    assert orjson.loads(applied["metadata"]["annotations"][LAST_APPLIED]) == config(a="2")
    await api("PATCH", f"{MAPS}/c?fieldManager=hand", {"data": {"a": "5"}}, MERGE_PATCH)
    _, _, status = await api.refused("PATCH", f"{MAPS}/c?fieldManager=kubectl", config(a="3"), APPLY_PATCH)
    assert 'conflict with "hand"' in status["message"]


async def test_defaults_go_with_their_parent(api):
    definition = api.definition()
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["spec"]["properties"]["box"] = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string", "default": "x"}},
    }
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.org"
    await api("PATCH", path, {"spec": definition["spec"]}, MERGE_PATCH)

    def applied(**spec):
        return {"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "one"}, "spec": spec}

    one = f"{WIDGETS}/one?fieldManager=tool"
    made = await api("PATCH", one, applied(size=1, box={"a": "1"}), APPLY_PATCH)
    assert made["spec"]["box"] == {"a": "1", "b": "x"}
    assert "box" not in (await api("PATCH", one, applied(size=1), APPLY_PATCH))["spec"]


async def test_what_does_not_fit_is_not_applied(api):
    def applied(**spec):
        return {"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "one"}, "spec": spec}

    for spec, message in (
        ({"size": "a"}, ".spec.size: expected numeric (int or float), got string"),
        ({"extra": 1}, ".spec.extra: field not declared in schema"),
        ({"tags": ["a", "a"]}, '.spec.tags: duplicate entries for key [="a"]'),
    ):
        code, _, status = await api.refused("PATCH", f"{WIDGETS}/one?fieldManager=x", applied(**spec), APPLY_PATCH)
        assert code == 500
        assert status["message"] == (
            f"failed to create typed patch object (/one; example.org/v1, Kind=Widget): {message}"
        )


async def test_managers_have_names_that_can_be_stored(api):
    assert (await api.refused("POST", f"{MAPS}?fieldManager={'m' * 129}", config()))[0] == 422
    assert (await api.refused("POST", f"{MAPS}?fieldManager=a%07", config()))[0] == 422


async def test_entries_that_cannot_be_read_are_not_taken(api):
    made = await api("POST", f"{MAPS}?fieldManager=maker", config(a="1"))
    for entries in ([{"manager": "x", "operation": "Steal"}], [1], "x", [{"operation": "Update", "fieldsV1": {}}]):
        patch = {"metadata": {"managedFields": entries}}
        response = await api.ask("PATCH", f"{MAPS}/c", orjson.dumps(patch), MERGE_PATCH)
        if response.status == 200:
            assert managers(response.content.value()) == managers(made)


def test_many_managers_are_taken_together():
    entries: list = []
    for number in range(30):
        change = Changes(set=[("f:data", f"f:k{number}")])
        entries = record(entries, change, Manager(f"m{number}", "Update", "v1"), f"2026-01-01T00:00:{number:02d}Z")
    assert len(entries) <= 12
    ancient = next(entry for entry in entries if entry["manager"] == ANCIENT)
    assert contains(ancient["fieldsV1"], ("f:data", "f:k0"))
    assert not contains(ancient["fieldsV1"], ("f:data", "f:k29"))


def test_sets_of_fields_gain_and_lose_members():
    entry = Manager("a", "Update", "v1").entry({"f:a": {".": {}, "f:b": {}}}, "")
    assert released(entry, [("f:c",)]) is entry
    assert released(entry, [("f:a",)])["fieldsV1"] == {"f:a": {"f:b": {}}}
    assert released(entry, [("f:a", "f:b")])["fieldsV1"] == {"f:a": {}}
    assert released(entry, [("f:a", "f:b"), ("f:a",)]) is None
