"""Empty lists and maps of built-in kinds are dropped, as Go leaves them out of JSON (``omitempty``)."""

from __future__ import annotations

from typing import Any

from harness.clusters.embedded.values import Object

__all__ = ["drop_empties"]


def drop_empties(schema: Object, value: Object, old: Any) -> None:
    """Remove empty lists and maps from an object, in place, where the schema does not say that they are shown."""
    if value is old:
        return
    known = old if type(old) is dict else {}
    properties = schema.get("properties") or {}
    for name in [*value]:
        member, item = properties.get(name), value[name]
        if member is None or item is known.get(name):
            continue
        if (item == [] or (item == {} and "additionalProperties" in member)) and "default" not in member:
            if name not in schema.get("required", ()):
                del value[name]
        elif type(item) is dict:
            drop_empties(member, item, known.get(name))
        elif type(item) is list and "properties" in (member.get("items") or {}):
            for one in item:
                if type(one) is dict:
                    drop_empties(member["items"], one, None)
