"""Changes of built-in objects: what stays once it is set, and what follows from a change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.clusters.differential.requests import Request, Theme, get, patch, post, prepare

_POD: dict[str, Any] = {"containers": [{"name": "main", "image": "busybox:1"}]}
_LABELS = {"app": "web"}
_WORK: dict[str, Any] = {
    "selector": {"matchLabels": _LABELS},
    "template": {"metadata": {"labels": _LABELS}, "spec": _POD},
}
_JOB: dict[str, Any] = {"template": {"spec": {**_POD, "restartPolicy": "Never"}}}
_V1, _BATCH, _APPS = "/api/v1/namespaces/$NS", "/apis/batch/v1/namespaces/$NS", "/apis/apps/v1/namespaces/$NS"
_NETWORKING = "/apis/networking.k8s.io/v1"
_CLAIM = {
    "metadata": {"finalizers": ["kubernetes.io/pvc-protection"]},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
_OBJECTS: dict[str, dict[str, Any]] = {
    f"{_V1}/pods": {"spec": _POD},
    f"{_V1}/persistentvolumeclaims": _CLAIM,
    f"{_V1}/secrets": {"stringData": {"a": "b"}},
    f"{_V1}/configmaps": {"data": {"a": "b"}, "immutable": True},
    f"{_V1}/services": {"spec": {"clusterIP": "None", "selector": _LABELS, "ports": [{"port": 80}]}},
    f"{_APPS}/deployments": {"spec": _WORK},
    f"{_APPS}/statefulsets": {"spec": {**_WORK, "serviceName": "web"}},
    f"{_BATCH}/jobs": {"spec": _JOB},
    f"{_BATCH}/cronjobs": {"spec": {"schedule": "@daily", "jobTemplate": {"spec": _JOB}}},
    f"{_NETWORKING}/namespaces/$NS/networkpolicies": {"spec": {"podSelector": {}}},
    "/apis/policy/v1/namespaces/$NS/poddisruptionbudgets": {"spec": {"minAvailable": 1}},
    "/apis/discovery.k8s.io/v1/namespaces/$NS/endpointslices": {"addressType": "IPv4", "endpoints": []},
    "/apis/rbac.authorization.k8s.io/v1/namespaces/$NS/rolebindings": {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "a"}
    },
}
_CHANGES: list[tuple[str, str, dict[str, Any]]] = [
    ("pods", "another image", {"spec": {"containers": [{"name": "main", "image": "busybox:2"}]}}),
    ("pods", "a deadline", {"spec": {"activeDeadlineSeconds": 5}}),
    ("pods", "another account", {"spec": {"serviceAccountName": "other"}}),
    ("persistentvolumeclaims", "more", {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}),
    ("persistentvolumeclaims", "another mode", {"spec": {"accessModes": ["ReadWriteMany"]}}),
    ("secrets", "another type", {"type": "example.org/x"}),
    ("configmaps", "other data", {"data": {"a": "c"}}),
    ("services", "an external name", {"spec": {"type": "ExternalName", "externalName": "a.org", "clusterIP": ""}}),
    ("services", "an address", {"spec": {"clusterIP": "10.0.0.77"}}),
    ("deployments", "another selector", {"spec": {"selector": {"matchLabels": {"app": "other"}}}}),
    ("deployments", "recreated", {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}}),
    ("deployments", "paused", {"spec": {"paused": True}}),
    ("statefulsets", "another service", {"spec": {"serviceName": "other"}}),
    ("statefulsets", "more", {"spec": {"replicas": 3}}),
    ("jobs", "more at once", {"spec": {"parallelism": 3}}),
    ("jobs", "suspended", {"spec": {"suspend": True}}),
    ("cronjobs", "another schedule", {"spec": {"schedule": "@hourly"}}),
    ("cronjobs", "a wrong schedule", {"spec": {"schedule": "@often"}}),
    ("networkpolicies", "egress", {"spec": {"egress": [{}]}}),
    ("poddisruptionbudgets", "another limit", {"spec": {"minAvailable": None, "maxUnavailable": 1}}),
    ("endpointslices", "another type", {"addressType": "IPv6"}),
    ("rolebindings", "another role", {"roleRef": {"name": "b"}}),
]
_DIFF = "the refusal does not show the difference between the objects as Go keeps them"
_STAYS = {
    "pods: another account": _DIFF,
    "persistentvolumeclaims: another mode": _DIFF,
    "persistentvolumeclaims: more": _DIFF,
    "services: an external name": "a field that the server drops belongs to nobody",
}


def _requests() -> Iterator[Request]:
    paths = {path.rpartition("/")[2]: path for path in _OBJECTS}
    for path, members in _OBJECTS.items():
        metadata = {**members.get("metadata", {}), "name": "one"}
        yield from prepare(post(path.rpartition("/")[2], path, {**members, "metadata": metadata}, until=(201,)))
    yield get("deployments: scale", f"{_APPS}/deployments/one/scale")
    yield get("statefulsets: scale", f"{_APPS}/statefulsets/one/scale")
    yield patch("deployments: scaled", f"{_APPS}/deployments/one/scale", {"spec": {"replicas": 4}})
    for plural, what, change in _CHANGES:
        name = f"{plural}: {what}"
        yield patch(name, f"{paths[plural]}/one", change, stays=_STAYS.get(name, ""))


THEME = Theme("updates", "Changes of built-in objects", list(_requests()))
