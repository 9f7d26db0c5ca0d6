"""The way of a deployment request: judged here first, then queued for the device."""

from __future__ import annotations

from harness.wasmbed.gateway.applications import ApplicationReports
from harness.wasmbed.gateway.cache import DeviceCache
from harness.wasmbed.gateway.modules import ModuleLibrary
from harness.wasmbed.gateway.sessions import Session, Sessions
from harness.wasmbed.gateway.work import Deployment, Stopping, Work
from harness.wasmbed.protocol.messages import Limits
from harness.wasmbed.resources.deployments import DeploymentRequest
from harness.wasmbed.runtime.validation import InvalidModule

__all__ = ["Deployments", "NotConnected"]


class NotConnected(Exception):
    """The device has no session at this gateway."""


class Deployments:
    """What the HTTP API offers. Outcomes are told in ``status.deviceStatuses``."""

    def __init__(
        self,
        sessions: Sessions,
        cache: DeviceCache,
        modules: ModuleLibrary,
        reports: ApplicationReports,
        work: Work,
    ) -> None:
        self._sessions, self._cache, self._modules = sessions, cache, modules
        self._reports, self._work = reports, work

    async def deploy(self, application: str, device: str, request: DeploymentRequest) -> None:
        """Begin to bring a module to a device.

        A module that no device, or not this one, can run is a failed deployment, not an error of the request.
        Raises :class:`NotConnected`, :class:`QueueFull` or :class:`TooManyModules`.
        """
        session = self._session(device)
        module = self._modules.hold(request)
        largest = self._largest_module(device)
        if largest is not None and len(module.data) > largest:
            reason = f"the module has {len(module.data)} bytes, device {device} takes at most {largest}"
            self._reports.failed(session, application, request.generation, "MODULE_TOO_LARGE", reason)
            return
        limits = Limits(request.memory, request.fuel, request.wall_time)
        try:
            await self._modules.validate(module, limits, request.entry)
        except InvalidModule as error:
            self._reports.failed(session, application, request.generation, "INVALID_MODULE", error.reason)
            return
        self._work.add(self._session(device), Deployment(application, module, request))

    async def stop(self, application: str, device: str) -> None:
        """Begin to stop an application. Raises :class:`NotConnected` or :class:`QueueFull`."""
        self._work.add(self._session(device), Stopping(application))

    def _session(self, device: str) -> Session:
        session = self._sessions.connected(device)
        if session is None:
            raise NotConnected(f"device {device} has no session at this gateway")
        return session

    def _largest_module(self, device: str) -> int | None:
        found = self._cache.get(device)
        return found.spec.largest_module if found is not None else None
