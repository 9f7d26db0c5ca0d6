"""Lists with selectors and pages, Table output, and watches."""

from __future__ import annotations

import asyncio
import base64

import orjson
import pytest

from harness.clusters.embedded import watching
from harness.clusters.embedded.jsonpath import compile_path, simple_path
from harness.clusters.embedded.patches import MERGE_PATCH
from harness.clusters.embedded.selectors import parse_label_selector
from harness.clusters.embedded.tables import human_duration

WIDGETS = "/apis/example.org/v1/namespaces/default/widgets"
ALL_WIDGETS = "/apis/example.org/v1/widgets"
EVENTS = "/api/v1/namespaces/default/events"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


async def made(api, *names, **labels):
    for name in names:
        given = api.widget(name)
        given["metadata"]["labels"] = labels
        await api("POST", WIDGETS, given)


def names(listed):
    return [item["metadata"]["name"] for item in listed["items"]]


@pytest.mark.parametrize(
    ("selector", "labels", "matches"),
    [
        ("", {}, True),
        ("a", {"a": ""}, True),
        ("a", {}, False),
        ("!a", {}, True),
        ("! a", {"a": "1"}, False),
        ("a=1", {"a": "1"}, True),
        ("a==1,b=2", {"a": "1"}, False),
        ("a!=1", {}, True),
        ("a!=1", {"a": "1"}, False),
        ("a = 1 , b = 2", {"a": "1", "b": "2"}, True),
        ("a in (1, 2)", {"a": "2"}, True),
        ("a in (1,2),b", {"a": "2"}, False),
        ("a notin (1)", {}, True),
        ("a notin (1)", {"a": "1"}, False),
        ("x.io/a=1", {"x.io/a": "1"}, True),
        ("a=", {"a": ""}, True),
        ("a>5", {"a": "7"}, True),
        ("a>5", {"a": "x"}, False),
        ("a<5", {"a": "-7"}, True),
    ],
)
def test_label_selectors(selector, labels, matches):
    assert parse_label_selector(selector)(labels) is matches


async def test_selectors_that_cannot_be_read(api):
    for query in (
        "labelSelector=a%20b",
        "labelSelector=,",
        "labelSelector=a%3Ex",
        "fieldSelector=nonsense",
        "fieldSelector=spec.size=1",
        "limit=x",
        "resourceVersion=x",
        "continue=x",
        "continue=eyJydiI6MX0=",
        "watch=1&resourceVersion=x",
        "watch=1&timeoutSeconds=x",
    ):
        assert (await api.refused("GET", f"{WIDGETS}?{query}"))[0] in (400, 500), query
    _, _, status = await api.refused("GET", "/api/v1/secrets?fieldSelector=spec.x=1")
    assert status["message"] == (
        '"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace", "type"'
    )


async def test_field_selectors(api):
    await made(api, "a", "b", "c")
    await api("PATCH", f"{WIDGETS}/b", {"spec": {"color": "green"}}, MERGE_PATCH)
    for selector, found in (
        ("metadata.name=b", ["b"]),
        ("metadata.name!=b", ["a", "c"]),
        ("metadata.namespace=default,spec.color=red", ["a", "c"]),
        ("metadata.namespace=other", []),
        ("spec.color==green,metadata.name=a", []),
        ("metadata.name=nobody", []),
        (",metadata.name=a,", ["a"]),
    ):
        assert names(await api("GET", f"{ALL_WIDGETS}?fieldSelector={selector}")) == found, selector
    assert names(await api("GET", f"{WIDGETS}?fieldSelector=metadata.name=c")) == ["c"]
    event = {
        "metadata": {"name": "e1"},
        "involvedObject": {"kind": "Widget", "name": "a", "namespace": "default", "uid": "u"},
        "reason": "Made",
        "message": "it was made",
        "type": "Normal",
        "source": {"component": "maker"},
        "count": 2,
    }
    await api("POST", EVENTS, event)
    assert names(await api("GET", f"{EVENTS}?fieldSelector=involvedObject.name=a,involvedObject.uid=u")) == ["e1"]
    assert names(await api("GET", f"{EVENTS}?fieldSelector=reason=Other")) == []
    immutable = {"metadata": {"name": "sec"}, "type": "x"}
    await api("POST", "/api/v1/namespaces/default/secrets", immutable)
    assert names(await api("GET", "/api/v1/secrets?fieldSelector=type=x")) == ["sec"]


async def test_events_are_served_in_two_groups(api):
    new = "/apis/events.k8s.io/v1/namespaces/default/events"
    event = {
        "metadata": {"name": "e"},
        "regarding": {"kind": "Widget", "name": "a", "namespace": "default"},
        "note": "it was made",
        "reason": "Made",
        "type": "Normal",
        "eventTime": "2024-01-01T00:00:00.000001Z",
        "reportingController": "maker",
        "reportingInstance": "maker-1",
        "action": "make",
    }
    answer = await api("POST", new, event)
    assert answer["note"] == "it was made"
    old = await api("GET", f"{EVENTS}/e")
    assert (old["apiVersion"], old["message"], old["involvedObject"]["name"]) == ("v1", "it was made", "a")
    assert old["reportingComponent"] == "maker"
    patched = await api("PATCH", f"{new}/e", {"note": "again", "deprecatedCount": 3}, MERGE_PATCH)
    assert patched["note"] == "again"
    assert (await api("GET", f"{EVENTS}/e"))["count"] == 3
    assert names(await api("GET", f"{new}?fieldSelector=regarding.name=a")) == ["e"]
    assert api.server.handle
    listed = (await api.ask("GET", new)).content
    assert listed.value() == orjson.loads(listed.encode())
    event["regarding"]["namespace"] = "other"
    assert "does not match event.namespace" in (await api.refused("POST", new, event))[2]["message"]
    table = orjson.loads((await api.ask("GET", EVENTS, accept=TABLE)).content.encode())
    assert table["rows"][0]["cells"][1:4] == ["Normal", "Made", "widget/a"]


async def test_pages_show_one_moment(api):
    await made(api, *"abcde")
    page = await api("GET", f"{WIDGETS}?limit=2")
    assert names(page) == ["a", "b"]
    assert page["metadata"]["remainingItemCount"] == 3
    token, version = page["metadata"]["continue"], page["metadata"]["resourceVersion"]
    await made(api, "bb")
    await api("DELETE", f"{WIDGETS}/c")
    await api("PATCH", f"{WIDGETS}/d", {"spec": {"size": 5}}, MERGE_PATCH)
    page = await api("GET", f"{WIDGETS}?limit=2&continue={token}")
    assert names(page) == ["c", "d"]
    assert page["items"][1]["spec"]["size"] == 1
    assert page["metadata"]["resourceVersion"] == version
    page = await api("GET", f"{WIDGETS}?limit=2&continue={page['metadata']['continue']}")
    assert names(page) == ["e"]
    assert page["metadata"]["continue"] == ""
    exact = await api("GET", f"{ALL_WIDGETS}?resourceVersion={version}&resourceVersionMatch=Exact")
    assert names(exact) == list("abcde")
    selected = await api("GET", f"{WIDGETS}?limit=1&fieldSelector=spec.color=red")
    assert "remainingItemCount" not in selected["metadata"]
    assert (await api.refused("GET", f"{WIDGETS}?continue={token}&resourceVersion=3"))[0] == 400
    api.server.forget_changes()
    await made(api, "z")
    code, reason, status = await api.refused("GET", f"{WIDGETS}?limit=2&continue={token}")
    assert (code, reason) == (410, "Expired")
    assert "too old resource version" in status["message"]


async def test_versions_that_are_not_reached_yet(api):
    await made(api, "a")
    for path in (f"{WIDGETS}?resourceVersion=999", f"{WIDGETS}/a?resourceVersion=999"):
        code, reason, status = await api.refused("GET", path)
        assert (code, reason) == (504, "Timeout")
        assert status["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    for version in ("0", "1", str(api.server.version)):
        assert names(await api("GET", f"{WIDGETS}?resourceVersion={version}")) == ["a"]
    response = await api.ask("GET", f"{WIDGETS}?watch=1&resourceVersion=999")
    assert await api.lines(response) == []  # It waits for the version.


async def test_tables(api):
    await made(api, "a", "b")
    await api.clock.advance(125)
    answer = (await api.ask("GET", WIDGETS, accept=TABLE)).content
    table = orjson.loads(answer.encode())
    assert table == answer.value()
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Size", "Made"]
    assert table["rows"][0]["cells"] == ["a", 1, "2m5s"]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    one = (await api.ask("GET", f"{WIDGETS}/a?includeObject=Object", accept=TABLE)).content.value()
    assert one["rows"][0]["object"]["spec"]["size"] == 1
    none = (await api.ask("GET", f"{WIDGETS}/a?includeObject=None", accept=TABLE)).content.value()
    assert none["rows"][0]["object"] is None
    response = await api.ask("GET", f"{WIDGETS}?watch=1", accept=TABLE)
    lines = await api.lines(response)
    assert lines[0]["object"]["columnDefinitions"][0]["name"] == "Name"
    assert lines[1]["object"]["columnDefinitions"] is None
    put = await api.ask("PATCH", f"{WIDGETS}/a", {"spec": {"size": 3}}, MERGE_PATCH, accept=TABLE)
    assert put.content.value()["rows"][0]["cells"][1] == 3


async def test_tables_of_built_in_types(api):
    async def cells(path):
        return (await api.ask("GET", path, accept=TABLE)).content.value()["rows"][0]["cells"]

    space = "/api/v1/namespaces/default"
    await api("POST", f"{space}/configmaps", {"metadata": {"name": "c"}, "data": {"a": "", "b": ""}})
    await api("POST", f"{space}/secrets", {"metadata": {"name": "s"}, "data": {"a": ""}})
    addresses = []
    for name, port in (("web", 80), ("zoo", 81)):
        service = {"metadata": {"name": name}, "spec": {"ports": [{"port": port}]}}
        addresses.append((await api("POST", f"{space}/services", service))["spec"]["clusterIP"])
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "x", "image": "i"}]}}
    await api("POST", f"{space}/pods", pod)
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod["spec"]}
    workload = {"metadata": {"name": "w"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}
    await api("POST", "/apis/apps/v1/namespaces/default/statefulsets", workload)
    await api("POST", "/apis/apps/v1/namespaces/default/deployments", workload)
    lease = {"metadata": {"name": "l"}, "spec": {"holderIdentity": "me", "renewTime": "2024-01-01T00:00:00.500000Z"}}
    await api("POST", "/apis/coordination.k8s.io/v1/namespaces/default/leases", lease)
    assert await cells("/api/v1/namespaces/default") == ["default", "Active", "0s"]
    assert await cells(f"{space}/configmaps") == ["c", 2, "0s"]
    assert await cells(f"{space}/secrets") == ["s", "Opaque", 1, "0s"]
    assert await cells(f"{space}/services") == ["web", "ClusterIP", addresses[0], "<none>", "80/TCP", "0s", "<none>"]
    assert await cells(f"{space}/services/zoo") == [
        "zoo",
        "ClusterIP",
        addresses[1],
        "<none>",
        "81/TCP",
        "0s",
        "<none>",
    ]
    assert await cells(f"{space}/pods") == ["p", "0/1", "Pending", "0", "0s", *["<none>"] * 4]
    assert await cells("/apis/apps/v1/statefulsets") == ["w", "0/1", "0s", "x", "i"]
    assert await cells("/apis/apps/v1/deployments") == ["w", "0/1", 0, 0, "0s", "x", "i", "a=b"]
    assert await cells("/apis/coordination.k8s.io/v1/leases") == ["l", "me", "0s"]
    definitions = await cells("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
    assert definitions == ["widgets.example.org", "2023-11-14T22:13:20Z"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-0.5, "0s"),
        (119, "119s"),
        (120, "2m"),
        (200, "3m20s"),
        (3600, "60m"),
        (4 * 3600 + 60, "4h1m"),
        (24 * 3600, "24h"),
        (3 * 86400 + 3600, "3d1h"),
        (30 * 86400, "30d"),
        (3 * 365 * 86400, "3y"),
        (9 * 365 * 86400, "9y"),
    ],
)
def test_ages(seconds, text):
    assert human_duration(seconds) == text


def test_paths_into_objects():
    stored = {"a": {"b.c": [{"t": "x", "v": 1}, {"t": "y", "v": 2}]}, "n": None}
    for path, value in (
        (r".a.b\.c[0].v", 1),
        (".a['b.c'][1].v", 2),
        ('{.a["b.c"][-1].t}', "y"),
        (r'.a.b\.c[?(@.t=="y")].v', 2),
        (r".a.b\.c[?(@.v==1)].t", "x"),
        (r".a.b\.c[*].v", 1),
        (".a.*[0].t", "x"),
        (".n", None),
        (".a.missing[0].x", None),
        (r".a.b\.c[?(@.t.z=='y')].v", None),
        (".n[?(@.x==true)]", None),
    ):
        assert compile_path(path)(stored) == value, path
    assert simple_path(r".a.b\.c") == ("a", "b.c")
    for wrong in ("", ".a[", "..a", ".a[0:2]", ".a[?(@.x>1)]"):
        with pytest.raises(ValueError, match=r"cannot be read|is empty"):
            compile_path(wrong)
    with pytest.raises(ValueError, match="does not name one field"):
        simple_path(".a[0]")


async def test_a_watch_tells_what_happens(api):
    await made(api, "a")
    version = (await api("GET", WIDGETS))["metadata"]["resourceVersion"]
    response = await api.ask("GET", f"{WIDGETS}?watch=true&resourceVersion={version}")
    assert await api.lines(response) == []
    await made(api, "b")
    await api("PATCH", f"{WIDGETS}/b", {"spec": {"size": 2}}, MERGE_PATCH)
    await api("DELETE", f"{WIDGETS}/a")
    lines = await api.lines(response)
    assert [(line["type"], line["object"]["metadata"]["name"]) for line in lines] == [
        ("ADDED", "b"),
        ("MODIFIED", "b"),
        ("DELETED", "a"),
    ]
    versions = [int(line["object"]["metadata"]["resourceVersion"]) for line in lines]
    assert versions == sorted(set(versions))
    again = await api.ask("GET", f"{WIDGETS}?watch=true&resourceVersion={version}")
    assert await api.lines(again) == lines
    fresh = await api.ask("GET", f"{WIDGETS}?watch=true")
    assert [(line["type"], line["object"]["metadata"]["name"]) for line in await api.lines(fresh)] == [("ADDED", "b")]
    assert api.server.watch_count() == 3
    for watch in (response, again, fresh):
        watch.watcher.close()
        watch.watcher.close()
        assert await api.lines(watch) == ["END"]
    assert api.server.watch_count() == 0


async def test_watches_of_one_name_one_namespace_or_a_selection(api):
    await api("POST", "/api/v1/namespaces", {"metadata": {"name": "other"}})
    await made(api, "a", "b")
    version = api.server.version
    queries = {
        "one": f"{WIDGETS}?watch=1&fieldSelector=metadata.name=a",
        "all": f"{ALL_WIDGETS}?watch=1",
        "named": f"{ALL_WIDGETS}?watch=1&fieldSelector=metadata.name=a",
        "green": f"{WIDGETS}?watch=1&fieldSelector=spec.color=green",
        "label": f"{WIDGETS}?watch=1&labelSelector=x=y&fieldSelector=spec.color=green",
    }
    watches = {name: await api.ask("GET", f"{query}&resourceVersion={version}") for name, query in queries.items()}
    await api("POST", WIDGETS.replace("default", "other"), api.widget("a"))
    await api("PATCH", f"{WIDGETS}/a", {"spec": {"color": "green"}}, MERGE_PATCH)
    await api("PATCH", f"{WIDGETS}/a", {"spec": {"size": 2}, "metadata": {"labels": {"x": "y"}}}, MERGE_PATCH)
    await api("PATCH", f"{WIDGETS}/a", {"spec": {"color": "red"}}, MERGE_PATCH)
    await api("PATCH", f"{WIDGETS}/b", {"spec": {"size": 2}}, MERGE_PATCH)
    told = {name: [line["type"] for line in await api.lines(watch)] for name, watch in watches.items()}
    assert told == {
        "one": ["MODIFIED"] * 3,
        "all": ["ADDED", *["MODIFIED"] * 4],
        "named": ["ADDED", *["MODIFIED"] * 3],
        "green": ["ADDED", "MODIFIED", "DELETED"],
        "label": ["ADDED", "DELETED"],
    }
    late = await api.ask("GET", f"{WIDGETS}?watch=1&fieldSelector=spec.color=green&resourceVersion={version}")
    lines = await api.lines(late)
    assert lines[-1]["object"]["spec"]["color"] == "green"
    assert lines[-1]["object"]["metadata"]["resourceVersion"] == str(api.server.version - 1)


async def test_bookmarks_and_time_limits(api):
    await made(api, "a")
    version = api.server.version
    limits = "allowWatchBookmarks=true&timeoutSeconds=150"
    response = await api.ask("GET", f"{WIDGETS}?watch=1&resourceVersion={version}&{limits}")
    await api.clock.advance(59)
    assert await api.lines(response) == []
    await api("POST", "/api/v1/namespaces", {"metadata": {"name": "other"}})
    await api.clock.advance(1)
    (line,) = await api.lines(response)
    assert line["type"] == "BOOKMARK"
    assert line["object"]["metadata"]["resourceVersion"] == str(api.server.version)
    await api.clock.advance(60)
    assert [line["type"] for line in await api.lines(response)] == ["BOOKMARK"]
    await api.clock.advance(60)
    assert await api.lines(response) == ["END"]
    initial = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    response = await api.ask("GET", f"{WIDGETS}?watch=1&{initial}")
    lines = await api.lines(response)
    assert [line["type"] for line in lines] == ["ADDED", "BOOKMARK"]
    assert lines[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


@pytest.mark.settings(log_limit=3)
async def test_a_version_that_is_forgotten_is_gone(api):
    await made(api, "a")
    version = api.server.version
    await made(api, *"bcdef")
    response = await api.ask("GET", f"{WIDGETS}?watch=1&resourceVersion={version}")
    (error,) = await api.lines(response)
    assert (error["type"], error["object"]["code"], error["object"]["reason"]) == ("ERROR", 410, "Expired")
    assert await api.lines(response) == ["END"]
    response = await api.ask("GET", f"{WIDGETS}?watch=1&resourceVersion={version + 3}")
    assert len(await api.lines(response)) == 2


@pytest.mark.settings(queue_limit=5)
async def test_a_watcher_that_does_not_read_is_ended_and_goes_on(api):
    version = api.server.version
    response = await api.ask("GET", f"{WIDGETS}?watch=1&resourceVersion={version}")
    await made(api, *"abcdefg")
    assert api.server.watch_count() == 0
    lines = await api.lines(response)
    assert len(lines) == 6
    assert await api.lines(response) == ["END"]
    last = lines[-1]["object"]["metadata"]["resourceVersion"]
    response = await api.ask("GET", f"{WIDGETS}?watch=1&resourceVersion={last}")
    assert [line["object"]["metadata"]["name"] for line in await api.lines(response)] == ["g"]


async def test_a_watcher_is_also_ended_by_the_weight_of_what_waits(api, monkeypatch):
    monkeypatch.setattr(watching, "BYTES_LIMIT", 5000)

    response = await api.ask("GET", f"{WIDGETS}?watch=1&resourceVersion={api.server.version}")
    for name in "ab":
        await api("POST", WIDGETS, api.widget(name, anything={"x": "y" * 3000}))
    assert response.watcher.closed


async def test_many_first_events_come_in_pieces(api, monkeypatch):
    monkeypatch.setattr(watching, "_CHUNK", 1000)

    await made(api, *(f"w{number:02}" for number in range(20)))
    response = await api.ask("GET", f"{WIDGETS}?watch=1")
    first = await api.lines(response)
    assert 1 < len(first) < 20
    rest = []
    while lines := await api.lines(response):
        rest += lines
    assert len(first) + len(rest) == 20


async def test_an_event_is_encoded_once_for_all(api):
    watches = [await api.ask("GET", f"{WIDGETS}?watch=1&resourceVersion={api.server.version}") for _ in range(50)]
    await made(api, "a")
    read = [await watch.watcher.read() for watch in watches]
    assert orjson.loads(b"".join(read[0]))["type"] == "ADDED"
    assert len({id(pieces[1]) for pieces in read}) == 1


async def test_breaking_all_watches(api):
    watches = [await api.ask("GET", f"{path}?watch=1") for path in (WIDGETS, EVENTS)]
    waiting = asyncio.ensure_future(watches[1].watcher.read())
    await api.clock.advance(0)
    api.server.break_watches()
    assert await waiting is None
    assert api.server.watch_count() == 0


async def test_continue_tokens_are_opaque_but_checked(api):
    await made(api, "a")
    token = base64.urlsafe_b64encode(orjson.dumps({"rv": 10**9, "after": ["default", ""]})).decode()
    assert names(await api("GET", f"{WIDGETS}?continue={token}")) == ["a"]
