"""The built-in types: what the API server serves before any CustomResourceDefinition.

All are stored objects: no controller and no kubelet acts on them.
"""

from __future__ import annotations

from typing import Any

from harness.clusters.embedded import admission as preparation
from harness.clusters.embedded import events
from harness.clusters.embedded.builders import (
    ANY,
    BOOLEAN,
    BYTES,
    CONDITIONS,
    INT_OR_STRING,
    INTEGER,
    LABEL_SELECTOR,
    OBJECT_META,
    STRING,
    TIME,
    array,
    default,
    keyed,
    mapping,
    obj,
    unique,
)
from harness.clusters.embedded.definition_form import know_schemas
from harness.clusters.embedded.schema import Schema
from harness.clusters.embedded.types import Column, ResourceType
from harness.clusters.embedded.values import Object, lookup

__all__ = ["CRD_TYPE", "built_in_types"]

NAME = Column("Name", ("metadata", "name"), format="name", description="Name must be unique within a namespace.")
AGE = Column("Age", ("metadata", "creationTimestamp"), "date", "CreationTimestamp is when this object was created.")


def built_in(
    group: str, version: str, plural: str, kind: str, description: str, members: Object,
    columns: tuple[Column, ...] = (), aged: bool = True, **more: Any,
) -> ResourceType:  # fmt: skip
    """A type whose objects have ``members`` beside apiVersion, kind and metadata."""
    schema = obj(apiVersion=STRING, kind=STRING, metadata=OBJECT_META)
    schema["properties"].update(members["properties"])
    schema["required"] = members.get("required", [])
    schema["description"] = description
    shown = (NAME, *columns, AGE) if aged else (NAME, *columns)
    return ResourceType(group, version, plural, kind, Schema(schema), columns=shown, **more)


def _size(*members: str) -> Any:
    return lambda stored: sum(len(stored.get(member) or ()) for member in members)


_CONTAINER = obj(
    "name",
    name=STRING,
    image=STRING,
    command=array(STRING),
    args=array(STRING),
    workingDir=STRING,
    imagePullPolicy=STRING,
    ports=keyed(
        obj("containerPort", name=STRING, containerPort=INTEGER, protocol=default(STRING, "TCP"), hostPort=INTEGER,
            hostIP=STRING),
        "containerPort", "protocol",
    ),
    env=keyed(obj("name", name=STRING, value=STRING, valueFrom=ANY), "name"),
    volumeMounts=keyed(ANY, "mountPath"),
) | {"x-kubernetes-preserve-unknown-fields": True}  # fmt: skip

_POD_SPEC = obj(
    "containers",
    containers=keyed(_CONTAINER, "name"),
    initContainers=keyed(_CONTAINER, "name"),
    volumes=keyed(ANY, "name"),
    imagePullSecrets=keyed(obj(name=STRING), "name"),
    serviceAccountName=STRING,
    nodeName=STRING,
    restartPolicy=default(STRING, "Always"),
) | {"x-kubernetes-preserve-unknown-fields": True}
"""What matters for lists that merge; all else of a pod's specification is stored as it comes."""

_POD_STATUS = {
    **obj(phase=default(STRING, "Pending"), conditions=CONDITIONS),
    "default": {},
    "x-kubernetes-preserve-unknown-fields": True,
}

_TEMPLATE = obj(metadata=OBJECT_META, spec=_POD_SPEC)

_PORT = obj(
    "port", name=STRING, port=INTEGER, targetPort=INT_OR_STRING, nodePort=INTEGER, protocol=default(STRING, "TCP"),
    appProtocol=STRING,
)  # fmt: skip


def _pod_ready(pod: Object) -> str:
    statuses = lookup(pod, ("status", "containerStatuses"))
    ready = [one for one in statuses if lookup(one, ("ready",)) is True] if isinstance(statuses, list) else []
    return f"{len(ready)}/{len(pod['spec']['containers'])}"


def _replicas_ready(workload: Object) -> str:
    return f"{lookup(workload, ('status', 'readyReplicas')) or 0}/{lookup(workload, ('spec', 'replicas')) or 0}"


def _count(*path: str) -> Any:
    return lambda stored: lookup(stored, path) or 0


def _ports(service: Object) -> str:
    ports = lookup(service, ("spec", "ports")) or []
    return ",".join(f"{port['port']}/{port.get('protocol', 'TCP')}" for port in ports) or "<none>"


def _or_none(*path: str) -> Any:
    return lambda stored: lookup(stored, path) or "<none>"


def _core() -> list[ResourceType]:
    return [
        built_in(
            "", "v1", "namespaces", "Namespace", "A scope for names.",
            obj(spec=obj(finalizers=unique(STRING)), status=obj(phase=STRING, conditions=CONDITIONS)),
            (Column("Status", ("status", "phase"), description="The status of the namespace"),),
            namespaced=False, short_names=("ns",), has_status=True, prepare=preparation.namespace,
            selectable={"status.phase": ("status", "phase")},
        ),
        built_in(
            "", "v1", "configmaps", "ConfigMap", "Configuration data for others to consume.",
            obj(data=mapping(STRING), binaryData=mapping(BYTES), immutable=BOOLEAN),
            (Column("Data", _size("data", "binaryData"), "integer", description="Number of keys"),),
            short_names=("cm",), prepare=preparation.config_map,
        ),
        built_in(
            "", "v1", "secrets", "Secret", "Secret data, values in base64.",
            obj(data=mapping(BYTES), stringData=mapping(STRING), type=STRING, immutable=BOOLEAN),
            (Column("Type", ("type",)), Column("Data", _size("data"), "integer", description="Number of keys")),
            prepare=preparation.secret, selectable={"type": ("type",)},
        ),
        built_in(
            "", "v1", "serviceaccounts", "ServiceAccount", "An identity for processes.",
            obj(secrets=keyed(ANY, "name"), imagePullSecrets=keyed(obj(name=STRING), "name"),
                automountServiceAccountToken=BOOLEAN),
            (Column("Secrets", _size("secrets"), "integer", description="Number of secrets"),), short_names=("sa",),
        ),
        built_in(
            "", "v1", "services", "Service", "A named port; stored only, nothing listens and no address is given.",
            obj(
                "spec",
                spec=obj(ports=keyed(_PORT, "port", "protocol"), selector=mapping(STRING), clusterIP=STRING,
                         type=default(STRING, "ClusterIP"), externalName=STRING, externalIPs=unique(STRING),
                         sessionAffinity=default(STRING, "None"))
                | {"x-kubernetes-preserve-unknown-fields": True},
                status=ANY,
            ),
            (Column("Type", ("spec", "type")), Column("Cluster-IP", _or_none("spec", "clusterIP")),
             Column("Port(s)", _ports)),
            short_names=("svc",), categories=("all",), has_status=True,
            selectable={"spec.type": ("spec", "type"), "spec.clusterIP": ("spec", "clusterIP")},
        ),
        built_in(
            "", "v1", "pods", "Pod", "Containers; stored only, nothing runs them.",
            obj("spec", spec=_POD_SPEC, status=_POD_STATUS),
            (Column("Ready", _pod_ready), Column("Status", ("status", "phase")),
             Column("Node", _or_none("spec", "nodeName"), priority=1)),
            short_names=("po",), categories=("all",), has_status=True,
            selectable={".".join(path): path for path in (
                ("status", "phase"), ("spec", "nodeName"), ("spec", "restartPolicy"), ("spec", "serviceAccountName"),
                ("status", "podIP"))},
        ),
        events.core_type(),
    ]  # fmt: skip


def _grouped() -> list[ResourceType]:
    workload_status = {**obj(replicas=INTEGER, readyReplicas=INTEGER, conditions=CONDITIONS), "default": {},
                       "x-kubernetes-preserve-unknown-fields": True}  # fmt: skip
    return [
        built_in(
            "apps", "v1", "deployments", "Deployment", "Replicas of a pod; stored only.",
            obj("spec", spec=obj("selector", "template", replicas=default(INTEGER, 1), selector=LABEL_SELECTOR,
                                 template=_TEMPLATE) | {"x-kubernetes-preserve-unknown-fields": True},
                status=workload_status),
            (Column("Ready", _replicas_ready), Column("Up-to-date", _count("status", "updatedReplicas"), "integer"),
             Column("Available", _count("status", "availableReplicas"), "integer")),
            short_names=("deploy",), categories=("all",), has_status=True, counts_generation=True,
            prepare=preparation.workload,
        ),
        built_in(
            "apps", "v1", "statefulsets", "StatefulSet", "Numbered replicas of a pod; stored only.",
            obj("spec", spec=obj("selector", "template", replicas=default(INTEGER, 1), selector=LABEL_SELECTOR,
                                 serviceName=STRING, template=_TEMPLATE, volumeClaimTemplates=array(ANY))
                | {"x-kubernetes-preserve-unknown-fields": True},
                status=workload_status),
            (Column("Ready", _replicas_ready),), short_names=("sts",), categories=("all",), has_status=True,
            counts_generation=True, prepare=preparation.workload,
        ),
        built_in(
            "coordination.k8s.io", "v1", "leases", "Lease", "A claim on something that one process holds at a time.",
            obj(spec=obj(holderIdentity={**STRING, "nullable": True}, leaseDurationSeconds=INTEGER,
                         acquireTime=TIME, renewTime=TIME, leaseTransitions=INTEGER, strategy=STRING,
                         preferredHolder=STRING)),
            (Column("Holder", ("spec", "holderIdentity")),), unconditional_update=False,
        ),
        events.grouped_type(),
    ]  # fmt: skip


CRD_TYPE = built_in(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition",
    "A resource type of one's own.",
    obj(
        spec=obj(
            group=STRING,
            scope=STRING,
            names=obj(plural=STRING, singular=STRING, kind=STRING, listKind=STRING,
                      shortNames=array(STRING), categories=array(STRING)),
            versions=array(
                obj(name=STRING, served=BOOLEAN, storage=BOOLEAN, deprecated=BOOLEAN,
                    deprecationWarning=STRING, schema=obj(openAPIV3Schema=ANY),
                    subresources=obj(status=obj(), scale=obj(specReplicasPath=STRING, statusReplicasPath=STRING,
                                                             labelSelectorPath=STRING)),
                    additionalPrinterColumns=array(
                        obj(name=STRING, type=STRING, format=STRING, description=STRING,
                            priority=INTEGER, jsonPath=STRING)),
                    selectableFields=array(obj(jsonPath=STRING))),
            ),
            conversion=obj(strategy=STRING, webhook=ANY),
            preserveUnknownFields=BOOLEAN,
        ),
        status=obj(conditions=CONDITIONS, acceptedNames=ANY, storedVersions=array(STRING)),
    ),
    (Column("Created At", ("metadata", "creationTimestamp")),), aged=False,
    namespaced=False, short_names=("crd", "crds"), categories=("api-extensions",), has_status=True,
    counts_generation=True, unconditional_update=False,
    blank={"spec": {"group": "", "names": {"plural": "", "kind": ""}, "scope": "", "versions": None}},
)  # fmt: skip
know_schemas(CRD_TYPE.schema)


def built_in_types() -> list[ResourceType]:
    """Every built-in type, in the order of discovery."""
    return [*_core(), *_grouped(), CRD_TYPE]
