"""Waits until a cluster is usable, and says what is wrong with its nodes and pods.

``k3d cluster create`` ends with exit code 0 when the API server printed that it runs; the kubelet may have ended since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from harness.core.backoff import Backoff
from harness.core.clock import Clock
from harness.core.errors import reason
from harness.core.identifiers import Randomness
from harness.wasmbed.resources.api import ApiError, Gone, Object, Resource, ResourceApi
from harness.wasmbed.resources.kinds import NODE, POD, SERVICE_ACCOUNT
from harness.wasmbed.resources.kubernetes_api import KubernetesApi

__all__ = ["READY_WITHIN", "NotReady", "troubles", "until_ready", "until_usable"]

READY_WITHIN = 120.0
_AGAIN = Backoff(first=0.05, longest=1.0)
_PRESSURES = {
    "DiskPressure": "the disk of Docker is nearly full, and no pod may run: docker system prune",
    "MemoryPressure": "the machine's memory is nearly used up: end other programs",
    "PIDPressure": "the machine has too many processes: end other programs",
}
_PULLS = frozenset(("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"))


class NotReady(Exception):
    """The cluster was not ready in time; the message is the last that was seen."""


async def until_ready(api: KubernetesApi, nodes: int, clock: Clock, within: float) -> None:
    """Wait until the API server is ready, ``nodes`` nodes are, and pods can be made in the namespace ``default``."""
    seen = ["the API server did not answer"]
    try:
        async with clock.deadline(within):
            await _answers(api, clock, seen)
            seen = ["not all nodes are ready"]
            await _until(api, NODE, lambda found: sum(map(_is_ready, found)) >= nodes)
            seen = ["the namespace default has no ServiceAccount default"]
            await until_usable(api)
    except TimeoutError:
        raise NotReady(f"not ready within {within:g} s: {await _last(api, seen[-1])}") from None


async def until_usable(api: ResourceApi) -> None:
    """Wait until the API's namespace has the ServiceAccount without which the cluster refuses pods."""
    await _until(api, SERVICE_ACCOUNT, lambda found: any(one["metadata"]["name"] == "default" for one in found))


async def troubles(api: ResourceApi) -> list[str]:
    """The faults of the nodes, and with the pods of the API's namespace that cannot start: what, where and what to
    do. Without anything to say about the pods' own programs."""
    found = [text for node in (await api.list(NODE)).items for text in _of_node(node)]
    return found + [text for pod in (await api.list(POD)).items for text in _of_pod(pod)]


async def _answers(api: KubernetesApi, clock: Clock, seen: list[str]) -> None:
    """Ask until the API server says that it is ready, which it has no other way to tell; ``seen`` gets what it said."""
    randomness, failures = Randomness(), 0
    while True:
        try:
            if await api.is_ready():
                return
            seen.append("the API server says that it is not ready")
        except OSError as error:
            seen.append(f"the API server does not answer: {reason(error)}")
        del seen[:-1]
        await clock.sleep(_AGAIN.delay(failures, randomness))
        failures += 1


async def _until(api: ResourceApi, resource: Resource, judge: Callable[[list[Object]], bool]) -> None:
    while True:
        listed = await api.list(resource)
        found = {one["metadata"]["name"]: one for one in listed.items}
        if judge(list(found.values())):
            return
        try:
            async with api.watch(resource, resource_version=listed.resource_version) as events:
                async for event in events:
                    name = event.object["metadata"].get("name", "")
                    if event.type in ("ADDED", "MODIFIED"):
                        found[name] = event.object
                    elif event.type == "DELETED":
                        found.pop(name, None)
                    if judge(list(found.values())):
                        return
        except Gone:
            continue


async def _last(api: KubernetesApi, seen: str) -> str:
    """``seen``, and what nodes say of themselves."""
    try:
        nodes = [text for node in (await api.list(NODE)).items for text in _of_node(node)]
    except (ApiError, OSError):
        nodes = []
    return "; ".join([seen, *nodes])


def _is_ready(node: Object) -> bool:
    return _condition(node, "Ready").get("status") == "True"


def _condition(item: Object, kind: str) -> dict[str, Any]:
    conditions: list[dict[str, Any]] = item.get("status", {}).get("conditions") or []
    return next((one for one in conditions if one.get("type") == kind), {})


def _of_node(node: Object) -> Iterator[str]:
    name = node["metadata"]["name"]
    if not _is_ready(node):
        yield f"node {name} is not ready: {_condition(node, 'Ready').get('message') or 'its kubelet says nothing'}"
    for kind, what in _PRESSURES.items():
        if _condition(node, kind).get("status") == "True":
            yield f"node {name} has {kind}: {what}"


def _of_pod(pod: Object) -> Iterator[str]:
    name, status = pod["metadata"]["name"], pod.get("status", {})
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        yield f"pod {name} fits on no node: {scheduled.get('message')}: ask for less, or give the cluster more nodes"
    if status.get("reason") == "Evicted":
        yield f"pod {name} was removed from its node: {status.get('message')}"
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in _PULLS:
            image = container.get("image")
            yield f"pod {name} has no image {image} ({waiting['reason']}): --import-images={image}, or correct its name"
