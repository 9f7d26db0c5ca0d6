"""Resource types in a cluster: installed where they are missing or others, and served."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness.clusters.existing.access import INSTALLING, lacking
from harness.core.clock import Clock
from harness.core.errors import RigError
from harness.wasmbed.resources.api import ApiError, Conflict, NotFound, Object, Resource, ResourceApi
from harness.wasmbed.resources.kinds import CUSTOM_RESOURCE_DEFINITION, load_crds

__all__ = ["install"]

ESTABLISHED_WITHIN = 30.0
_AGAIN_AFTER = 0.05


async def install(api: ResourceApi, clock: Clock, definitions: Iterable[Object] | None = None) -> None:
    """See to it that the cluster serves the types as they are here, by default Wasmbed's. Raises RigError where it does
    not in time, or where the credentials may not install them."""
    for definition in load_crds() if definitions is None else definitions:
        name = definition["metadata"]["name"]
        try:
            if not is_established(await _put(api, definition)):
                await _wait(api, clock, definition)
        except ApiError as error:
            if error.code != 403:
                raise
            what = f"these credentials may not install the resource type, which is missing or another: {error}"
            raise lacking(what, f"CustomResourceDefinition {name}", INSTALLING) from error


async def _wait(api: ResourceApi, clock: Clock, definition: Object) -> None:
    name = definition["metadata"]["name"]
    try:
        async with clock.deadline(ESTABLISHED_WITHIN):
            await _established(api, name)
            await _served(api, clock, definition["spec"])
    except TimeoutError:
        raise RigError(
            f"the resource type {name} was not established within {ESTABLISHED_WITHIN:g} s",
            where=f"CustomResourceDefinition {name}",
            do=f"see: kubectl describe crd {name}",
        ) from None


async def _put(api: ResourceApi, definition: Object) -> Object:
    name = definition["metadata"]["name"]
    try:
        present = await api.get(CUSTOM_RESOURCE_DEFINITION, name)
    except NotFound:
        try:
            return await api.create(CUSTOM_RESOURCE_DEFINITION, definition)
        except Conflict:  # another process was faster
            present = await api.get(CUSTOM_RESOURCE_DEFINITION, name)
    if _contains(present["spec"], definition["spec"]):
        return present
    return await api.patch(CUSTOM_RESOURCE_DEFINITION, name, {"spec": definition["spec"]})


def _contains(found: Any, wanted: Any) -> bool:
    """Whether ``found`` is ``wanted``, as far as that says something: the server adds defaults."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(_contains(found.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(_contains, found, wanted))
    return bool(found == wanted)


async def _established(api: ResourceApi, name: str) -> None:
    field = f"metadata.name={name}"
    while True:
        listed = await api.list(CUSTOM_RESOURCE_DEFINITION, field_selector=field)
        if any(map(is_established, listed.items)):
            return
        version = listed.resource_version
        async with api.watch(CUSTOM_RESOURCE_DEFINITION, resource_version=version, field_selector=field) as events:
            async for event in events:
                if is_established(event.object):
                    return


async def _served(api: ResourceApi, clock: Clock, spec: Any) -> None:
    """Wait until a type that was established is served: for a moment its path is not found, or its storage not ready.

    There is no event for that, so this asks again.
    """
    version = next(version["name"] for version in spec["versions"] if version["storage"])
    resource = Resource(spec["group"], version, spec["names"]["plural"], spec["names"]["kind"])
    while True:
        try:
            await api.list(resource)
        except ApiError as error:
            if error.code not in (404, 429):
                raise
        else:
            return
        await clock.sleep(_AGAIN_AFTER)


def is_established(definition: Object) -> bool:
    """Whether the API server serves the type."""
    conditions: list[Any] = definition.get("status", {}).get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)
