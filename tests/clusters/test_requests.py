"""A request's path says what it is about, for the gate, the recording proxy, and the checks of access alike."""

from __future__ import annotations

import pytest

from harness.clusters.embedded.access.attributes import attributes_of
from harness.clusters.embedded.messages import Request
from harness.clusters.gate import read_request
from harness.clusters.requests import ResourcePath, read_path


@pytest.mark.parametrize(
    ("path", "about"),
    [
        ("/api/v1/namespaces/n/configmaps/a", ResourcePath("", "v1", "configmaps", "n", "a", "")),
        ("/api/v1/namespaces/n/configmaps", ResourcePath("", "v1", "configmaps", "n", "", "")),
        ("/apis/wasmbed.io/v1/devices", ResourcePath("wasmbed.io", "v1", "devices", "", "", "")),
        (
            "/apis/wasmbed.io/v1/namespaces/n/devices/a/status",
            ResourcePath("wasmbed.io", "v1", "devices", "n", "a", "status"),
        ),
        ("/api/v1/namespaces", ResourcePath("", "v1", "namespaces", "", "", "")),
        ("/api/v1/namespaces/n", ResourcePath("", "v1", "namespaces", "", "n", "")),
        ("/api/v1/namespaces/n/status", ResourcePath("", "v1", "namespaces", "", "n", "status")),
        ("/api/v1/namespaces/n/finalize", ResourcePath("", "v1", "namespaces", "", "n", "finalize")),
        ("/api/v1/nodes/a%2Fb", ResourcePath("", "v1", "nodes", "", "a/b", "")),
        ("/apis/wasmbed.io/v1", None),
        ("/version", None),
        ("/", None),
    ],
)
def test_a_path_is_read_in_one_way(path, about):
    assert read_path(path) == about


def test_the_status_of_a_namespace_is_a_subresource_for_all_readers():
    """Not a list of a type called ``status`` inside the namespace."""
    path = "/api/v1/namespaces/n/status"
    asked = read_request("PATCH", path, {})
    assert asked is not None
    assert (asked.verb, asked.resource.kind, asked.name) == ("patch_status", "Namespace", "n")
    of_access = attributes_of(Request("PATCH", path, {}, {}, b""))
    assert (of_access.verb, of_access.called, of_access.namespace, of_access.name) == (
        "patch",
        "namespaces/status",
        "n",
        "n",
    )


@pytest.mark.parametrize(("word", "verb"), [("true", "watch"), ("True", "watch"), ("0", "list"), ("False", "list")])
def test_a_gate_knows_a_watch_by_any_word_for_true(word, verb):
    """kubernetes_asyncio writes True."""
    asked = read_request("GET", "/apis/wasmbed.io/v1/namespaces/n/devices", {"watch": word})
    assert asked is not None
    assert asked.verb == verb
