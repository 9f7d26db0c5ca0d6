"""HTTP as the API server speaks it: media types, compression, headers, discovery, paths that are not there."""

from __future__ import annotations

import gzip
from contextlib import asynccontextmanager

import aiohttp
import orjson
import pytest
import yaml

from harness.clusters.embedded.encodings import ZIPPED_FROM, to_yaml
from harness.clusters.embedded.http_server import HttpServer
from harness.clusters.embedded.server import ApiServer
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness
from harness.core.network import SystemNetwork

MAPS = "/api/v1/namespaces/default/configmaps"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
TOKEN = {"Authorization": "Bearer sesame"}


@asynccontextmanager
async def serving():
    server = ApiServer(SystemClock(), Randomness())
    served = HttpServer(server, SystemClock(), SystemNetwork(), token="sesame")
    host, port = await served.start(("127.0.0.1", 0))
    try:
        async with aiohttp.ClientSession(f"http://{host}:{port}", headers=TOKEN, auto_decompress=False) as session:
            yield session
    finally:
        server.close()
        await served.stop()


async def test_answers_in_yaml():
    async with serving() as session:
        body = {"metadata": {"name": "one"}, "data": {"number": "007", "text": "a\nb\n", "yes": "true", "empty": ""}}
        await session.post(MAPS, json=body)
        async with session.get(f"{MAPS}/one", headers={"Accept": "application/yaml"}) as response:
            text = await response.text()
            assert response.headers["Content-Type"] == "application/yaml"
        assert yaml.safe_load(text)["data"] == body["data"]
        assert 'number: "007"' in text
        async with session.get(f"{MAPS}/two", headers={"Accept": "application/yaml"}) as response:
            assert (response.status, yaml.safe_load(await response.text())["reason"]) == (404, "NotFound")


def test_what_is_long_stays_json_which_is_yaml_too():
    data = orjson.dumps({"a": ["b"] * 200_000})
    assert to_yaml(data) == data
    assert to_yaml(b'{"b":[{"c":1}],"a":null}') == b"a: null\nb:\n- c: 1\n"


async def test_long_answers_are_compressed_for_those_who_read_it():
    async with serving() as session:
        await session.post(MAPS, json={"metadata": {"name": "long"}, "data": {"a": "x" * ZIPPED_FROM}})
        for path in (f"{MAPS}/long", MAPS):
            async with session.get(path, headers={"Accept-Encoding": "gzip, deflate"}) as response:
                assert response.headers["Content-Encoding"] == "gzip"
                assert response.headers["Vary"] == "Accept-Encoding"
                assert b"x" * ZIPPED_FROM in gzip.decompress(await response.read())
            async with session.get(path, headers={"Accept-Encoding": "identity"}) as response:
                assert "Content-Encoding" not in response.headers
                assert b"x" * ZIPPED_FROM in await response.read()


async def test_a_list_sent_in_pieces_is_compressed_too():
    async with serving() as session:
        for number in range(510):
            await session.post(MAPS, json={"metadata": {"name": f"m-{number}"}, "data": {"a": "x" * 300}})
        async with session.get(MAPS, headers={"Accept-Encoding": "gzip"}) as response:
            listed = orjson.loads(gzip.decompress(await response.read()))
        assert len(listed["items"]) == 510


async def test_the_answer_does_not_name_the_program_that_made_it():
    async with serving() as session:
        for path in ("/version", MAPS, "/nothing", f"{MAPS}/x"):
            async with session.get(path) as response:
                assert "Server" not in response.headers


async def test_each_warning_is_a_header():
    async with serving() as session:
        body = {"metadata": {"name": "a"}, "one": 1, "two": 2}
        async with session.post(MAPS, json=body) as response:
            assert response.headers.getall("Warning") == [
                '299 - "unknown field \\"one\\""',
                '299 - "unknown field \\"two\\""',
            ]
        async with session.get("/api/v1/namespaces/default/endpoints") as response:
            assert response.headers.getall("Warning") == [
                '299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"'
            ]


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, 403),
        ("", 403),
        ("Basic c2VzYW1l", 403),
        ("Bearer wrong", 401),
        ("Bearer s\udce9same", 401),
        ("bearer sesame", 200),
        ("Bearer  sesame", 200),
    ],
)
async def test_who_gets_in(header, code):
    async with serving() as session, aiohttp.ClientSession(session._base_url) as stranger:
        headers = {} if header is None else {"Authorization": header}
        async with stranger.get(MAPS, headers=headers) as response:
            assert response.status == code
            assert (await response.json())["kind"] == ("ConfigMapList" if code == 200 else "Status")
        async with stranger.get("/healthz", headers=headers) as response:
            assert response.status == (401 if code == 401 else 200)


async def test_a_user_is_impersonated_over_the_socket():
    async with serving() as session:
        headers = [("Impersonate-User", "jane"), ("Impersonate-Group", "a"), ("Impersonate-Group", "b")]
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        async with session.post(path, json={}, headers=headers) as response:
            found = (await response.json())["status"]["userInfo"]
        assert found["groups"] == ["a", "b", "system:authenticated"]
        async with session.get(MAPS, headers=headers) as response:
            assert response.status == 403


async def test_aggregated_discovery(api):
    answer = await api.ask("GET", "/apis", accept=f"{AGGREGATED},application/json")
    assert answer.content_type == AGGREGATED
    found = {item["metadata"]["name"]: item for item in orjson.loads(answer.content.encode())["items"]}
    widgets = found["example.org"]["versions"][0]["resources"][0]
    assert (widgets["resource"], widgets["scope"], widgets["shortNames"]) == ("widgets", "Namespaced", ["wd"])
    assert widgets["subresources"][0]["subresource"] == "status"
    again = await api.ask("GET", "/apis", accept=AGGREGATED, if_none_match=answer.headers["ETag"])
    assert (again.status, again.content.encode()) == (304, b"")
    core = orjson.loads((await api.ask("GET", "/api", accept=AGGREGATED)).content.encode())
    assert [item["metadata"] for item in core["items"]] == [{}]
    plain = await api("GET", "/apis")
    assert plain["kind"] == "APIGroupList"


async def test_groups_are_in_the_order_of_kubernetes(api):
    names = [group["name"] for group in (await api("GET", "/apis"))["groups"]]
    assert names[:3] == ["apiregistration.k8s.io", "apps", "events.k8s.io"]
    assert names[-1] == "example.org"


async def test_a_group_that_is_not_there_is_no_page(api):
    for path in ("/apis/nothing.org/v1/things", "/apis/nothing.org", "/nothing"):
        answer = await api.ask("GET", path)
        assert (answer.status, answer.content.encode()) == (404, b"404 page not found\n")
        assert answer.content_type.startswith("text/plain")
    assert (await api.refused("GET", "/apis/apps/v1/things"))[0] == 404


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "unexpected end of JSON input (<empty>)"),
        (b"{", "unexpected end of JSON input ({)"),
        (b"[]", '"json:\\"kind,omitempty\\"" } (5b5d)'),
        (b"nonsense", "in literal null (expecting 'u') (6e6f6e73656e7365)"),
    ],
)
async def test_bodies_that_are_no_objects(api, body, message):
    answer = await api.ask("POST", MAPS, body)
    status = orjson.loads(answer.content.encode())
    assert status["message"].startswith("the object provided is unrecognized (must be of type ConfigMap): couldn't get")
    assert status["message"].endswith(message)


async def test_bodies_of_another_kind(api):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}}
    message = (await api.refused("POST", MAPS, secret))[2]["message"]
    assert message == (
        'Secret in version "v1" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): '
        "unknown conversion"
    )
    message = (await api.refused("POST", MAPS, {**secret, "kind": "ConfigMap", "apiVersion": "v2"}))[2]["message"]
    assert 'no kind "ConfigMap" is registered for version "v2"' in message


async def test_an_object_larger_than_etcd_takes_is_refused(api):
    widgets = "/apis/example.org/v1/namespaces/default/widgets"
    for size, words in ((3 << 19, "etcdserver: request is too large"), (2 << 20, "ResourceExhausted")):
        answer = await api.ask("POST", widgets, api.widget(anything={"a": "x" * size}))
        status = orjson.loads(answer.content.encode())
        assert (answer.status, "reason" in status, words in status["message"]) == (500, False, True)
