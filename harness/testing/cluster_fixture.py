"""The setup of a cluster check: the cluster, a client of it, and the calls of its tap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from harness.clusters.cluster import Cluster
from harness.core.clock import Clock
from harness.core.errors import ProductFailure
from harness.core.identifiers import Randomness
from harness.wasmbed.resources.api import ApiError, Object, Resource, ResourceApi, WatchEvent
from harness.wasmbed.resources.kinds import DEVICE
from harness.wasmbed.resources.manifests import device

__all__ = ["ClusterFixture", "TapCall", "refused"]

PATIENCE = 30.0
"""Seconds within which a watch has to report a change."""
COLLECTED_WITHIN = 90.0
"""Seconds within which the garbage collector has to delete an object; it discovers new types every 30 s."""

E = TypeVar("E", bound=ApiError)


@dataclass(frozen=True, slots=True)
class TapCall:
    """One call of the tap."""

    source: str
    target: str
    name: str
    data: Mapping[str, Any]
    correlation: str


@asynccontextmanager
async def refused(kind: type[E], what: str) -> AsyncIterator[list[E]]:
    """Raise ProductFailure unless the block raises ``kind``; the list has that error afterwards. ``what`` names the
    request."""
    caught: list[E] = []
    try:
        yield caught
    except ApiError as error:
        if not isinstance(error, kind):
            raise ProductFailure(f"{what} was refused with {error.code} {error.reason}: {error}") from error
        caught.append(error)
        return
    raise ProductFailure(f"{what} was not refused, but has to be with {kind.__name__}")


@dataclass
class ClusterFixture:
    """A started cluster and a client named ``Checker``; every check uses its own names."""

    cluster: Cluster
    api: ResourceApi
    clock: Clock
    randomness: Randomness
    calls: list[TapCall] = field(default_factory=list)

    def name(self, prefix: str = "check") -> str:
        """Return an unused name."""
        return f"{prefix}-{self.randomness.token(4)}"

    async def make_device(self, **more: Any) -> Object:
        """Create a Device; returns it as stored."""
        return await self.api.create(DEVICE, self.device(**more))

    def device(self, **more: Any) -> Object:
        """Return a Device of type ``virtual`` to be created."""
        name = more.pop("name", None) or self.name()
        return device(name, public_key=b"no key at all", device_type="virtual", **more)

    async def wait_until_deleted(self, resource: Resource, name: str, what: str) -> None:
        """Wait until the object is deleted. Raises ProductFailure, which names it ``what``, if it stays."""
        field_selector = f"metadata.name={name}"
        try:
            async with self.clock.deadline(COLLECTED_WITHIN):
                while (listed := await self.api.list(resource, field_selector=field_selector)).items:
                    version = listed.resource_version
                    async with self.api.watch(
                        resource, resource_version=version, field_selector=field_selector
                    ) as events:
                        async for event in events:
                            if event.type == "DELETED":
                                break
        except TimeoutError as error:
            raise ProductFailure(f"{what} stayed for {COLLECTED_WITHIN:g} s") from error

    async def events(self, events: AsyncIterator[WatchEvent], count: int) -> list[WatchEvent]:
        """Return the next events of a watch, without bookmarks. Raises ProductFailure if they do not come."""
        taken: list[WatchEvent] = []
        try:
            async with self.clock.deadline(PATIENCE):
                while len(taken) < count:
                    event = await anext(events)
                    if event.type != "BOOKMARK":
                        taken.append(event)
        except (TimeoutError, StopAsyncIteration) as error:
            seen = ", ".join(f"{one.type} {one.object['metadata']['name']}" for one in taken) or "nothing"
            ended = "ended" if isinstance(error, StopAsyncIteration) else f"was silent for {PATIENCE:g} s"
            raise ProductFailure(f"a watch reported {seen} of {count} events and then {ended}") from error
        return taken

    async def at_once(self, *calls: Any) -> list[Any]:
        """Run coroutines at the same time; returns their results."""
        return list(await asyncio.gather(*calls))
