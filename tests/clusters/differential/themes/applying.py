"""Server-side apply and managed fields: what kubectl, controllers and Helm do to one object."""

from __future__ import annotations

from typing import Any

from tests.clusters.differential.requests import (
    OBJECTS,
    Request,
    Theme,
    apply,
    custom,
    definition,
    delete,
    get,
    patch,
    post,
    put,
)

_STRING = {"type": "string"}
_PORT = {
    "type": "object",
    "required": ["port"],
    "properties": {
        "port": {"type": "integer"},
        "protocol": {"type": "string", "default": "TCP"},
        "name": _STRING,
        "target": {"type": "object", "properties": {"host": {"type": "string", "default": "a"}, "path": _STRING}},
    },
}
_SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "color": _STRING,
                "size": {"type": "integer"},
                "mode": {"type": "string", "default": "auto"},
                "tags": {"type": "array", "items": _STRING, "x-kubernetes-list-type": "set"},
                "list": {"type": "array", "items": _STRING},
                "ports": {
                    "type": "array",
                    "items": _PORT,
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["port", "protocol"],
                },
                "box": {"type": "object", "properties": {"a": _STRING, "b": {"type": "string", "default": "x"}}},
                "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": _STRING},
                "map": {"type": "object", "additionalProperties": _STRING},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
        },
        "status": {"type": "object", "properties": {"phase": _STRING, "count": {"type": "integer"}}},
    },
}


def _thing(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "$GROUP/v1", "kind": "Thing", "metadata": {"name": name}, "spec": spec}


def _labelled(name: str, labels: Any, **spec: Any) -> dict[str, Any]:
    return {**_thing(name, **spec), "metadata": {"name": name, "labels": labels}}


def _at(name: str) -> str:
    return f"{OBJECTS}/{name}"


_MANAGED: list[Request] = [
    post("create", OBJECTS, _labelled("one", {"a": "b"}, color="red", ports=[{"port": 80}], tags=["x"])),
    post("create as a manager", f"{OBJECTS}?fieldManager=maker", _thing("two", color="red")),
    post("create by kubectl", OBJECTS, _thing("three", color="red"),
         headers={"User-Agent": "kubectl/v1.36.3 (linux/amd64) kubernetes/abc"}),
    post("create without an agent", OBJECTS, _thing("four", size=1), headers={"User-Agent": None}),
    post("create with a long manager", f"{OBJECTS}?fieldManager={'m' * 129}", _thing("five")),
    post("create with an unprintable manager", f"{OBJECTS}?fieldManager=a%00b", _thing("five"),
         stays="the value is quoted as JSON quotes it, not as Go does"),
    post("create with managed fields", OBJECTS, {**_thing("six"), "metadata": {"name": "six", "managedFields": [
        {"manager": "x", "operation": "Update", "apiVersion": "$GROUP/v1", "fieldsType": "FieldsV1"}]}}),
    patch("patch by another", f"{_at('one')}?fieldManager=other", {"spec": {"color": "blue", "size": 1}}),
    patch("patch that changes nothing", f"{_at('one')}?fieldManager=third", {"spec": {"color": "blue"}}),
    patch("patch of the status", f"{_at('one')}/status?fieldManager=controller", {"status": {"phase": "Ready"}}),
    patch("patch removes a field", f"{_at('one')}?fieldManager=remover", {"spec": {"size": None}}),
    patch("patch of a label", f"{_at('one')}?fieldManager=labeller", {"metadata": {"labels": {"c": "d"}}}),
    patch("patch of a finalizer", f"{_at('one')}?fieldManager=finalizer",
          {"metadata": {"finalizers": ["example.org/hold"]}}),
    patch("patch takes the finalizer away", f"{_at('one')}?fieldManager=finalizer", {"metadata": {"finalizers": None}}),
    patch("JSON patch of an item", f"{_at('one')}?fieldManager=jsonpatch",
          [{"op": "add", "path": "/spec/ports/0/name", "value": "http"}], "json"),
    put("replace", f"{_at('two')}?fieldManager=replacer", {**_thing("two", color="green", list=["a"])}),
    get("read before replacing", _at("two"), save="two"),
    put("replace with its version", f"{_at('two')}?fieldManager=replacer",
        {**_thing("two", color="green", list=["a"]),
         "metadata": {"name": "two", "resourceVersion": "$two.metadata.resourceVersion"}}),
    patch("managed fields are cleared", f"{_at('three')}", {"metadata": {"managedFields": [{}]}}),
    patch("managed fields with a bad entry", f"{_at('one')}", {"metadata": {"managedFields": [
        {"manager": "x", "operation": "Steal"}]}}),
]  # fmt: skip
_APPLIED: list[Request] = [
    apply("first apply", _at("app"), _labelled("app", {"a": "b"}, color="red", ports=[{"port": 80, "name": "http"}],
                                               tags=["x", "y"], box={"a": "1"}, map={"k": "v"}, whole={"k": "v"})),
    apply("same apply", _at("app"), _labelled("app", {"a": "b"}, color="red", ports=[{"port": 80, "name": "http"}],
                                              tags=["x", "y"], box={"a": "1"}, map={"k": "v"}, whole={"k": "v"})),
    apply("conflict", _at("app"), _thing("app", color="blue"), "other"),
    apply("several conflicts", _at("app"), _thing("app", color="blue", box={"a": "2"}, whole={"k": "w"},
                                                  ports=[{"port": 80, "name": "web"}]), "other"),
    apply("same value shared", _at("app"), _thing("app", color="red"), "other"),
    apply("forced", _at("app"), _thing("app", color="blue"), "other", force=True),
    apply("fields given up", _at("app"),
          _labelled("app", {"a": "b"}, ports=[{"port": 80}], tags=["x"], box={})),
    apply("map emptied", _at("emptied"), _thing("emptied", map={"k": "v"})),
    apply("nothing of a map remains", _at("emptied"), _thing("emptied", map={})),
    apply("item added by another", _at("app"), _thing("app", ports=[{"port": 443}], tags=["z"]), "other"),
    apply("everything given up", _at("app"), {"apiVersion": "$GROUP/v1", "kind": "Thing", "metadata": {"name": "app"}}),
    get("after that", _at("app")),
    apply("apply after an update", _at("one"), _thing("one", color="yellow"), "applier"),
    apply("apply of the same after an update", _at("one"), _thing("one", color="blue"), "applier"),
    apply("apply after create", _at("four"), _thing("four", size=2), "applier"),
    apply("apply after create, forced", _at("four"), _thing("four", size=2), "applier", force=True),
    apply("default of a new parent", _at("box"), _thing("box", box={"a": "1"}, ports=[{"port": 1, "target": {}}])),
    apply("parent given up with its default", _at("box"), _thing("box", size=1)),
    apply("status", f"{_at('app')}/status", {**_thing("app"), "status": {"phase": "Ready"}}, "controller"),
    apply("status conflict", f"{_at('app')}/status", {**_thing("app"), "status": {"phase": "Lost"}}, "second"),
    apply("without manager", _at("app"), _thing("app", color="a"), ""),
    patch("no manager at all", _at("app"), _thing("app", color="a"), "apply"),
    patch("force without apply", f"{_at('app')}?force=true", {"spec": {"size": 1}}),
    apply("without apiVersion", _at("app"), {"kind": "Thing", "metadata": {"name": "app"}}),
    apply("without kind", _at("app"), {"apiVersion": "$GROUP/v1", "metadata": {"name": "app"}}),
    apply("another kind", _at("app"), {**_thing("app"), "kind": "Other"}),
    apply("another name", _at("app"), _thing("other")),
    apply("no name", _at("app"), {"apiVersion": "$GROUP/v1", "kind": "Thing"}),
    apply("another namespace", _at("app"), {**_thing("app"), "metadata": {"name": "app", "namespace": "other"}}),
    apply("with managed fields", _at("app"), {**_thing("app"), "metadata": {"name": "app", "managedFields": [
        {"manager": "x", "operation": "Apply", "apiVersion": "$GROUP/v1", "fieldsType": "FieldsV1"}]}}),
    apply("with a wrong version", _at("app"), {**_thing("app", color="c"), "metadata": {
        "name": "app", "resourceVersion": "1"}}),
    apply("with the uid of another", _at("new"), {**_thing("new"), "metadata": {
        "name": "new", "uid": "123e4567-e89b-12d3-a456-426614174000"}}),
    apply("unknown field", _at("app"), _thing("app", other=1)),
    apply("unknown field, strictly", f"{_at('app')}?fieldValidation=Strict", _thing("app", other=1)),
    apply("wrong type", _at("app"), _thing("app", size="a")),
    apply("null", _at("app"), _thing("app", color=None, size=2), "nuller"),
    apply("repeated key", _at("app"), _thing("app", ports=[{"port": 1}, {"port": 1}]), "twice"),
    apply("repeated value in a set", _at("app"), _thing("app", tags=["a", "a"]), "twice"),
    apply("key missing", _at("app"), _thing("app", ports=[{"name": "a"}]), "keyless"),
    apply("YAML body", _at("yaml"), "apiVersion: $GROUP/v1\nkind: Thing\nmetadata: {name: yaml}\nspec: {size: 1}\n"),
    *(patch(f"force={value}", f"{_at('yaml')}?fieldManager=forcer&force={value}",
            {"apiVersion": "$GROUP/v1", "kind": "Thing", "metadata": {"name": "yaml"}, "spec": {"size": 2}}, "apply")
      for value in ("true", "false", "1", "0", "t", "True", "TRUE", "yes", "nope", "", "2")),
    *(patch(f"force={value} of a merge patch", f"{_at('yaml')}?fieldManager=forcer&force={value}", {}) for value in (
        "true", "false", "nope", "")),
    apply("broken YAML", _at("yaml"), "a: [b\n"),
    apply("dry run", f"{_at('dry')}?dryRun=All", _thing("dry", size=1)),
    get("nothing came of it", _at("dry")),
    apply("status through the object", _at("app"), {**_thing("app"), "status": {"count": 3}}, "third",
          stays="the manager owns no field, so it has no entry here; there it has an empty one"),
    apply("free fields", _at("free"), _thing("free", free={"a": {"b": 1}, "list": [1, {"c": 2}]})),
    apply("other free fields", _at("free"), _thing("free", free={"a": {"b": 2}, "list": [1]}), "other"),
    delete("delete", _at("free")),
    apply("apply what is gone", _at("free"), _thing("free", size=1)),
]  # fmt: skip
_MAPS = "/api/v1/namespaces/$NS/configmaps"
_LAST = "kubectl.kubernetes.io/last-applied-configuration"
_CONFIG = (
    '{"apiVersion":"v1","data":{"a":"1"},"kind":"ConfigMap","metadata":{"annotations":{},"name":"cm",'
    '"namespace":"$NS"}}\n'
)


def _map(name: str, data: Any, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": data}


_BUILT_IN: list[Request] = [
    post("create by kubectl apply", f"{_MAPS}?fieldManager=kubectl-client-side-apply",
         _map("cm", {"a": "1"}, annotations={_LAST: _CONFIG})),
    apply("kubectl apply --server-side", f"{_MAPS}/cm", _map("cm", {"a": "2"}), "kubectl"),
    apply("the same once more", f"{_MAPS}/cm", _map("cm", {"a": "2"}), "kubectl"),
    patch("strategic patch", f"{_MAPS}/cm?fieldManager=kubectl-edit", {"data": {"b": "3"}}, "strategic"),
    apply("conflict with an edit", f"{_MAPS}/cm", _map("cm", {"a": "2", "b": "4"}), "kubectl"),
    apply("create", f"{_MAPS}/new", _map("new", {"a": "1"}, labels={"x": "y"}), "kubectl"),
    apply("a Service", "/api/v1/namespaces/$NS/services/web", {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"clusterIP": "None", "selector": {"app": "web"}, "ports": [{"port": 80, "name": "http"}]}}, "kubectl"),
    apply("a Lease", "/apis/coordination.k8s.io/v1/namespaces/$NS/leases/lock", {
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "lock"},
        "spec": {"holderIdentity": "a"}}, "elector"),
    apply("a Lease held by another", "/apis/coordination.k8s.io/v1/namespaces/$NS/leases/lock", {
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "lock"},
        "spec": {"holderIdentity": "b"}}, "second"),
]  # fmt: skip

THEMES = [
    Theme(
        "managed-fields",
        "Managed fields and server-side apply",
        [
            *custom(definition(_SCHEMA, subresources={"status": {}})),
            *_MANAGED,
            *_APPLIED,
        ],
    ),
    Theme("apply-built-in", "Server-side apply of built-in kinds", _BUILT_IN),
]
