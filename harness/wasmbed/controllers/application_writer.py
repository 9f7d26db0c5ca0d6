"""The application controller's writes to Applications; each returns the Application as the API server answered it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harness.core.clock import Clock
from harness.wasmbed.controllers.device_index import DeviceIndex
from harness.wasmbed.controllers.reach import corrections
from harness.wasmbed.resources.api import ResourceApi
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import APPLICATION
from harness.wasmbed.resources.phases import ApplicationPhase, route
from harness.wasmbed.resources.timestamps import format_timestamp
from harness.wasmbed.resources.views import Application

__all__ = ["ApplicationWriter"]


class ApplicationWriter:
    """Writes through ``api``, and takes the answers over into ``applications``."""

    def __init__(self, api: ResourceApi, applications: Informer, device_index: DeviceIndex, clock: Clock) -> None:
        self._api, self._applications, self._device_index, self._clock = api, applications, device_index, clock

    async def write(
        self,
        application: Application,
        phase: ApplicationPhase,
        fields: Callable[[ApplicationPhase], Mapping[str, Any]],
        entries: Mapping[str, Any] | None = None,
    ) -> Application:
        """Write the changed fields, step by step along the legal moves where ``phase`` cannot follow the present one.

        ``fields`` returns the status for each step's phase. ``entries`` are written with the first step.
        """
        steps = route(APPLICATION, application.status.phase, phase) or [phase]
        for step in map(ApplicationPhase, steps):
            present = application.status.raw
            new = {"phase": str(step), **fields(step)}
            patch = {key: value for key, value in new.items() if not _same(present.get(key), value)}
            if entries:
                patch["deviceStatuses"], entries = entries, None
            if patch:
                patch["lastUpdate"] = format_timestamp(self._clock.now())
                written = await self._api.patch_status(APPLICATION, application.name, {"status": patch})
                self._applications.remember(written)
                application = Application(written)
        return application

    async def correct(self, application: Application) -> Application:
        """Write which devices went out of reach or came back.

        The write is conditional, because gateways write the same entries: raises :class:`Conflict` if one was written
        since. Repeats until the entries match the devices, as a device may come back during a write.
        """
        while entries := corrections(application, self._device_index, self._clock.now()):
            patch = {
                "metadata": {"resourceVersion": application.resource_version},
                "status": {"deviceStatuses": entries, "lastUpdate": format_timestamp(self._clock.now())},
            }
            written = await self._api.patch_status(APPLICATION, application.name, patch)
            self._applications.remember(written)
            application = Application(written)
        return application

    async def set_finalizers(self, application: Application, finalizers: list[str]) -> Application:
        """Replace the finalizers. The write is conditional: raises :class:`Conflict`."""
        metadata = {"resourceVersion": application.resource_version, "finalizers": finalizers}
        written = await self._api.patch(APPLICATION, application.name, {"metadata": metadata})
        if finalizers or not application.deleting:
            self._applications.remember(written)
        return Application(written)


def _same(present: Any, wanted: Any) -> bool:
    """Whether a merge patch that sets ``wanted`` would change nothing."""
    if isinstance(wanted, Mapping) and isinstance(present, Mapping):
        return all(_same(present.get(key), value) for key, value in wanted.items())
    return bool(present == wanted)
