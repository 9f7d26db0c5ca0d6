"""The application controller's requests to gateways, and what their answers change."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from harness.core.clock import Clock
from harness.core.identifiers import Randomness
from harness.wasmbed.controllers.device_index import DeviceIndex
from harness.wasmbed.controllers.device_state import may_hold
from harness.wasmbed.controllers.gateway_client import GatewayClient, GatewayRefused
from harness.wasmbed.controllers.packages import Packages
from harness.wasmbed.controllers.retry_state import AcceptedStop, RetryState
from harness.wasmbed.protocol.messages import ApplicationState
from harness.wasmbed.resources.api import ApiError, ResourceApi
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import APPLICATION
from harness.wasmbed.resources.views import Application, DeviceEntry, Gateway

__all__ = ["Requests"]

MOST_STOPS = 3
"""Stops that a device is asked for in one session, if it goes on to report that it runs the application."""
CONCURRENT_REQUESTS = 16
"""Requests at a time, over all applications."""


class Requests:
    """Deploys to and stops on several devices at once. Both methods return the requeue delay in seconds, or None."""

    def __init__(
        self,
        api: ResourceApi,
        applications: Informer,
        device_index: DeviceIndex,
        packages: Packages,
        client: GatewayClient,
        clock: Clock,
        randomness: Randomness,
        *,
        stop_within: float,
    ) -> None:
        self._api, self._applications, self._device_index, self._packages = api, applications, device_index, packages
        self._client, self._clock, self._randomness = client, clock, randomness
        self._stop_within = stop_within
        self._slots = asyncio.Semaphore(CONCURRENT_REQUESTS)

    async def deploy(self, application: Application, retries: RetryState, names: Sequence[str]) -> float | None:
        """Ask the gateways of ``names`` to deploy. The requests are on record already."""
        if not names:
            return None
        body = await self._packages.body(application)
        answers = await self._ask(
            names, lambda gateway, name: self._client.deploy(gateway, application.name, name, body)
        )
        entries: dict[str, Any] = {}
        for name, answer in answers.items():
            retries.stops.pop(name, None)
            if answer is None:
                retries.succeeded(name)
                retries.requested[name] = application.status.device_statuses[name].deployment.requested_at or ""
            elif isinstance(answer, GatewayRefused) and answer.final:
                retries.succeeded(name)
                entries[name] = {"deployment": {"error": str(answer)}}
            else:
                retries.failed(name, f"its gateway did not take the deployment: {answer}", self._now, self._randomness)
        await self._note(application, entries)
        return 0.0 if any(answers.values()) else None

    async def stop(self, application: Application, retries: RetryState, names: Sequence[str]) -> float | None:
        """Ask the devices that were not asked yet to stop, and those again that still run the application when the time
        to confirm is over. Give up on those that were silent, or were asked too often."""
        for name in names:
            if name in retries.stops and retries.stops[name].session != self._session(name):
                del retries.stops[name]
        asked = {name: self._now - retries.stops[name].at for name in names if name in retries.stops}
        late = [name for name, seconds in asked.items() if seconds >= self._stop_within]
        entries_now = application.status.device_statuses
        tries = {
            name: retries.stops.pop(name).tries for name in late if _runs_on(entries_now[name], retries.stops[name])
        }
        silent = [name for name in late if name not in tries]
        fresh = [name for name in names if name not in retries.stops and retries.may_try(name, self._now)]
        answers = await self._ask(fresh, lambda gateway, name: self._client.stop(gateway, application.name, name))
        why = f"it did not confirm the stop within {self._stop_within:g} s"
        entries = {name: {"state": ApplicationState.STOPPED.value, "error": why} for name in silent}
        for name, answer in answers.items():
            if answer is None:
                retries.succeeded(name)
                reported = entries_now[name].updated
                retries.stops[name] = AcceptedStop(self._now, self._session(name), reported, tries.get(name, 0) + 1)
            else:
                retries.failed(name, f"its gateway did not take the stop: {answer}", self._now, self._randomness)
        for name in silent:
            del retries.stops[name]
        await self._note(application, entries)
        if silent:
            return 0.0
        waits = [self._stop_within - (self._now - retries.stops[name].at) for name in names if name in retries.stops]
        later = retries.next_try(self._now)
        return min([*waits, later] if later is not None else waits, default=None)

    @property
    def _now(self) -> float:
        return self._clock.now()

    def _session(self, name: str) -> str | None:
        device = self._device_index.device(name)
        return device.status.connected_since if device is not None else None

    async def _ask(
        self, names: Sequence[str], request: Callable[[Gateway, str], Awaitable[None]]
    ) -> dict[str, Exception | None]:
        """Ask each device's gateway; the value is None where the gateway accepted."""

        async def ask(name: str) -> Exception | None:
            device = self._device_index.device(name)
            gateway = self._device_index.gateway(device) if device else None
            if gateway is None:
                return ConnectionError("it is not online")
            try:
                async with self._slots:
                    await request(gateway, name)
            except (GatewayRefused, ApiError, OSError) as error:
                return error
            return None

        return dict(zip(names, await asyncio.gather(*map(ask, names)), strict=True))

    async def _note(self, application: Application, entries: dict[str, Any]) -> None:
        if entries:
            patch = {"status": {"deviceStatuses": entries}}
            self._applications.remember(await self._api.patch_status(APPLICATION, application.name, patch))


def _runs_on(entry: DeviceEntry, stop: AcceptedStop) -> bool:
    """Whether a stop may have been lost: the device, or its gateway for it, has since reported that it runs on."""
    return entry.updated != stop.reported and may_hold(entry) and stop.tries < MOST_STOPS
