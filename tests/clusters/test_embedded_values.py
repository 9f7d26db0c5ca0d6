"""Values as a real API server takes them: null, formats, numbers, embedded objects, and broken definitions."""

from __future__ import annotations

from typing import Any

import pytest

from harness.clusters.embedded.formats import FORMATS

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
THINGS = "/apis/example.org/v1/namespaces/default/things"


def things(spec: Any, **changes: Any) -> dict[str, Any]:
    """A definition of Things with this schema of their ``spec``; ``changes`` replace members of its one version."""
    schema = {"type": "object", "properties": {"spec": spec}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.org"},
        "spec": {
            "group": "example.org",
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [{**version, **changes}],
        },
    }


def fields(**members: Any) -> dict[str, Any]:
    return things({"type": "object", "properties": members})


def thing(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "one"}, "spec": spec}


async def test_null_goes_where_a_field_may_not_have_it(api):
    text = {"type": "string"}
    await api(
        "POST",
        DEFINITIONS,
        fields(
            plain=text,
            nullable={**text, "nullable": True},
            filled={**text, "default": "x"},
            map={"type": "object", "additionalProperties": text},
            needed={"type": "object", "required": ["a"], "properties": {"a": text}},
            items={"type": "array", "items": text},
        ),
    )
    given = thing(plain=None, nullable=None, filled=None, map={"a": None, "b": "c"})
    made = await api("POST", f"{THINGS}?dryRun=All", given)
    assert made["spec"] == {"nullable": None, "filled": "x", "map": {"b": "c"}}
    for spec, message in (
        ({"needed": {"a": None}}, "spec.needed.a: Required value"),
        ({"items": ["a", None]}, "spec.items[1]"),
    ):
        code, _, status = await api.refused("POST", THINGS, thing(**spec))
        assert code == 422
        assert message in status["message"]


async def test_whole_numbers_are_integers(api):
    await api("POST", DEFINITIONS, fields(n={"type": "integer"}, half={"type": "number", "multipleOf": 0.5}))
    text = b'{"apiVersion":"example.org/v1","kind":"Thing","metadata":{"name":"one"},"spec":{"n":2.0,"half":3.5}}'
    made = await api("POST", THINGS, text)
    assert type(made["spec"]["n"]) is int
    _, _, status = await api.refused("POST", f"{THINGS}?dryRun=All", thing(half=3))
    assert "must be positive: 0" in status["message"]  # findings/kube_openapi_cuts_the_fraction_off_multiple_of.sh


async def test_embedded_objects_are_objects(api):
    embedded = {"x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}
    await api("POST", DEFINITIONS, fields(object={"type": "object", **embedded}))
    good = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "creationTimestamp": None}, "data": {}}
    made = await api("POST", f"{THINGS}?dryRun=All", thing(object=good))
    assert made["spec"]["object"]["metadata"] == {"name": "a"}
    for change, message in (
        ({"kind": ""}, "spec.object.kind: Invalid value"),
        ({"kind": "a b"}, "may have mixed case"),
        ({"apiVersion": "a/b/c"}, "unexpected GroupVersion string: a/b/c"),
        ({"metadata": {"labels": {"a": "b c"}}}, "spec.object.metadata.labels"),
    ):
        _, _, status = await api.refused("POST", THINGS, thing(object={**good, **change}))
        assert message in status["message"]
    _, _, status = await api.refused("POST", THINGS, thing(object={}))
    assert [cause["field"] for cause in status["details"]["causes"]] == ["spec.object.apiVersion", "spec.object.kind"]


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("bsonobjectid", "507f1f77bcf86cd799439011", "507f"),
        ("cidr", "10.0.0.0/8", "10.0.0.1"),
        ("creditcard", "4111 1111 1111 1111", "4111 1111 1111 1112"),
        ("date", "2020-02-29", "2021-02-29"),
        ("date-time", "2020-01-01T00:00:00.123456Z", "2020-01-01T00:00:00"),
        ("duration", "3 hours", "10"),
        ("email", "A <a@example.org>", "a"),
        ("hexcolor", "#fff", "#ggg"),
        ("hostname", "example.org", "a_b"),
        ("ipv4", "010.0.0.1", "::1"),
        ("ipv6", "::ffff:10.0.0.1", "fe80::1%eth0"),
        ("isbn", "978-3-16-148410-0", "123"),
        ("isbn10", "316148410X", "3161484100"),
        ("k8s-long-name", "my.name", "My.name"),
        ("k8s-short-name", "my-name", "a.b"),
        ("mac", "00-00-5e-00-53-01", "00:00"),
        ("rgbcolor", "rgb(1,2,3)", "rgb(300,2,3)"),
        ("ssn", "123-45-6789", "123"),
        ("uri", "/a/b", "example"),
        ("uuid4", "123e4567-e89b-42d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174000"),
    ],
)
def test_formats(name, good, bad):
    assert FORMATS[name](good)
    assert not FORMATS[name](bad)
    assert FORMATS[name](1)


LISTED = {"type": "array", "items": {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}}
KIND, KEYS, MAP = "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type"


@pytest.mark.parametrize(
    ("schema", "field", "message"),
    [
        ({"type": "string", "pattern": "(?=a)"}, ".pattern", "invalid or unsupported Perl syntax: `(?=`"),
        ({"type": "null"}, ".type", "type cannot be set to null"),
        ({"anyOf": [{"type": "string"}], "type": "string"}, ".anyOf[0].type", "must be empty to be structural"),
        ({"type": "string", "oneOf": [{"description": "a"}]}, ".oneOf[0].description", "must be empty"),
        ({"type": "string", "not": {"nullable": True}}, ".not.nullable", "must be false to be structural"),
        ({"type": "string", "id": "a"}, ".id", "id is not supported"),
        ({"type": "string", "default": 1}, ".default", "must be of type string"),
        ({"type": "string", "enum": ["a"], "default": "b"}, ".default", 'supported values: "a"'),
        ({"type": "object", "properties": {}, "default": {"b": 1}}, ".default", "must not have unknown fields"),
        ({**LISTED, KIND: "map"}, f".{KEYS}", "must not be empty if x-kubernetes-list-type is map"),
        ({**LISTED, KIND: "map", KEYS: ["b"]}, f".{KEYS}", "entries must all be names of item properties"),
        ({**LISTED, KIND: "map", KEYS: ["a", "a"]}, f".{KEYS}", "must not contain duplicate entries"),
        ({**LISTED, KIND: "set"}, f".items.{MAP}", "must be atomic as item of a list"),
        ({**LISTED, KIND: "bag"}, f".{KIND}", 'supported values: "atomic", "set", "map"'),
        ({**LISTED, KEYS: ["a"]}, f".{KIND}", "must be map if x-kubernetes-list-map-keys is non-empty"),
        ({"type": "object", KIND: "set"}, ".type", "must be array if x-kubernetes-list-type is specified"),
        ({"type": "string", MAP: "atomic"}, ".type", "must be object if x-kubernetes-map-type is specified"),
        ({"type": "object", "x-kubernetes-embedded-resource": True}, ".properties", "must not be empty if"),
        ({"type": "object", "x-kubernetes-preserve-unknown-fields": False}, ".x-kubernetes-preserve-unknown-fields",
         "must be true or undefined"),
    ],
)  # fmt: skip
async def test_schemas_that_a_definition_is_refused_for(api, schema, field, message):
    code, _, status = await api.refused("POST", DEFINITIONS, things(schema))
    assert code == 422
    where = f"spec.validation.openAPIV3Schema.properties[spec]{field}"
    assert any(message in cause["message"] for cause in status["details"]["causes"] if cause["field"] == where)


@pytest.mark.parametrize(
    ("version", "field"),
    [
        ({"subresources": {"scale": {}}}, "spec.subresources.scale.specReplicasPath"),
        (
            {"subresources": {"scale": {"specReplicasPath": ".a", "statusReplicasPath": ".status.a"}}},
            "spec.subresources.scale.specReplicasPath",
        ),
        ({"selectableFields": [{"jsonPath": ".spec.list"}]}, "spec.selectableFields[0].jsonPath"),
        ({"selectableFields": [{"jsonPath": ".spec.none"}]}, "spec.selectableFields[0].jsonPath"),
        ({"selectableFields": [{"jsonPath": ".spec.a"}] * 2}, "spec.selectableFields[1].jsonPath"),
        ({"deprecationWarning": "a"}, "spec.versions[0].deprecationWarning"),
        ({"name": "V1"}, "spec.versions[0].name"),
        ({"additionalPrinterColumns": [{"name": "a", "type": "string", "jsonPath": "a"}]},
         "spec.additionalPrinterColumns[0].JSONPath"),
    ],
)  # fmt: skip
async def test_versions_that_a_definition_is_refused_for(api, version, field):
    spec = {"type": "object", "properties": {"a": {"type": "string"}, "list": LISTED}}
    code, _, status = await api.refused("POST", DEFINITIONS, things(spec, **version))
    assert code == 422
    assert field in {cause["field"] for cause in status["details"]["causes"]}


async def test_unknown_formats_are_warned_of(api):
    response = await api.ask("POST", DEFINITIONS, fields(a={"type": "string", "format": "odd", "const": 1}))
    path = "spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.a.const"
    assert response.warnings == [f'unknown field "{path}"', 'unrecognized format "odd"']


async def test_definitions_that_only_look_wrong_are_taken(api):
    columns = [{"name": "a", "type": "string", "jsonPath": ".spec['a"}]
    await api("POST", DEFINITIONS, things({"type": "object"}, additionalPrinterColumns=columns))
    table = await api.ask("GET", THINGS, accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert table.status == 200
