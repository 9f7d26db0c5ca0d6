"""Tables of ``kubectl get -o wide`` for each kind: rows and columns; descriptions of columns are left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.clusters.differential.requests import Request, Theme, get, patch, post, prepare

_POD: dict[str, Any] = {"containers": [{"name": "main", "image": "busybox:1"}, {"name": "side", "image": "a:2"}]}
_LABELS = {"app": "web"}
_TEMPLATE: dict[str, Any] = {"metadata": {"labels": _LABELS}, "spec": _POD}
_WORK: dict[str, Any] = {"selector": {"matchLabels": _LABELS}, "template": _TEMPLATE}
_JOB: dict[str, Any] = {"template": {"spec": {**_POD, "restartPolicy": "Never"}}}
_TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
_BACKEND = {"service": {"name": "web", "port": {"number": 80}}}
_TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
_V1, _BATCH, _APPS = "/api/v1/namespaces/$NS", "/apis/batch/v1/namespaces/$NS", "/apis/apps/v1/namespaces/$NS"
_NETWORKING = "/apis/networking.k8s.io/v1/namespaces/$NS"
_RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/$NS"
_OBJECTS: dict[str, dict[str, dict[str, Any]]] = {
    f"{_V1}/pods": {"a": {"spec": _POD}},
    f"{_V1}/services": {
        "headless": {"spec": {"clusterIP": "None", "ports": [{"port": 80}], "selector": _LABELS}},
        "outside": {"spec": {"type": "ExternalName", "externalName": "example.org"}},
        "reached": {"spec": {"clusterIP": "None", "ports": [{"port": 80}, ], "externalIPs": ["10.1.2.3"]}},
    },
    f"{_V1}/persistentvolumeclaims": {
        "a": {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}},
    },
    f"{_V1}/resourcequotas": {"a": {"spec": {"hard": {"pods": "2", "requests.cpu": "1", "limits.cpu": "2"}}}},
    f"{_V1}/limitranges": {"a": {"spec": {"limits": [{"type": "Container", "max": {"cpu": "1"}}]}}},
    f"{_V1}/endpoints": {
        "a": {"subsets": [{"addresses": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}], "ports": [{"port": 80}]}]},
        "none": {},
    },
    f"{_V1}/serviceaccounts": {"a": {}},
    f"{_V1}/configmaps": {"a": {"data": {"b": "c"}, "binaryData": {"d": "AA=="}}},
    f"{_V1}/secrets": {"a": {"stringData": {"b": "c"}}},
    f"{_V1}/replicationcontrollers": {"a": {"spec": {"replicas": 2, "selector": _LABELS, "template": _TEMPLATE}}},
    f"{_V1}/podtemplates": {"a": {"template": _TEMPLATE}},
    f"{_APPS}/deployments": {"a": {"spec": {**_WORK, "replicas": 2}}},
    f"{_APPS}/replicasets": {"a": {"spec": _WORK}},
    f"{_APPS}/statefulsets": {"a": {"spec": {**_WORK, "serviceName": "web"}}},
    f"{_APPS}/daemonsets": {
        "a": {"spec": {**_WORK, "template": {**_TEMPLATE, "spec": {**_POD, "nodeSelector": {"disk": "ssd"}}}}},
    },
    f"{_APPS}/controllerrevisions": {"a": {"revision": 3, "data": {"a": 1}}},
    f"{_BATCH}/jobs": {
        "a": {"spec": _JOB},
        "many": {"spec": {**_JOB, "completions": 3, "parallelism": 2}},
        "open": {"spec": {**_JOB, "parallelism": 2}},
        "suspended": {"spec": {**_JOB, "suspend": True}},
    },
    f"{_BATCH}/cronjobs": {
        "a": {"spec": {"schedule": "@daily", "jobTemplate": {"spec": _JOB}}},
        "b": {"spec": {"schedule": "@daily", "timeZone": "UTC", "suspend": True, "jobTemplate": {"spec": _JOB}}},
    },
    "/apis/autoscaling/v2/namespaces/$NS/horizontalpodautoscalers": {
        "a": {"spec": {"scaleTargetRef": _TARGET, "maxReplicas": 3}},
        "b": {
            "spec": {
                "scaleTargetRef": _TARGET,
                "maxReplicas": 3,
                "metrics": [
                    {"type": "Resource", "resource": {"name": "memory", "target": {
                        "type": "AverageValue", "averageValue": "1Gi"}}},
                    {"type": "Pods", "pods": {"metric": {"name": "q"}, "target": {
                        "type": "AverageValue", "averageValue": "5"}}},
                    {"type": "External", "external": {"metric": {"name": "e"}, "target": {
                        "type": "Value", "value": "10"}}},
                    {"type": "Object", "object": {"metric": {"name": "o"}, "describedObject": _TARGET, "target": {
                        "type": "Value", "value": "7"}}},
                ],
            }
        },
    },
    "/apis/policy/v1/namespaces/$NS/poddisruptionbudgets": {
        "least": {"spec": {"minAvailable": "50%", "selector": {"matchLabels": _LABELS}}},
        "most": {"spec": {"maxUnavailable": 1}},
        "neither": {"spec": {}},
    },
    f"{_NETWORKING}/ingresses": {
        "a": {
            "spec": {
                "ingressClassName": "nginx",
                "tls": [{"hosts": ["a.org"]}],
                "rules": [{"host": f"{letter}.org"} for letter in "abcde"],
            }
        },
        "default": {"spec": {"defaultBackend": _BACKEND}},
    },
    f"{_NETWORKING}/networkpolicies": {
        "a": {"spec": {"podSelector": {"matchLabels": {**_LABELS, "b": "c"}}}},
        "all": {"spec": {"podSelector": {}}},
        "some": {"spec": {"podSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b", "c"]}]}}},
    },
    f"{_RBAC}/roles": {"a": {"rules": []}},
    f"{_RBAC}/rolebindings": {
        "a": {
            "roleRef": {"kind": "Role", "name": "a", "apiGroup": "rbac.authorization.k8s.io"},
            "subjects": [
                {"kind": "User", "name": "jane"},
                {"kind": "User", "name": "joe"},
                {"kind": "Group", "name": "people"},
                {"kind": "ServiceAccount", "name": "bot", "namespace": "default"},
            ],
        }
    },
    "/apis/coordination.k8s.io/v1/namespaces/$NS/leases": {"a": {"spec": {"holderIdentity": "me"}}, "none": {}},
    "/apis/discovery.k8s.io/v1/namespaces/$NS/endpointslices": {
        "a": {
            "addressType": "IPv4",
            "endpoints": [{"addresses": [f"10.0.0.{last}"]} for last in range(1, 6)],
            "ports": [{"name": f"p{port}", "port": port} for port in range(1, 6)],
        },
        "none": {"addressType": "IPv4", "endpoints": []},
    },
    f"{_V1}/events": {
        "a": {
            "involvedObject": {"kind": "Pod", "name": "a", "namespace": "$NS"},
            "reason": "Started",
            "message": "it runs",
            "type": "Normal",
            "source": {"component": "me", "host": "here"},
        }
    },
}  # fmt: skip
_STATUSES: dict[str, dict[str, Any]] = {
    f"{_V1}/pods/a": {
        "phase": "Running",
        "podIP": "10.0.0.9",
        "podIPs": [{"ip": "10.0.0.9"}],
        "containerStatuses": [
            {"name": "main", "ready": True, "restartCount": 2, "image": "", "imageID": "", "state": {"running": {}}},
            {
                "name": "side",
                "ready": False,
                "restartCount": 1,
                "image": "",
                "imageID": "",
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            },
        ],
    },
    f"{_APPS}/deployments/a": {"replicas": 2, "readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1},
    f"{_V1}/persistentvolumeclaims/a": {
        "phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "2Gi"},
    },
    f"{_V1}/resourcequotas/a": {
        "hard": {"pods": "2", "requests.cpu": "1", "limits.cpu": "2"}, "used": {"pods": "1", "requests.cpu": "500m"},
    },
    f"{_BATCH}/jobs/a": {
        "succeeded": 1, "startTime": "2030-01-01T00:00:00Z", "completionTime": "2030-01-01T00:01:30Z",
        "conditions": [
            {"type": "SuccessCriteriaMet", "status": "True"}, {"type": "Complete", "status": "True"},
        ],
    },
    "/apis/autoscaling/v2/namespaces/$NS/horizontalpodautoscalers/a": {
        "currentReplicas": 1, "desiredReplicas": 2,
        "currentMetrics": [
            {"type": "Resource", "resource": {"name": "cpu", "current": {
                "averageUtilization": 40, "averageValue": "1"}}},
        ],
    },
    "/apis/policy/v1/namespaces/$NS/poddisruptionbudgets/least": {
        "disruptionsAllowed": 2, "currentHealthy": 3, "desiredHealthy": 1, "expectedPods": 3,
    },
    f"{_NETWORKING}/ingresses/a": {"loadBalancer": {"ingress": [{"ip": "10.0.0.7"}, {"hostname": "lb.org"}]}},
}  # fmt: skip


def _requests() -> Iterator[Request]:
    for path, objects in _OBJECTS.items():
        plural = path.rpartition("/")[2]
        for name, members in objects.items():
            yield from prepare(post(f"{plural} {name}", path, {"metadata": {"name": name}, **members}, until=(201,)))
        for name in objects:
            yield get(f"{plural}: {name}", f"{path}/{name}?includeObject=None", headers=_TABLE, without=".description")
        yield get(f"{plural}: columns", f"{path}?includeObject=None&limit=1", headers=_TABLE, without=".description")
    for path, status in _STATUSES.items():
        plural, name = path.split("/")[-2:]
        yield from prepare(patch(f"status of {plural}", f"{path}/status", {"status": status}, until=(200,)))
        yield get(
            f"{plural}: {name} with a status", f"{path}?includeObject=None", headers=_TABLE, without=".description"
        )


THEME = Theme("tables", "Tables: what kubectl get shows", list(_requests()))
