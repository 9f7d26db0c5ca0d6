"""Patches, deletions, owners and finalizers."""

from __future__ import annotations

from typing import Any

from tests.clusters.differential.requests import (
    DEFINITIONS,
    OBJECTS,
    Request,
    Theme,
    custom,
    definition,
    delete,
    get,
    patch,
    post,
    prepare,
    put,
)

_MAPS = "/api/v1/namespaces/$NS/configmaps"
_KEEP = "example.org/keep"


def _made(name: str, **metadata: Any) -> list[Request]:
    """A ConfigMap that is there."""
    body = {"metadata": {"name": name, **metadata}, "data": {"a": "b"}}
    return prepare(post(f"make {name}", _MAPS, body, save=name.replace("-", ""), until=(201,)))


def _thing(name: str, **members: Any) -> dict[str, Any]:
    return {"apiVersion": "$GROUP/v1", "kind": "Thing", "metadata": {"name": name}, **members}


def _json(name: str, *operations: dict[str, Any], path: str = f"{_MAPS}/patched") -> Request:
    return patch(f"JSON patch: {name}", f"{path}?dryRun=All", list(operations), "json")


def _operation(op: str, path: str, **more: Any) -> dict[str, Any]:
    return {"op": op, "path": path, **more}


def _gone(name: str, options: Any = None, query: str = "") -> Request:
    return delete(f"delete: {name}", f"{_MAPS}/deleted{query}", options)


_OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "$owner.metadata.uid"}

THEME = Theme(
    "changing",
    "Patches, deletions, owners",
    [
        *custom(
            definition(
                {
                    "type": "object",
                    "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                },
                subresources={"status": {}},
            )
        ),
        *prepare(post("a Thing", OBJECTS, _thing("one", spec={"list": [1, 2], "a": "b"}), until=(201,))),
        *_made("patched", annotations={"example.org/x": "1"}),
        _json("replace", _operation("replace", "/data/a", value="c")),
        _json("replace what is not there", _operation("replace", "/data/z", value="c")),
        _json("add where no object is", _operation("add", "/nothing/z", value="c")),
        _json("remove", _operation("remove", "/data/a")),
        _json("remove what is not there", _operation("remove", "/data/z")),
        _json("a test that holds", _operation("test", "/data/a", value="b"), _operation("add", "/data/c", value="d")),
        _json("a test that fails", _operation("test", "/data/a", value="z")),
        _json("a test of what is not there", _operation("test", "/data/z", value="z")),
        _json("a test for what is not there", _operation("test", "/data/z", value=None)),
        _json("move", {"op": "move", "from": "/data/a", "path": "/data/b"}),
        _json("move what is not there", {"op": "move", "from": "/data/z", "path": "/data/b"}),
        _json("copy", {"op": "copy", "from": "/data/a", "path": "/data/b"}),
        _json("an unknown operation", _operation("dance", "/data/a")),
        _json("no operation", {"path": "/data/a"}),
        _json("no path", {"op": "add", "value": "c"}),
        _json("a slash in a key", _operation("add", "/metadata/annotations/example.org~1y", value="2")),
        _json(
            "a tilde in a key",
            _operation("add", "/metadata/labels", value={}),
            _operation("add", "/metadata/annotations/a~0b", value="2"),
        ),
        _json("the name", _operation("replace", "/metadata/name", value="other")),
        _json("not a list", path=f"{_MAPS}/patched"),
        patch("JSON patch: an object", f"{_MAPS}/patched", {"op": "add"}, "json"),
        patch("JSON patch: half a body", f"{_MAPS}/patched", "[", "json"),
        patch("JSON patch of what is not there", f"{_MAPS}/nothing", [], "json"),
        _json("an item at the end", _operation("add", "/spec/list/-", value=3), path=f"{OBJECTS}/one"),
        _json("an item at the beginning", _operation("add", "/spec/list/0", value=0), path=f"{OBJECTS}/one"),
        _json("an item too far", _operation("add", "/spec/list/9", value=3), path=f"{OBJECTS}/one"),
        _json("an item counted from the end", _operation("add", "/spec/list/-1", value=3), path=f"{OBJECTS}/one"),
        _json("an item that is not a number", _operation("add", "/spec/list/x", value=3), path=f"{OBJECTS}/one"),
        _json("remove an item", _operation("remove", "/spec/list/0"), path=f"{OBJECTS}/one"),
        _json("remove the last item", _operation("remove", "/spec/list/-1"), path=f"{OBJECTS}/one"),
        _json("remove an item too far", _operation("remove", "/spec/list/9"), path=f"{OBJECTS}/one"),
        _json("replace an item", _operation("replace", "/spec/list/1", value=9), path=f"{OBJECTS}/one"),
        patch("merge patch: a list", f"{_MAPS}/patched", [1]),
        patch("merge patch: half a body", f"{_MAPS}/patched", "{"),
        patch("merge patch: the name", f"{_MAPS}/patched", {"metadata": {"name": "other"}}),
        patch("merge patch: an old version", f"{_MAPS}/patched", {"metadata": {"resourceVersion": "1"}}),
        patch("merge patch: nothing", f"{_MAPS}/patched?dryRun=All", {}),
        patch("merge patch: remove", f"{_MAPS}/patched?dryRun=All", {"data": {"a": None}}),
        patch("merge patch of what is not there", f"{_MAPS}/nothing", {}),
        patch(
            "strategic patch: replace a map",
            f"{_MAPS}/patched?dryRun=All",
            {"data": {"$patch": "replace", "z": "y"}},
            "strategic",
        ),
        patch("strategic patch: a list", f"{_MAPS}/patched", [1], "strategic"),
        patch("strategic patch of a custom object", f"{OBJECTS}/one", {}, "strategic"),
        patch("merge patch of a custom object: a list", f"{OBJECTS}/one", [1]),
        patch(
            "a patch of a type that custom objects do not take",
            f"{OBJECTS}/one",
            {},
            headers={"Content-Type": "application/json"},
        ),
        put("a custom object that is not there", f"{OBJECTS}/new", _thing("new")),
        put("a custom object without a version", f"{OBJECTS}/one", _thing("one")),
        post("a custom object without a kind", OBJECTS, {"metadata": {"name": "two"}}),
        post(
            "a custom object of another kind",
            OBJECTS,
            {"apiVersion": "$GROUP/v1", "kind": "Other", "metadata": {"name": "two"}},
        ),
        post(
            "a custom object of another version",
            OBJECTS,
            {"apiVersion": "$GROUP/v2", "kind": "Thing", "metadata": {"name": "two"}},
        ),
        post(
            "a custom object with a number for a name",
            OBJECTS,
            {"apiVersion": "$GROUP/v1", "kind": "Thing", "metadata": {"name": 2}},
        ),
        post("half a custom object", OBJECTS, "{"),
        post("no custom object", OBJECTS, ""),
        get("a custom object as YAML", f"{OBJECTS}/one", headers={"Accept": "application/yaml"}),
        get("a custom object as XML", f"{OBJECTS}/one", headers={"Accept": "application/xml"}),
        get("a list of custom objects", OBJECTS),
        *_made("deleted", finalizers=[_KEEP]),
        _gone("an unknown kind of options", {"kind": "Foo", "apiVersion": "v1"}),
        _gone("another uid", {"preconditions": {"uid": "abc"}}),
        _gone("another version", {"preconditions": {"resourceVersion": "1"}}),
        _gone("an unknown policy", {"propagationPolicy": "Maybe"}),
        _gone("two policies", {"propagationPolicy": "Orphan", "orphanDependents": True}),
        _gone("an unknown dry run", {"dryRun": ["Some"]}),
        _gone("a text for a number", {"gracePeriodSeconds": "x"}),
        _gone("a list", []),
        _gone("half a body", "{"),
        _gone("an unknown policy in the query", None, "?propagationPolicy=Maybe"),
        _gone("a text for a number in the query", None, "?gracePeriodSeconds=x"),
        _gone("a dry run", {"dryRun": ["All"]}),
        _gone("in the end"),
        _gone("again"),
        patch(
            "a new finalizer of what is being deleted",
            f"{_MAPS}/deleted",
            {"metadata": {"finalizers": [_KEEP, "example.org/more"]}},
        ),
        post("create what is being deleted", _MAPS, {"metadata": {"name": "deleted"}}),
        patch("the last finalizer goes", f"{_MAPS}/deleted", {"metadata": {"finalizers": None}}),
        get("it is gone", f"{_MAPS}/deleted"),
        delete("delete what is not there", f"{_MAPS}/deleted"),
        *_made("plain"),
        delete("delete a plain one", f"{_MAPS}/plain"),
        *_made("in-foreground", finalizers=["foregroundDeletion"]),
        delete(
            "delete one that waits for its dependents", f"{_MAPS}/in-foreground", {"propagationPolicy": "Foreground"}
        ),
        *_made("orphans"),
        *_made("graceful"),
        delete("a grace period below zero", f"{_MAPS}/graceful", {"gracePeriodSeconds": -1}),
        post(
            "an owner without a uid",
            f"{_MAPS}?dryRun=All",
            {
                "metadata": {
                    "name": "owned",
                    "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": ""}],
                }
            },
        ),
        post(
            "an owner without a kind",
            f"{_MAPS}?dryRun=All",
            {"metadata": {"name": "owned", "ownerReferences": [{"apiVersion": "v1", "name": "owner", "uid": "a"}]}},
        ),
        post(
            "two owners that control",
            f"{_MAPS}?dryRun=All",
            {
                "metadata": {
                    "name": "owned",
                    "ownerReferences": [
                        {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "a", "controller": True},
                        {"apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": "b", "controller": True},
                    ],
                }
            },
        ),
        post(
            "an event for an owner",
            f"{_MAPS}?dryRun=All",
            {
                "metadata": {
                    "name": "owned",
                    "ownerReferences": [{"apiVersion": "v1", "kind": "Event", "name": "e", "uid": "a"}],
                }
            },
        ),
        *_made("owner"),
        post("owned by what is there", _MAPS, {"metadata": {"name": "owned", "ownerReferences": [_OWNER]}}),
        *prepare(
            delete("the owner goes", f"{_MAPS}/owner"),
            get("what it owned goes too", f"{_MAPS}/owned", until=(404,)),
        ),
        get("what it owned is gone", f"{_MAPS}/owned"),
        *prepare(
            post(
                "a namespace to be deleted",
                "/api/v1/namespaces",
                {"metadata": {"name": "$NS-ending", "finalizers": []}},
            ),
            post(
                "held by an object",
                "/api/v1/namespaces/$NS-ending/configmaps",
                {"metadata": {"name": "held", "finalizers": [_KEEP]}},
            ),
        ),
        delete("a namespace that is not empty", "/api/v1/namespaces/$NS-ending"),
        post(
            "create in a namespace that is being deleted",
            "/api/v1/namespaces/$NS-ending/configmaps",
            {"metadata": {"name": "late"}},
        ),
        *prepare(
            get("its object is being deleted", "/api/v1/namespaces/$NS-ending/configmaps/held", until=(200,)),
            patch("it is let go", "/api/v1/namespaces/$NS-ending/configmaps/held", {"metadata": {"finalizers": None}}),
            get("the namespace is gone", "/api/v1/namespaces/$NS-ending", until=(404,)),
        ),
        delete("the default namespace", "/api/v1/namespaces/default"),
        delete("many at once", f"{_MAPS}?labelSelector=a%3Db"),
        delete("a CustomResourceDefinition", f"{DEFINITIONS}/things.$GROUP"),
        *prepare(
            get("it is gone", f"{DEFINITIONS}/things.$GROUP", until=(404,)),
            get("its type is gone", OBJECTS, until=(404,)),
        ),
        get("its type", OBJECTS),
    ],
)
