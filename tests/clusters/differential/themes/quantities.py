"""Quantities: how they are written again, and what is not one."""

from __future__ import annotations

from typing import Any

from tests.clusters.differential.requests import Request, Theme, post

_WRITTEN = [
    "1000m",
    "1024Mi",
    "1.5",
    "1500m",
    "0.5",
    "100m",
    "0.0001",
    "1.0001",
    "1k",
    "1000k",
    "1000000",
    "1500",
    "1e3",
    "12E6",
    "1200e3",
    "1000e3",
    "1e0",
    "1E",
    "1Ei",
    "8Ei",
    "9E",
    "0",
    "0.0",
    "00010",
    "+5",
    "1Ki",
    "1000Ki",
    "1024Ki",
    "1.5Gi",
    "0.5Ki",
    "1.0001Ki",
    "100n",
    "1u",
    "1500u",
    "1n",
    "0.1n",
    "10.",
    ".5",
    "1.50",
    "1234567890123456789",
    "3.141592653",
    "12345678.123456",
    "1P",
    "1T",
    "1000G",
    "2048Gi",
    "999Mi",
    "1e-3",
    "1E-3",
    "1.2e1",
    "5Pi",
    "1000000Ki",
]
"""Texts that are quantities."""
_NONE = [
    "",
    " 1",
    "1 ",
    *["x", "1x", "--1", "1..2", "1KI", "1kb", "1mi", "e3", "1e", "1.5.5", ".", "Mi", "1e3e3", "0x10", "1K"],
]


def _pod(resources: dict[str, Any], **volume: Any) -> dict[str, Any]:
    container = {"name": "main", "image": "busybox:1", "resources": resources}
    volumes = {"volumes": [{"name": "v", **volume}]} if volume else {}
    return {"metadata": {"name": "made"}, "spec": {"containers": [container], **volumes}}


def _new(name: str, path: str, body: Any, **more: Any) -> Request:
    return post(name, f"{path}?dryRun=All", body, **more)


_PODS = "/api/v1/namespaces/$NS/pods"
_BOUNDS = {"limits": {"cpu": "2000m", "memory": "1024Ki"}, "requests": {"cpu": "0.5"}}
_LIMIT = {"type": "Container", "max": {"cpu": "2000m"}, "min": {"cpu": "0.1"}}
_DIVIDED = {"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1000m"}}}
_SCALER: dict[str, Any] = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}


def _scaler(value: Any) -> dict[str, Any]:
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "AverageValue", "averageValue": value}},
    }
    spec = {"scaleTargetRef": _SCALER, "maxReplicas": 2, "metrics": [metric]}
    return {"metadata": {"name": "made"}, "spec": spec}


THEME = Theme(
    "quantities",
    "Quantities",
    [
        *(_new(f"cpu {text!r}", _PODS, _pod({"requests": {"cpu": text}})) for text in (*_WRITTEN, *_NONE)),
        *(
            _new(f"cpu as the number {value}", _PODS, _pod({"requests": {"cpu": value}}))
            for value in (1, 1.5, 0.001, 1000)
        ),
        *(_new(f"cpu as {value}", _PODS, _pod({"requests": {"cpu": value}})) for value in (True, [], {}, None)),
        *(
            _new(f"size of a folder {text!r}", _PODS, _pod({}, emptyDir={"sizeLimit": text}))
            for text in ("1024Mi", "1000m", "0", "1.5Gi", "1000000000k", "-1")
        ),
        *(
            _new(
                f"average {text!r}",
                "/apis/autoscaling/v2/namespaces/$NS/horizontalpodautoscalers",
                _scaler(text),
            )
            for text in ("1000m", "1024Mi", "0.5", 5, 0.0001)
        ),
        *(
            _new(
                f"quota {text!r}",
                "/api/v1/namespaces/$NS/resourcequotas",
                {"metadata": {"name": "made"}, "spec": {"hard": {"cpu": text, "pods": text}}},
            )
            for text in ("1000m", "1024Mi", "1.5", 5, "-1")
        ),
        _new(
            "limits of a range",
            "/api/v1/namespaces/$NS/limitranges",
            {"metadata": {"name": "made"}, "spec": {"limits": [_LIMIT]}},
        ),
        _new(
            "a claim",
            "/api/v1/namespaces/$NS/persistentvolumeclaims",
            {
                "metadata": {"name": "made", "finalizers": ["kubernetes.io/pvc-protection"]},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}},
            },
        ),
        _new(
            "a field of resources with a divisor",
            _PODS,
            {
                "metadata": {"name": "made"},
                "spec": {
                    "containers": [
                        {
                            "name": "main",
                            "image": "busybox:1",
                            "env": [_DIVIDED],
                        }
                    ]
                },
            },
        ),
        _new(
            "in a Deployment",
            "/apis/apps/v1/namespaces/$NS/deployments",
            {
                "metadata": {"name": "made"},
                "spec": {
                    "selector": {"matchLabels": {"a": "b"}},
                    "template": {
                        "metadata": {"labels": {"a": "b"}},
                        "spec": _pod(_BOUNDS)["spec"],
                    },
                },
            },
        ),
        _new(
            "a node",
            "/api/v1/nodes",
            {"metadata": {"name": "made"}, "status": {"capacity": {"cpu": "4000m", "memory": "8192Mi"}}},
        ),
    ],
)
