"""Aggregated discovery: every group, version and resource in one document, which ``kubectl`` asks for first."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from harness.clusters.embedded.discovery import sorted_groups
from harness.clusters.embedded.messages import Raw, Request, Response
from harness.clusters.embedded.pod_subresources import POD_SUBRESOURCES
from harness.clusters.embedded.types import Registry, ResourceType
from harness.clusters.embedded.values import Object

__all__ = ["Aggregated"]

_MEDIA = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class Aggregated:
    """The documents of a registry, made when asked for and kept until a type changes."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._revision = -1
        self._made: dict[bool, tuple[bytes, str]] = {}

    def answer(self, request: Request, *, core: bool) -> Response | None:
        """``/api`` or ``/apis`` in this form; None where the client does not ask for it first."""
        wanted = request.headers.get("accept", "").partition(",")[0].replace(" ", "")
        if "as=APIGroupDiscoveryList" not in wanted or "v=v2;" not in f"{wanted};":
            return None
        if self._revision != self._registry.revision:
            self._revision, self._made = self._registry.revision, {}
        if core not in self._made:
            data = orjson.dumps(self._document(core=core))
            self._made[core] = data, f'"{hashlib.sha512(data).hexdigest().upper()}"'
        data, tag = self._made[core]
        headers = {"ETag": tag, "Vary": "Accept"}
        if request.headers.get("if-none-match") == tag:
            return Response(304, Raw(b""), headers, content_type=_MEDIA)
        return Response(200, Raw(data), headers, content_type=_MEDIA)

    def _document(self, *, core: bool) -> Object:
        items = [
            {
                "metadata": {"name": group} if group else {},
                "versions": [
                    {"version": version, "resources": self._resources(group, version), "freshness": "Current"}
                    for version in versions
                ],
            }
            for group, versions in sorted_groups(self._registry)
            if bool(group) is not core
        ]
        about = {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}}
        return {**about, "items": items}

    def _resources(self, group: str, version: str) -> list[Object]:
        return [_resource(served) for served in self._registry.of(group, version)]


def _resource(served: ResourceType) -> Object:
    kind = _kind(served)
    described: Object = {
        "resource": served.plural,
        "responseKind": kind,
        "scope": "Namespaced" if served.namespaced else "Cluster",
        "singularResource": served.called,
        "verbs": list(served.verbs),
    }
    if served.short_names:
        described["shortNames"] = list(served.short_names)
    if served.categories:
        described["categories"] = list(served.categories)
    below: list[Any] = []
    for name in served.more_subresources:
        if name in POD_SUBRESOURCES:
            verbs, api_version, of_kind = POD_SUBRESOURCES[name]
            group, _, version = api_version.rpartition("/")
            response = {"group": group, "version": version, "kind": of_kind}
            below.append({"subresource": name, "responseKind": response, "verbs": list(verbs)})
    if "token" in served.subresources:
        token = {"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest"}
        below.append({"subresource": "token", "responseKind": token, "verbs": ["create"]})
    if "scale" in served.subresources:
        scale = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
        below.append({"subresource": "scale", "responseKind": scale, "verbs": ["get", "patch", "update"]})
    if served.has_status:
        below.append({"subresource": "status", "responseKind": kind, "verbs": ["get", "patch", "update"]})
    if below:
        described["subresources"] = below
    return described


def _kind(served: ResourceType) -> Object:
    """A kind with its group and version, which are left empty for built-in ones: they are those of the document."""
    place = (served.group, served.version) if served.custom else ("", "")
    return {"group": place[0], "version": place[1], "kind": served.kind}
