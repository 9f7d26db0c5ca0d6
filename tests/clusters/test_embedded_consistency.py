"""Rules that hold for all requests: nothing stored is altered, watches tell all of it, nothing fails inside."""

from __future__ import annotations

import asyncio
import copy

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.clusters.embedded.apply import APPLY_PATCH
from harness.clusters.embedded.messages import Request
from harness.clusters.embedded.patches import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH
from harness.clusters.embedded.server import ApiServer
from harness.core.clock import ManualClock
from harness.core.identifiers import Randomness
from harness.wasmbed.resources.kinds import load_crds
from tests.examples import examples

DEVICES = "/apis/wasmbed.io/v1/namespaces/default/devices"
NAMES = st.sampled_from("abc")
PHASES = st.sampled_from(["Pending", "Enrolling", "Connected", "Nonsense"])
LABELS = st.dictionaries(st.sampled_from("xy"), st.sampled_from(["1", "2", None]), max_size=2)
FINALIZERS = st.sampled_from([None, [], ["x.io/a"], ["x.io/a", "x.io/b"]])
JUNK = st.sampled_from(
    [None, True, 0, -1, 1.5, "", "x", "é\n", [], [None], {}, {"a": None}, [{}], {"name": "x"}, ["a", "a"], 2**63]
)
CRDS = load_crds()


def device(name, **meta):
    meta = {key: value for key, value in meta.items() if value is not None}
    spec = {"publicKey": "AAAA", "deviceType": "mcu"}
    return {"apiVersion": "wasmbed.io/v1", "kind": "Device", "metadata": {"name": name, **meta}, "spec": spec}


OPERATIONS = st.one_of(
    st.tuples(st.just("POST"), NAMES, st.builds(lambda finalizers: {"finalizers": finalizers}, FINALIZERS)),
    st.tuples(st.just("DELETE"), NAMES, st.none()),
    st.tuples(
        st.just("PATCH"),
        NAMES,
        st.builds(
            lambda labels, finalizers: {"metadata": {"labels": labels, "finalizers": finalizers}}, LABELS, FINALIZERS
        ),
    ),
    st.tuples(st.just("STATUS"), NAMES, st.builds(lambda phase: {"status": {"phase": phase}}, PHASES)),
    st.tuples(st.just("APPLY"), NAMES, st.builds(lambda labels: dict.fromkeys(labels, "9"), LABELS)),
    st.tuples(st.just("JSON"), NAMES, st.builds(lambda phase: [{"op": "add", "path": "/x", "value": phase}], PHASES)),
)


async def started():
    server = ApiServer(ManualClock(), Randomness(1))
    for definition in CRDS:
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        await server.handle(Request("POST", path, body=copy.deepcopy(definition)))
    return server


async def perform(server, verb, name, body):
    headers = {
        "PATCH": {"content-type": MERGE_PATCH},
        "STATUS": {"content-type": MERGE_PATCH},
        "APPLY": {"content-type": APPLY_PATCH},
        "JSON": {"content-type": JSON_PATCH},
    }.get(verb, {})
    path, query, method = f"{DEVICES}/{name}", {}, verb
    if verb == "POST":
        path, body = DEVICES, device(name, **body)
    elif verb == "STATUS":
        path, method = f"{path}/status", "PATCH"
    elif verb == "APPLY":
        body = device(name, labels=body)
        method, query = "PATCH", {"fieldManager": "someone", "force": "true"}
    elif verb == "JSON":
        method = "PATCH"
    return await server.handle(Request(method, path, query, headers, orjson.dumps(body) if body is not None else b""))


async def check_story(operations):
    """Check that a watch replays the list, and that no stored object was altered."""
    server = await started()
    story = []
    collection = server._state.store.collection("devices.wasmbed.io")
    collection.listeners.append(lambda change: story.append((change, orjson.dumps(change.entry.object))))
    start = server.version
    for operation in operations:
        response = await perform(server, *operation)
        assert response.status != 500, response.content.value()
    for change, told in story:
        assert orjson.dumps(change.entry.object) == told
    versions = [change.version for change, _ in story]
    assert versions == sorted(set(versions))
    watch = await server.handle(Request("GET", DEVICES, {"watch": "1", "resourceVersion": str(start)}))
    replayed, events = {}, []
    watch.watcher.close()
    while (pieces := await watch.watcher.read()) is not None:
        events += map(orjson.loads, b"".join(pieces).splitlines())
    for event in events:
        name = event["object"]["metadata"]["name"]
        assert (event["type"] == "ADDED") == (name not in replayed)
        if event["type"] == "DELETED":
            del replayed[name]
        else:
            replayed[name] = event["object"]
    listed = (await server.handle(Request("GET", DEVICES))).content.value()["items"]
    assert [replayed[name] for name in sorted(replayed)] == listed
    other = await started()
    other.load(server.dump())
    assert orjson.loads(other.dump()) == orjson.loads(server.dump())


async def check_answers(asked):
    """Check that no answer is an internal error, and that every collection can still be listed."""
    server = await started()
    for collection, valid in VALID.items():
        await server.handle(Request("POST", collection, body=copy.deepcopy(valid)))
    for request in asked:
        response = await server.handle(request)
        answer = response.content.value()
        assert response.status != 500 or not answer.get("reason"), answer  # Kubernetes has refusals with this code.
        assert orjson.loads(response.content.encode()) == answer
    for collection in VALID:
        table = await server.handle(Request("GET", collection, {}, {"accept": TABLE}))
        assert table.status == 200, table.content.value()


@settings(max_examples=examples(60))
@given(st.lists(OPERATIONS, max_size=25))
def test_watches_tell_the_whole_story_and_nothing_stored_is_altered(operations):
    asyncio.run(check_story(operations))


SPACE = "namespaces/default"
VALID = {
    f"/apis/wasmbed.io/v1/{SPACE}/devices": {
        "apiVersion": "wasmbed.io/v1",
        "kind": "Device",
        "metadata": {
            "name": "one",
            "labels": {"a": "b"},
            "finalizers": ["x.io/a"],
            "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "n", "uid": "u"}],
            "managedFields": [{"manager": "m", "operation": "Apply", "fieldsV1": {"f:spec": {"f:deviceType": {}}}}],
        },
        "spec": {"publicKey": "AAAA", "deviceType": "mcu", "capabilities": ["wasm"]},
        "status": {"phase": "Pending", "deviceMetrics": {"a": 1}},
    },
    f"/apis/apps/v1/{SPACE}/deployments": {
        "metadata": {"name": "one"},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "a", "image": "a:1", "ports": [{"containerPort": 1}]}]},
            },
        },
    },
    f"/api/v1/{SPACE}/pods": {
        "metadata": {"name": "one"},
        "spec": {"containers": [{"name": "a", "image": "a:1"}]},
        "status": {"containerStatuses": [{"ready": True}]},
    },
    f"/api/v1/{SPACE}/secrets": {"metadata": {"name": "one"}, "data": {"a": "YQ=="}, "stringData": {"b": "c"}},
    f"/api/v1/{SPACE}/events": {"metadata": {"name": "one"}, "involvedObject": {"namespace": "default"}, "series": {}},
    "/api/v1/namespaces": {"metadata": {"name": "one"}, "spec": {"finalizers": ["kubernetes"]}},
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions": CRDS[2],
}
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def places(value, path=()):
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        yield from places(item, (*path, key))


@st.composite
def spoiled(draw, valid):
    """A valid object with a junk value, or nothing, in one place."""
    value = copy.deepcopy(valid)
    *path, last = draw(st.sampled_from([place for place in places(valid) if place]))
    inside = value
    for key in path:
        inside = inside[key]
    if draw(st.booleans()):
        inside[last] = copy.deepcopy(draw(JUNK))
    else:
        del inside[last]
    if draw(st.booleans()):
        directives = ["$patch", "$retainKeys", "$setElementOrder/containers", "$deleteFromPrimitiveList/finalizers"]
        value.setdefault("extra", 1)
        value[draw(st.sampled_from(directives))] = copy.deepcopy(draw(JUNK))
    return value


@st.composite
def requests(draw):
    collection = draw(st.sampled_from(list(VALID)))
    valid = VALID[collection]
    name = valid["metadata"]["name"]
    method = draw(st.sampled_from(["POST", "PUT", "PATCH", "PATCH", "DELETE"]))
    path = collection if method == "POST" else f"{collection}/{name}" + draw(st.sampled_from(["", "/status"]))
    media = (
        draw(st.sampled_from([MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH])) if method == "PATCH" else "application/json"
    )
    body = draw(spoiled(valid))
    if method == "DELETE":
        body = draw(spoiled({"preconditions": {"uid": "x"}, "propagationPolicy": "Foreground", "dryRun": ["All"]}))
    query = {"fieldManager": draw(st.sampled_from("xy")), "force": "true"} if media == APPLY_PATCH else {}
    return Request(
        method, path, query, {"content-type": media, "accept": f"{TABLE},application/json"}, orjson.dumps(body)
    )


@settings(max_examples=examples(60))
@given(st.lists(requests(), max_size=20))
def test_no_request_makes_the_server_fail(asked):
    asyncio.run(check_answers(asked))
