"""JSON and strategic merge patches, and server-side apply with its owners of fields."""

from __future__ import annotations

import orjson
import pytest

from harness.clusters.embedded import field_sets
from harness.clusters.embedded.apply import APPLY_PATCH
from harness.clusters.embedded.patches import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH

ONE = "/apis/example.org/v1/namespaces/default/widgets/one"
WIDGETS = "/apis/example.org/v1/namespaces/default/widgets"
CONFIG = "/api/v1/namespaces/default/configmaps/c"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


async def test_json_patch(api):
    await api("POST", WIDGETS, api.widget(tags=["a"]))
    patch = [
        {"op": "test", "path": "/spec/size", "value": 1},
        {"op": "replace", "path": "/spec/size", "value": 2},
        {"op": "add", "path": "/spec/tags/-", "value": "b"},
        {"op": "copy", "from": "/spec/tags", "path": "/spec/anything", "value": {}},
        {"op": "remove", "path": "/spec/anything"},
        {"op": "move", "from": "/spec/color", "path": "/spec/note"},
    ]
    patched = await api("PATCH", ONE, patch, JSON_PATCH)
    assert patched["spec"] == {"size": 2, "color": "red", "note": "red", "tags": ["a", "b"]}
    failing = [{"op": "test", "path": "/spec/size", "value": 9}, {"op": "remove", "path": "/spec/size"}]
    code, reason, status = await api.refused("PATCH", ONE, failing, JSON_PATCH)
    assert (code, reason) == (422, "Invalid")
    assert "rejected our request due to an error in our request" in status["message"]
    assert (await api.refused("PATCH", ONE, [{"op": "remove", "path": "/spec/none"}], JSON_PATCH))[0] == 422
    assert (await api.refused("PATCH", ONE, {"op": "remove"}, JSON_PATCH))[0] == 400
    assert (await api.refused("PATCH", ONE, [{"op": "dance", "path": "/spec"}], JSON_PATCH))[0] == 422
    many = [{"op": "test", "path": "/spec/size", "value": 2}] * 10_001
    assert (await api.refused("PATCH", ONE, many, JSON_PATCH))[0] == 413
    deep = [{"op": "add", "path": "/spec/anything", "value": {}}]
    deep += [{"op": "add", "path": "/spec/anything" + "/a" * depth, "value": {}} for depth in range(1, 200)]
    assert "exceeded max depth" in (await api.refused("PATCH", ONE, deep, JSON_PATCH))[2]["message"]
    assert await api("GET", ONE) == patched


async def test_patches_are_told_apart_by_their_media_type(api):
    await api("POST", WIDGETS, api.widget())
    code, reason, status = await api.refused("PATCH", ONE, {"spec": {}}, "application/json")
    assert (code, reason) == (415, "UnsupportedMediaType")
    assert "application/apply-patch+yaml" in status["message"]
    assert (await api.refused("PATCH", ONE, {"spec": {}}, STRATEGIC_PATCH))[0] == 415
    assert (await api.refused("PATCH", f"{ONE}?force=true", {"spec": {}}, MERGE_PATCH))[0] == 422
    stale = {"metadata": {"resourceVersion": "1"}, "spec": {"size": 2}}
    assert (await api.refused("PATCH", ONE, stale, MERGE_PATCH))[:2] == (409, "Conflict")


def container(name, **more):
    return {"name": name, "image": f"{name}:1", **more}


async def test_strategic_patches_merge_lists_by_their_keys(api):
    template = {
        "metadata": {"labels": {"app": "web"}, "finalizers": []},
        "spec": {"containers": [container("a", env=[{"name": "X", "value": "1"}]), container("b")]},
    }
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    await api("POST", DEPLOYMENTS, {"metadata": {"name": "web", "finalizers": ["x.io/a"]}, "spec": spec})

    async def patched(containers=None, **more):
        pod = {"containers": containers} if containers is not None else {}
        body = {"spec": {"template": {"spec": {**pod, **more}}}}
        made = await api("PATCH", f"{DEPLOYMENTS}/web", body, STRATEGIC_PATCH)
        return made["spec"]["template"]["spec"]

    pod = await patched([{"name": "a", "env": [{"name": "Y", "value": "2"}]}, {"name": "c", "image": "c:1"}])
    assert [one["name"] for one in pod["containers"]] == ["a", "c", "b"]
    assert [one["name"] for one in pod["containers"][0]["env"]] == ["Y", "X"]
    order = [{"name": "c"}, {"name": "a"}]
    pod = await patched([{"name": "b", "$patch": "delete"}], **{"$setElementOrder/containers": order})
    assert [one["name"] for one in pod["containers"]] == ["c", "a"]
    pod = await patched([{"name": "z", "image": "z:1"}, {"$patch": "replace"}])
    assert [one["name"] for one in pod["containers"]] == ["z"]
    pod = await patched(nodeSelector={"a": "1", "b": "2"})
    pod = await patched(nodeSelector={"$retainKeys": ["b"], "b": "3"})
    assert pod["nodeSelector"] == {"b": "3"}
    pod = await patched(nodeSelector={"$patch": "replace", "c": "4"})
    assert pod["nodeSelector"] == {"c": "4"}
    pod = await patched(nodeSelector={"$patch": "delete"})
    assert not pod.get("nodeSelector")
    pod = await patched(nodeSelector=None)
    assert "nodeSelector" not in pod

    async def finalizers(**patch):
        made = await api("PATCH", f"{DEPLOYMENTS}/web", {"metadata": patch}, STRATEGIC_PATCH)
        return made["metadata"]["finalizers"]

    assert await finalizers(finalizers=["x.io/b", "x.io/a"]) == ["x.io/a", "x.io/b"]
    assert await finalizers(**{"$deleteFromPrimitiveList/finalizers": ["x.io/a"]}) == ["x.io/b"]
    for wrong in (
        {"$patch": "dance"},
        {"$retainKeys": 1},
        {"spec": {"$setElementOrder/x": {}}},
        {"spec": {"template": {"spec": {"containers": [{"image": "x"}]}}}},
    ):
        assert (await api.refused("PATCH", f"{DEPLOYMENTS}/web", wrong, STRATEGIC_PATCH))[0] == 400


def config(manager="first", **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}


def owners(stored):
    """Each manager's fields, as sorted dotted paths."""
    return {
        (entry["manager"], entry["operation"], entry.get("subresource", "")): sorted(
            map(field_sets.dotted, field_sets.load(entry["fieldsV1"]))
        )
        for entry in stored["metadata"]["managedFields"]
    }


async def test_apply_creates_and_owns(api):
    response = await api.ask("PATCH", f"{CONFIG}?fieldManager=first", config(a="1", b="2"), APPLY_PATCH)
    made = orjson.loads(response.content.encode())
    assert response.status == 201
    assert owners(made) == {("first", "Apply", ""): [".data.a", ".data.b"]}
    again = await api("PATCH", f"{CONFIG}?fieldManager=first", config(a="1", b="2"), APPLY_PATCH)
    assert again == made
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: '1'}\n"
    less = await api("PATCH", f"{CONFIG}?fieldManager=first", text, APPLY_PATCH)
    assert less["data"] == {"a": "1"}
    assert owners(less) == {("first", "Apply", ""): [".data.a"]}


async def test_apply_meets_other_owners(api):
    first, second = (f"{CONFIG}?fieldManager={name}" for name in ("first", "second"))
    await api("PATCH", first, config(a="1", b="2"), APPLY_PATCH)
    both = await api("PATCH", second, config(b="2", c="3"), APPLY_PATCH)
    assert owners(both)["second", "Apply", ""] == [".data.b", ".data.c"]
    code, reason, status = await api.refused("PATCH", second, config(a="9", b="9"), APPLY_PATCH)
    assert (code, reason) == (409, "Conflict")
    assert status["message"] == ('Apply failed with 2 conflicts: conflicts with "first":\n- .data.a\n- .data.b')
    assert status["details"]["causes"][0] == {
        "reason": "FieldManagerConflict",
        "message": 'conflict with "first"',
        "field": ".data.a",
    }
    forced = await api("PATCH", f"{second}&force=true", config(a="9", b="2"), APPLY_PATCH)
    assert forced["data"] == {"a": "9", "b": "2"}
    assert owners(forced) == {("first", "Apply", ""): [".data.b"], ("second", "Apply", ""): [".data.a", ".data.b"]}
    shared = await api("PATCH", second, config(), APPLY_PATCH)
    assert shared["data"] == {"b": "2"}


async def test_updates_take_fields_over(api):
    first = f"{CONFIG}?fieldManager=first"
    await api("PATCH", first, config(a="1", b="2"), APPLY_PATCH)
    change = {"data": {"b": "5", "a": None, "n": "0"}}
    changed = await api("PATCH", f"{CONFIG}?fieldManager=hand", change, MERGE_PATCH)
    assert owners(changed) == {("hand", "Update", ""): [".data.b", ".data.n"]}
    _, _, status = await api.refused("PATCH", first, config(a="1", b="2"), APPLY_PATCH)
    assert status["message"] == 'Apply failed with 1 conflict: conflict with "hand" using v1: .data.b'
    changed["metadata"]["managedFields"] = [{}]
    cleared = await api("PUT", CONFIG, changed)
    assert "managedFields" not in cleared["metadata"]
    _, _, status = await api.refused("PATCH", first, config(b="2"), APPLY_PATCH)
    assert '"before-first-apply"' in status["message"]
    kept = await api("PATCH", first, config(b="5"), APPLY_PATCH)
    assert kept["data"] == {"b": "5", "n": "0"}


async def test_apply_knows_lists(api):
    def applied(**spec):
        return {"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "one"}, "spec": spec}

    first, second = (f"{ONE}?fieldManager={name}" for name in ("first", "second"))
    ports = [{"name": "a", "port": 1}, {"name": "b", "port": "x"}]
    await api("PATCH", first, applied(size=1, ports=ports, tags=["t"], anything={"k": [1]}), APPLY_PATCH)
    made = await api(
        "PATCH",
        second,
        applied(ports=[{"name": "b", "protocol": "UDP"}, {"name": "c"}], tags=["u", "t"]),
        APPLY_PATCH,
    )
    assert made["spec"]["ports"] == [
        {"name": "a", "port": 1, "protocol": "TCP"},
        {"name": "b", "port": "x", "protocol": "UDP"},
        {"name": "c", "protocol": "TCP"},
    ]
    assert made["spec"]["tags"] == ["t", "u"]
    assert owners(made)["second", "Apply", ""] == [
        '.spec.ports[name="b"]',
        '.spec.ports[name="b"].name',
        '.spec.ports[name="b"].protocol',
        '.spec.ports[name="c"]',
        '.spec.ports[name="c"].name',
        '.spec.tags[="t"]',
        '.spec.tags[="u"]',
    ]
    less = await api("PATCH", first, applied(size=1), APPLY_PATCH)
    assert [port["name"] for port in less["spec"]["ports"]] == ["b", "c"]
    assert less["spec"]["ports"][0] == {"name": "b", "protocol": "UDP"}
    assert less["spec"]["tags"] == ["t", "u"]
    assert "k" not in less["spec"].get("anything", {})


async def test_apply_and_the_status(api):
    given = {"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "one"}}
    status = f"{ONE}/status?fieldManager=gateway"
    assert (await api.refused("PATCH", status, given | {"status": {"count": 1}}, APPLY_PATCH))[0] == 404
    made = await api(
        "PATCH", f"{ONE}?fieldManager=first", given | {"spec": {"size": 1}, "status": {"count": 9}}, APPLY_PATCH
    )
    assert made["status"] == {"phase": "New"}
    made = await api("PATCH", status, given | {"status": {"count": 1}, "spec": {"size": 7}}, APPLY_PATCH)
    assert (made["status"]["count"], made["spec"]["size"]) == (1, 1)
    assert owners(made) == {
        ("first", "Apply", ""): [".spec.size"],
        ("gateway", "Apply", "status"): [".status.count"],
    }
    patched = await api("PATCH", f"{ONE}/status", {"status": {"count": 2}}, MERGE_PATCH)
    assert owners(patched)[
        "unknown" if ("unknown", "Update", "status") in owners(patched) else "User", "Update", "status"
    ] == [".status.count"]


@pytest.mark.parametrize(
    ("query", "change", "code", "message"),
    [
        ("", {}, 422, "fieldManager: Required value: is required for apply patch"),
        ("?fieldManager=x", {"metadata": {"name": "two"}}, 400, "does not match the name on the URL"),
        ("?fieldManager=x", {"metadata": {"managedFields": [{}]}}, 400, "metadata.managedFields must be nil"),
        ("?fieldManager=x", {"extra": 1}, 500, ".extra: field not declared in schema"),
        ("?fieldManager=x", {"kind": "Secret"}, 400, "invalid object type: /v1, Kind=Secret"),
    ],
)
async def test_configurations_that_cannot_be_applied(api, query, change, code, message):
    found = await api.refused("PATCH", CONFIG + query, config(a="1") | change, APPLY_PATCH)
    assert found[0] == code
    assert message in found[2]["message"]


async def test_a_dry_run_of_an_apply_stores_nothing(api):
    await api("PATCH", f"{CONFIG}?fieldManager=x", config(a="1"), APPLY_PATCH)
    tried = await api("PATCH", f"{CONFIG}?fieldManager=x&dryRun=All", config(a="2"), APPLY_PATCH)
    assert tried["data"] == {"a": "2"}
    assert (await api("GET", CONFIG))["data"] == {"a": "1"}


def test_field_sets_survive_their_form():
    paths = frozenset([("f:a",), ("f:l", 'k:{"n":1}'), ("f:l", 'k:{"n":1}', "f:x"), ("f:s", 'v:"y"')])
    form = field_sets.dump(paths)
    assert form == {"f:a": {}, "f:l": {'k:{"n":1}': {".": {}, "f:x": {}}}, "f:s": {'v:"y"': {}}}
    assert field_sets.load(form) == paths
    assert field_sets.load("nonsense") == frozenset()
    assert field_sets.load({"x": {}}) == frozenset()
