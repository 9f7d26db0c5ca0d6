"""One row of the table of built-in kinds, made into a resource type."""

from __future__ import annotations

from functools import partial

from harness.clusters.embedded.builders import OBJECT_META, STRING
from harness.clusters.embedded.kinds.columns import columns_of
from harness.clusters.embedded.kinds.notation import GO_TYPE, blank_of, fields_of, file_of
from harness.clusters.embedded.pod_subresources import POD_SUBRESOURCES
from harness.clusters.embedded.scale import ScalePaths
from harness.clusters.embedded.schema import LazySchema
from harness.clusters.embedded.types import ALL_VERBS, NO_COLLECTION, Prepare, ResourceType
from harness.clusters.embedded.values import Object

__all__ = ["kind_of"]

_SCALE = ScalePaths(("spec", "replicas"), ("status", "replicas"), ("spec", "selector"))
_SCALED = ("Deployment", "ReplicaSet", "ReplicationController", "StatefulSet")
_MORE = {"ServiceAccount": ("token",), "Pod": tuple(POD_SUBRESOURCES)}
"""Subresources beside status and scale."""
_UNOWNED = {
    "Pod": ("spec.tolerations", "spec.priority", "spec.preemptionPolicy"),
    "Service": ("spec.clusterIPs", "spec.ipFamilies", "spec.ipFamilyPolicy"),
    "Node": ("spec.taints",),
    "Namespace": ("spec.finalizers",),
    "Job": ("spec.selector", "spec.template.metadata", "metadata.labels"),
}
"""Fields that admission or allocation sets, which belong to no manager."""


def kind_of(
    version: str,
    kind: str,
    plural: str,
    columns: str,
    flags: str = "",
    short: str = "",
    prepare: Prepare | None = None,
    selectable: str = "",
    deprecation: str = "",
) -> ResourceType:
    """``flags``: cluster, status, reported (a new object may have its status), generation, create (a PUT may), names
    (anything but a path), conditional, all."""
    group, _, number = version.rpartition("/")
    file = file_of(version)
    paths = {path: tuple(path.split(".")) for path in selectable.split()}
    words = flags.split()
    return ResourceType(
        group,
        number,
        plural,
        kind,
        LazySchema(partial(_schema, file, kind)),
        namespaced="cluster" not in words,
        short_names=tuple(short.split()),
        categories=("all",) if "all" in words else ("api-extensions",) if "extension" in words else (),
        verbs=NO_COLLECTION if kind == "Namespace" else ALL_VERBS,
        has_status="status" in words,
        keeps_status="reported" in words,
        counts_generation="generation" in words,
        unconditional_update="conditional" not in words,
        put_creates="create" in words,
        path_names="names" in words,
        more_subresources=_MORE.get(kind, ()),
        columns=columns_of(columns),
        selectable=paths,
        prepare=prepare,
        unowned=tuple(tuple(f"f:{part}" for part in path.split(".")) for path in _UNOWNED.get(kind, ())),
        scale=_SCALE if kind in _SCALED else None,
        make_blank=partial(blank_of, file, kind),
        deprecation=deprecation,
    )


def _schema(file: str, kind: str) -> Object:
    own = fields_of(file, kind)
    properties = {"apiVersion": STRING, "kind": STRING, "metadata": OBJECT_META, **own["properties"]}
    return {**own, "properties": properties, GO_TYPE: kind}
