"""OpenAPI documents: version 3 for present clients, version 2 for those of before Kubernetes 1.27."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from harness.clusters.embedded.apply import APPLY_PATCH
from harness.clusters.embedded.discovery import KUBERNETES
from harness.clusters.embedded.errors import no_such_path
from harness.clusters.embedded.patches import JSON_PATCH, MERGE_PATCH
from harness.clusters.embedded.types import Registry, ResourceType
from harness.clusters.embedded.values import Object

__all__ = ["OpenApi", "definitions"]

_QUERY = ("dryRun", "fieldManager", "fieldValidation", "pretty")
_QUERY_2 = {"name": "dryRun", "in": "query", "type": "string"}
_NOT_IN_VERSION_2 = ("allOf", "anyOf", "oneOf", "not", "nullable")


class OpenApi:
    """The documents of a registry, made when asked for and kept until a type changes."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._revision = -1
        self._made: dict[str, bytes] = {}

    def _kept(self) -> dict[str, bytes]:
        if self._revision != self._registry.revision:
            self._revision, self._made = self._registry.revision, {}
        return self._made

    def index(self) -> Object:
        """``/openapi/v3``: where each group version's document is; the address changes with its content."""
        paths = {}
        for group, versions in self._registry.group_versions().items():
            for version in versions:
                path = f"apis/{group}/{version}" if group else f"api/{version}"
                digest = hashlib.sha256(self.group_version(group, version)).hexdigest()[:32].upper()
                paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
        return {"paths": paths}

    def group_version(self, group: str, version: str) -> bytes:
        """``/openapi/v3/apis/GROUP/VERSION``, JSON."""
        kept = self._kept()
        name = f"{group}/{version}"
        if name not in kept:
            types = self._registry.of(group, version)
            if not types:
                raise no_such_path()
            paths: Object = {}
            for served in types:
                paths.update(_paths(served))
            document = {
                "openapi": "3.0.0",
                "info": {"title": "Kubernetes", "version": f"v{KUBERNETES}"},
                "paths": paths,
                "components": {"schemas": definitions(types)},
            }
            kept[name] = orjson.dumps(document)
        return kept[name]

    def version_2(self) -> Object:
        """``/openapi/v2``: every type's definition, and of the paths what tells a client whether it can try a patch."""
        return {
            "swagger": "2.0",
            "info": {"title": "Kubernetes", "version": f"v{KUBERNETES}"},
            "paths": {
                path: {"patch": {"parameters": [_QUERY_2], "x-kubernetes-group-version-kind": _kind(served)}}
                for served in self._registry
                if "patch" in served.verbs
                for path in list(_paths(served))[1:]
            },
            "definitions": {name: _version_2(schema) for name, schema in definitions(list(self._registry)).items()},
        }


def definitions(types: list[ResourceType]) -> dict[str, Object]:
    """Schemas by name, each with the kinds that it is of."""
    return {
        _name(served): {
            **served.schema.raw,
            "x-kubernetes-group-version-kind": [_kind(served)],
        }
        for served in types
    }


def _name(served: ResourceType) -> str:
    """The group's parts backwards, as Kubernetes names its definitions: ``io.wasmbed.v1.Device``."""
    group = ".".join(reversed(served.group.split("."))) if served.group else "io.k8s.api.core"
    return f"{group}.{served.version}.{served.kind}"


def _kind(served: ResourceType) -> Object:
    return {"group": served.group, "kind": served.kind, "version": served.version}


def _paths(served: ResourceType) -> Object:
    base = f"/apis/{served.group}/{served.version}" if served.group else f"/api/{served.version}"
    if served.namespaced:
        base += "/namespaces/{namespace}"
    schema = {"$ref": f"#/components/schemas/{_name(served)}"}
    kind = {"x-kubernetes-group-version-kind": _kind(served)}

    def operation(action: str, *accepted: str) -> Object:
        described: Object = {
            "x-kubernetes-action": action,
            **kind,
            "parameters": [_parameter(name) for name in _QUERY if action != "get" or name == "pretty"],
            "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": schema}}}},
        }
        if accepted:
            described["requestBody"] = {"content": {media: {"schema": schema} for media in accepted}}
        return described

    collection = {"post": operation("post", "application/json")}
    paths = {f"{base}/{served.plural}": collection}
    if "patch" in served.verbs:
        item = {
            "get": operation("get"),
            "put": operation("put", "application/json"),
            "patch": operation("patch", JSON_PATCH, MERGE_PATCH, APPLY_PATCH),
            "delete": operation("delete"),
        }
        paths[f"{base}/{served.plural}/{{name}}"] = item
    return paths


def _parameter(name: str) -> Object:
    return {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}


def _version_2(schema: Any) -> Any:
    """The part of a schema that version 2 has words for."""
    if schema.get("x-kubernetes-int-or-string"):
        return {"x-kubernetes-int-or-string": True}
    converted: Object = {}
    for name, value in schema.items():
        if name in _NOT_IN_VERSION_2:
            continue
        if name == "properties":
            converted[name] = {member: _version_2(child) for member, child in value.items()}
        elif name in ("items", "additionalProperties") and isinstance(value, dict):
            converted[name] = _version_2(value)
        else:
            converted[name] = value
    return converted
