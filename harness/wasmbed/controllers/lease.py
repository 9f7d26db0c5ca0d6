"""Leader election: one of several managers acts while it holds a Lease (coordination.k8s.io, as in client-go).

An observer judges whether a lease has expired by how long it has seen it unrenewed on its own clock. It never compares
the clocks of two machines.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from harness.core.clock import Clock
from harness.core.errors import reason
from harness.core.identifiers import Randomness
from harness.core.logs import get_log
from harness.wasmbed.resources.api import ApiError, Conflict, NotFound, Object, ResourceApi
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import LEASE
from harness.wasmbed.resources.outages import severity
from harness.wasmbed.resources.timestamps import format_timestamp

__all__ = ["LeaderLease"]

log = get_log(__name__)


class LeaderLease:
    """A claim on the Lease ``name`` in the API's namespace.

    ``duration`` (seconds) is how long the others wait for a silent holder. The holder renews every third of it, and
    stops acting if it could not renew for two thirds, so that two never act at once.
    """

    def __init__(
        self,
        api: ResourceApi,
        name: str,
        identity: str,
        clock: Clock,
        randomness: Randomness,
        *,
        duration: float = 15.0,
    ) -> None:
        self.name, self.identity, self.duration = name, identity, duration
        self._api, self._clock, self._randomness = api, clock, randomness
        self._informer = Informer(api, LEASE, clock, randomness, field_selector=f"metadata.name={name}")
        self._held: Object | None = None

    @property
    def leading(self) -> bool:
        """Whether this is the holder."""
        return self._held is not None

    async def run(self, act: Callable[[], Awaitable[None]]) -> None:
        """Call ``act`` whenever the lease is held, cancel it when the lease is lost, and wait to hold it again.

        Returns when ``act`` returns. It gives the lease back also when it is cancelled.
        """
        try:
            await self._informer.start()
            while True:
                await self._acquire()
                log.info("%s leads", self.identity)
                if await self._act_while_held(act):
                    return
                log.warning("%s lost the lease", self.identity)
        finally:
            try:
                await self._give_back()
            finally:
                await self._informer.stop()

    def abandon(self) -> None:
        """Keep the lease in the cluster as it is: others wait for its end, as after a process that was killed."""
        self._held = None

    async def _acquire(self) -> None:
        while self._held is None:
            present = self._informer.get(self.name)
            if present is not None and _holder(present) not in ("", self.identity):
                patience = float(present["spec"].get("leaseDurationSeconds") or self.duration)
                if await self._changes(present, patience):
                    continue
            try:
                self._held = await self._claim(present)
                self._informer.remember(self._held)
            except (Conflict, NotFound):
                await self._changes(present, self._randomness.jitter(self.duration / 10))
            except (OSError, ApiError) as error:
                log.log(severity(error), "lease %s: %s; trying again", self.name, reason(error))
                await self._clock.sleep(self._randomness.jitter(self.duration / 10))

    async def _changes(self, present: Object | None, within: float) -> bool:
        """Wait for another version of the lease than ``present``; False if there is none ``within`` seconds."""
        try:
            await self._informer.wait_until(lambda: self._informer.get(self.name) is not present, within)
        except TimeoutError:
            return False
        return True

    async def _claim(self, present: Object | None) -> Object:
        now = format_timestamp(self._clock.now())
        before = present.get("spec") or {} if present is not None else {}
        spec = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": max(1, round(self.duration)),
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": int(before.get("leaseTransitions") or 0) + 1 if present is not None else 0,
        }
        if present is not None:
            return await self._api.replace(LEASE, self.name, {**present, "spec": spec})
        metadata = {"name": self.name}
        body = {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": metadata, "spec": spec}
        return await self._api.create(LEASE, body)

    async def _act_while_held(self, act: Callable[[], Awaitable[None]]) -> bool:
        acting = asyncio.ensure_future(act())
        renewing = asyncio.create_task(self._renew_until_lost(), name="lease")
        try:
            await asyncio.wait({acting, renewing}, return_when=asyncio.FIRST_COMPLETED)
            if acting.done():
                acting.result()
                return True
            renewing.result()
            return False
        finally:
            acting.cancel()
            renewing.cancel()
            await asyncio.wait({acting, renewing})

    async def _renew_until_lost(self) -> None:
        renewed = self._clock.now()
        while self._held is not None:
            await self._clock.sleep(self.duration / 3)
            try:
                async with self._clock.deadline(max(0.0, renewed + self.duration * 2 / 3 - self._clock.now())):
                    started = self._clock.now()
                    self._held = await self._renew(self._held)
                    renewed = started
            except TimeoutError:
                self._held = None

    async def _renew(self, held: Object) -> Object | None:
        """Return the renewed lease, or None if another manager holds it, or it was deleted."""
        is_stale = False
        while True:
            try:
                if is_stale:
                    held = await self._api.get(LEASE, self.name)
                    if _holder(held) != self.identity:
                        return None
                spec = {**held["spec"], "renewTime": format_timestamp(self._clock.now())}
                renewed = await self._api.replace(LEASE, self.name, {**held, "spec": spec})
                self._informer.remember(renewed)
                return renewed
            except NotFound:
                return None
            except Conflict:  # also of a lease that was deleted: a PUT would create it
                if is_stale:
                    await self._clock.sleep(self._randomness.jitter(self.duration / 15))
                is_stale = True
            except (OSError, ApiError) as error:
                log.log(severity(error), "lease %s: %s; trying again", self.name, reason(error))
                await self._clock.sleep(self._randomness.jitter(self.duration / 15))

    async def _give_back(self) -> None:
        if self._held is None:
            return
        held, self._held = self._held, None
        spec = {**held["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
        with suppress(OSError, ApiError):
            async with self._clock.deadline(self.duration / 15):
                await self._api.replace(LEASE, self.name, {**held, "spec": spec})


def _holder(lease: Object) -> str:
    return str((lease.get("spec") or {}).get("holderIdentity") or "")
