"""A namespace for one run, removed without leftovers.

A cluster waits five seconds before it empties a namespace that was deleted, and takes its time then. So a stack does
not wait for it; the session checks all of them at its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.clusters.existing.client import Connection, TappedClient
from harness.clusters.existing.ownership import ownership, why_taken
from harness.core.clock import Clock
from harness.core.errors import RigError, reason
from harness.wasmbed.resources.api import ApiError, Conflict, NotFound, Object, Resource, ResourceApi
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY, LEASE, NAMESPACE
from harness.wasmbed.resources.names import GROUP

__all__ = ["Leaving", "delete_made", "delete_namespace", "leave_namespace", "make_namespace", "occupy_namespace"]

_RUN = "wasmbed-run"
"""The Lease that marks a namespace of somebody else as used."""

GONE_WITHIN = 60.0


async def make_namespace(api: ResourceApi, name: str, clock: Clock) -> bool:
    """Create a namespace; return False if it existed already, and so is not ours.

    Waits for one that is being deleted. Raises RigError for one of another run: two platforms in a namespace write over
    each other's resources, and boards are refused as those of a run that was killed.
    """
    while True:
        try:
            await api.create(NAMESPACE, {"metadata": {"name": name, **ownership()}})
        except Conflict:
            found = (await api.list(NAMESPACE, field_selector=f"metadata.name={name}")).items
        else:
            return True
        if found and "deletionTimestamp" not in found[0]["metadata"]:
            if why := why_taken(found[0]):
                raise RigError(why[0], where=f"namespace {name}", do=f"{why[1]}, or choose another: --namespace=NAME")
            return False
        for why_there in (await _until_gone(api, {name}, clock)).values():
            raise RigError(
                f"it is being deleted, and was not gone within {GONE_WITHIN:g} s: {why_there}",
                where=f"namespace {name}",
                do=f"see: kubectl get namespace {name} -o yaml; or choose another: --namespace=NAME",
            )


async def occupy_namespace(api: ResourceApi) -> str:
    """Mark a namespace that somebody else made as used by this process; returns the UID of the mark, or nothing if this
    process has marked it already. Raises RigError if another run uses it, or left its objects there."""
    try:
        made = await api.create(LEASE, {"metadata": {"name": _RUN, **ownership()}, "spec": {}})
        return str(made["metadata"]["uid"])
    except Conflict:
        why = why_taken(await api.get(LEASE, _RUN))
    if why is None:
        return ""
    clean = f"{why[1]}, or choose another: --namespace=NAME"
    if "killed" in why[0]:
        clean = (
            f"delete what it left, or choose another: kubectl delete -n {api.namespace} "
            f"applications,devices,gateways --all; kubectl delete -n {api.namespace} lease {_RUN}"
        )
    raise RigError(why[0], where=f"namespace {api.namespace}", do=clean)


async def leave_namespace(api: ResourceApi, mark: str) -> None:
    """Remove the mark."""
    with suppress(NotFound, Conflict):
        await api.delete(LEASE, _RUN, uid=mark)


async def delete_namespace(api: ResourceApi) -> None:
    """Delete the API's namespace, and take the platform's finalizers off what is in it: its controllers have ended."""
    with suppress(NotFound):
        await api.delete(NAMESPACE, api.namespace)
    await asyncio.gather(*(_release_all(api, resource) for resource in (APPLICATION, DEVICE, GATEWAY)))


async def delete_made(api: ResourceApi, made: Mapping[tuple[Resource, str], str]) -> None:
    """Delete the objects that a run made in a namespace that stays, and take the platform's finalizers off."""
    for (resource, name), uid in made.items():
        with suppress(NotFound, Conflict):  # Conflict: another of that name
            await api.delete(resource, name, uid=uid)
            if resource.group == GROUP:
                await _release(api, resource, await api.get(resource, name))


async def _release_all(api: ResourceApi, resource: Resource) -> None:
    with suppress(NotFound):  # the type itself
        for item in (await api.list(resource)).items:
            await _release(api, resource, item)


async def _release(api: ResourceApi, resource: Resource, item: Object) -> None:
    finalizers: list[str] = item["metadata"].get("finalizers") or []
    foreign = [name for name in finalizers if not name.startswith(f"{GROUP}/")]
    if len(foreign) < len(finalizers):
        with suppress(NotFound):
            await api.patch(resource, item["metadata"]["name"], {"metadata": {"finalizers": foreign or None}})


class Leaving:
    """The namespaces that were deleted in a cluster and may still exist."""

    def __init__(self) -> None:
        self._names: dict[Path, set[str]] = {}
        self._failed: list[str] = []

    def add(self, kubeconfig: Path, name: str) -> None:
        """Note a namespace that was deleted."""
        self._names.setdefault(kubeconfig, set()).add(name)

    def failed(self, name: str, why: str) -> None:
        """Note that a run's objects in a namespace, or the namespace, could not be deleted."""
        self._failed.append(f"what a run made in namespace {name} could not be deleted: {why}; wasmbed clean --cluster")

    def __bool__(self) -> bool:
        return bool(self._names or self._failed)

    async def settle(self, clock: Clock) -> list[str]:
        """Wait until all are removed; return a message for each that is not, with the reason."""
        names, self._names = self._names, {}
        said, self._failed = self._failed, []
        for kubeconfig, those in names.items():
            if not kubeconfig.exists():  # the server that wrote it has ended, and its namespaces with it
                continue
            connection = Connection(kubeconfig)
            try:
                left = await _until_gone(TappedClient(connection, "default", "Harness"), those, clock)
            except (ApiError, OSError) as error:
                how = f"the cluster does not answer ({reason(error)}); when it does: wasmbed clean --cluster"
                said += [f"namespace {name} may still be there: {how}" for name in those]
                left = {}
            finally:
                await connection.close()
            said += [f"namespace {name} is still there: {why}" for name, why in left.items()]
        return said


async def _until_gone(api: ResourceApi, names: set[str], clock: Clock) -> dict[str, str]:
    left: dict[str, Object] | None = None
    try:
        async with clock.deadline(GONE_WITHIN):
            while True:
                listed = await api.list(NAMESPACE)
                found = {item["metadata"]["name"]: item for item in listed.items}
                left = {name: found[name] for name in names if name in found}
                if not left:
                    return {}
                async with api.watch(NAMESPACE, resource_version=listed.resource_version) as events:
                    async for event in events:
                        name = event.object["metadata"].get("name", "")
                        if event.type == "DELETED":
                            left.pop(name, None)
                        elif name in left:
                            left[name] = event.object
                        if not left:
                            return {}
    except TimeoutError:
        if left is None:
            raise ConnectionError(f"no answer within {GONE_WITHIN:g} s") from None
        return {name: _reasons(namespace) for name, namespace in left.items()}


def _reasons(namespace: Object) -> str:
    conditions: list[Any] = namespace.get("status", {}).get("conditions") or []
    found = [str(one.get("message")) for one in conditions if one.get("status") == "True"]
    return "; ".join(found) or "the cluster does not say why (does its namespace controller run?)"
