"""A namespace of one's own in a cluster: made, and gone without a trace."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from harness.clusters.existing.ownership import ownership
from harness.core.clock import Clock
from harness.core.errors import RigError
from harness.wasmbed.resources.api import Conflict, NotFound, Object, ResourceApi
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY, GROUP, NAMESPACE

__all__ = ["make_namespace", "remove_namespace"]

GONE_WITHIN = 15.0


async def make_namespace(api: ResourceApi, name: str) -> bool:
    """Make a namespace; whether it was not there yet, and so is ours."""
    try:
        await api.create(NAMESPACE, {"metadata": {"name": name, **ownership()}})
    except Conflict:
        return False
    return True


async def remove_namespace(api: ResourceApi, clock: Clock) -> None:
    """Delete the API's namespace with all that is in it, and wait until it is gone.

    The platform's finalizers are taken off: its controllers have ended. Raises RigError saying what keeps it.
    """
    name = api.namespace
    with suppress(NotFound):
        await api.delete(NAMESPACE, name)
    for resource in (APPLICATION, DEVICE, GATEWAY):
        for item in (await api.list(resource)).items:
            await _release(api, resource, item)
    last: Object = {}
    field = f"metadata.name={name}"
    try:
        async with clock.deadline(GONE_WITHIN):
            while (listed := await api.list(NAMESPACE, field_selector=field)).items:
                last = listed.items[0]
                version = listed.resource_version
                async with api.watch(NAMESPACE, resource_version=version, field_selector=field) as events:
                    async for event in events:
                        if event.type == "DELETED":
                            return
                        if event.type != "BOOKMARK":
                            last = event.object
    except TimeoutError:
        raise RigError(
            f"the namespace is still there {GONE_WITHIN:g} s after it was deleted: {_reasons(last)}",
            where=f"namespace {name}",
            do=f"see: kubectl get namespace {name} -o yaml; then wasmbed clean --cluster",
        ) from None


async def _release(api: ResourceApi, resource: Any, item: Object) -> None:
    finalizers: list[str] = item["metadata"].get("finalizers") or []
    foreign = [name for name in finalizers if not name.startswith(f"{GROUP}/")]
    if len(foreign) < len(finalizers):
        with suppress(NotFound):
            await api.patch(resource, item["metadata"]["name"], {"metadata": {"finalizers": foreign or None}})


def _reasons(namespace: Object) -> str:
    conditions: list[Any] = namespace.get("status", {}).get("conditions") or []
    found = [str(one.get("message")) for one in conditions if one.get("status") == "True"]
    return "; ".join(found) or "the cluster does not say why (does its namespace controller run?)"
