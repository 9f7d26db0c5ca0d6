"""The gateway controller: a gateway that was not heard of for too long is Offline."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

from harness.core.clock import Clock
from harness.core.identifiers import Randomness
from harness.wasmbed.controllers.controller import Controller
from harness.wasmbed.resources.api import Object, ResourceApi
from harness.wasmbed.resources.conditions import with_condition
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import GATEWAY
from harness.wasmbed.resources.phases import GatewayPhase, check
from harness.wasmbed.resources.timestamps import parse_timestamp
from harness.wasmbed.resources.views import Gateway

__all__ = ["GatewayController"]


class GatewayController(Controller):
    """Online -> Offline, ``timeout`` seconds after ``status.lastSeen``. The gateway itself comes back Online."""

    name: ClassVar[str] = "GatewayController"
    workers: ClassVar[int] = 1

    def __init__(
        self,
        api: ResourceApi,
        gateways: Informer,
        clock: Clock,
        randomness: Randomness,
        *,
        timeout: float,
        resync: float,
    ) -> None:
        super().__init__(clock, randomness, resync=resync)
        self._api, self._gateways, self._timeout = api, gateways, timeout

    def watch(self) -> Iterable[Callable[[], None]]:
        return [self._gateways.add_handler(self._changed)]

    def keys(self) -> Iterable[str]:
        return self._gateways.objects

    async def reconcile(self, key: str) -> float | None:
        raw = self._gateways.get(key)
        if raw is None or Gateway(raw).status.phase != GatewayPhase.ONLINE:
            return None
        gateway = Gateway(raw)
        now = self.clock.now()
        seen = parse_timestamp(gateway.status.last_seen) if gateway.status.last_seen else now - self._timeout
        left = seen + self._timeout - now
        if left > 0:
            return left
        message = f"not heard of since {gateway.status.last_seen or 'ever'}"
        patch: Object = {
            "metadata": {"resourceVersion": gateway.resource_version},
            "status": {
                "phase": check(GATEWAY, gateway.status.phase, GatewayPhase.OFFLINE),
                "connectedDevices": 0,
                "error": message,
                "conditions": with_condition(gateway.status.conditions, "Ready", False, "NotHeardOf", message, now=now),
            },
        }
        self._gateways.remember(await self._api.patch_status(GATEWAY, key, patch))
        return None

    def _changed(self, old: Object | None, new: Object | None) -> None:
        # Only the phase matters at once; a later lastSeen is found when the present one would run out.
        if new is not None and (old is None or Gateway(old).status.phase != Gateway(new).status.phase):
            self.queue.add(new["metadata"]["name"])
