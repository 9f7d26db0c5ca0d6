"""Discovery: which groups, versions and resources there are, in the classic form that every client understands."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from harness.clusters.embedded.definitions import version_rank
from harness.clusters.embedded.errors import no_such_path
from harness.clusters.embedded.pod_subresources import POD_SUBRESOURCES
from harness.clusters.embedded.types import Registry, ResourceType
from harness.clusters.embedded.values import Object

__all__ = ["KUBERNETES", "VERSION", "api_groups", "api_versions", "group", "resources", "root_paths", "sorted_groups"]

_ORDER = (
    "", "apiregistration.k8s.io", "apps", "events.k8s.io", "authentication.k8s.io", "authorization.k8s.io",
    "autoscaling", "batch", "certificates.k8s.io", "networking.k8s.io", "policy", "rbac.authorization.k8s.io",
    "storage.k8s.io", "admissionregistration.k8s.io", "apiextensions.k8s.io", "scheduling.k8s.io",
    "coordination.k8s.io", "node.k8s.io", "discovery.k8s.io",
)  # fmt: skip
KUBERNETES = "1.36.3"
"""The version that the answers are held to: that of the program in ``apiserver/`` (a test compares the two)."""
VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": f"v{KUBERNETES}+wasmbed",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "",
}
"""The version whose API is served, in semver's form for a build of one's own."""


def api_versions() -> Object:
    """``/api``."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def api_groups(registry: Registry) -> Object:
    """``/apis``."""
    groups = [_group(name, _sorted(versions)) for name, versions in sorted_groups(registry) if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def sorted_groups(registry: Registry) -> list[tuple[str, list[str]]]:
    """Every group with its versions, in the order of Kubernetes' priorities; then those of definitions, by name."""
    found = registry.group_versions().items()
    places = {name: place for place, name in enumerate(_ORDER)}
    return sorted(found, key=lambda item: (places.get(item[0], len(places)), item[0]))


def group(registry: Registry, name: str) -> Object:
    """``/apis/GROUP``."""
    versions = _sorted(registry.group_versions().get(name, []))
    if not versions or not name:
        raise no_such_path()
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)}


def _sorted(versions: list[str]) -> list[str]:
    return sorted(versions, key=version_rank, reverse=True)


def _group(name: str, versions: list[str]) -> Object:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def resources(registry: Registry, group_name: str, version: str) -> Object:
    """``/api/v1`` or ``/apis/GROUP/VERSION``."""
    types = registry.of(group_name, version)
    if not types:
        raise no_such_path()
    listed: list[Object] = []
    for served in types:
        listed.append(_resource(served))
        if served.kind == "Pod" and not served.group:
            listed += [_of_pods(name) for name in POD_SUBRESOURCES]
        if served.has_status:
            listed.append(_status(served))
        if served.scale is not None:
            listed.append(_scale(served))
        if "token" in served.more_subresources:
            listed.append(_TOKEN)
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": types[0].api_version,
        "resources": listed,
    }


def _of_pods(name: str) -> Object:
    verbs, api_version, kind = POD_SUBRESOURCES[name]
    group, _, version = api_version.rpartition("/")
    about = {"group": group, "version": version} if group else {}
    return {"name": f"pods/{name}", "singularName": "", "namespaced": True, **about, "kind": kind, "verbs": list(verbs)}


_TOKEN: Object = {
    "name": "serviceaccounts/token",
    "singularName": "",
    "namespaced": True,
    "group": "authentication.k8s.io",
    "version": "v1",
    "kind": "TokenRequest",
    "verbs": ["create"],
}


def _resource(served: ResourceType) -> Object:
    described: dict[str, Any] = {
        "name": served.plural,
        "singularName": served.called,
        "namespaced": served.namespaced,
        "kind": served.kind,
        "verbs": list(served.verbs),
    }
    if served.short_names:
        described["shortNames"] = list(served.short_names)
    if served.categories:
        described["categories"] = list(served.categories)
    if "get" in served.verbs:
        described["storageVersionHash"] = _storage_hash(served)
    return described


def _storage_hash(served: ResourceType) -> str:
    """Return a digest of the stored version's name, which changes with it."""
    stored = (served.to_storage({})["apiVersion"] if served.to_storage else served.api_version).rpartition("/")
    name = f"{stored[0]}/{stored[2]}/{served.kind}"
    return base64.b64encode(hashlib.sha256(name.encode()).digest()[:8]).decode()


def _status(served: ResourceType) -> Object:
    return {
        "name": f"{served.plural}/status",
        "singularName": "",
        "namespaced": served.namespaced,
        "kind": served.kind,
        "verbs": ["get", "patch", "update"],
    }


def _scale(served: ResourceType) -> Object:
    return {
        "name": f"{served.plural}/scale",
        "singularName": "",
        "namespaced": served.namespaced,
        "group": "autoscaling",
        "version": "v1",
        "kind": "Scale",
        "verbs": ["get", "patch", "update"],
    }


def root_paths(registry: Registry) -> Object:
    """``/``."""
    paths = ["/api", "/api/v1", "/apis"]
    for name, versions in sorted_groups(registry):
        if name:
            paths.append(f"/apis/{name}")
            paths.extend(f"/apis/{name}/{version}" for version in versions)
    paths += ["/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]
    return {"paths": paths}
