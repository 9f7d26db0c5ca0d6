"""The server's demands on claims, volumes and their classes."""

from __future__ import annotations

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.kinds.quantities import amount
from harness.clusters.embedded.values import Object, lookup, same

__all__ = ["claim", "storage_class", "volume"]

_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_SOURCES = ("hostPath", "gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "nfs", "rbd", "quobyte", "cephfs",
            "iscsi", "cinder", "fc", "flocker", "azureFile", "vsphereVolume", "azureDisk", "photonPersistentDisk",
            "portworxVolume", "scaleIO", "local", "storageos", "csi", "flexVolume")  # fmt: skip
_GROWS = ("resources", "volumeAttributesClassName", "volumeName")
_FIXED = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
_POSITIVE = "must be greater than zero"


def claim(new: Object, old: Object | None) -> list[Cause]:
    spec = new.get("spec") or {}
    _complete_source(spec)
    causes: list[Cause] = []
    modes = spec.get("accessModes") or []
    if not modes:
        causes.append(errors.required("spec.accessModes", "at least 1 access mode is required"))
    causes += _mode_causes(modes)
    size = lookup(spec, ("resources", "requests", "storage"))
    if size is None:
        causes.append(errors.required("spec.resources[storage]"))
    elif amount(size) <= 0:
        causes.append(errors.invalid_value("spec.resources[storage]", size, _POSITIVE))
    causes += [
        errors.required(f"spec.{member}.name")
        for member in ("dataSource", "dataSourceRef")
        if member in spec and not spec[member].get("name")
    ]
    if old is not None:
        grows = _GROWS if lookup(old, ("status", "phase")) == "Bound" else ("volumeName",)
        if not same(_without(spec, grows), _without(old.get("spec") or {}, grows)):
            causes.append(errors.forbidden_field("spec", _FIXED))
    return causes


def _complete_source(spec: Object) -> None:
    """A claim is filled from another claim or a snapshot, which two fields say."""
    source = spec.get("dataSource")
    if source is not None and not source.get("apiGroup") and source.get("kind") != "PersistentVolumeClaim":
        spec.pop("dataSource")
        source = None
    if source is not None and "dataSourceRef" not in spec:
        spec["dataSourceRef"] = dict(source)


def _without(spec: Object, names: tuple[str, ...]) -> Object:
    return {name: item for name, item in spec.items() if name not in names}


def _mode_causes(modes: list[str]) -> list[Cause]:
    causes = [errors.unsupported_value("spec.accessModes", mode, _MODES) for mode in modes if mode not in _MODES]
    if "ReadWriteOncePod" in modes and len(set(modes)) > 1:
        detail = "may not use ReadWriteOncePod with other access modes"
        causes.append(errors.forbidden_field("spec.accessModes", detail))
    return causes


def volume(new: Object, old: Object | None) -> list[Cause]:
    spec = new.get("spec") or {}
    causes: list[Cause] = []
    if not spec.get("accessModes"):
        causes.append(errors.required("spec.accessModes"))
    causes += _mode_causes(spec.get("accessModes") or [])
    causes += _capacity_causes(spec.get("capacity"))
    named = [source for source in _SOURCES if spec.get(source) is not None]
    if not named:
        causes.append(errors.required("spec", "must specify a volume type"))
    causes += [
        errors.forbidden_field(f"spec.{source}", "may not specify more than 1 volume type") for source in named[1:]
    ]
    path = lookup(spec, ("hostPath", "path")) or ""
    if ".." in path.split("/"):
        causes.append(errors.invalid_value("spec.hostPath.path", path, "must not contain '..'"))
    if path == "/" and spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        detail = "may not be 'recycle' for a hostPath mount of '/'"
        causes.append(errors.forbidden_field("spec.persistentVolumeReclaimPolicy", detail))
    shared = lookup(spec, ("nfs", "path")) or "/"
    if not shared.startswith("/"):
        causes.append(errors.invalid_value("spec.nfs.path", shared, "must be an absolute path"))
    if "local" in named and not lookup(spec, ("nodeAffinity", "required")):
        causes.append(errors.required("spec.nodeAffinity", "Local volume requires node affinity"))
    if old is None:
        new["status"] = {**(new.get("status") or {}), "lastPhaseTransitionTime": new["metadata"]["creationTimestamp"]}
    return causes


def _capacity_causes(capacity: Object | None) -> list[Cause]:
    causes: list[Cause] = []
    if not capacity:
        causes.append(errors.required("spec.capacity"))
    if set(capacity or ()) != {"storage"}:
        causes.append(errors.unsupported_value("spec.capacity", capacity, ("storage",)))
    for name, value in (capacity or {}).items():
        number = amount(value)
        if number < 0:
            detail = "must be a valid resource quantity"
            causes.append(errors.invalid_value(f"spec.capacity[{name}]", int(number), detail))
        if number <= 0:
            causes.append(errors.invalid_value(f"spec.capacity[{name}]", value, _POSITIVE))
    return causes


def storage_class(new: Object, old: Object | None) -> list[Cause]:
    if old is None:
        return []
    return [
        errors.forbidden_field(member, f"updates to {member} are forbidden.")
        for member in ("provisioner", "parameters", "reclaimPolicy")
        if new.get(member) != old.get(member)
    ]
