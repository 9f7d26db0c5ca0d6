"""Autoscalers and disruption budgets."""

from __future__ import annotations

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.kinds.quantities import amount
from harness.clusters.embedded.values import Object

__all__ = ["autoscaler", "budget"]

_SOURCES = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}
"""Where each type of metric is described."""
_TARGETS = ("Utilization", "Value", "AverageValue")
_USUAL = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
_ALL_IN_A_QUARTER = {"type": "Percent", "value": 100, "periodSeconds": 15}
_USUAL_BEHAVIOR: dict[str, Object] = {
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "selectPolicy": "Max",
        "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}, _ALL_IN_A_QUARTER],
    },
    "scaleDown": {"selectPolicy": "Max", "policies": [_ALL_IN_A_QUARTER]},
}


def autoscaler(new: Object, old: Object | None) -> list[Cause]:
    """An autoscaler, which without metrics watches the processors."""
    spec = new.get("spec") or {}
    target = spec.get("scaleTargetRef") or {}
    causes: list[Cause] = []
    if "/" not in target.get("apiVersion", ""):
        detail = "apiVersion must specify API group"
        field = "spec.scaleTargetRef.apiVersion"
        causes.append(errors.invalid_value(field, target.get("apiVersion", ""), detail))
    least, most = spec.get("minReplicas", 1), spec.get("maxReplicas", 0)
    if most < 1:
        causes.append(errors.required("spec.maxReplicas", "must be set and greater than 0"))
    if most < least:
        detail = "must be greater than or equal to `minReplicas`"
        causes.append(errors.invalid_value("spec.maxReplicas", most, detail))
    if not spec.get("metrics") and spec:
        spec["metrics"] = [_USUAL]
    if least == 0 and not any(one.get("type") in ("Object", "External") for one in spec.get("metrics") or ()):
        detail = "must specify at least one Object or External metric to support scaling to zero replicas"
        causes.append(errors.forbidden_field("spec.metrics", detail))
    for index, metric in enumerate(spec.get("metrics") or ()):
        causes += _metric_causes(metric, f"spec.metrics[{index}]")
    if spec.get("behavior") is not None:
        spec["behavior"] = {
            way: {**usual, **(spec["behavior"].get(way) or {})} for way, usual in _USUAL_BEHAVIOR.items()
        }
    return causes


def _metric_causes(metric: Object, field: str) -> list[Cause]:
    source = _SOURCES.get(metric.get("type", ""))
    if source is None:
        return []
    causes: list[Cause] = []
    described = metric.get(source)
    if described is None:
        detail = "must populate information for the given metric source"
        return [errors.required(f"{field}.{source}", detail)]
    causes += [
        errors.forbidden_field(f"{field}.{other}", "must populate the given metric source only")
        for other in _SOURCES.values()
        if other != source and metric.get(other) is not None
    ]
    return causes + _target_causes(described.get("target") or {}, f"{field}.{source}.target", source)


def _target_causes(target: Object, field: str, source: str) -> list[Cause]:
    causes: list[Cause] = []
    kind, share = target.get("type", ""), target.get("averageUtilization")
    if not kind:
        causes.append(errors.required(f"{field}.type", "must specify a metric target type"))
    if kind not in _TARGETS:
        detail = "must be either Utilization, Value, or AverageValue"
        causes.append(errors.invalid_value(f"{field}.type", kind, detail))
    causes += [
        errors.invalid_value(f"{field}.{member}", target[member], "must be positive")
        for member in ("value", "averageValue")
        if member in target and amount(target[member]) <= 0
    ]
    if share is not None and share < 1:
        causes.append(errors.invalid_value(f"{field}.averageUtilization", share, "must be greater than 0"))
    if source in ("resource", "containerResource"):
        if share is None and "averageValue" not in target:
            detail = "must set either a target raw value or a target utilization"
            causes.append(errors.required(f"{field}.averageUtilization", detail))
        if share is not None and "averageValue" in target:
            detail = "may not set both a target raw value and a target utilization"
            causes.append(errors.forbidden_field(f"{field}.averageValue", detail))
    return causes


def budget(new: Object, old: Object | None) -> list[Cause]:
    """A disruption budget has one limit of two."""
    spec = new.get("spec") or {}
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if least is None or most is None:
        return []
    shown = {"MinAvailable": least, "Selector": spec.get("selector"), "MaxUnavailable": most,
             "UnhealthyPodEvictionPolicy": spec.get("unhealthyPodEvictionPolicy")}  # fmt: skip
    return [errors.invalid_value("spec", shown, "minAvailable and maxUnavailable cannot be both set")]
