"""Creating, reading, changing and deleting objects, and what is said of requests that are wrong."""

from __future__ import annotations

import orjson
import pytest

from harness.clusters.embedded.patches import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH

WIDGETS = "/apis/example.org/v1/namespaces/default/widgets"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
SECRETS = "/api/v1/namespaces/default/secrets"


async def test_a_created_object_gets_its_metadata_and_defaults(api):
    response = await api.ask("POST", WIDGETS, api.widget())
    made = orjson.loads(response.content.encode())
    assert response.status == 201
    (owner,) = made["metadata"].pop("managedFields")
    assert (owner["operation"], owner["time"]) == ("Update", "2023-11-14T22:13:20Z")
    assert owner["fieldsV1"] == {"f:spec": {".": {}, "f:color": {}, "f:size": {}}}
    assert made["metadata"] | {"uid": "", "resourceVersion": ""} == {
        "name": "one",
        "namespace": "default",
        "uid": "",
        "resourceVersion": "",
        "generation": 1,
        "creationTimestamp": "2023-11-14T22:13:20Z",
    }
    assert made["spec"] == {"size": 1, "color": "red"}
    assert made["status"] == {"phase": "New"}
    made["metadata"]["managedFields"] = [owner]
    assert await api("GET", f"{WIDGETS}/one") == made
    assert await api("GET", f"{WIDGETS}/one/status") == made


async def test_fields_that_are_there_twice(api):
    about = '"apiVersion":"example.org/v1","kind":"Widget","metadata":{"name":"one"}'
    body = ("{" + about + ',"spec":{"size":1,"tags":[],"size":2,"anything":{"a":1,"a":2}}}').encode()
    said = ['duplicate field "spec.size"', 'duplicate field "spec.anything.a"']
    assert (await api.ask("POST", f"{WIDGETS}?dryRun=All", body)).warnings == said
    _, _, status = await api.refused("POST", f"{WIDGETS}?fieldValidation=Strict", body)
    assert status["message"].endswith(f"strict decoding error: {', '.join(said)}")
    assert (await api.ask("POST", f"{WIDGETS}?fieldValidation=Ignore", body)).warnings == []


async def test_metadata_that_only_the_server_sets_is_not_taken(api):
    given = api.widget()
    given["metadata"] |= {
        "uid": "mine",
        "generation": 9,
        "creationTimestamp": None,
        "deletionTimestamp": "2020-01-01T00:00:00Z",
        "selfLink": "/x",
        "labels": {},
    }
    made = await api("POST", WIDGETS, given)
    assert made["metadata"]["uid"] != "mine"
    assert made["metadata"]["generation"] == 1
    assert not {"deletionTimestamp", "selfLink", "labels"} & made["metadata"].keys()
    made["metadata"] |= {"creationTimestamp": "2020-01-01T00:00:00Z", "deletionTimestamp": "2020-01-01T00:00:00Z"}
    put = await api("PUT", f"{WIDGETS}/one", made)
    assert put["metadata"]["creationTimestamp"] == "2023-11-14T22:13:20Z"
    assert "deletionTimestamp" not in put["metadata"]


@pytest.mark.parametrize(
    ("change", "code", "reason", "message"),
    [
        ({"kind": ""}, 400, "BadRequest", "Object 'Kind' is missing"),
        ({"kind": "Gadget"}, 422, "Invalid", "must be Widget"),
        ({"apiVersion": "example.org/v2"}, 400, "BadRequest", "does not match the expected API version"),
        ({"metadata": "x"}, 400, "BadRequest", "json: cannot unmarshal string into Go struct field Widget.metadata"),
        (
            {"metadata": {"name": 5}},
            400,
            "BadRequest",
            "json: cannot unmarshal number into Go struct field ObjectMeta.name",
        ),
        (
            {"metadata": {"name": "one", "namespace": "other"}},
            400,
            "BadRequest",
            "the namespace of the provided object",
        ),
        (
            {"metadata": {"name": "one", "resourceVersion": "5"}},
            500,
            "",
            "should not be set on objects to be",
        ),
        ({"metadata": {}}, 422, "Invalid", "name or generateName is required"),
        ({"metadata": {"name": "One"}}, 422, "Invalid", "a lowercase RFC 1123 subdomain must consist of"),
        ({"metadata": {"name": "a" * 254}}, 422, "Invalid", "must be no more than 253 characters"),
        ({"metadata": {"name": "one", "labels": {"a b": "c"}}}, 422, "Invalid", "metadata.labels: Invalid value"),
        (
            {"metadata": {"name": "one", "labels": {"a": "c d"}}},
            422,
            "Invalid",
            "a valid label must be an empty string",
        ),
        ({"metadata": {"name": "one", "labels": {"a": "c" * 64}}}, 422, "Invalid", "no more than 63 characters"),
        ({"metadata": {"name": "one", "labels": {"A/b": "c"}}}, 422, "Invalid", "prefix part a lowercase"),
        ({"metadata": {"name": "one", "labels": {"a": 1}}}, 422, "Invalid", 'must be of type string: "integer"'),
        ({"metadata": {"name": "one", "annotations": {"a b": "c"}}}, 422, "Invalid", "metadata.annotations"),
        ({"metadata": {"name": "one", "annotations": {"a": "c" * 300_000}}}, 422, "Invalid", "Too long: may not be"),
        ({"metadata": {"name": "one", "finalizers": ["a b"]}}, 422, "Invalid", "metadata.finalizers"),
        ({"metadata": {"name": "one", "ownerReferences": [{"uid": "1"}]}}, 422, "Invalid", "must not be empty"),
    ],
)
async def test_objects_that_are_not_right_are_refused(api, change, code, reason, message):
    found = await api.refused("POST", WIDGETS, api.widget() | change)
    assert found[:2] == (code, reason)
    assert message in found[2]["message"]


async def test_owners_are_checked(api):
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u", "controller": True}
    given = api.widget()
    given["metadata"]["ownerReferences"] = [owner, owner | {"uid": "v", "name": ""}]
    _, _, status = await api.refused("POST", WIDGETS, given)
    assert "Only one reference can have Controller set to true" in status["message"]
    assert 'metadata.ownerReferences.name: Invalid value: "": must not be empty' in status["message"]


async def test_refusals_say_what_they_are_about(api):
    await api("POST", WIDGETS, api.widget())
    code, reason, status = await api.refused("POST", WIDGETS, api.widget())
    assert (code, reason) == (409, "AlreadyExists")
    assert status["message"] == 'widgets.example.org "one" already exists'
    assert status["details"] == {"name": "one", "group": "example.org", "kind": "widgets"}
    code, reason, status = await api.refused("GET", f"{WIDGETS}/two")
    assert (code, reason, status["message"]) == (404, "NotFound", 'widgets.example.org "two" not found')
    code, reason, status = await api.refused("POST", WIDGETS.replace("default", "nowhere"), api.widget())
    assert (code, status["message"]) == (404, 'namespaces "nowhere" not found')
    code, reason, status = await api.refused("PUT", f"{WIDGETS}/two", api.widget("two"))
    assert (code, reason) == (404, "NotFound")


@pytest.mark.parametrize(
    ("method", "path", "code", "reason"),
    [
        ("GET", "/apis/example.org/v1/namespaces/default/gadgets", 404, "NotFound"),
        ("GET", "/apis/example.org/v2/namespaces/default/widgets", 404, ""),
        ("GET", "/apis/nowhere.org", 404, ""),
        ("GET", "/apis/nowhere.org/v1", 404, ""),
        ("GET", "/openapi/v3/apis/nowhere.org/v1", 404, "NotFound"),
        ("GET", "/nonsense", 404, ""),
        ("GET", f"{WIDGETS}/one/scale", 404, "NotFound"),
        ("GET", f"{WIDGETS}/one/status/more", 404, "NotFound"),
        ("GET", "/apis/example.org/v1/widgets/one", 404, "NotFound"),
        ("GET", "/api/v1/namespaces/default/namespaces", 404, "NotFound"),
        ("POST", "/apis/example.org/v1/widgets", 400, "BadRequest"),
        ("POST", f"{WIDGETS}/one", 400, "BadRequest"),
        ("PUT", WIDGETS, 400, "BadRequest"),
        ("DELETE", f"{WIDGETS}/one/status", 405, "MethodNotAllowed"),
        ("POST", "/version", 405, "MethodNotAllowed"),
        ("HEAD", WIDGETS, 405, "MethodNotAllowed"),
        ("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", 405, "MethodNotAllowed"),
        ("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews/x", 405, "MethodNotAllowed"),
        ("PUT", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews/x", 400, "BadRequest"),
    ],
)
async def test_paths_and_methods_that_there_are_not(api, method, path, code, reason):
    assert (await api.refused(method, path))[:2] == (code, reason)


@pytest.mark.parametrize(
    ("body", "media", "code"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"", "application/json", 400),
        (b"[" * 5000 + b"]" * 5000, "application/json", 400),
        (b'{"metadata":' * 200 + b"1" + b"}" * 200, "application/json", 400),
        (b"{a: " * 200 + b"}" * 200, "application/yaml", 400),
        (b"a: [", "application/yaml", 400),
        (b"when: 2020-01-01\n? [a]\n: b", "application/yaml", 400),
        (b"hello", "text/plain", 415),
        (b"{}", "application/cbor", 415),
        (b" " * 10_001, "application/json", 413),
    ],
)
@pytest.mark.settings(body_limit=10_000)
async def test_bodies_that_cannot_be_read(api, body, media, code):
    assert (await api.refused("POST", WIDGETS, body, media))[0] == code


async def test_a_body_may_be_yaml(api):
    text = b"apiVersion: example.org/v1\nkind: Widget\nmetadata: {name: one}\nspec: {size: 2}\n"
    assert (await api("POST", WIDGETS, text, "application/yaml"))["spec"]["size"] == 2


async def test_accept_decides_what_comes(api):
    await api("POST", WIDGETS, api.widget())
    response = await api.ask("GET", f"{WIDGETS}/one", accept="application/vnd.kubernetes.protobuf")
    assert response.status == 406
    for accept in ("*/*", "application/*", "application/vnd.kubernetes.protobuf, application/json;q=0.5"):
        response = await api.ask("GET", f"{WIDGETS}/one", accept=accept)
        assert response.content.value()["kind"] == "Widget"
    partial = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    answer = (await api.ask("GET", f"{WIDGETS}/one", accept=partial)).content
    assert answer.value() == orjson.loads(answer.encode())
    assert answer.value().keys() == {"kind", "apiVersion", "metadata"}
    assert (await api.ask("GET", WIDGETS, accept=partial)).status == 406
    partial = partial.replace("Metadata;", "MetadataList;")
    listed = (await api.ask("GET", WIDGETS, accept=partial + ",application/json")).content
    assert listed.value() == orjson.loads(listed.encode())
    assert listed.value()["kind"] == "PartialObjectMetadataList"
    for unknown in ("application/json;as=Nonsense", "application/json;as=Table;v=v9", "text/html"):
        assert (await api.ask("GET", WIDGETS, accept=unknown)).status == 406


async def test_names_are_made_up_from_a_prefix(api):
    given = api.widget()
    given["metadata"] = {"generateName": "w" * 70 + "-"}
    names = {(await api("POST", WIDGETS, given))["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(len(name) == 63 and name.startswith("w" * 58) for name in names)


async def test_put_needs_the_version_it_replaces(api):
    made = await api("POST", WIDGETS, api.widget())
    _, _, status = await api.refused("PUT", f"{WIDGETS}/one", api.widget(size=2))
    assert status["details"]["causes"][0]["field"] == "metadata.resourceVersion"
    made["spec"]["size"] = 2
    put = await api("PUT", f"{WIDGETS}/one", made)
    assert (put["spec"]["size"], put["metadata"]["generation"]) == (2, 2)
    code, reason, status = await api.refused("PUT", f"{WIDGETS}/one", made)
    assert (code, reason) == (409, "Conflict")
    assert status["message"].endswith("please apply your changes to the latest version and try again")
    put["metadata"]["uid"] = "another"
    code, _, status = await api.refused("PUT", f"{WIDGETS}/one", put)
    assert code == 409
    assert "UID in precondition: another" in status["message"]
    put["metadata"]["name"] = "two"
    code, _, status = await api.refused("PUT", f"{WIDGETS}/one", put)
    assert (code, status["message"]) == (
        400,
        "the name of the object (two) does not match the name on the URL (one)",
    )
    await api("POST", CONFIG_MAPS, {"metadata": {"name": "free"}})
    put = await api("PUT", f"{CONFIG_MAPS}/free", {"metadata": {"name": "free"}, "data": {"a": "b"}})
    assert put["data"] == {"a": "b"}


async def test_what_changes_nothing_moves_nothing(api):
    made = await api("POST", WIDGETS, api.widget(tags=["a"], anything={"x": 1}))
    before = api.server.version
    assert await api("PUT", f"{WIDGETS}/one", made) == made
    assert await api("PATCH", f"{WIDGETS}/one", {"spec": {"size": 1}}, MERGE_PATCH) == made
    assert await api("PATCH", f"{WIDGETS}/one", [], JSON_PATCH) == made
    assert await api("PATCH", f"{WIDGETS}/one", {"status": {"count": 4}}, MERGE_PATCH) == made
    assert api.server.version == before
    changed = await api("PATCH", f"{WIDGETS}/one", {"spec": {"anything": {"x": True}}}, MERGE_PATCH)
    assert changed["spec"]["anything"] == {"x": True}
    assert changed["metadata"]["generation"] == 2


async def test_the_status_is_a_place_of_its_own(api):
    made = await api("POST", WIDGETS, api.widget() | {"status": {"count": 3}})
    assert made["status"] == {"phase": "New"}
    made["status"], made["spec"]["size"] = {"count": 3}, 5
    made["metadata"]["labels"] = {"a": "b"}
    put = await api("PUT", f"{WIDGETS}/one/status", made)
    assert (put["status"], put["spec"]["size"]) == ({"count": 3, "phase": "New"}, 1)
    assert "labels" not in put["metadata"]
    assert put["metadata"]["generation"] == 1
    gone = await api("PATCH", f"{WIDGETS}/one/status", {"status": None}, MERGE_PATCH)
    assert gone["status"] == {"phase": "New"}
    assert (await api.refused("PATCH", f"{WIDGETS}/one/status", {"status": {"count": "x"}}, MERGE_PATCH))[0] == 422
    assert (await api.refused("PUT", f"{CONFIG_MAPS}/x/status", {}))[0] == 404


async def test_what_is_not_a_json_object_does_not_become_one(api):
    await api("POST", WIDGETS, api.widget())
    path = f"{WIDGETS}/one"
    for patch in (
        [{"op": "replace", "path": "", "value": []}],
        [{"op": "replace", "path": "/metadata", "value": 3}],
        [{"op": "replace", "path": "/kind", "value": "Gadget"}],
        [{"op": "replace", "path": "/metadata/name", "value": "two"}],
    ):
        assert (await api.refused("PATCH", path, patch, JSON_PATCH))[0] in (400, 422)
    assert (await api.refused("PATCH", path, [{"op": "remove", "path": "/metadata"}], JSON_PATCH))[0] == 422
    assert (await api.refused("PATCH", path, [], MERGE_PATCH))[0] == 400


async def test_dry_run_answers_and_keeps_nothing(api):
    before = api.server.version
    tried = await api("POST", f"{WIDGETS}?dryRun=All", api.widget())
    assert tried["spec"]["color"] == "red"
    assert (await api.refused("GET", f"{WIDGETS}/one"))[0] == 404
    assert api.server.version == before
    made = await api("POST", WIDGETS, api.widget())
    tried = await api("PATCH", f"{WIDGETS}/one?dryRun=All", {"spec": {"size": 4}}, MERGE_PATCH)
    assert tried["spec"]["size"] == 4
    await api("DELETE", f"{WIDGETS}/one?dryRun=All")
    await api("DELETE", f"{WIDGETS}/one", {"dryRun": ["All"]})
    await api("DELETE", f"{WIDGETS}?dryRun=All")
    assert await api("GET", f"{WIDGETS}/one") == made
    _, reason, status = await api.refused("POST", f"{WIDGETS}?dryRun=Some", api.widget("two"))
    assert (reason, status["details"]["kind"]) == ("Invalid", "CreateOptions")
    assert 'dryRun: Unsupported value: ["Some"]: supported values: "All"' in status["message"]
    assert (await api.refused("POST", f"{WIDGETS}?dryRun=All", api.widget(size=99)))[0] == 422


async def test_unknown_fields_are_dropped_reported_or_refused(api):
    given = api.widget(bogus=1, ports=[{"name": "a", "extra": 1}]) | {"extra": 1}
    given["metadata"]["extra"] = 1
    response = await api.ask("POST", WIDGETS, given)
    assert response.status == 201
    assert len(response.warnings) == 4
    assert 'unknown field "spec.ports[0].extra"' in response.warnings
    given["metadata"]["name"] = "two"
    code, reason, status = await api.refused("POST", f"{WIDGETS}?fieldValidation=Strict", given)
    assert (code, reason) == (400, "BadRequest")
    assert status["message"].startswith(
        'Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field '
    )
    response = await api.ask("POST", f"{WIDGETS}?fieldValidation=Ignore", given)
    assert response.status == 201
    assert "Warning" not in response.headers
    assert response.content.value()["spec"] == {
        "size": 1,
        "color": "red",
        "ports": [{"name": "a", "protocol": "TCP"}],
    }
    assert (await api.refused("POST", f"{WIDGETS}?fieldValidation=Maybe", given))[0] == 422


@pytest.mark.settings(body_limit=1 << 22)
async def test_config_maps_and_secrets_have_their_rules(api):
    await api("POST", CONFIG_MAPS, {"metadata": {"name": "fixed"}, "data": {"a": "b"}, "immutable": True})
    for change in ({"data": {"a": "c"}}, {"immutable": False}):
        code, _, status = await api.refused("PATCH", f"{CONFIG_MAPS}/fixed", change, MERGE_PATCH)
        assert code == 422
        assert "field is immutable when `immutable` is set" in status["message"]
    assert (await api.refused("POST", CONFIG_MAPS, {"metadata": {"name": "x"}, "data": {"a/b": ""}}))[0] == 422
    code, _, status = await api.refused("POST", CONFIG_MAPS, {"metadata": {"name": "x"}, "data": {"a": 1}})
    assert code == 400
    assert "cannot be handled as a ConfigMap" in status["message"]
    big = {"metadata": {"name": "x"}, "data": {"a": "x" * (1 << 21)}}
    assert "Too long" in (await api.refused("POST", CONFIG_MAPS, big))[2]["message"]
    given = {"metadata": {"name": "s"}, "data": {"a": "eA=="}, "stringData": {"b": "y"}, "type": None}
    made = await api("POST", SECRETS, given)
    assert (made["type"], made["data"]) == ("Opaque", {"a": "eA==", "b": "eQ=="})
    assert "stringData" not in made
    assert (await api.refused("PATCH", f"{SECRETS}/s", {"type": "other"}, MERGE_PATCH))[0] == 422
    assert (await api.refused("POST", SECRETS, {"metadata": {"name": "t"}, "data": {"a": "%"}}))[0] == 400


async def test_workloads_are_stored_with_their_rules(api):
    deployments = "/apis/apps/v1/namespaces/default/deployments"

    def deployment(**labels):
        template = {
            "metadata": {"labels": labels, "creationTimestamp": None},
            "spec": {"containers": [{"name": "a", "image": "i", "resources": {}}], "dnsPolicy": "Default"},
        }
        return {
            "metadata": {"name": "web"},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template},
        }

    assert (await api.refused("POST", deployments, deployment(app="other")))[0] == 422
    nothing = deployment(app="web")
    nothing["spec"]["selector"] = {}
    assert "empty selector is invalid for deployment" in (await api.refused("POST", deployments, nothing))[2]["message"]
    made = await api("POST", deployments, deployment(app="web"))
    assert made["spec"]["replicas"] == 1
    assert made["spec"]["template"]["spec"]["dnsPolicy"] == "Default"
    changed = {
        "spec": {"selector": {"matchLabels": {"tier": "x"}}, "template": {"metadata": {"labels": {"tier": "x"}}}}
    }
    assert (
        "field is immutable" in (await api.refused("PATCH", f"{deployments}/web", changed, MERGE_PATCH))[2]["message"]
    )
    scaled = await api("PATCH", f"{deployments}/web", {"spec": {"replicas": 3}}, STRATEGIC_PATCH)
    assert scaled["metadata"]["generation"] == 2


async def test_a_failure_inside_is_an_answer_too(api, monkeypatch, caplog):
    def fail(*_):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(type(api.server._resources), "handle", fail)
    code, reason, status = await api.refused("GET", WIDGETS)
    assert (code, reason) == (500, "InternalError")
    assert "ZeroDivisionError('oh')" in status["message"]
    assert "GET /apis/example.org/v1/namespaces/default/widgets failed" in caplog.text
