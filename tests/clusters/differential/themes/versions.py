"""Definitions with several versions, their stored versions, deprecation, and the scale subresource."""

from __future__ import annotations

from typing import Any

from tests.clusters.differential.requests import (
    DEFINITIONS,
    Request,
    Theme,
    apply,
    custom,
    definition,
    delete,
    get,
    patch,
    post,
    prepare,
    put,
)

_STRING = {"type": "string"}
_LOST = "there the owners of fields get lost, or an apply fails, where versions lack each other's fields"
_V1 = "/apis/$GROUP/v1/namespaces/$NS/things"
_V2 = "/apis/$GROUP/v2/namespaces/$NS/things"
_BETA = "/apis/$GROUP/v1beta1/namespaces/$NS/things"


def _version(name: str, properties: Any, **members: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}
    return {"name": name, "served": True, "storage": False, "schema": {"openAPIV3Schema": schema}, **members}


_DEFINITION = definition({"type": "object"})
_DEFINITION["spec"]["versions"] = [
    _version("v1", {"old": _STRING, "both": _STRING, "size": {"type": "integer", "default": 1}}, storage=True),
    _version("v2", {"both": _STRING, "new": {"type": "string", "default": "x"}}),
    _version("v1beta1", {"both": _STRING}, deprecated=True),
    _version("v1alpha1", {"both": _STRING}, deprecated=True, deprecationWarning="v1alpha1 of things is gone soon"),
    _version("v0", {"both": _STRING}, served=False),
]


def _thing(version: str, name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": f"$GROUP/{version}", "kind": "Thing", "metadata": {"name": name}, "spec": spec}


_VERSIONS: list[Request] = [
    *custom(_DEFINITION),
    get("the definition", f"{DEFINITIONS}/things.$GROUP"),
    get("the group", "/apis/$GROUP"),
    get("resources of v1", "/apis/$GROUP/v1"),
    get("resources of v2", "/apis/$GROUP/v2"),
    get("resources of a version not served", "/apis/$GROUP/v0"),
    post("create in v1", _V1, _thing("v1", "one", old="a", both="b", new="c")),
    get("read in v1", f"{_V1}/one"),
    get("read in v2", f"{_V2}/one"),
    get("read in a deprecated version", f"{_BETA}/one"),
    get("read in a version with its own warning", f"{_BETA.replace('v1beta1', 'v1alpha1')}/one"),
    get("read in a version not served", f"{_BETA.replace('v1beta1', 'v0')}/one"),
    get("list in v2", _V2),
    get("list in a deprecated version", _BETA),
    get("watch in a deprecated version", f"{_BETA}?watch=true&timeoutSeconds=1"),
    get("watch in v2", f"{_V2}?watch=true&timeoutSeconds=1"),
    post("create in v2", _V2, _thing("v2", "two", both="b", new="c", old="a")),
    get("what v1 shows of it", f"{_V1}/two"),
    get("what v2 shows of it", f"{_V2}/two"),
    post("create in a deprecated version", _BETA, _thing("v1beta1", "three", both="b", old="a")),
    post("create with the version of another path", _V2, _thing("v1", "four")),
    patch("patch in v2", f"{_V2}/one", {"spec": {"both": "z"}}, stays=_LOST),
    patch("patch in v2 with a field of v1", f"{_V2}/one", {"spec": {"old": "z"}}, stays=_LOST),
    get("v1 after that", f"{_V1}/one", stays=_LOST),
    apply("apply in v2", f"{_V2}/five", _thing("v2", "five", both="a", new="b")),
    apply("apply in v1 by another", f"{_V1}/five", _thing("v1", "five", both="c"), "other", stays=_LOST),
    delete("delete in a deprecated version", f"{_BETA}/three"),
    patch("a version that objects are stored in goes", f"{DEFINITIONS}/things.$GROUP",
          [{"op": "remove", "path": "/spec/versions/0"}], "json", stays="the value shows how Go keeps a definition"),
    patch("another version stores", f"{DEFINITIONS}/things.$GROUP", [
        {"op": "replace", "path": "/spec/versions/0/storage", "value": False},
        {"op": "replace", "path": "/spec/versions/1/storage", "value": True}], "json"),
    patch("the version that stored goes", f"{DEFINITIONS}/things.$GROUP",
          [{"op": "remove", "path": "/spec/versions/0"}], "json"),
    patch("stored versions lose the one in use", f"{DEFINITIONS}/things.$GROUP/status",
          {"status": {"storedVersions": ["v1"]}}),
    patch("stored versions gain one that is unknown", f"{DEFINITIONS}/things.$GROUP/status",
          {"status": {"storedVersions": ["v1", "v2", "v9"]}}),
    patch("stored versions lose the old one", f"{DEFINITIONS}/things.$GROUP/status",
          {"status": {"storedVersions": ["v2"]}}),
    patch("the group changes", f"{DEFINITIONS}/things.$GROUP", {"spec": {"group": "example.com"}}),
    patch("the scope changes", f"{DEFINITIONS}/things.$GROUP", {"spec": {"scope": "Cluster"}}),
    patch("the plural changes", f"{DEFINITIONS}/things.$GROUP", {"spec": {"names": {"plural": "others"}}}),
    patch("the kind changes", f"{DEFINITIONS}/things.$GROUP", {"spec": {"names": {"kind": "Other"}}}),
]  # fmt: skip
_REPLICAS = {
    "type": "object",
    "properties": {
        "spec": {"type": "object", "properties": {"replicas": {"type": "integer", "minimum": 0}, "deep": {
            "type": "object", "properties": {"count": {"type": "integer"}}}}},
        "status": {"type": "object", "properties": {"replicas": {"type": "integer"}, "selector": _STRING}},
    },
}  # fmt: skip
_SCALE = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".status.selector",
}


def _scale(replicas: Any, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "one"},
            "spec": {"replicas": replicas}, **more}  # fmt: skip


_SCALED: list[Request] = [
    *custom(definition(_REPLICAS, subresources={"status": {}, "scale": _SCALE})),
    get("resources", "/apis/$GROUP/v1"),
    *prepare(post("create", _V1, _thing("v1", "one", replicas=2))),
    get("scale", f"{_V1}/one/scale"),
    get("scale of what is not there", f"{_V1}/none/scale"),
    patch("status", f"{_V1}/one/status", {"status": {"replicas": 1, "selector": "app=a"}}),
    get("scale with a status", f"{_V1}/one/scale"),
    patch("scale by merge patch", f"{_V1}/one/scale", {"spec": {"replicas": 5}}),
    get("the object after that", f"{_V1}/one"),
    patch("scale by JSON patch", f"{_V1}/one/scale", [{"op": "replace", "path": "/spec/replicas", "value": 6}], "json"),
    patch("scale below zero", f"{_V1}/one/scale", {"spec": {"replicas": -1}}),
    patch("scale to text", f"{_V1}/one/scale", {"spec": {"replicas": "two"}}),
    patch("status through scale", f"{_V1}/one/scale", {"status": {"replicas": 9}}),
    put("replace scale", f"{_V1}/one/scale", _scale(3)),
    put("replace scale with an old version", f"{_V1}/one/scale",
        {**_scale(4), "metadata": {"name": "one", "resourceVersion": "1"}}),
    put("replace scale of another name", f"{_V1}/one/scale", {**_scale(4), "metadata": {"name": "two"}}),
    put("replace scale with a Thing", f"{_V1}/one/scale", _thing("v1", "one", replicas=1)),
    put("replace scale of what is not there", f"{_V1}/none/scale", {**_scale(4), "metadata": {"name": "none"}}),
    apply("apply scale", f"{_V1}/one/scale", _scale(8), force=True,
          stays="refused as a bad request, not as a failure of the server"),
    get("owners after that", f"{_V1}/one"),
    delete("delete scale", f"{_V1}/one/scale"),
    post("create scale", f"{_V1}/one/scale", _scale(1)),
    *prepare(post("create without replicas", _V1, _thing("v1", "two"))),
    get("scale without replicas", f"{_V1}/two/scale"),
    patch("scale what has no replicas", f"{_V1}/two/scale", {"spec": {"replicas": 1}}),
    *(patch(f"scale to {value}", f"{_V1}/one/scale", f'{{"spec":{{"replicas":{value}}}}}') for value in (
        "2147483647", "2147483648", "-2147483649", "99999999999999999999", "1e2", "1.5", "2.0", "true", "null", "[]")),
    *(put(f"replace scale with {value}", f"{_V1}/one/scale",
          f'{{"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{{"name":"one"}},"spec":{{"replicas":{value}}}}}')
      for value in ("2147483648", "99999999999999999999", "1.5", '"2"', "true", "null", "[]")),
    patch("scale a spec that is a text", f"{_V1}/one/scale", {"spec": "a"}),
    put("replace scale with a spec that is a list", f"{_V1}/one/scale", {**_scale(1), "spec": []}),
    patch("the object to more than 32 bits", f"{_V1}/one", {"spec": {"replicas": 2147483648}}),
    get("scale of more than 32 bits", f"{_V1}/one/scale"),
    patch("the object back", f"{_V1}/one", {"spec": {"replicas": 2}}),
    patch("the status to more than 32 bits", f"{_V1}/one/status", {"status": {"replicas": 2147483648}}),
    get("scale of a status of more than 32 bits", f"{_V1}/one/scale"),
    patch("the status back", f"{_V1}/one/status", {"status": {"replicas": 1}}),
    get("a subresource that is unknown", f"{_V1}/one/logs"),
]  # fmt: skip

THEMES = [
    Theme("versions", "Several versions", _VERSIONS),
    Theme("scale", "The scale subresource", _SCALED),
]
