"""The server's additions to, and demands on, the other built-in kinds, beyond the fields' own defaults."""

from __future__ import annotations

import base64

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.kinds.times import micro_time
from harness.clusters.embedded.metadata import qualified_problem
from harness.clusters.embedded.problems import cidr_problems
from harness.clusters.embedded.values import Object, lookup

__all__ = ["SYSTEM_PRIORITIES", "lease", "node", "priority", "revision", "signing_request"]

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
SYSTEM_PRIORITIES = {
    "system-cluster-critical": (2_000_000_000, "For pods that the cluster needs, and that may run on any node."),
    "system-node-critical": (2_000_001_000, "For pods that the cluster needs on the very node where they are."),
}
"""The classes of priority that every cluster has, with their values and descriptions."""
_HIGHEST_PRIORITY = 1_000_000_000


def lease(new: Object, old: Object | None) -> list[Cause]:
    """Times in UTC; fields of coordinated election, which is off, are dropped."""
    spec = new.get("spec") or {}
    for member in ("acquireTime", "renewTime"):
        if isinstance(spec.get(member), str):
            spec[member] = micro_time(spec[member])
    for member in ("strategy", "preferredHolder"):
        spec.pop(member, None)
    return []


def node(new: Object, old: Object | None) -> list[Cause]:
    """A new node is not ready, and says so with a taint."""
    spec = new["spec"] = dict(new.get("spec") or {})
    if old is None:
        taint = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
        if taint not in (spec.get("taints") or ()):
            spec["taints"] = [*(spec.get("taints") or ()), taint]
    status = new.get("status") or {}
    if status.get("capacity") and not status.get("allocatable"):
        status["allocatable"] = dict(status["capacity"])
    if spec.get("podCIDR") and not spec.get("podCIDRs"):
        spec["podCIDRs"] = [spec["podCIDR"]]
    causes: list[Cause] = []
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(spec.get("taints") or ()):
        here, key, effect = f"metadata.taints[{index}]", taint.get("key", ""), taint.get("effect", "")
        if key and (problem := qualified_problem(key)):
            causes.append(errors.invalid_value(f"{here}.key", key, problem))
        if effect not in _EFFECTS:
            causes.append(errors.unsupported_value(f"{here}.effect", effect, _EFFECTS))
        if (key, effect) in seen:
            shown = {"Key": key, "Value": taint.get("value", ""), "Effect": effect, "TimeAdded": taint.get("timeAdded")}
            twice = errors.duplicate(here, shown)
            causes.append(Cause(twice.reason, here, f"{twice.message}: taints must be unique by key and effect pair"))
        seen.add((key, effect))
    for index, block in enumerate(spec.get("podCIDRs") or ()):
        causes += [errors.invalid_value(f"spec.podCIDRs[{index}]", block, one) for one in cidr_problems(block)]
    return causes


def revision(new: Object, old: Object | None) -> list[Cause]:
    return [] if new.get("data") is not None else [errors.required("data", "data is mandatory")]


def priority(new: Object, old: Object | None) -> list[Cause]:
    """Names that begin with ``system-`` are the system's, and so are the highest values."""
    new.setdefault("value", 0)
    name = new["metadata"].get("name", "")
    if name.startswith("system-") and name not in SYSTEM_PRIORITIES:
        known = f"error: {name} is not a known system priority class"
        detail = f"priority class names with 'system-' prefix are reserved for system use only. {known}"
        return [errors.forbidden_field("metadata.name", detail)]
    if new["value"] > _HIGHEST_PRIORITY and name not in SYSTEM_PRIORITIES:
        detail = f"maximum allowed value of a user defined priority is {_HIGHEST_PRIORITY}"
        return [errors.forbidden_field("value", detail)]
    if old is not None and new["value"] != old["value"]:
        return [errors.forbidden_field("value", "may not be changed in an update.")]
    return []


def signing_request(new: Object, old: Object | None) -> list[Cause]:
    request = lookup(new, ("spec", "request"))
    if request and b"BEGIN CERTIFICATE REQUEST" in base64.b64decode(request):
        return []
    return [errors.invalid_value("spec.request", request, "PEM block type must be CERTIFICATE REQUEST")]
