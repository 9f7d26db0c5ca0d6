"""A cluster that starts again on its state folder goes on as the one that ended."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.clusters.embedded import EmbeddedCluster
from harness.clusters.embedded.messages import Request
from harness.clusters.embedded.process import EmbeddedProcessCluster
from harness.core.loop import new_runner
from harness.testing.cluster import check_cluster
from harness.wasmbed.resources.kinds import CONFIG_MAP
from tests.clusters.durable_writer import config_map
from tests.clusters.state_folders import MAPS, logs, running, server_of, size_of
from tests.examples import examples


async def test_a_cluster_with_a_state_folder_is_a_cluster_like_any_other(tmp_path):
    await check_cluster(partial(EmbeddedCluster, state=tmp_path / "state"))


async def test_watches_go_on_from_before_a_restart(tmp_path):
    async with running(tmp_path / "state") as cluster:
        api = cluster.client("User")
        first = await api.create(CONFIG_MAP, config_map("map", 0))
        await api.patch(CONFIG_MAP, "map", {"data": {"number": "1"}})
    async with running(tmp_path / "state") as cluster:
        api = cluster.client("User")
        async with api.watch(CONFIG_MAP, resource_version=first["metadata"]["resourceVersion"]) as events:
            assert (await anext(events)).object["data"]["number"] == "1"
            await api.delete(CONFIG_MAP, "map")
            assert (await anext(events)).type == "DELETED"


async def test_members_that_a_request_leaves_alone_are_not_written_again(tmp_path):
    folder = tmp_path / "state"
    async with running(folder) as cluster:
        api = cluster.client("User")
        big = {**config_map("big", 0), "binaryData": {"module": "AAAA" * 10_000}, "immutable": False}
        await api.create(CONFIG_MAP, big)
        before = size_of(logs(folder)[0])
        await api.patch(CONFIG_MAP, "big", {"data": {"number": "1"}, "immutable": None})
        assert size_of(logs(folder)[0]) - before < 2_000
        written = await api.get(CONFIG_MAP, "big")
    async with running(folder) as cluster:
        assert await cluster.client("User").get(CONFIG_MAP, "big") == written
        assert "immutable" not in written


async def test_logs_rotate_and_the_window_reaches_over_the_last_one(tmp_path):
    folder = tmp_path / "state"
    async with server_of(folder, 20_000) as server:
        first = server.version
        for number in range(200):
            answer = await server.handle(Request("POST", MAPS, body=config_map(f"map-{number}", number)))
            assert answer.status == 201
    assert len(logs(folder)) in (2, 3)
    total = sum(each.stat().st_size for each in folder.iterdir() if each.is_file())
    assert total < 200_000
    async with server_of(folder, 20_000) as server:
        listed = await server.handle(Request("GET", MAPS))
        assert len(listed.content.value()["items"]) == 200
        watch = {"watch": "true", "resourceVersion": str(server.version - 20)}
        resumed = (await server.handle(Request("GET", MAPS, watch))).watcher
        names = [(await resumed.event())[1]["metadata"]["name"] for _ in range(20)]
        assert names == [f"map-{number}" for number in range(180, 200)]
        watch["resourceVersion"] = str(first)
        refused = (await server.handle(Request("GET", MAPS, watch))).watcher
        with pytest.raises(Exception, match="too old resource version"):
            await refused.event()


TYPES = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


THINGS = "/apis/example.org/v1/namespaces/{}/things"


THING_TYPE = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.example.org"},
    "spec": {
        "group": "example.org",
        "scope": "Namespaced",
        "names": {"plural": "things", "kind": "Thing", "singular": "thing"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


def request_of(kind, number, namespace):
    """A request that may be refused, as by the state that earlier ones left."""
    maps, things = f"/api/v1/namespaces/{namespace}/configmaps", THINGS.format(namespace)
    thing = {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": f"t-{number}"}, "size": number}
    held = {"metadata": {"name": f"c-{number}", "finalizers": ["example.org/held"]}, "data": {"n": str(number)}}
    owned = {**config_map(f"o-{number}", 0)}
    owned["metadata"]["ownerReferences"] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "c-0", "uid": "00000000-0000-4000-8000-000000000000"}
    ]
    merge = {"content-type": "application/merge-patch+json"}
    return {
        "namespace": lambda: Request("POST", "/api/v1/namespaces", body={"metadata": {"name": namespace}}),
        "end of namespace": lambda: Request("DELETE", f"/api/v1/namespaces/{namespace}"),
        "type": lambda: Request("POST", TYPES, body=THING_TYPE),
        "end of type": lambda: Request("DELETE", f"{TYPES}/things.example.org"),
        "thing": lambda: Request("POST", things, body=thing),
        "map": lambda: Request("POST", maps, body=config_map(f"c-{number}", number)),
        "held map": lambda: Request("POST", maps, body=held),
        "owned map": lambda: Request("POST", maps, body=owned),
        "patch": lambda: Request("PATCH", f"{maps}/c-{number}", headers=merge, body={"data": {"n": "new"}}),
        "release": lambda: Request(
            "PATCH", f"{maps}/c-{number}", headers=merge, body={"metadata": {"finalizers": None}}
        ),
        "end of map": lambda: Request("DELETE", f"{maps}/c-{number}"),
        "end of all maps": lambda: Request("DELETE", maps),
    }[kind]()


KINDS = ["namespace", "end of namespace", "type", "end of type", "thing", "map", "held map", "owned map", "patch",
         "release", "end of map", "end of all maps"]  # fmt: skip


@settings(max_examples=examples(25), suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 2), st.sampled_from(["default", "one"])), max_size=60))
def test_a_server_that_starts_again_is_the_one_that_ended(requests):
    async def compare(folder):
        async with server_of(folder, 8_000) as server:
            for kind, number, namespace in requests:
                assert (await server.handle(request_of(kind, number, namespace))).status < 500
            before = orjson.loads(server.dump()), await answers(server)
        for _ in range(2):
            async with server_of(folder, 8_000) as server:
                after = orjson.loads(server.dump()), await answers(server)
                assert after[0]["resourceVersion"] == before[0]["resourceVersion"]
                assert without_empty(after[0]["objects"]) == without_empty(before[0]["objects"])
                assert after[1] == before[1]

    with tempfile.TemporaryDirectory() as folder, new_runner() as runner:
        runner.run(compare(Path(folder) / "state"))


def without_empty(objects):
    return {name: items for name, items in objects.items() if items}


async def answers(server):
    """Codes that depend on what is served, and on what is about to end."""
    requests = [request_of("thing", 9, "one"), request_of("map", 9, "one"), Request("GET", THINGS.format("default"))]
    for request in requests:
        request.query = {**request.query, "dryRun": "All"}
    return [(await server.handle(request)).status for request in requests]


async def test_kubeconfigs_and_tokens_of_before_a_restart_are_valid_after_it(tmp_path):
    kept = []
    for number in range(2):
        async with running(tmp_path / "state", EmbeddedProcessCluster) as cluster:
            await cluster.write_kubeconfig(tmp_path / f"kubeconfig-{number}")
            kept.append((tmp_path / f"kubeconfig-{number}").read_text())
    assert kept[0] == kept[1]
    async with running(tmp_path / "state") as cluster:
        path = "/api/v1/namespaces/default/serviceaccounts"
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}}
        await cluster.server.handle(Request("POST", path, body=account))
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        answer = await cluster.server.handle(Request("POST", f"{path}/robot/token", body=body))
        token = answer.content.value()["status"]["token"]
    async with running(tmp_path / "state") as cluster:
        user = cluster.server.bearer(f"Bearer {token}")
        assert user is not None
        assert user.name == "system:serviceaccount:default:robot"


async def test_types_that_users_defined_and_their_objects_are_there_after_a_restart(tmp_path):
    things = THINGS.format("default")
    thing = {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "one"}, "size": 3}
    async with running(tmp_path / "state") as cluster:
        assert (await cluster.server.handle(Request("POST", TYPES, body=THING_TYPE))).status == 201
        assert (await cluster.server.handle(Request("POST", things, body=thing))).status == 201
    async with running(tmp_path / "state") as cluster:
        got = await cluster.server.handle(Request("GET", f"{things}/one"))
        assert got.content.value()["size"] == 3
        assert (await cluster.server.handle(Request("DELETE", f"{TYPES}/things.example.org"))).status == 200
    async with running(tmp_path / "state") as cluster:
        assert (await cluster.server.handle(Request("GET", f"{things}/one"))).status == 404
