"""Deployment requests: each is queued for its device, and judged before the first byte is sent."""

from __future__ import annotations

from harness.wasmbed.gateway.cache import DeviceCache
from harness.wasmbed.gateway.device_queue import Deployment, DeviceQueues
from harness.wasmbed.gateway.modules import Module, ModuleLibrary
from harness.wasmbed.gateway.session import Session
from harness.wasmbed.gateway.sessions import Sessions
from harness.wasmbed.gateway.transfer import ExchangeFailed
from harness.wasmbed.protocol.messages import Limits
from harness.wasmbed.resources.deployments import DeploymentRequest
from harness.wasmbed.runtime.validation import InvalidModule

__all__ = ["Deployments", "NotConnected"]


class NotConnected(Exception):
    """The device has no session at this gateway."""


class Deployments:
    """The operations of the HTTP API. Their outcomes appear in ``status.deviceStatuses``."""

    def __init__(
        self,
        sessions: Sessions,
        cache: DeviceCache,
        modules: ModuleLibrary,
        queues: DeviceQueues,
    ) -> None:
        self._sessions, self._cache, self._modules, self._queues = sessions, cache, modules, queues

    async def deploy(self, application: str, device: str, request: DeploymentRequest) -> None:
        """Queue the deployment of a module to a device.

        If no device, or not this one, can run the module, the deployment fails; the request does not.
        Raises :class:`NotConnected`, :class:`QueueFull` or :class:`TooManyModules`.
        """
        session = self._session(device)
        module = self._modules.hold(request)
        job = Deployment(application, module, request, lambda: self._judge(device, module, request))
        self._queues.deploy(session, job)

    async def stop(self, application: str, device: str) -> None:
        """Stop an application, and cancel its deployment. Raises :class:`NotConnected` or :class:`QueueFull`."""
        self._queues.stop(self._session(device), application)

    def _session(self, device: str) -> Session:
        session = self._sessions.connected(device)
        if session is None:
            raise NotConnected(f"device {device} has no session at this gateway")
        return session

    async def _judge(self, device: str, module: Module, request: DeploymentRequest) -> ExchangeFailed | None:
        found = self._cache.get(device)
        largest = found.spec.largest_module if found is not None else None
        if largest is not None and len(module.data) > largest:
            reason = f"the module has {len(module.data)} bytes, device {device} accepts at most {largest}"
            return ExchangeFailed("MODULE_TOO_LARGE", reason)
        limits = Limits(request.memory, request.fuel, request.wall_time)
        try:
            await self._modules.validate(module, limits, request.entry)
        except InvalidModule as error:
            return ExchangeFailed("INVALID_MODULE", error.reason)
        return None
