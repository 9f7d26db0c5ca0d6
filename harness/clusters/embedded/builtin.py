"""The built-in types: what the API server serves before any CustomResourceDefinition.

All are stored objects: no controller and no kubelet acts on them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from harness.clusters.embedded import events
from harness.clusters.embedded.builders import (
    ANY,
    BOOLEAN,
    CONDITIONS,
    INTEGER,
    OBJECT_META,
    STRING,
    array,
    obj,
)
from harness.clusters.embedded.definition_form import know_schemas
from harness.clusters.embedded.kinds.columns import AGE, NAME
from harness.clusters.embedded.kinds.table import kinds
from harness.clusters.embedded.schema import Schema
from harness.clusters.embedded.types import Column, ResourceType
from harness.clusters.embedded.values import Object

__all__ = ["AGE", "CRD_TYPE", "NAME", "built_in_types"]


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
    make_blank=lambda: {"spec": {"group": "", "names": {"plural": "", "kind": ""}, "scope": "", "versions": None}},
)  # fmt: skip
know_schemas(CRD_TYPE.schema)


@cache
def built_in_types() -> tuple[ResourceType, ...]:
    """Every built-in type, in the order of discovery; all servers of a process have the same ones."""
    made = [*kinds(), events.core_type(), events.grouped_type(), CRD_TYPE]
    return tuple(sorted(made, key=lambda served: (bool(served.group), served.group, served.plural)))
