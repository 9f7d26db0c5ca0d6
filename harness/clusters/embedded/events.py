"""Events, which two API groups serve: one set of objects, kept in the form of the core group."""

from __future__ import annotations

from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.builders import ANY, INTEGER, OBJECT_META, STRING, TIME, obj
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.schema import Schema
from harness.clusters.embedded.types import Column, ResourceType
from harness.clusters.embedded.values import Object, lookup

__all__ = ["core_type", "grouped_type"]

_RENAMED = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
"""Members of an event in the core group, and what they are called in ``events.k8s.io``."""
_BACK = {new: old for old, new in _RENAMED.items()}

_REFERENCE = obj(
    apiVersion=STRING, kind=STRING, namespace=STRING, name=STRING, uid=STRING, resourceVersion=STRING, fieldPath=STRING
)
_MEMBERS: Object = {
    "apiVersion": STRING,
    "kind": STRING,
    "metadata": OBJECT_META,
    "involvedObject": _REFERENCE,
    "reason": STRING,
    "message": STRING,
    "source": obj(component=STRING, host=STRING),
    "firstTimestamp": TIME,
    "lastTimestamp": TIME,
    "count": INTEGER,
    "type": STRING,
    "eventTime": TIME,
    "series": {**ANY, "nullable": True},
    "action": STRING,
    "related": {**_REFERENCE, "nullable": True},
    "reportingComponent": STRING,
    "reportingInstance": STRING,
}


def _first_seen(event: Object) -> Any:
    return event.get("firstTimestamp") or event.get("eventTime")


def _last_seen(event: Object) -> Any:
    return lookup(event, ("series", "lastObservedTime")) or event.get("lastTimestamp") or _first_seen(event)


def _count(event: Object) -> Any:
    return lookup(event, ("series", "count")) or event.get("count") or 1


def _about(event: Object) -> str:
    about = event.get("involvedObject") or {}
    return "/".join(filter(None, (about.get("kind", "").lower(), about.get("name", ""))))


def _source(event: Object) -> str:
    source = event.get("source") or {}
    told = (source.get("component"), source.get("host"))
    return ", ".join(filter(None, told if any(told) else map(event.get, ("reportingComponent", "reportingInstance"))))


_COLUMNS = (
    Column("Last Seen", _last_seen, "age"),
    Column("Type", lambda event: event.get("type", "")),
    Column("Reason", lambda event: event.get("reason", "")),
    Column("Object", _about),
    Column("Subobject", lambda event: lookup(event, ("involvedObject", "fieldPath")) or "", priority=1),
    Column("Source", _source, priority=1),
    Column("Message", lambda event: event.get("message", "").strip()),
    Column("First Seen", _first_seen, "age", priority=1),
    Column("Count", _count, "string", priority=1),
    Column("Name", ("metadata", "name"), format="name", priority=1),
)


def _prepare(new: Object, old: Object | None) -> list[Cause]:
    about = lookup(new, ("involvedObject", "namespace")) or "default"
    if about != new["metadata"]["namespace"]:
        return [errors.invalid_value("involvedObject.namespace", about, "does not match event.namespace")]
    return []


def core_type() -> ResourceType:
    """``v1`` Event, the form that is stored."""
    return ResourceType(
        "",
        "v1",
        "events",
        "Event",
        Schema({"type": "object", "description": "Something that happened to an object.", "properties": _MEMBERS}),
        short_names=("ev",),
        put_creates=True,
        columns=_COLUMNS,
        prepare=_prepare,
        selectable={
            **{f"involvedObject.{member}": ("involvedObject", member) for member in _REFERENCE["properties"]},
            "reason": ("reason",),
            "type": ("type",),
            "source": ("source", "component"),
            "reportingComponent": ("reportingComponent",),
        },
    )


def grouped_type() -> ResourceType:
    """``events.k8s.io/v1`` Event, another form of the same objects."""
    members = {_RENAMED.get(name, name): schema for name, schema in _MEMBERS.items()}
    return ResourceType(
        "events.k8s.io",
        "v1",
        "events",
        "Event",
        Schema({"type": "object", "description": "Something that happened to an object.", "properties": members}),
        short_names=("ev",),
        put_creates=True,
        columns=_COLUMNS,
        prepare=_prepare,
        selectable={
            **{f"regarding.{member}": ("involvedObject", member) for member in _REFERENCE["properties"]},
            "reason": ("reason",),
            "type": ("type",),
            "reportingController": ("reportingComponent",),
        },
        storage="events",
        from_storage=lambda stored: _renamed(stored, _RENAMED, "events.k8s.io/v1"),
        to_storage=lambda served: _renamed(served, _BACK, "v1"),
    )


def _renamed(event: Object, names: dict[str, str], api_version: str) -> Object:
    return {names.get(name, name): value for name, value in event.items()} | {"apiVersion": api_version}
