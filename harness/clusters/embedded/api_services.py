"""APIServices: an object for every group and version that is served, as the aggregator of a real API server keeps them.

They are made when somebody asks for them, and brought up to date when definitions have come or gone since.
"""

from __future__ import annotations

from harness.clusters.embedded.lifecycle import Lifecycle
from harness.clusters.embedded.state import State
from harness.clusters.embedded.values import Object
from harness.clusters.embedded.write_options import Options
from harness.clusters.embedded.writing import Writer

__all__ = ["GROUP", "ApiServices"]

GROUP = "apiregistration.k8s.io"
_PRIORITIES = {
    "": 18000, "apps": 17800, "events.k8s.io": 17750, "authentication.k8s.io": 17700, "authorization.k8s.io": 17600,
    "autoscaling": 17500, "batch": 17400, "certificates.k8s.io": 17300, "networking.k8s.io": 17200, "policy": 17100,
    "rbac.authorization.k8s.io": 17000, "storage.k8s.io": 16800, "apiextensions.k8s.io": 16700,
    "admissionregistration.k8s.io": 16700, "scheduling.k8s.io": 16600, "coordination.k8s.io": 16500,
    "node.k8s.io": 16300, "discovery.k8s.io": 16200,
}  # fmt: skip
"""The priorities of built-in groups."""
_OF_DEFINITIONS = 1000
_LABEL = "kube-aggregator.kubernetes.io/automanaged"


class ApiServices:
    """Keeps the objects in step with what is served."""

    def __init__(self, state: State, writer: Writer, lifecycle: Lifecycle) -> None:
        self._state, self._writer, self._lifecycle = state, writer, lifecycle
        self._revision = -1

    def refresh(self) -> None:
        """Make what is missing, and remove what stands for a group and version that is no longer served."""
        registry = self._state.registry
        if self._revision == registry.revision:
            return
        self._revision = registry.revision
        served = registry.storing(f"apiservices.{GROUP}")
        wanted = {f"{version}.{group}": (group, version) for group, versions in registry.group_versions().items()
                  for version in versions if group != GROUP}  # fmt: skip
        there = {key[1]: entry.object for key, entry in self._state.collection(served).entries("")}
        for name in sorted(there):
            if name not in wanted and _LABEL in (there[name]["metadata"].get("labels") or {}):
                self._lifecycle.delete(served, ("", name))
        for name in sorted(set(wanted) - set(there)):
            self._writer.create(served, "", self._made(name, *wanted[name]), Options(manager="kube-apiserver"))

    def _made(self, name: str, group: str, version: str) -> Object:
        of_definition = group not in _PRIORITIES
        priority = 1 if not group else 100 if of_definition else 30 if version == "v2" else 15
        spec = {"version": version, "groupPriorityMinimum": _PRIORITIES.get(group, _OF_DEFINITIONS)}
        local = {
            "type": "Available",
            "status": "True",
            "lastTransitionTime": self._state.now(),
            "reason": "Local",
            "message": "Local APIServices are always available",
        }
        return {
            "metadata": {"name": name, "labels": {_LABEL: "true" if of_definition else "onstart"}},
            "spec": {**({"group": group} if group else {}), **spec, "versionPriority": priority},
            "status": {"conditions": [local]},
        }
