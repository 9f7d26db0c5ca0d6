"""Autoscalers in two versions of one group."""

from __future__ import annotations

from typing import Any

from tests.clusters.differential.requests import Theme, get, patch, post, put

_V1 = "/apis/autoscaling/v1/namespaces/$NS/horizontalpodautoscalers"
_V2 = "/apis/autoscaling/v2/namespaces/$NS/horizontalpodautoscalers"
_TARGET: dict[str, Any] = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}


def _spec(**more: Any) -> dict[str, Any]:
    return {"scaleTargetRef": _TARGET, "maxReplicas": 3, **more}


_MEMORY = {
    "type": "Resource",
    "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}},
}
_CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}}

_OWNED = "a field stays with its manager if a version that has another name for it changes it"
THEME = Theme(
    "scalers",
    "Autoscalers in two versions",
    [
        post("v1", _V1, {"metadata": {"name": "one"}, "spec": _spec(targetCPUUtilizationPercentage=50)}),
        get("v1 as v2", f"{_V2}/one"),
        get("v1 as v1", f"{_V1}/one"),
        post("v1 without a share", _V1, {"metadata": {"name": "two"}, "spec": _spec()}),
        post("v2", _V2, {"metadata": {"name": "three"}, "spec": _spec(metrics=[_MEMORY, _CPU])}),
        get("v2 as v1", f"{_V1}/three"),
        patch("v2 with behaviour", f"{_V2}/three", {"spec": {"behavior": {"scaleUp": {"selectPolicy": "Max"}}}}),
        get("behaviour in v1", f"{_V1}/three"),
        patch(
            "v1 of v2", f"{_V1}/three", {"spec": {"maxReplicas": 5, "targetCPUUtilizationPercentage": 70}}, stays=_OWNED
        ),
        get("v1 of v2 as v2", f"{_V2}/three", stays=_OWNED),
        put("replaced in v1", f"{_V1}/two", {"metadata": {"name": "two"}, "spec": _spec(minReplicas=2)}),
        post("v1: nothing", _V1, {"metadata": {"name": "four"}}),
        post("v1: no target", _V1, {"metadata": {"name": "four"}, "spec": {"maxReplicas": 1}}),
        post("v1: none at most", _V1, {"metadata": {"name": "four"}, "spec": _spec(maxReplicas=0)}),
        post(
            "v1: a share of nothing",
            _V1,
            {"metadata": {"name": "four"}, "spec": _spec(targetCPUUtilizationPercentage=0)},
        ),
        patch("status in v1", f"{_V1}/one/status", {"status": {"currentReplicas": 1, "desiredReplicas": 2}}),
        get("a list in v1", _V1, stays=_OWNED),
        get(
            "a Table in v1",
            f"{_V1}/one",
            headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"},
            without=".description",
        ),
        get("the group", "/apis/autoscaling"),
        get("resources of v1", "/apis/autoscaling/v1"),
    ],
)
