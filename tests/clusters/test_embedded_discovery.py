"""Discovery, OpenAPI, access reviews, and the protobuf that kubectl speaks."""

from __future__ import annotations

import struct

import orjson
import pytest

from harness.clusters.apiserver.program import version
from harness.clusters.embedded import openapi_v2, protobuf
from harness.clusters.embedded.protobuf import wire
from tests.clusters.conftest import DEFINITIONS

V2 = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"


async def test_discovery(api):
    told = await api("GET", "/version")
    assert told["gitVersion"] == f"v{version()}+wasmbed", "the version of the server that the answers are held to"
    assert f"1.{told['minor']}." in told["gitVersion"]
    assert (await api.ask("GET", "/readyz")).content.encode() == b"ok"
    assert (await api.ask("GET", "/readyz")).content.value() == b"ok"
    assert (await api("GET", "/api"))["versions"] == ["v1"]
    groups = {group["name"]: group["preferredVersion"]["version"] for group in (await api("GET", "/apis"))["groups"]}
    assert {"apps", "coordination.k8s.io", "events.k8s.io", "authorization.k8s.io", "example.org"} <= groups.keys()
    assert (await api("GET", "/apis/example.org"))["versions"] == [{"groupVersion": "example.org/v1", "version": "v1"}]
    listed = await api("GET", "/apis/example.org/v1")
    assert (listed["kind"], listed["groupVersion"]) == ("APIResourceList", "example.org/v1")
    widgets, status = listed["resources"]
    assert widgets == {
        "name": "widgets",
        "singularName": "widget",
        "namespaced": True,
        "kind": "Widget",
        "verbs": ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"],
        "storageVersionHash": widgets["storageVersionHash"],
        "shortNames": ["wd"],
        "categories": ["all"],
    }
    assert (status["name"], status["verbs"]) == ("widgets/status", ["get", "patch", "update"])
    core = {one["name"] for one in (await api("GET", "/api/v1"))["resources"]}
    assert {"namespaces", "namespaces/status", "secrets", "configmaps", "events", "services", "pods/status"} <= core
    paths = (await api("GET", "/"))["paths"]
    assert {"/apis/example.org/v1", "/openapi/v3"} <= set(paths)


async def test_openapi_3_says_what_kubectl_looks_for(api):
    index = (await api("GET", "/openapi/v3"))["paths"]
    where = index["apis/example.org/v1"]["serverRelativeURL"]
    document = await api("GET", where)
    patch = document["paths"]["/apis/example.org/v1/namespaces/{namespace}/widgets/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "example.org", "kind": "Widget", "version": "v1"}
    assert "fieldValidation" in {parameter["name"] for parameter in patch["parameters"]}
    assert "application/apply-patch+yaml" in patch["requestBody"]["content"]
    schema = document["components"]["schemas"]["org.example.v1.Widget"]
    assert schema["properties"]["spec"]["properties"]["color"]["default"] == "red"
    assert schema["properties"]["metadata"]["properties"]["labels"]
    core = await api("GET", index["api/v1"]["serverRelativeURL"])
    assert "/api/v1/namespaces/{name}" in core["paths"]
    reviews = await api("GET", index["apis/authorization.k8s.io/v1"]["serverRelativeURL"])
    assert not any("{name}" in path for path in reviews["paths"])
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.org"
    patch = [{"op": "add", "path": "/spec/versions/0/schema/openAPIV3Schema/description", "value": "changed"}]
    await api("PATCH", definitions, patch, "application/json-patch+json")
    assert (await api("GET", "/openapi/v3"))["paths"]["apis/example.org/v1"]["serverRelativeURL"] != where


def read(data):
    """The fields of a protobuf message, by number."""
    fields = {}
    for number, value in wire.fields(data):
        fields.setdefault(number, []).append(value)
    return fields


@pytest.mark.parametrize("accept", ["application/json", V2])
async def test_openapi_2_is_not_sent_again_to_who_has_it(api, accept):
    tag = (await api.ask("GET", "/openapi/v2", accept=accept)).headers["ETag"]
    answer = await api.ask("GET", "/openapi/v2", accept=accept, if_none_match=tag)
    assert (answer.status, answer.content.encode()) == (304, b"")
    await api("DELETE", f"{DEFINITIONS}/widgets.example.org")
    assert (await api.ask("GET", "/openapi/v2", accept=accept, if_none_match=tag)).status == 200


async def test_openapi_2_comes_as_json_and_as_protobuf(api):
    document = await api("GET", "/openapi/v2")
    assert document["swagger"] == "2.0"
    widget = document["definitions"]["org.example.v1.Widget"]
    assert widget["x-kubernetes-group-version-kind"] == [{"group": "example.org", "kind": "Widget", "version": "v1"}]
    assert "nullable" not in widget["properties"]["spec"]["properties"]["note"]
    assert widget["properties"]["spec"]["properties"]["ports"]["items"]["properties"]["port"] == {
        "x-kubernetes-int-or-string": True
    }
    response = await api.ask("GET", "/openapi/v2", accept=V2)
    assert response.content_type.startswith("application/com.github.proto-openapi.spec.v2.")
    encoded = read(response.content.encode())
    assert encoded[1] == [b"2.0"]
    named = {read(item)[1][0]: read(item)[2][0] for item in read(encoded[9][0])[1]}
    schema = read(named[b"org.example.v1.Widget"])
    assert read(schema[22][0])[1] == [b"object"]
    assert schema[19] == [b"spec"]
    members = [read(item)[1][0] for item in read(schema[25][0])[1]]
    assert members == [b"apiVersion", b"kind", b"spec", b"status", b"metadata"]
    extensions = {read(item)[1][0]: read(read(item)[2][0])[2][0] for item in schema[31]}
    assert orjson.loads(extensions[b"x-kubernetes-group-version-kind"])[0]["kind"] == "Widget"
    paths = [read(item) for item in read(encoded[8][0])[2]]
    assert b"/apis/example.org/v1/namespaces/{namespace}/widgets/{name}" in [path[1][0] for path in paths]


def test_every_keyword_has_its_place_in_version_2():
    schema = {
        "type": "object",
        "description": "d" * 200,
        "title": "t",
        "format": "f",
        "pattern": "p",
        "enum": [1],
        "default": {},
        "additionalProperties": {"type": "string"},
        "items": {"$ref": "#/x"},
    }
    fields = read(openapi_v2._schema(schema))
    assert (fields[2], fields[3], fields[4], fields[14]) == ([b"f"], [b"t"], [b"d" * 200], [b"p"])
    assert read(fields[5][0]) == {2: [b"{}"]}
    assert read(fields[20][0]) == {2: [b"1"]}
    assert read(read(fields[23][0])[1][0]) == {1: [b"#/x"]}
    assert read(read(openapi_v2._schema({"additionalProperties": True}))[21][0]) == {2: [1]}


async def test_access_reviews_say_yes(api):
    group = "/apis/authorization.k8s.io/v1"
    review = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
    answer = await api("POST", f"{group}/selfsubjectaccessreviews", review)
    assert answer["status"]["allowed"] is True
    assert (answer["kind"], answer["spec"]) == ("SelfSubjectAccessReview", review["spec"])
    for wrong in ({}, {"spec": {}}, []):
        assert (await api.refused("POST", f"{group}/selfsubjectaccessreviews", wrong))[0] in (400, 422)
    review["spec"]["resourceAttributes"]["namespace"] = "default"
    review["spec"]["user"] = "User"
    local = await api("POST", f"{group}/namespaces/default/localsubjectaccessreviews", review)
    assert local["status"]["allowed"] is False  # a user without rights
    rules = await api("POST", f"{group}/selfsubjectrulesreviews", {"spec": {"namespace": "default"}})
    assert rules["status"]["resourceRules"][0]["verbs"] == ["*"]
    self = await api("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    assert "system:masters" in self["status"]["userInfo"]["groups"]


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value % (1 << 64))
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def envelope(kind, message, api_version="v1"):
    about = field(1, api_version) + field(2, kind)
    return b"k8s\x00" + field(1, about) + field(2, message) + field(3, "") + field(4, "")


META = field(1, "m") + field(2, "") + field(3, "default") + field(8, b"")


async def test_objects_come_as_protobuf(api):
    async def created(path, kind, message):
        return await api("POST", path, envelope(kind, message), protobuf.PROTOBUF)

    space = "/api/v1/namespaces"
    made = await created(space, "Namespace", field(1, field(1, "n")) + field(2, b"") + field(3, b""))
    assert made["metadata"]["name"] == "n"
    pair = field(1, "k") + field(2, "v")
    made = await created(f"{space}/default/configmaps", "ConfigMap", field(1, META) + field(2, pair) + field(3, pair))
    assert (made["data"], made["binaryData"]) == ({"k": "v"}, {"k": "dg=="})
    secret = field(1, META) + field(2, pair) + field(3, "kind/x") + field(5, 1)
    made = await created(f"{space}/default/secrets", "Secret", secret)
    assert (made["data"], made["type"], made["immutable"]) == ({"k": "dg=="}, "kind/x", True)
    account = field(1, META) + field(3, field(1, "pull")) + field(4, 0)
    made = await created(f"{space}/default/serviceaccounts", "ServiceAccount", account)
    assert made["imagePullSecrets"] == [{"name": "pull"}]
    assert made["automountServiceAccountToken"] is False
    conditions = field(2, field(1, "wrong")) + field(1, -1) + field(4, "Background")
    path = f"{space}/default/secrets/m"
    code, _, _ = await api.refused("DELETE", path, envelope("DeleteOptions", conditions), protobuf.PROTOBUF)
    assert code == 409


def test_metadata_in_protobuf():
    owner = field(5, "v1") + field(1, "ConfigMap") + field(3, "o") + field(4, "u") + field(6, 1) + field(7, 0)
    label = field(1, "a") + field(2, "b")
    moment = field(1, 1_700_000_000)
    meta = META + field(7, -2) + field(8, moment) + field(11, label) + field(13, owner) + field(14, "x/y")
    assert protobuf.decode(envelope("Namespace", field(1, meta)))["metadata"] == {
        "name": "m",
        "namespace": "default",
        "generation": -2,
        "creationTimestamp": "2023-11-14T22:13:20Z",
        "labels": {"a": "b"},
        "ownerReferences": [
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "name": "o",
                "uid": "u",
                "controller": True,
                "blockOwnerDeletion": False,
            }
        ],
        "finalizers": ["x/y"],
    }


DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {
        "replicas": 0,
        "selector": {"matchLabels": {"app": "web"}},
        "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "containers": [
                    {
                        "name": "a",
                        "image": "i:1",
                        "resources": {"requests": {"cpu": "100m"}},
                        "livenessProbe": {"httpGet": {"port": "http"}, "periodSeconds": 5},
                        "env": [
                            {"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": False}}}
                        ],
                    }
                ],
                "volumes": [{"name": "e", "emptyDir": {}}, {"name": "c", "configMap": {"name": "c", "defaultMode": 0}}],
            },
        },
    },
}


async def test_objects_are_answered_listed_and_watched_in_protobuf(api):
    path = "/apis/apps/v1/namespaces/default/deployments"
    wants = f"{protobuf.PROTOBUF},application/json"
    response = await api.ask("POST", path, protobuf.encode(DEPLOYMENT), protobuf.PROTOBUF, accept=wants)
    assert (response.status, response.content_type) == (201, protobuf.PROTOBUF)
    made = protobuf.decode(response.content.encode())
    assert made == await api("GET", f"{path}/web")
    assert made["spec"]["replicas"] == 0
    assert made["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": "25%", "maxUnavailable": 0}
    assert made["spec"]["template"]["spec"]["containers"][0]["livenessProbe"]["httpGet"]["port"] == "http"
    listed = protobuf.decode((await api.ask("GET", path, accept=wants)).content.encode())
    assert listed == await api("GET", path)
    watch = await api.ask("GET", f"{path}?watch=true", accept=wants)
    assert watch.content_type == f"{protobuf.PROTOBUF};stream=watch"
    (frame,) = await watch.watcher.read()
    watch.watcher.close()
    event = read(frame[4:])
    assert (int.from_bytes(frame[:4], "big"), event[1]) == (len(frame) - 4, [b"ADDED"])
    assert protobuf.decode(read(event[2][0])[1][0]) == made
    refused = await api.ask("GET", f"{path}/nothing", accept=wants)
    assert protobuf.decode(refused.content.encode()) == (await api.refused("GET", f"{path}/nothing"))[2]


async def test_tables_and_custom_resources_have_no_protobuf(api):
    await api("POST", "/apis/example.org/v1/namespaces/default/widgets", api.widget())
    wants = f"{protobuf.PROTOBUF},application/json"
    custom = await api.ask("GET", "/apis/example.org/v1/namespaces/default/widgets", accept=wants)
    assert (custom.content_type, custom.content.value()["kind"]) == ("application/json", "WidgetList")
    table = f"{protobuf.PROTOBUF};as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1;g=meta.k8s.io"
    shown = await api.ask("GET", "/api/v1/namespaces/default/configmaps", accept=table)
    assert (shown.content_type, shown.content.value()["kind"]) == ("application/json", "Table")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"nonsense", "does not appear to be a protobuf message"),
        (b"k8s\x00" + field(1, 5), "a number stands where a message is expected"),
        (envelope("ConfigMap", b"\x0a\x05a"), "unexpected EOF"),
        (envelope("ConfigMap", b"\x0b"), "wire type 3 is not in use"),
        (envelope("ConfigMap", b"\xff" * 11), "a number is too long"),
        (envelope("ConfigMap", b"\xff"), "unexpected EOF"),
        (envelope("ConfigMap", field(1, field(7, "x"))), "bytes stand where a number is expected"),
        (envelope("ConfigMap", field(1, field(8, field(1, "x")))), "bytes stand where a number is expected"),
        (envelope("ConfigMap", field(1, field(8, field(1, 1 << 62)))), "too large to convert"),
        (envelope("ConfigMap", field(2, field(1, b"\xff"))), "can't decode byte"),
    ],
)
async def test_protobuf_that_is_not_understood(api, body, message):
    code, _, status = await api.refused("POST", "/api/v1/namespaces/default/configmaps", body, protobuf.PROTOBUF)
    assert code == 400
    assert message in status["message"]


async def test_what_has_no_protobuf_is_not_taken_in_it(api):
    body = envelope("Widget", b"", "example.org/v1")
    code, _, status = await api.refused("POST", "/api/v1/namespaces/default/configmaps", body, protobuf.PROTOBUF)
    assert (code, status["message"].partition(" in")[0]) == (415, "example.org/v1 Widget has no form")


def test_fields_of_newer_versions_are_passed_over():
    later = field(2, field(1, "k") + field(2, "v")) + field(99, "x") + b"\x4d" + struct.pack("<I", 7)
    assert protobuf.decode(envelope("ConfigMap", later))["data"] == {"k": "v"}


def test_a_definition_comes_in_protobuf_as_it_was():
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {
            "openAPIV3Schema": {
                "type": "object",
                "maximum": 1.5,
                "default": {"a": [1, None]},
                "enum": ["a", 2],
                "items": {"type": "string"},
                "additionalProperties": False,
                "properties": {"more": {"additionalProperties": {"type": "string"}, "items": [{"type": "string"}]}},
                "dependencies": {"a": ["b"], "c": {"type": "object"}},
                "x-kubernetes-validations": [{"rule": "true", "message": "never"}],
                "x-kubernetes-preserve-unknown-fields": True,
            }
        },
        "subresources": {"status": {}, "scale": {"specReplicasPath": ".a", "statusReplicasPath": ".b"}},
    }
    made = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.org"},
        "spec": {
            "group": "example.org",
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [version],
        },
    }
    assert protobuf.decode(protobuf.encode(made)) == made


def test_what_is_nested_without_end_is_refused():
    schema = b""
    for _ in range(200):
        schema = field(28, schema)
    version = field(7, field(1, "v1") + field(4, field(1, schema)))
    with pytest.raises(ValueError, match="nested more than 100 times"):
        protobuf.decode(envelope("CustomResourceDefinition", field(2, version), "apiextensions.k8s.io/v1"))
