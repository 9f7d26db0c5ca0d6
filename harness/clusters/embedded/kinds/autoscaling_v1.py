"""``autoscaling/v1``: autoscalers that only watch processors, another form of those in ``autoscaling/v2``.

What this form has no field for is in annotations, as in Kubernetes, and comes back with them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from harness.clusters.embedded.values import Object

__all__ = ["from_storage", "to_storage"]

_PREFIX = "autoscaling.alpha.kubernetes.io/"
_METRICS, _BEHAVIOR, _CONDITIONS, _CURRENT = (
    f"{_PREFIX}{name}" for name in ("metrics", "behavior", "conditions", "current-metrics")
)
_CPU = "cpu"
_RESOURCES = ("resource", "containerResource")
_TARGETS = {"averageUtilization": "targetAverageUtilization", "averageValue": "targetAverageValue"}
"""Members of a metric's target, and what they are called in the annotation."""
_POLICY = ("type", "value", "periodSeconds")


def from_storage(stored: Object) -> Object:
    """The form of v1 of an autoscaler."""
    spec, status = dict(stored.get("spec") or {}), dict(stored.get("status") or {})
    noted: dict[str, Any] = {}
    share, others = _taken(spec.pop("metrics", None) or [], "target")
    if share is not None:
        spec["targetCPUUtilizationPercentage"] = share
    noted[_METRICS] = [_old_metric(one) for one in others]
    noted[_BEHAVIOR] = _old_behavior(spec.pop("behavior", None))
    current, measured = _taken(status.pop("currentMetrics", None) or [], "current")
    if current is not None:
        status["currentCPUUtilizationPercentage"] = current
    noted[_CURRENT] = measured
    noted[_CONDITIONS] = status.pop("conditions", None)
    status = {"currentReplicas": 0, "desiredReplicas": 0, **status}
    metadata = dict(stored["metadata"])
    texts = {name: orjson.dumps(value).decode() for name, value in noted.items() if value}
    if texts:
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **texts}
    return {**stored, "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}


def _taken(metrics: list[Object], member: str) -> tuple[int | None, list[Object]]:
    """The share of processors among metrics, and the others."""
    for index, one in enumerate(metrics):
        resource = one.get("resource") or {}
        share = (resource.get(member) or {}).get("averageUtilization")
        if one.get("type") == "Resource" and resource.get("name") == _CPU and share is not None:
            return share, metrics[:index] + metrics[index + 1 :]
    return None, metrics


def to_storage(served: Object) -> Object:
    """The form that is stored, of an autoscaler in the form of v1."""
    if not served:
        return {"apiVersion": "autoscaling/v2"}
    spec, status = dict(served.get("spec") or {}), dict(served.get("status") or {})
    metadata = dict(served["metadata"])
    annotations = dict(metadata.get("annotations") or {})
    noted = {name: _read(annotations.pop(name, None)) for name in (_METRICS, _BEHAVIOR, _CONDITIONS, _CURRENT)}
    metrics = [_new_metric(one) for one in noted[_METRICS] or []]
    if (share := spec.pop("targetCPUUtilizationPercentage", None)) is not None:
        target = {"type": "Utilization", "averageUtilization": share}
        metrics.append({"type": "Resource", "resource": {"name": _CPU, "target": target}})
    if metrics:
        spec["metrics"] = metrics
    if noted[_BEHAVIOR]:
        spec["behavior"] = _renamed(noted[_BEHAVIOR], str.lower)
    measured = list(noted[_CURRENT] or [])
    if (current := status.pop("currentCPUUtilizationPercentage", None)) is not None:
        now = {"averageUtilization": current, "averageValue": "0"}
        measured.insert(0, {"type": "Resource", "resource": {"name": _CPU, "current": now}})
    if measured:
        status["currentMetrics"] = measured
    if not status.get("currentReplicas"):
        status.pop("currentReplicas", None)
    if noted[_CONDITIONS]:
        status["conditions"] = noted[_CONDITIONS]
    metadata.pop("annotations", None)
    if annotations:
        metadata["annotations"] = annotations
    converted = {**served, "apiVersion": "autoscaling/v2", "metadata": metadata, "spec": spec}
    return {**converted, "status": {"currentMetrics": None, **status}} if status else converted


def _old_metric(metric: Object) -> Object:
    """A metric in the annotation: amounts of a resource have members of their own there."""
    source = next((one for one in _RESOURCES if one in metric), "")
    if not source:
        return metric
    described = dict(metric[source])
    target = described.pop("target")
    shown = {old: target[new] for new, old in _TARGETS.items() if new in target}
    return {**metric, source: {**described, **shown}}


def _new_metric(metric: Object) -> Object:
    source = next((one for one in _RESOURCES if one in metric), "")
    if not source or "target" in metric[source]:
        return metric
    described = {name: item for name, item in metric[source].items() if name not in _TARGETS.values()}
    target = {new: metric[source][old] for new, old in _TARGETS.items() if old in metric[source]}
    kind = "Utilization" if "averageUtilization" in target else "AverageValue"
    return {**metric, source: {**described, "target": {"type": kind, **target}}}


def _old_behavior(behavior: Object | None) -> Object | None:
    """Behaviour in the annotation, in the form in which Go keeps it: all members, and capitals."""
    if not behavior:
        return None
    shown = {}
    for way in ("scaleUp", "scaleDown"):
        rules = behavior.get(way)
        shown[way] = rules and {
            "stabilizationWindowSeconds": rules.get("stabilizationWindowSeconds"),
            "selectPolicy": rules.get("selectPolicy"),
            "policies": [{name: one.get(name) for name in _POLICY} for one in rules.get("policies") or ()],
            "tolerance": rules.get("tolerance"),
        }
    renamed: Object = _renamed(shown, str.upper)
    return renamed


def _renamed(value: Any, first: Callable[[str], str]) -> Any:
    """A value whose members' names begin with another letter; null is left out where that is a small one."""
    if isinstance(value, list):
        return [_renamed(item, first) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {name: item for name, item in value.items() if item is not None or first is str.upper}
    return {first(name[:1]) + name[1:]: _renamed(item, first) for name, item in kept.items()}


def _read(text: str | None) -> Any:
    """The value in an annotation; nothing where it holds something else."""
    try:
        return orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        return None
