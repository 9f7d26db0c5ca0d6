"""Empty values of built-in kinds as Go has them: null in a map of texts or in a list is the empty value of its type.
Empty lists and maps are left out."""

from __future__ import annotations

from typing import Any

from harness.clusters.embedded.values import Object

__all__ = ["drop_empties", "fill_texts"]


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


def fill_texts(schema: Object, value: Object, old: Any) -> None:
    """Make null in a map of texts or in a list the empty value of its type, in place."""
    if value is old:
        return
    known = old if type(old) is dict else {}
    properties = schema.get("properties") or {}
    for name, item in value.items():
        member = properties.get(name)
        if member is None or item is known.get(name):
            continue
        inside = member.get("additionalProperties")
        if type(item) is dict and inside is not None:
            if inside.get("type") == "string" and "format" not in inside:
                item.update({key: "" for key, text in item.items() if text is None})
        elif type(item) is dict:
            fill_texts(member, item, known.get(name))
        elif type(item) is list and "properties" in (items := member.get("items") or {}):
            item[:] = [{} if one is None else one for one in item]
            for one in item:
                if type(one) is dict:
                    fill_texts(items, one, None)
        elif type(item) is list and items.get("type") == "string" and "format" not in items:
            item[:] = ["" if one is None else one for one in item]
