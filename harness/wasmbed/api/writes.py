"""Changes of all kinds have this in common: conditions, deletions, and the names in bodies."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints
from typing_extensions import TypedDict

from harness.wasmbed.api.copies import Copies
from harness.wasmbed.api.forms import LABEL_KEY, LABEL_VALUE, LONGEST_NAME, NAME
from harness.wasmbed.api.operation import Answer, Call
from harness.wasmbed.api.problems import Problem
from harness.wasmbed.resources.api import Conflict, Object, Resource, ResourceApi
from harness.wasmbed.resources.names import GROUP

__all__ = ["ONLY_THESE", "Done", "LabelKey", "LabelValue", "Name", "changed", "delete", "patch"]

Name = Annotated[str, StringConstraints(pattern=NAME, max_length=LONGEST_NAME)]
"""A resource's name (RFC 1123 label)."""
LabelKey = Annotated[str, StringConstraints(pattern=LABEL_KEY, max_length=253)]
LabelValue = Annotated[str, StringConstraints(pattern=LABEL_VALUE, max_length=63)]
ONLY_THESE = {"additionalProperties": False}
"""For the schema of a mapping with constrained keys: no other keys."""


class Done(TypedDict):
    """The request is carried out."""

    success: Literal[True]
    message: Annotated[str, Field(description="What was done.")]


async def patch(
    api: ResourceApi,
    copies: Copies,
    kind: Resource,
    call: Call[Any, Any],
    change: Object,
    recent: Collection[str] = (),
    name: str | None = None,
) -> Object:
    """Write a merge patch, if the object has the version of If-Match; returns the new object.

    ``name`` is the object's, by default the one of the path. ``recent`` are fields of the spec that earlier definitions
    of the type lack: the API server drops those silently.
    Raises :class:`Problem` 404, 409 for a field that is not kept, and 412 for another version.
    """
    name = name or call.names["id"]
    copies.find(kind, name)
    if call.expected_version is not None:
        change = {**change, "metadata": {**change.get("metadata", {}), "resourceVersion": call.expected_version}}
    try:
        written = await api.patch(kind, name, change)
    except Conflict as error:
        raise changed(kind, name, call, error) from error
    copies.remember(kind, written)
    for field in recent:
        if change["spec"].get(field) is not None and field not in written["spec"]:
            raise Problem(
                409,
                f"the cluster's {kind.plural}.{GROUP} have no field spec.{field}: apply the "
                "CustomResourceDefinitions of this version",
            )
    return written


async def delete(api: ResourceApi, copies: Copies, kind: Resource, call: Call[Any, Any]) -> Answer:
    """Delete an object, if it has the version of If-Match. Raises :class:`Problem` 404, and 412."""
    name = call.names["id"]
    copies.find(kind, name)
    try:
        await api.delete(kind, name, resource_version=call.expected_version)
    except Conflict as error:
        raise changed(kind, name, call, error) from error
    done: Done = {"success": True, "message": f"{kind.kind.lower()} {name} is deleted, or will be once it was stopped"}
    return Answer(done)


def changed(kind: Resource, name: str, call: Call[Any, Any], error: Conflict) -> Problem:
    """Return the refusal of a write whose condition does not hold."""
    if call.expected_version is None:
        return Problem(409, f"{kind.kind.lower()} {name} was changed meanwhile: {error}")
    detail = f"{kind.kind.lower()} {name} has not got version {call.expected_version} any more; read it again"
    return Problem(412, detail)
