"""An application as its user sees it: deployed, watched, stopped, replaced."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

from harness.core.errors import ProductFailure, UsageError
from harness.stack.record import Record
from harness.stack.waiting import Conditions, wait_for
from harness.wasmbed.resources.api import Object, ResourceApi
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import APPLICATION
from harness.wasmbed.resources.views import Application, ApplicationStatus, DeviceEntry

__all__ = ["ApplicationHandle", "parse_targets"]


def parse_targets(text: str) -> dict[str, Any]:
    """Which devices a person means: ``all``, labels as in ``site=roof,kind=mcu``, or names as in ``pump-1,pump-2``.

    Returns the keyword for :func:`harness.wasmbed.resources.manifests.application`; raises UsageError.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if parts == ["all"]:
        return {"all_devices": True}
    labels = dict(part.split("=", 1) for part in parts if "=" in part)
    if not parts or (labels and len(labels) != len(parts)) or not all(labels):
        raise UsageError(f"{text!r} names no devices", do="write all, or labels (site=roof,kind=mcu), or device names")
    return {"match_labels": labels} if labels else {"device_names": parts}


class ApplicationHandle:
    """One application, by name."""

    def __init__(self, name: str, api: ResourceApi, informer: Informer, record: Record) -> None:
        self.name = name
        self._api, self._informer, self._record = api, informer, record

    @property
    def exists(self) -> bool:
        """Whether there is an Application resource of that name."""
        return self._informer.get(self.name) is not None

    @property
    def resource(self) -> Application:
        """The resource as last seen. Raises ProductFailure when there is none."""
        object = self._informer.get(self.name)
        if object is None:
            raise ProductFailure("there is no such resource", where=f"Application {self.name}")
        return Application(object)

    @property
    def status(self) -> ApplicationStatus:
        return self.resource.status

    def on(self, device: str) -> DeviceEntry:
        """How it stands on one device: state, error, output."""
        entries = self.status.device_statuses
        return entries[device] if device in entries else DeviceEntry({})

    async def until(self, *, within: float = 10.0, **conditions: Any) -> ApplicationHandle:
        """Wait until the status is as asked, as in ``until(phase="Running", statistics={"running": 3})``.

        Each keyword is a field of :class:`ApplicationStatus` and the value it must have, or a function that judges
        the value. A status about an older spec does not count. Raises ProductFailure with what was there instead.
        """
        wanted = Conditions(ApplicationStatus, conditions)

        def judge(object: Object | None) -> bool:
            if object is None:
                return False
            application = Application(object)
            return application.status.observed_generation >= application.generation and wanted.hold(object)

        await self._wait(judge, str(wanted), within)
        return self

    async def until_gone(self, *, within: float = 10.0) -> None:
        """Wait until the resource is deleted and its finalizers are done."""
        await self._wait(lambda object: object is None, "its end", within)

    async def stop(self) -> None:
        """Ask for it to be stopped on its devices; the resource stays."""
        await self._change({"stopped": True})

    async def start(self) -> None:
        """Ask for it to run again after :meth:`stop`."""
        await self._change({"stopped": False})

    async def redeploy(self, module: bytes | None = None, **config: Any) -> None:
        """Change the module or the limits (fields of ``spec.config`` in their own spelling)."""
        spec: dict[str, Any] = {}
        if module is not None:
            spec["wasmBytes"] = b64encode(module).decode()
        if config:
            spec["config"] = config
        await self._change(spec)

    async def delete(self) -> None:
        """Delete the resource; it goes when its devices have stopped it (see :meth:`until_gone`)."""
        await self._api.delete(APPLICATION, self.name)

    async def _change(self, spec: dict[str, Any]) -> None:
        self._informer.remember(await self._api.patch(APPLICATION, self.name, {"spec": spec}))

    async def _wait(self, judge: Callable[[Object | None], bool], wanted: str, within: float) -> None:
        await wait_for(self._informer, self.name, judge, wanted=wanted, within=within, record=self._record)

    def __repr__(self) -> str:
        return f"<application {self.name}>"
