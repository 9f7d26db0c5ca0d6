"""How objects end: finalizers, owners, namespaces, resource types; and CustomResourceDefinitions while they last."""

from __future__ import annotations

import pytest

from harness.clusters.embedded.patches import JSON_PATCH, MERGE_PATCH

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.org/v1/namespaces/default/widgets"
NAMESPACES = "/api/v1/namespaces"
CONFIG_MAPS = f"{NAMESPACES}/default/configmaps"


async def test_deleting_answers_with_a_status(api):
    made = await api("POST", WIDGETS, api.widget())
    answer = await api("DELETE", f"{WIDGETS}/one")
    assert answer["status"] == "Success"
    assert answer["details"] == {
        "name": "one",
        "group": "example.org",
        "kind": "widgets",
        "uid": made["metadata"]["uid"],
    }
    assert (await api.refused("DELETE", f"{WIDGETS}/one"))[:2] == (404, "NotFound")


async def test_finalizers_hold_an_object(api):
    given = api.widget()
    given["metadata"]["finalizers"] = ["x.io/a", "x.io/b"]
    await api("POST", WIDGETS, given)
    watch = await api.ask("GET", f"{WIDGETS}?watch=1&resourceVersion={api.server.version}")
    marked = await api("DELETE", f"{WIDGETS}/one")
    assert marked["metadata"]["deletionTimestamp"] == "2023-11-14T22:13:20Z"
    assert (marked["metadata"]["generation"], marked["metadata"]["deletionGracePeriodSeconds"]) == (2, 0)
    assert await api("DELETE", f"{WIDGETS}/one") == marked
    code, _, status = await api.refused(
        "PATCH", f"{WIDGETS}/one", {"metadata": {"finalizers": ["x.io/a", "x.io/c"]}}, MERGE_PATCH
    )
    assert code == 422
    assert 'found new finalizers []string{"x.io/c"}' in status["message"]
    left = await api("PATCH", f"{WIDGETS}/one", {"metadata": {"finalizers": ["x.io/b"]}}, MERGE_PATCH)
    assert left["metadata"]["deletionTimestamp"]
    await api("PATCH", f"{WIDGETS}/one", [{"op": "remove", "path": "/metadata/finalizers"}], JSON_PATCH)
    assert (await api.refused("GET", f"{WIDGETS}/one"))[0] == 404
    assert [line["type"] for line in await api.lines(watch)] == ["MODIFIED", "MODIFIED", "DELETED"]


async def test_preconditions_of_a_deletion(api):
    made = await api("POST", WIDGETS, api.widget())
    for wrong in ({"dryRun": -1}, {"preconditions": "x"}, {"preconditions": {"uid": 1}}, [], "x"):
        assert (await api.refused("DELETE", f"{WIDGETS}/one", wrong))[:2] == (400, "BadRequest")
    for conditions, text in (({"uid": "x"}, "the UID in the precondition (x)"), ({"resourceVersion": "1"}, "1")):
        code, reason, status = await api.refused("DELETE", f"{WIDGETS}/one", {"preconditions": conditions})
        assert (code, reason) == (409, "Conflict")
        assert text in status["message"]
    assert (await api.refused("DELETE", f"{WIDGETS}/one", {"propagationPolicy": "Never"}))[0] == 422
    conditions = {name: made["metadata"][name] for name in ("uid", "resourceVersion")}
    await api("DELETE", f"{WIDGETS}/one", {"preconditions": conditions})


async def test_deleting_a_collection(api):
    for name, color in (("a", "red"), ("b", "green"), ("c", "red")):
        await api("POST", WIDGETS, api.widget(name, color=color))
    gone = await api("DELETE", f"{WIDGETS}?fieldSelector=spec.color=red")
    assert [item["metadata"]["name"] for item in gone["items"]] == ["a", "c"]
    assert [item["metadata"]["name"] for item in (await api("GET", WIDGETS))["items"]] == ["b"]
    assert (await api("DELETE", WIDGETS))["kind"] == "WidgetList"


def owned(name, *owners, blocking=False):
    references = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
        | ({"blockOwnerDeletion": True} if blocking else {})
        for owner in owners
    ]
    return {"metadata": {"name": name, "ownerReferences": references}}


async def names(api, path=CONFIG_MAPS):
    return [item["metadata"]["name"] for item in (await api("GET", path))["items"]]


async def test_dependents_go_with_their_last_owner(api):
    first, second = [await api("POST", CONFIG_MAPS, {"metadata": {"name": name}}) for name in ("first", "second")]
    await api("POST", CONFIG_MAPS, owned("both", first, second))
    child = await api("POST", CONFIG_MAPS, owned("child", first))
    await api("POST", CONFIG_MAPS, owned("grandchild", child))
    await api("DELETE", f"{CONFIG_MAPS}/first")
    assert await names(api) == ["both", "second"]
    both = await api("GET", f"{CONFIG_MAPS}/both")
    assert [owner["name"] for owner in both["metadata"]["ownerReferences"]] == ["second"]
    await api("DELETE", f"{CONFIG_MAPS}/second")
    assert await names(api) == []


async def test_what_comes_without_any_owner_alive_goes_again(api):
    gone = await api("POST", CONFIG_MAPS, {"metadata": {"name": "gone"}})
    await api("DELETE", f"{CONFIG_MAPS}/gone")
    await api("POST", CONFIG_MAPS, owned("late", gone))
    assert await names(api) == []


async def test_orphans_stay(api):
    owner = await api("POST", CONFIG_MAPS, {"metadata": {"name": "owner"}})
    await api("POST", CONFIG_MAPS, owned("child", owner))
    await api("DELETE", f"{CONFIG_MAPS}/owner?propagationPolicy=Orphan")
    assert "ownerReferences" not in (await api("GET", f"{CONFIG_MAPS}/child"))["metadata"]
    owner = await api("POST", CONFIG_MAPS, {"metadata": {"name": "owner"}})
    await api("POST", CONFIG_MAPS, owned("other", owner))
    await api("DELETE", f"{CONFIG_MAPS}/owner", {"orphanDependents": True})
    assert await names(api) == ["child", "other"]


async def test_dependents_go_first_in_the_foreground(api):
    owner = await api("POST", CONFIG_MAPS, {"metadata": {"name": "owner", "finalizers": ["x.io/a"]}})
    child = owned("child", owner, blocking=True)
    child["metadata"]["finalizers"] = ["x.io/b"]
    await api("POST", CONFIG_MAPS, child)
    await api("POST", CONFIG_MAPS, owned("easy", owner))
    marked = await api("DELETE", f"{CONFIG_MAPS}/owner", {"propagationPolicy": "Foreground"})
    assert marked["metadata"]["finalizers"] == ["x.io/a", "foregroundDeletion"]
    assert await names(api) == ["child", "owner"]
    await api("PATCH", f"{CONFIG_MAPS}/child", {"metadata": {"finalizers": None}}, MERGE_PATCH)
    assert (await api("GET", f"{CONFIG_MAPS}/owner"))["metadata"]["finalizers"] == ["x.io/a"]
    await api("PATCH", f"{CONFIG_MAPS}/owner", {"metadata": {"finalizers": None}}, MERGE_PATCH)
    owner = await api("POST", CONFIG_MAPS, {"metadata": {"name": "owner"}})
    await api("POST", CONFIG_MAPS, owned("child", owner, blocking=True))
    await api("DELETE", f"{CONFIG_MAPS}/owner", {"propagationPolicy": "Foreground"})
    assert await names(api) == []


async def test_an_object_without_dependents_is_there_for_the_answer_in_the_foreground(api):
    made = await api("POST", CONFIG_MAPS, {"metadata": {"name": "alone"}})
    watch = await api.ask("GET", f"{CONFIG_MAPS}?watch=1&resourceVersion={made['metadata']['resourceVersion']}")
    answer = await api("DELETE", f"{CONFIG_MAPS}/alone", {"propagationPolicy": "Foreground"})
    assert (answer["kind"], answer["metadata"]["finalizers"]) == ("ConfigMap", ["foregroundDeletion"])
    assert answer["metadata"]["deletionTimestamp"]
    assert await names(api) == []
    assert [line["type"] for line in await api.lines(watch)] == ["MODIFIED", "DELETED"]


async def test_a_namespace_takes_its_contents_along(api):
    made = await api("POST", NAMESPACES, {"metadata": {"name": "n"}})
    assert (made["status"], made["spec"]) == ({"phase": "Active"}, {"finalizers": ["kubernetes"]})
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "n"}
    await api("POST", f"{NAMESPACES}/n/configmaps", {"metadata": {"name": "c"}})
    await api("POST", WIDGETS.replace("default", "n"), api.widget())
    watch = await api.ask("GET", f"{NAMESPACES}?watch=1&resourceVersion={api.server.version}")
    answer = await api("DELETE", f"{NAMESPACES}/n")
    assert answer["status"]["phase"] == "Terminating"
    assert (await api.refused("GET", f"{NAMESPACES}/n"))[0] == 404
    assert await names(api, "/api/v1/configmaps") == []
    assert [line["type"] for line in await api.lines(watch)] == ["MODIFIED", "DELETED"]
    await api("POST", NAMESPACES, {"metadata": {"name": "n"}})


async def test_a_namespace_waits_for_what_is_held(api):
    await api("POST", NAMESPACES, {"metadata": {"name": "n"}})
    inside = WIDGETS.replace("default", "n")
    given = api.widget()
    given["metadata"]["finalizers"] = ["x.io/a"]
    await api("POST", inside, given)
    await api("DELETE", f"{NAMESPACES}/n")
    assert (await api("GET", f"{NAMESPACES}/n"))["status"]["phase"] == "Terminating"
    code, reason, status = await api.refused("POST", inside, api.widget("two"))
    assert (code, reason) == (403, "Forbidden")
    assert status["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    await api("PATCH", f"{inside}/one", {"metadata": {"finalizers": []}}, MERGE_PATCH)
    assert (await api.refused("GET", f"{NAMESPACES}/n"))[0] == 404


async def test_a_namespace_may_be_held_itself(api):
    await api("POST", NAMESPACES, {"metadata": {"name": "n", "finalizers": ["x.io/a"]}})
    await api("DELETE", f"{NAMESPACES}/n")
    assert (await api("GET", f"{NAMESPACES}/n"))["status"]["phase"] == "Terminating"
    await api("PATCH", f"{NAMESPACES}/n", {"metadata": {"finalizers": None}}, MERGE_PATCH)
    assert (await api.refused("GET", f"{NAMESPACES}/n"))[0] == 404
    for name in ("default", "kube-system"):
        assert (await api.refused("DELETE", f"{NAMESPACES}/{name}"))[:2] == (403, "Forbidden")
    assert (await api.refused("POST", NAMESPACES, {"metadata": {"name": "a.b"}}))[0] == 422
    assert (await api.refused("POST", f"{NAMESPACES}/default/services", {"metadata": {"name": "1a"}}))[0] == 422


async def test_a_definition_is_served_at_once_and_says_so(api):
    made = await api("GET", f"{DEFINITIONS}/widgets.example.org")
    assert made["spec"]["names"] | {"singular": "widget", "listKind": "WidgetList"} == made["spec"]["names"]
    conditions = {one["type"]: one["status"] for one in made["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    assert made["status"]["storedVersions"] == ["v1"]
    await api.clock.advance(5)
    again = await api("PATCH", f"{DEFINITIONS}/widgets.example.org/status", {"status": {}}, MERGE_PATCH)
    assert again == made


async def test_a_definition_changes_what_is_served(api):
    await api("POST", WIDGETS, api.widget())
    path = f"{DEFINITIONS}/widgets.example.org"
    changed = api.definition()
    schema = changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema = {**schema, "properties": {**schema["properties"], "extra": {"type": "string"}}}
    version = {**changed["spec"]["versions"][0], "schema": {"openAPIV3Schema": schema}}
    second = {**version, "name": "v2", "storage": False}
    await api("PATCH", path, {"spec": {"versions": [version, second]}}, MERGE_PATCH)
    await api("PATCH", f"{WIDGETS}/one", {"extra": "x"}, MERGE_PATCH)
    newer = WIDGETS.replace("v1", "v2")
    found = await api("GET", f"{newer}/one")
    assert (found["apiVersion"], found["extra"]) == ("example.org/v2", "x")
    put = await api("PATCH", f"{newer}/one", {"spec": {"size": 3}}, MERGE_PATCH)
    assert put["apiVersion"] == "example.org/v2"
    assert (await api("GET", f"{WIDGETS}/one"))["spec"]["size"] == 3
    groups = await api("GET", "/apis/example.org")
    assert [one["version"] for one in groups["versions"]] == ["v2", "v1"]
    watch = await api.ask("GET", f"{newer}?watch=1")
    assert (await api.lines(watch))[0]["object"]["apiVersion"] == "example.org/v2"
    await api("PATCH", path, {"spec": {"versions": [version]}}, MERGE_PATCH)
    assert (await api.refused("GET", newer))[0] == 404


async def test_a_definition_takes_its_objects_along(api):
    held = api.widget("held")
    held["metadata"]["finalizers"] = ["x.io/a"]
    await api("POST", WIDGETS, held)
    await api("POST", WIDGETS, api.widget())
    watch = await api.ask("GET", f"{WIDGETS}?watch=1&resourceVersion={api.server.version}")
    path = f"{DEFINITIONS}/widgets.example.org"
    marked = await api("DELETE", path)
    assert marked["status"]["conditions"][-1]["type"] == "Terminating"
    assert await names(api, WIDGETS) == ["held"]
    assert (await api.refused("POST", WIDGETS, api.widget("two")))[:2] == (403, "Forbidden")
    await api("PATCH", f"{WIDGETS}/held", {"metadata": {"finalizers": None}}, MERGE_PATCH)
    assert (await api.refused("GET", path))[0] == 404
    assert (await api.refused("GET", WIDGETS))[0] == 404
    assert [line["type"] for line in await api.lines(watch)] == ["MODIFIED", "DELETED", "DELETED"]
    await api.clock.advance(0.9)
    assert await api.lines(watch) == [], "a client takes a watch that ends within a second for broken"
    await api.clock.advance(0.2)
    assert await api.lines(watch) == ["END"]
    old = api.server.version
    await api("POST", DEFINITIONS, api.definition())
    await api("POST", WIDGETS, api.widget("new"))
    watch = await api.ask("GET", f"{WIDGETS}?watch=1&resourceVersion={old - 2}")
    assert (await api.lines(watch))[0]["object"]["code"] == 410
    await api("PATCH", path, {"metadata": {"finalizers": ["x.io/a"]}}, MERGE_PATCH)
    await api("DELETE", path)
    await api("PATCH", path, {"metadata": {"finalizers": None}}, MERGE_PATCH)
    assert (await api.refused("GET", path))[0] == 404


async def test_a_kind_that_is_taken_is_not_served(api):
    other = api.definition()
    other["metadata"]["name"] = "gadgets.example.org"
    other["spec"]["names"] = {"plural": "gadgets", "kind": "Widget"}
    made = await api("POST", DEFINITIONS, other)
    assert made["status"] == {
        "conditions": None,
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": ["v1"],
    }
    made = await api("GET", f"{DEFINITIONS}/gadgets.example.org")
    assert {one["type"]: one["status"] for one in made["status"]["conditions"]} == {
        "NamesAccepted": "False",
        "Established": "False",
    }
    assert (await api.refused("GET", WIDGETS.replace("widgets", "gadgets")))[0] == 404


async def test_definitions_that_are_wrong_or_ask_for_what_is_not_there(api):
    def with_schema(**members):
        schema = {"type": "object", "properties": {"spec": {"type": "object", **members}}}
        return {"versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}]}

    base = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
    cases = [
        ({"group": "org"}, "spec.group", "FieldValueInvalid"),
        ({"scope": "World"}, "spec.scope", "FieldValueNotSupported"),
        ({"conversion": {"strategy": "Magic"}}, "spec.conversion.strategy", "FieldValueNotSupported"),
        ({"conversion": {"strategy": "Webhook"}}, "spec.conversion.webhookClientConfig", "FieldValueRequired"),
        ({"preserveUnknownFields": True}, "spec.preserveUnknownFields", "FieldValueInvalid"),
        ({"names": {"plural": "others", "kind": "Widget"}}, "metadata.name", "FieldValueInvalid"),
        ({"versions": [{**base, "storage": False}]}, "spec.versions", "FieldValueInvalid"),
        ({"versions": [base, {**base, "storage": False}]}, "spec.versions", "FieldValueInvalid"),
        ({"versions": [{**base, "name": "V 1"}]}, "spec.versions[0].name", "FieldValueInvalid"),
        ({"versions": [{**base, "schema": {}}]}, "spec.versions[0].schema.openAPIV3Schema", "FieldValueRequired"),
        (
            {"versions": [{**base, "schema": {"openAPIV3Schema": {"type": "array", "items": {"type": "string"}}}}]},
            "spec.validation.openAPIV3Schema.type",
            "FieldValueInvalid",
        ),
        (
            {"versions": [{**base, "additionalPrinterColumns": [{"name": "x", "type": "word", "jsonPath": "a"}]}]},
            "spec.additionalPrinterColumns[0].JSONPath",
            "FieldValueInvalid",
        ),
        (
            {"versions": [{**base, "selectableFields": [{"jsonPath": ".a[0]"}]}]},
            "spec.selectableFields[0].jsonPath",
            "FieldValueInvalid",
        ),
    ]
    where = "spec.validation.openAPIV3Schema.properties[spec]"
    cases += [
        (with_schema(type="word"), f"{where}.type", "FieldValueNotSupported"),
        (with_schema(properties={"a": {}}), f"{where}.properties[a].type", "FieldValueRequired"),
        (
            with_schema(**{"x-kubernetes-validations": [{"rule": "self.a =="}]}),
            f"{where}.x-kubernetes-validations[0].rule",
            "FieldValueInvalid",
        ),
        (with_schema(uniqueItems=True), f"{where}.uniqueItems", "FieldValueForbidden"),
        (
            with_schema(properties={"a": {"type": "string", "pattern": "["}}),
            f"{where}.properties[a].pattern",
            "FieldValueInvalid",
        ),
        (with_schema(properties={"a": {"type": "array"}}), f"{where}.properties[a].items", "FieldValueRequired"),
        (
            with_schema(
                properties={"a": {"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "map"}}
            ),
            f"{where}.properties[a].x-kubernetes-list-map-keys",
            "FieldValueRequired",
        ),
        (
            with_schema(properties={"a": {"type": "string"}}, additionalProperties={"type": "string"}),
            f"{where}.additionalProperties",
            "FieldValueForbidden",
        ),
        (with_schema(oneOf=[{"pattern": "["}]), f"{where}.oneOf[0].pattern", "FieldValueInvalid"),
        (with_schema(**{"not": {"pattern": "["}}), f"{where}.not.pattern", "FieldValueInvalid"),
    ]

    await api("DELETE", f"{DEFINITIONS}/widgets.example.org")
    for change, field, reason in cases:
        given = api.definition()
        given["spec"] |= change
        code, _, status = await api.refused("POST", DEFINITIONS, given)
        causes = {cause["field"]: cause["reason"] for cause in status["details"]["causes"]}
        assert (code, causes.get(field)) == (422, reason), (field, causes)
    for form in ({"minimum": "1"}, {"properties": {"a": 1}}, {"anyOf": ["x"]}, {"required": [1]}):
        given = api.definition()
        given["spec"] |= with_schema(**form)
        code, _, status = await api.refused("POST", DEFINITIONS, given)
        assert code == 400
        assert "json: cannot unmarshal" in status["message"]
    await api("POST", DEFINITIONS, api.definition())
    for change in ({"scope": "Cluster"}, {"group": "other.org"}, {"names": {"kind": "Gadget"}}):
        path = f"{DEFINITIONS}/widgets.example.org"
        assert "field is immutable" in (await api.refused("PATCH", path, {"spec": change}, MERGE_PATCH))[2]["message"]


async def test_a_definition_may_serve_no_version(api):
    await api("DELETE", f"{DEFINITIONS}/widgets.example.org")
    given = api.definition(served=False)
    await api("POST", DEFINITIONS, given)
    assert (await api.ask("GET", WIDGETS)).status == 404
    await api("DELETE", f"{DEFINITIONS}/widgets.example.org")


async def test_cluster_scoped_types(api):
    definition = api.definition()
    definition["metadata"]["name"] = "worlds.example.org"
    definition["spec"] |= {"scope": "Cluster", "names": {"plural": "worlds", "kind": "World"}}
    await api("POST", DEFINITIONS, definition)
    world = api.widget() | {"kind": "World"}
    world["metadata"]["namespace"] = "ignored"
    made = await api("POST", "/apis/example.org/v1/worlds", world)
    assert "namespace" not in made["metadata"]
    assert await names(api, "/apis/example.org/v1/worlds") == ["one"]
    assert (await api.refused("GET", "/apis/example.org/v1/namespaces/default/worlds"))[0] == 404
    await api("DELETE", "/apis/example.org/v1/worlds/one")


@pytest.mark.parametrize("column", [{"name": "x", "type": "word", "jsonPath": ".a"}])
async def test_column_types_are_checked(api, column):
    path = f"{DEFINITIONS}/widgets.example.org"
    version = {**api.definition()["spec"]["versions"][0], "additionalPrinterColumns": [column]}
    _, _, status = await api.refused("PATCH", path, {"spec": {"versions": [version]}}, MERGE_PATCH)
    assert "must be one of boolean,date,integer,number,string" in status["message"]
