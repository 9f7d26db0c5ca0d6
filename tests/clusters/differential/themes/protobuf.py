"""Protobuf: answers, lists, watches and refusals in it, and built-in kinds whose objects come in it.

Bodies are those of the theme of kinds, as far as protobuf can hold them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.clusters.embedded.kinds.table import kinds
from harness.clusters.embedded.protobuf import PROTOBUF, encode
from tests.clusters.differential.requests import Request, Theme, custom, definition, delete, get, patch, post, prepare
from tests.clusters.differential.themes.kinds import THEME as KINDS

_MAPS = "/api/v1/namespaces/$NS/configmaps"
_THINGS = "/apis/$GROUP/v1/namespaces/$NS/things"
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_OR_JSON = f"{PROTOBUF},application/json"
_TABLE = "as=Table;v=v1;g=meta.k8s.io"
_META = "as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
_METAS = "as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
_KINDS = {(served.api_version, served.plural): served.kind for served in kinds()}
_CONVERTED = "the words of a conversion in Go; the refusal is the same"
_EITHER = "a Status comes in protobuf to all who ask for it first"
_SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 2, "default": 1},
                "names": {"type": "array", "items": {"type": "string"}, "maxItems": 3, "x-kubernetes-list-type": "set"},
                "more": {"type": "object", "additionalProperties": {"type": "string", "enum": ["a", "b"]}},
                "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
            "x-kubernetes-validations": [{"rule": "self.size < 3", "message": "too large"}],
        }
    },
}


def _wants(name: str, path: str, accept: str = PROTOBUF, **more: Any) -> Request:
    return get(name, path, headers={"Accept": accept}, **more)


def _sent(name: str, path: str, value: Any, accept: str = PROTOBUF, **more: Any) -> Request:
    return post(name, path, encode(value), headers={"Content-Type": PROTOBUF, "Accept": accept}, **more)


def _of_kinds() -> Iterator[Request]:
    for request in KINDS.requests:
        parts = request.path.partition("?")[0].strip("/").split("/")
        group, plural = "/".join(parts[1 : 2 if parts[0] == "api" else 3]), parts[-1]
        if request.method != "POST" or not isinstance(request.body, dict) or request.stays:
            continue
        value = {"apiVersion": group, "kind": _KINDS[group, plural], **request.body}
        try:
            yield _sent(request.name, request.path, value)
        except (AttributeError, TypeError, ValueError):  # a value of another type: protobuf has no form for it
            continue


_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "labels": {"a": "b"}}, "data": {"c": "d"}}
THEME = Theme(
    "protobuf",
    "Protobuf: answers and bodies",
    [
        _sent("create", _MAPS, _MAP),
        _wants("get", f"{_MAPS}/one"),
        _wants("get, or JSON", f"{_MAPS}/one", _OR_JSON),
        _wants("get JSON, or protobuf", f"{_MAPS}/one", f"application/json,{PROTOBUF}"),
        _wants("list", f"{_MAPS}?fieldSelector=metadata.name%3Done"),
        _wants("list nothing", "/apis/batch/v1/namespaces/$NS/jobs"),
        _wants("watch", f"{_MAPS}?watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3Done"),
        _wants("what is not there", f"{_MAPS}/two"),
        _wants("what is not there, or JSON", f"{_MAPS}/two", _OR_JSON),
        _wants("a Table", _MAPS, f"{PROTOBUF};{_TABLE}"),
        _wants("a Table, or JSON", f"{_MAPS}/two", f"{PROTOBUF};{_TABLE},application/json"),
        _wants("metadata", f"{_MAPS}/one", f"{PROTOBUF};{_META}"),
        _wants("metadata of a list", f"{_MAPS}?labelSelector=a", f"{PROTOBUF};{_META}", stays=_EITHER),
        _wants("a list of metadata", f"{_MAPS}?labelSelector=a", f"{PROTOBUF};{_METAS}"),
        _wants("a list of one's metadata", f"{_MAPS}/one", f"application/json;{_METAS}"),
        _wants("metadata of a list in JSON", "/apis/policy/v1/poddisruptionbudgets", f"application/json;{_META}"),
        _wants("watch metadata", f"{_MAPS}?watch=true&timeoutSeconds=1&labelSelector=a", f"{PROTOBUF};{_META}"),
        _wants("a version in the past", f"{_MAPS}?watch=true&timeoutSeconds=1&resourceVersion=1"),
        patch("patch", f"{_MAPS}/one", {"data": {"e": "f"}}, headers={"Accept": PROTOBUF}),
        _sent("create what is there", _MAPS, _MAP),
        _sent("another kind", _MAPS, {**_MAP, "kind": "ServiceAccount"}),
        _sent("a list", _MAPS, {"apiVersion": "v1", "kind": "ConfigMapList", "items": [_MAP]}, stays=_CONVERTED),
        _sent("another version", _MAPS, {**_MAP, "apiVersion": "apps/v1", "kind": "Deployment"}),
        post("garbage", _MAPS, b"k8s\x00\xff", headers={"Content-Type": PROTOBUF}),
        post("no magic", _MAPS, b"nonsense", headers={"Content-Type": PROTOBUF}),
        post("nothing", _MAPS, b"", headers={"Content-Type": PROTOBUF}),
        delete(
            "delete",
            f"{_MAPS}/one",
            encode({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "other"}}),
            headers={"Content-Type": PROTOBUF, "Accept": PROTOBUF},
        ),
        delete("delete all", _MAPS, headers={"Accept": PROTOBUF}),
        _wants("a group", "/apis/apps"),
        _wants("resources", "/apis/discovery.k8s.io/v1"),
        *custom(definition(_SCHEMA)),
        _wants("a definition", f"{_DEFINITIONS}/things.$GROUP"),
        *prepare(post("a Thing", _THINGS, {"apiVersion": "$GROUP/v1", "kind": "Thing", "metadata": {"name": "one"}})),
        _wants("a Thing", f"{_THINGS}/one"),
        _wants("a Thing, or JSON", f"{_THINGS}/one", _OR_JSON),
        _wants("Things", _THINGS),
        _wants("Things, or JSON", _THINGS, _OR_JSON),
        _wants("a Thing that is not there", f"{_THINGS}/two"),
        _wants("a Thing that is not there, or JSON", f"{_THINGS}/two", _OR_JSON),
        _wants("a Thing's metadata", f"{_THINGS}/one", f"{PROTOBUF};{_META}"),
        _wants("watch Things", f"{_THINGS}?watch=true&timeoutSeconds=1"),
        _wants("watch Things, or JSON", f"{_THINGS}?watch=true&timeoutSeconds=1", _OR_JSON),
        delete("delete a Thing", f"{_THINGS}/one", headers={"Accept": _OR_JSON}, stays=_EITHER),
        *_of_kinds(),
    ],
)
