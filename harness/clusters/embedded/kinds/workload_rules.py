"""The server's additions to, and demands on, what makes pods, beyond the fields' own defaults."""

from __future__ import annotations

from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.demands import amount_causes, requirement_cause
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.kinds.pod_rules import complete_pod, pod_causes
from harness.clusters.embedded.metadata import label_causes
from harness.clusters.embedded.values import Object, lookup, same

__all__ = ["controller", "pods_of", "workload"]

_ROLLING: dict[str, tuple[str, Object]] = {
    "Deployment": ("strategy", {"maxUnavailable": "25%", "maxSurge": "25%"}),
    "StatefulSet": ("updateStrategy", {"partition": 0}),
    "DaemonSet": ("updateStrategy", {"maxUnavailable": 1, "maxSurge": 0}),
}
"""Where a kind says how it replaces pods, and its defaults for doing so step by step."""
_GENERATION = "deprecated.daemonset.template.generation"
_SET_CHANGES = ("replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
                "persistentVolumeClaimRetentionPolicy", "minReadySeconds", "selector")  # fmt: skip
_SET_FIXED = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
_STRATEGIES = {
    "strategy": ("Recreate", "RollingUpdate"),
    "updateStrategy": ("RollingUpdate", "OnDelete"),
}


def _spec(new: Object, *path: str) -> Object:
    found: Any = lookup(new, path)
    return found if isinstance(found, dict) else {}


def pods_of(new: Object, field: str = "spec.template.spec") -> list[Cause]:
    spec = _spec(new, *field.split("."))
    complete_pod(spec)
    return pod_causes(spec, field)


def _always(new: Object) -> list[Cause]:
    policy = lookup(new, ("spec", "template", "spec", "restartPolicy"))
    field = "spec.template.spec.restartPolicy"
    return [errors.unsupported_value(field, policy, ("Always",))] * (policy in ("OnFailure", "Never"))


def controller(new: Object, old: Object | None) -> list[Cause]:
    """A ReplicationController, whose selector is a map of labels."""
    spec = _spec(new, "spec")
    labels = _spec(spec, "template", "metadata", "labels")
    if labels and not spec.get("selector"):
        spec["selector"] = dict(labels)
    return pods_of(new) if spec.get("template") else []


def workload(new: Object, old: Object | None) -> list[Cause]:
    """The selector matches the template's labels, and stays."""
    spec = _spec(new, "spec")
    causes = [*pods_of(new), *_always(new)]
    if new["kind"] != "StatefulSet" and lookup(new, ("spec", "template", "spec", "activeDeadlineSeconds")) is not None:
        field = "spec.template.spec.activeDeadlineSeconds"
        causes.append(errors.forbidden_field(field, "activeDeadlineSeconds in ReplicaSet is not Supported"))
    if new["kind"] == "DaemonSet":
        generation = new["metadata"].get("annotations", {}).get(_GENERATION, "1")
        new["metadata"]["annotations"] = {**new["metadata"].get("annotations", {}), _GENERATION: generation}
    if new["kind"] == "StatefulSet":
        new["status"] = {"availableReplicas": 0, **(new.get("status") or {})}
        causes += _set_causes(spec, old)
    if new["kind"] == "Deployment" and spec.get("progressDeadlineSeconds", 600) <= spec.get("minReadySeconds", 0):
        field, detail = "spec.progressDeadlineSeconds", "must be greater than minReadySeconds"
        causes.append(errors.invalid_value(field, spec["progressDeadlineSeconds"], detail))
    if new["kind"] in _ROLLING:
        causes += _strategy_causes(new["kind"], spec)
    selector = spec.get("selector") or {}
    wanted = selector.get("matchLabels") or {}
    labels = _spec(new, "spec", "template", "metadata").get("labels")
    if not wanted and not selector.get("matchExpressions"):
        if spec.get("selector") is not None:
            detail = "empty selector is invalid for " + new["kind"][0].lower() + new["kind"][1:]
            causes.append(errors.invalid_value("spec.selector", {"matchLabels": None}, detail))
        labels_fit = False
    else:
        labels_fit = all((labels or {}).get(key) == value for key, value in wanted.items())
    if not labels_fit:
        detail = "`selector` does not match template `labels`"
        causes.append(errors.invalid_value("spec.template.metadata.labels", labels, detail))
    if any(_selected(one) for one in selector.get("matchExpressions") or ()):
        causes.append(errors.invalid_value("spec.selector", selector, "invalid label selector"))
    if old is not None and not same(selector, lookup(old, ("spec", "selector"))):
        causes.append(errors.invalid_value("spec.selector", selector, "field is immutable"))
    causes += label_causes(labels or {}, "spec.template.labels")
    return causes


def _selected(requirement: Object) -> bool:
    """Whether a requirement of a selector has a fault."""
    return requirement_cause(requirement, "") is not None


def _set_causes(spec: Object, old: Object | None) -> list[Cause]:
    """The faults of a StatefulSet."""
    causes: list[Cause] = []
    policy = spec.get("podManagementPolicy")
    if policy not in ("OrderedReady", "Parallel"):
        detail = "must be 'OrderedReady' or 'Parallel'"
        causes.append(errors.invalid_value("spec.podManagementPolicy", policy, detail))
    before = lookup(old, ("spec",)) or {}
    if old is not None and any(
        not same(spec.get(name), before.get(name)) for name in {**spec, **before} if name not in _SET_CHANGES
    ):
        causes.append(errors.forbidden_field("spec", _SET_FIXED))
    return causes


def _strategy_causes(kind: str, spec: Object) -> list[Cause]:
    member, steps = _ROLLING[kind]
    chosen: Object = spec.get(member) or {}
    name = chosen.get("type", "RollingUpdate")
    if name == "RollingUpdate":
        chosen_steps = {**steps, **(chosen.get("rollingUpdate") or {})}
        spec[member] = {**chosen, "type": name, "rollingUpdate": chosen_steps}
        return _step_causes(kind, chosen_steps, f"spec.{member}.rollingUpdate")
    if chosen.get("rollingUpdate") is not None and kind == "Deployment" and name == "Recreate":
        detail = "may not be specified when strategy `type` is 'Recreate'"
        return [errors.forbidden_field("spec.strategy.rollingUpdate", detail)]
    if name not in _STRATEGIES[member]:
        shown = {"Type": name, "RollingUpdate": chosen.get("rollingUpdate")}
        return [errors.unsupported_value(f"spec.{member}", shown, _STRATEGIES[member])]
    return []


def _step_causes(kind: str, steps: Object, field: str) -> list[Cause]:
    """The faults of replacing pods step by step."""
    if kind == "StatefulSet":
        return []
    causes = [
        cause for name in ("maxUnavailable", "maxSurge") for cause in amount_causes(steps.get(name), f"{field}.{name}")
    ]
    if causes or any(steps.get(name) not in (0, "0%") for name in ("maxUnavailable", "maxSurge")):
        return causes
    where = f"{field}.maxUnavailable"
    if kind == "DaemonSet":
        return [errors.required(where, "cannot be 0 when maxSurge is 0")]
    return [errors.invalid_value(where, steps["maxUnavailable"], "may not be 0 when `maxSurge` is 0")]
