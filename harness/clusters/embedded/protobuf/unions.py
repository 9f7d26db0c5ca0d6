"""Values of definitions that JSON shows as one of two forms, and protobuf as a message with a field for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.clusters.embedded.values import Object

__all__ = ["UNIONS", "Union"]


@dataclass(frozen=True, slots=True)
class Union:
    """``spread``: the members of the message for a JSON value. ``gather``: the reverse."""

    spread: Callable[[Any], Object]
    gather: Callable[[Object], Any]


def _schema_or(kind: type, member: str) -> Union:
    """A schema, or a value of ``kind``, which is the message's ``member``."""

    def spread(item: Any) -> Object:
        return {member: item} if isinstance(item, kind) else {"allows": True, "schema": item}

    def gather(found: Object) -> Any:
        return found["schema"] if "schema" in found else found.get(member, kind())

    return Union(spread, gather)


UNIONS = {
    "JSONSchemaPropsOrBool": _schema_or(bool, "allows"),
    "JSONSchemaPropsOrArray": _schema_or(list, "jSONSchemas"),
    "JSONSchemaPropsOrStringArray": _schema_or(list, "property"),
}
