"""The server's additions to, and demands on, the other built-in kinds, beyond the fields' own defaults."""

from __future__ import annotations

import base64

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.kinds.times import micro_time
from harness.clusters.embedded.values import Object, lookup

__all__ = [
    "autoscaler",
    "budget",
    "claim",
    "endpoint_slice",
    "ingress",
    "lease",
    "limits",
    "network_policy",
    "node",
    "priority",
    "revision",
    "signing_request",
    "storage_class",
    "volume",
    "webhooks",
]

_HIGHEST_PRIORITY = 1_000_000_000
_SOURCES = ("hostPath", "nfs", "csi", "local", "iscsi", "fc", "rbd", "cephfs", "cinder", "azureDisk", "azureFile",
            "awsElasticBlockStore", "gcePersistentDisk", "glusterfs", "flexVolume", "vsphereVolume", "portworxVolume",
            "scaleIO", "storageos", "quobyte", "photonPersistentDisk", "flocker")  # fmt: skip


def lease(new: Object, old: Object | None) -> list[Cause]:
    """Times in UTC; fields of coordinated election, which is off, are dropped."""
    spec = new.get("spec") or {}
    for member in ("acquireTime", "renewTime"):
        if isinstance(spec.get(member), str):
            spec[member] = micro_time(spec[member])
    for member in ("strategy", "preferredHolder"):
        spec.pop(member, None)
    return []


def claim(new: Object, old: Object | None) -> list[Cause]:
    causes: list[Cause] = []
    if not lookup(new, ("spec", "accessModes")):
        causes.append(errors.required("spec.accessModes", "at least 1 access mode is required"))
    if lookup(new, ("spec", "resources", "requests", "storage")) is None:
        causes.append(errors.required("spec.resources[storage]"))
    return causes


def volume(new: Object, old: Object | None) -> list[Cause]:
    spec = new.get("spec") or {}
    causes: list[Cause] = []
    if not spec.get("accessModes"):
        causes.append(errors.required("spec.accessModes"))
    capacity = spec.get("capacity")
    if not capacity:
        causes.append(errors.required("spec.capacity"))
    if set(capacity or ()) != {"storage"}:
        causes.append(errors.unsupported_value("spec.capacity", capacity, ("storage",)))
    if not any(spec.get(source) for source in _SOURCES):
        causes.append(errors.required("spec", "must specify a volume type"))
    if old is None:
        new["status"] = {**(new.get("status") or {}), "lastPhaseTransitionTime": new["metadata"]["creationTimestamp"]}
    return causes


def node(new: Object, old: Object | None) -> list[Cause]:
    """A new node is not ready, and says so with a taint."""
    if old is None:
        spec = new["spec"] = dict(new.get("spec") or {})
        taint = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
        if taint not in (spec.get("taints") or ()):
            spec["taints"] = [*(spec.get("taints") or ()), taint]
    return []


def limits(new: Object, old: Object | None) -> list[Cause]:
    """A container's default limit is its default request too."""
    for item in lookup(new, ("spec", "limits")) or ():
        if item.get("type") == "Container":
            known = {**(item.get("max") or {}), **(item.get("default") or {})}
            if known:
                item["default"] = known
                requested = {**(item.get("min") or {}), **known, **(item.get("defaultRequest") or {})}
                item["defaultRequest"] = requested
    return []


def revision(new: Object, old: Object | None) -> list[Cause]:
    return [] if new.get("data") is not None else [errors.required("data", "data is mandatory")]


def autoscaler(new: Object, old: Object | None) -> list[Cause]:
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
    return causes


def budget(new: Object, old: Object | None) -> list[Cause]:
    spec = new.get("spec") or {}
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if least is None or most is None:
        return []
    shown = {"MinAvailable": least, "Selector": spec.get("selector"), "MaxUnavailable": most,
             "UnhealthyPodEvictionPolicy": spec.get("unhealthyPodEvictionPolicy")}  # fmt: skip
    return [errors.invalid_value("spec", shown, "minAvailable and maxUnavailable cannot be both set")]


def ingress(new: Object, old: Object | None) -> list[Cause]:
    spec = new.get("spec") or {}
    if not spec.get("rules") and not spec.get("defaultBackend"):
        return [errors.invalid_value("spec", None, "either `defaultBackend` or `rules` must be specified")]
    return [
        errors.required(f"spec.rules[{number}].http.paths[{index}].pathType", "pathType must be specified")
        for number, rule in enumerate(spec.get("rules") or ())
        for index, path in enumerate(lookup(rule, ("http", "paths")) or ())
        if not path.get("pathType")
    ]


def network_policy(new: Object, old: Object | None) -> list[Cause]:
    spec = new.get("spec") or {}
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", *["Egress"] * bool(spec.get("egress"))]
    return []


def endpoint_slice(new: Object, old: Object | None) -> list[Cause]:
    if new.get("addressType") in (None, "IPv4", "IPv6", "FQDN"):
        return []
    return [errors.unsupported_value("addressType", new["addressType"], ("FQDN", "IPv4", "IPv6"))]


def priority(new: Object, old: Object | None) -> list[Cause]:
    new.setdefault("value", 0)
    if new["value"] > _HIGHEST_PRIORITY and not new["metadata"].get("name", "").startswith("system-"):
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


def storage_class(new: Object, old: Object | None) -> list[Cause]:
    if old is None:
        return []
    return [
        errors.forbidden_field(member, f"updates to {member} are forbidden.")
        for member in ("provisioner", "parameters", "reclaimPolicy")
        if new.get(member) != old.get(member)
    ]


def webhooks(new: Object, old: Object | None) -> list[Cause]:
    """Configurations are stored; no webhook is called."""
    allowed = "must specify one of None, NoneOnDryRun"
    return [
        errors.required(f"webhooks[{index}].sideEffects", allowed)
        for index, hook in enumerate(new.get("webhooks") or ())
        if not hook.get("sideEffects")
    ]
