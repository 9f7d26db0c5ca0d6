"""Short words for the schemas of the built-in types."""

from __future__ import annotations

from typing import Any

from harness.clusters.embedded.values import Object

__all__ = [
    "ANY",
    "BOOLEAN",
    "BYTES",
    "CONDITIONS",
    "INTEGER",
    "INT_OR_STRING",
    "LABEL_SELECTOR",
    "OBJECT_META",
    "STRING",
    "TIME",
    "array",
    "default",
    "described",
    "keyed",
    "mapping",
    "obj",
    "unique",
]

STRING: Object = {"type": "string"}
INTEGER: Object = {"type": "integer", "format": "int64"}
BOOLEAN: Object = {"type": "boolean"}
BYTES: Object = {"type": "string", "format": "byte"}
TIME: Object = {"type": "string", "format": "date-time", "nullable": True}
INT_OR_STRING: Object = {"x-kubernetes-int-or-string": True}
ANY: Object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def obj(*required: str, **properties: Object) -> Object:
    """An object with these members. A trailing underscore avoids Python's keywords."""
    schema: Object = {"type": "object", "properties": {name.rstrip("_"): item for name, item in properties.items()}}
    if required:
        schema["required"] = list(required)
    return schema


def mapping(values: Object) -> Object:
    return {"type": "object", "additionalProperties": values}


def array(items: Object) -> Object:
    """A list that is replaced as a whole."""
    return {"type": "array", "items": items, "x-kubernetes-list-type": "atomic"}


def unique(items: Object) -> Object:
    """A list that is a set."""
    return {"type": "array", "items": items, "x-kubernetes-list-type": "set"}


def keyed(items: Object, *keys: str) -> Object:
    """A list whose items are distinguished by the members ``keys``."""
    return {
        "type": "array",
        "items": items,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": list(keys),
        "x-kubernetes-patch-merge-key": keys[0],
        "x-kubernetes-patch-strategy": "merge",
    }


def default(schema: Object, value: Any) -> Object:
    return {**schema, "default": value}


def described(description: str, schema: Object) -> Object:
    return {**schema, "description": description}


CONDITIONS = keyed(
    obj(
        "type",
        "status",
        type=STRING,
        status=STRING,
        observedGeneration=INTEGER,
        lastProbeTime=TIME,
        lastUpdateTime=TIME,
        lastTransitionTime=TIME,
        reason=STRING,
        message=STRING,
    ),
    "type",
)

LABEL_SELECTOR = obj(
    matchLabels=mapping(STRING),
    matchExpressions=array(obj("key", "operator", key=STRING, operator=STRING, values=array(STRING))),
) | {"x-kubernetes-map-type": "atomic"}

OBJECT_META = described(
    "Standard object's metadata (Kubernetes API conventions).",
    obj(
        name=STRING,
        generateName=STRING,
        namespace=STRING,
        selfLink=STRING,
        uid=STRING,
        resourceVersion=STRING,
        generation=INTEGER,
        creationTimestamp=TIME,
        deletionTimestamp=TIME,
        deletionGracePeriodSeconds={**INTEGER, "nullable": True},
        labels={**mapping(STRING), "nullable": True},
        annotations={**mapping(STRING), "nullable": True},
        finalizers={**unique(STRING), "nullable": True, "x-kubernetes-patch-strategy": "merge"},
        ownerReferences={
            **keyed(
                obj(
                    apiVersion=STRING,
                    kind=STRING,
                    name=STRING,
                    uid=STRING,
                    controller={**BOOLEAN, "nullable": True},
                    blockOwnerDeletion={**BOOLEAN, "nullable": True},
                )
                | {"x-kubernetes-map-type": "atomic"},
                "uid",
            ),
            "nullable": True,
        },
        managedFields={
            **array(
                obj(
                    manager=STRING,
                    operation=STRING,
                    apiVersion=STRING,
                    time=TIME,
                    fieldsType=STRING,
                    fieldsV1=ANY,
                    subresource=STRING,
                )
            ),
            "nullable": True,
        },
    ),
)
"""``metadata`` of every object."""
