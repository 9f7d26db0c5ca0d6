"""Kinds that manifests need: each created as people do, created with nothing in it, and with mistakes that people make.

Everything is a dry run, so that cluster-wide objects need no names of their own.
"""

from __future__ import annotations

from typing import Any

from tests.clusters.differential.requests import Request, Theme, get, post

_POD: dict[str, Any] = {"containers": [{"name": "main", "image": "busybox"}]}
_LABELS = {"app": "web"}
_TEMPLATE: dict[str, Any] = {"metadata": {"labels": _LABELS}, "spec": _POD}
_WORKLOAD: dict[str, Any] = {"selector": {"matchLabels": _LABELS}, "template": _TEMPLATE}
_CLAIM: dict[str, Any] = {
    "metadata": {"name": "data", "labels": _LABELS},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
_JOB_POD: dict[str, Any] = {"template": {"spec": {**_POD, "restartPolicy": "Never"}}}
_WEBHOOK: dict[str, Any] = {
    "name": "check.example.org",
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
    "clientConfig": {"url": "https://example.org/check"},
    "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
}
_PLACES = {
    "v1": "/api/v1/$PLACE",
    "rbac": "/apis/rbac.authorization.k8s.io/v1/$PLACE",
    "admission": "/apis/admissionregistration.k8s.io/v1/$PLACE",
    "storage": "/apis/storage.k8s.io/v1/$PLACE",
    "scheduling": "/apis/scheduling.k8s.io/v1/$PLACE",
    "networking": "/apis/networking.k8s.io/v1/$PLACE",
    "node": "/apis/node.k8s.io/v1/$PLACE",
    "certificates": "/apis/certificates.k8s.io/v1/$PLACE",
    "discovery": "/apis/discovery.k8s.io/v1/$PLACE",
}
_CLUSTER = {
    "nodes", "persistentvolumes", "clusterroles", "clusterrolebindings", "mutatingwebhookconfigurations", "csidrivers",
    "validatingwebhookconfigurations", "storageclasses", "priorityclasses", "ingressclasses", "runtimeclasses",
    "certificatesigningrequests", "namespaces",
}  # fmt: skip


_OWNED = "what the server changes by itself belongs to no manager, even if a client has set it too"
_PROTECTED = "no controller would take the finalizer away again"


def _new(group: str, plural: str, what: str, stays: str = "", **members: Any) -> Request:
    """Create an object of these members without keeping it."""
    place = plural if plural in _CLUSTER else f"namespaces/$NS/{plural}"
    path = _PLACES.get(group, f"/apis/{group}/$PLACE").replace("$PLACE", place)
    return post(f"{plural}: {what}", f"{path}?dryRun=All", {"metadata": {"name": "made"}, **members}, stays=stays)


def _empty(group: str, *plurals: str) -> list[Request]:
    return [_new(group, plural, "with nothing but a name") for plural in plurals]


THEME = Theme(
    "kinds",
    "Kinds that manifests need",
    [
        *_empty(
            "v1",
            "pods",
            "services",
            "persistentvolumeclaims",
            "persistentvolumes",
            "nodes",
            "limitranges",
            "resourcequotas",
            "endpoints",
            "serviceaccounts",
            "configmaps",
            "secrets",
            "podtemplates",
            "replicationcontrollers",
            "namespaces",
        ),
        *_empty("apps/v1", "deployments", "statefulsets", "daemonsets", "replicasets", "controllerrevisions"),
        *_empty("batch/v1", "jobs", "cronjobs"),
        *_empty("autoscaling/v2", "horizontalpodautoscalers"),
        *_empty("policy/v1", "poddisruptionbudgets"),
        *_empty("networking", "ingresses", "networkpolicies", "ingressclasses"),
        *_empty("rbac", "roles", "rolebindings", "clusterroles", "clusterrolebindings"),
        *_empty("storage", "storageclasses", "csidrivers"),
        *_empty("admission", "mutatingwebhookconfigurations", "validatingwebhookconfigurations"),
        *_empty("scheduling", "priorityclasses"),
        *_empty("node", "runtimeclasses"),
        *_empty("discovery", "endpointslices"),
        *_empty("certificates", "certificatesigningrequests"),
        _new("v1", "pods", "one container", spec=_POD),
        _new(
            "v1",
            "pods",
            "probes, volumes, ports",
            spec={
                "containers": [
                    {
                        "name": "main",
                        "image": "nginx:1.29",
                        "ports": [{"containerPort": 80}],
                        "env": [
                            {"name": "A", "value": "b"},
                            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                        ],
                        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
                        "readinessProbe": {"httpGet": {"port": 80}},
                        "livenessProbe": {"tcpSocket": {"port": 80}},
                        "volumeMounts": [{"name": "conf", "mountPath": "/etc/conf"}],
                    }
                ],
                "volumes": [{"name": "conf", "configMap": {"name": "c"}}, {"name": "tmp", "emptyDir": {}}],
            },
        ),
        _new("v1", "pods", "a wrong restart policy", spec={**_POD, "restartPolicy": "Sometimes"}),
        _new("v1", "pods", "a container without a name", spec={"containers": [{"image": "a"}]}),
        _new(
            "v1",
            "pods",
            "a wrong port",
            spec={"containers": [{"name": "a", "image": "a", "ports": [{"containerPort": 70000}]}]},
        ),
        _new(
            "v1",
            "pods",
            "two containers of one name",
            spec={"containers": [{"name": "a", "image": "a"}, {"name": "a", "image": "a"}]},
        ),
        _new("v1", "pods", "a number for a name", spec={"containers": [{"name": 1, "image": "a"}]}),
        _new("v1", "services", "one port", spec={"ports": [{"port": 80}], "clusterIP": "None"}),
        _new("v1", "services", "an external name", spec={"type": "ExternalName", "externalName": "example.org"}),
        _new("v1", "services", "a wrong port", spec={"ports": [{"port": 0}], "clusterIP": "None"}),
        _new("v1", "services", "a wrong type", spec={"ports": [{"port": 80}], "type": "Nothing"}),
        _new(
            "v1",
            "services",
            "two ports without names",
            spec={"ports": [{"port": 80}, {"port": 81}], "clusterIP": "None"},
        ),
        _new(
            "v1",
            "persistentvolumeclaims",
            "1 GiB",
            _PROTECTED,
            spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        ),
        _new("v1", "persistentvolumeclaims", "no size", spec={"accessModes": ["ReadWriteOnce"]}),
        _new(
            "v1",
            "persistentvolumes",
            "a folder",
            _PROTECTED,
            spec={"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}},
        ),
        _new("v1", "nodes", "labels and a taint", _OWNED, spec={"taints": [{"key": "a", "effect": "NoSchedule"}]}),
        _new("v1", "limitranges", "one limit", spec={"limits": [{"type": "Container", "default": {"cpu": "1"}}]}),
        _new("v1", "resourcequotas", "pods", spec={"hard": {"pods": "10"}}),
        _new("v1", "endpoints", "one address", subsets=[{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]),
        _new("v1", "serviceaccounts", "no token", automountServiceAccountToken=False),
        _new("v1", "configmaps", "an unknown field", data={"a": "b"}, bogus=1),
        _new("v1", "configmaps", "a number for a text", data={"a": 1}),
        _new("v1", "configmaps", "null for a text", metadata={"name": "made", "labels": {"a": None}}, data={"b": None}),
        _new("v1", "configmaps", "a text for a map", data="x"),
        _new("v1", "configmaps", "no base64", binaryData={"a": "***"}),
        _new("v1", "configmaps", "a bad key", data={"a b": "c"}),
        _new("v1", "secrets", "text", stringData={"a": "b"}),
        _new("v1", "secrets", "TLS without a key", type="kubernetes.io/tls", data={}),
        _new("v1", "secrets", "basic authentication", type="kubernetes.io/basic-auth", stringData={"username": "a"}),
        _new("v1", "secrets", "a registry without its file", type="kubernetes.io/dockerconfigjson"),
        _new("apps/v1", "deployments", "as usual", spec=_WORKLOAD),
        _new("apps/v1", "deployments", "replicas as a text", spec={**_WORKLOAD, "replicas": "3"}),
        _new("apps/v1", "deployments", "half a replica", spec={**_WORKLOAD, "replicas": 1.5}),
        _new("apps/v1", "deployments", "-1 replicas", spec={**_WORKLOAD, "replicas": -1}),
        _new("apps/v1", "deployments", "a list for the spec", spec=[]),
        _new(
            "apps/v1",
            "deployments",
            "other labels than its selector",
            spec={**_WORKLOAD, "selector": {"matchLabels": {"a": "b"}}},
        ),
        _new(
            "apps/v1", "deployments", "no containers", spec={**_WORKLOAD, "template": {"metadata": {"labels": _LABELS}}}
        ),
        _new("apps/v1", "deployments", "a wrong strategy", spec={**_WORKLOAD, "strategy": {"type": "Hope"}}),
        _new(
            "apps/v1",
            "deployments",
            "a pod that is not always restarted",
            spec={**_WORKLOAD, "template": {**_TEMPLATE, "spec": {**_POD, "restartPolicy": "Never"}}},
        ),
        _new("apps/v1", "deployments", "an unknown field", spec={**_WORKLOAD, "replica": 3}),
        _new("apps/v1", "statefulsets", "as usual", spec={**_WORKLOAD, "serviceName": "web"}),
        _new("apps/v1", "statefulsets", "with claims", spec={**_WORKLOAD, "volumeClaimTemplates": [_CLAIM]}),
        _new("apps/v1", "daemonsets", "as usual", spec=_WORKLOAD),
        _new("apps/v1", "replicasets", "as usual", spec=_WORKLOAD),
        _new("batch/v1", "jobs", "as usual", spec=_JOB_POD),
        _new("batch/v1", "jobs", "a pod that is always restarted", spec={"template": {"spec": _POD}}),
        _new("batch/v1", "jobs", "-1 completions", spec={**_JOB_POD, "completions": -1}),
        _new("batch/v1", "cronjobs", "as usual", spec={"schedule": "*/5 * * * *", "jobTemplate": {"spec": _JOB_POD}}),
        _new("batch/v1", "cronjobs", "a wrong schedule", spec={"schedule": "soon", "jobTemplate": {"spec": _JOB_POD}}),
        _new(
            "autoscaling/v2",
            "horizontalpodautoscalers",
            "as usual",
            spec={
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                "maxReplicas": 5,
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
                    }
                ],
            },
        ),
        _new(
            "autoscaling/v2",
            "horizontalpodautoscalers",
            "fewer at most than at least",
            spec={
                "scaleTargetRef": {"kind": "Deployment", "name": "web"},
                "minReplicas": 3,
                "maxReplicas": 2,
            },
        ),
        _new(
            "policy/v1",
            "poddisruptionbudgets",
            "as usual",
            spec={"minAvailable": 1, "selector": {"matchLabels": _LABELS}},
        ),
        _new("policy/v1", "poddisruptionbudgets", "both limits", spec={"minAvailable": 1, "maxUnavailable": 1}),
        _new(
            "networking",
            "ingresses",
            "as usual",
            spec={
                "rules": [
                    {
                        "host": "a.example.org",
                        "http": {
                            "paths": [
                                {
                                    "path": "/",
                                    "pathType": "Prefix",
                                    "backend": {"service": {"name": "web", "port": {"number": 80}}},
                                }
                            ]
                        },
                    }
                ]
            },
        ),
        _new(
            "networking",
            "ingresses",
            "no path type",
            spec={
                "rules": [
                    {
                        "http": {
                            "paths": [{"path": "/", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]
                        }
                    }
                ]
            },
        ),
        _new("networking", "networkpolicies", "deny all", spec={"podSelector": {}, "policyTypes": ["Ingress"]}),
        _new(
            "networking",
            "networkpolicies",
            "one port",
            spec={
                "podSelector": {"matchLabels": _LABELS},
                "ingress": [{"ports": [{"port": 80}], "from": [{"podSelector": {}}]}],
            },
        ),
        _new("networking", "ingressclasses", "as usual", spec={"controller": "example.org/controller"}),
        _new("rbac", "roles", "as usual", rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]),
        _new("rbac", "roles", "no verbs", rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": []}]),
        _new(
            "rbac",
            "roles",
            "rules that miss something",
            rules=[
                {"resources": ["pods"], "verbs": ["get"]},
                {"apiGroups": [""], "verbs": ["get"]},
                {"nonResourceURLs": ["/x"], "verbs": ["get"]},
            ],
        ),
        _new("rbac", "clusterroles", "URLs", rules=[{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]),
        _new(
            "rbac",
            "clusterroles",
            "URLs and resources",
            rules=[{"nonResourceURLs": ["/x"], "apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
        ),
        _new(
            "rbac",
            "clusterroles",
            "aggregated",
            aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]},
        ),
        _new(
            "rbac",
            "rolebindings",
            "as usual",
            roleRef={"kind": "Role", "name": "reader"},
            subjects=[
                {"kind": "User", "name": "jane"},
                {"kind": "ServiceAccount", "name": "bot", "namespace": "default"},
            ],
        ),
        _new(
            "rbac",
            "rolebindings",
            "wrong subjects",
            roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Thing", "name": "a"},
            subjects=[{"kind": "Usr", "name": ""}, {"kind": "Group", "apiGroup": "v1", "name": "g"}],
        ),
        _new(
            "rbac",
            "clusterrolebindings",
            "a role of a namespace",
            roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "a"},
            subjects=[{"kind": "ServiceAccount", "name": "bot"}],
        ),
        _new("storage", "storageclasses", "as usual", provisioner="example.org/disk"),
        _new("storage", "storageclasses", "a wrong policy", provisioner="example.org/disk", reclaimPolicy="Burn"),
        _new("storage", "csidrivers", "as usual", spec={"attachRequired": False}),
        _new("admission", "validatingwebhookconfigurations", "as usual", webhooks=[_WEBHOOK]),
        _new("admission", "mutatingwebhookconfigurations", "as usual", webhooks=[_WEBHOOK]),
        _new(
            "admission",
            "validatingwebhookconfigurations",
            "no side effects said",
            webhooks=[{key: value for key, value in _WEBHOOK.items() if key != "sideEffects"}],
        ),
        _new("scheduling", "priorityclasses", "as usual", value=1000, description="high"),
        _new("scheduling", "priorityclasses", "a value of the system's", value=2_000_000_001),
        _new("node", "runtimeclasses", "as usual", handler="runc"),
        _new(
            "discovery",
            "endpointslices",
            "as usual",
            addressType="IPv4",
            endpoints=[{"addresses": ["10.0.0.1"]}],
            ports=[{"port": 80}],
        ),
        _new(
            "certificates",
            "certificatesigningrequests",
            "no request",
            spec={"signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"], "request": "bm8="},
        ),
        _new("coordination.k8s.io/v1", "leases", "whole seconds", spec={"renewTime": "2026-01-01T00:00:00Z"}),
        _new("coordination.k8s.io/v1", "leases", "milliseconds", spec={"renewTime": "2026-01-01T00:00:00.123Z"}),
        _new(
            "coordination.k8s.io/v1",
            "leases",
            "microseconds",
            spec={"holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.123456Z"},
        ),
        _new(
            "coordination.k8s.io/v1",
            "leases",
            "another time zone",
            spec={"renewTime": "2026-01-01T01:00:00.000000+01:00"},
        ),
        _new("coordination.k8s.io/v1", "leases", "no duration", spec={"leaseDurationSeconds": 0}),
        _new(
            "coordination.k8s.io/v1",
            "leases",
            "negative numbers",
            spec={"leaseDurationSeconds": -1, "leaseTransitions": -1},
        ),
        _new("coordination.k8s.io/v1", "leases", "a preferred holder", _OWNED, spec={"preferredHolder": "b"}),
        _new("v1", "configmaps", "a name with capitals", metadata={"name": "Made"}),
        _new("v1", "namespaces", "a name with a dot", metadata={"name": "a.b"}),
        get("an empty list", "/apis/batch/v1/namespaces/$NS/jobs"),
        get(
            "a Table",
            "/apis/networking.k8s.io/v1/namespaces/$NS/ingresses",
            headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"},
            without=".description",
        ),
    ],
)
