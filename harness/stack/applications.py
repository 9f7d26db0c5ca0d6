"""A handle to deploy, watch, stop, and replace an application."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.core.errors import ProductFailure, UsageError
from harness.invariants.absence import Absence, missing_from_application
from harness.stack.authors import Author
from harness.stack.boards import Boards
from harness.stack.dead_ends import dead_end
from harness.stack.devices import DeviceHandle
from harness.stack.record import Record
from harness.stack.waiting import Conditions, Unreachable, Watched
from harness.wasmbed.resources.api import Object, ResourceApi
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import APPLICATION
from harness.wasmbed.resources.manifests import wasm_bytes
from harness.wasmbed.resources.views import Application, ApplicationStatus, DeviceEntry

__all__ = ["ApplicationHandle", "parse_targets", "targets"]


def parse_targets(text: str) -> dict[str, Any]:
    """Parse a choice of devices: ``all``, labels as in ``site=roof,kind=mcu``, or names as in ``pump-1,pump-2``.

    Returns the keyword for :func:`harness.wasmbed.resources.manifests.application`; raises UsageError.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if parts == ["all"]:
        return {"all_devices": True}
    labels = dict(part.split("=", 1) for part in parts if "=" in part)
    if not parts or (labels and len(labels) != len(parts)) or not all(labels) or "=" in "".join(labels.values()):
        raise UsageError(
            f"invalid choice of devices {text!r}", do="write all, or labels (site=roof,kind=mcu), or device names"
        )
    return {"match_labels": labels} if labels else {"device_names": parts}


class ApplicationHandle(Watched[Application]):
    """One application, by name."""

    view = Application
    status_view = ApplicationStatus

    def __init__(self, name: str, informer: Informer, record: Record, boards: Boards, api: ResourceApi) -> None:
        super().__init__(name, informer, record)
        self._boards, self._api = boards, api

    @property
    def status(self) -> ApplicationStatus:
        return self.resource.status

    def on(self, device: str) -> DeviceEntry:
        """Its entry for one device: state, error, output. An empty entry if there is none."""
        entries = self.status.device_statuses
        return entries[device] if device in entries else DeviceEntry({})

    def output(self, device: str) -> list[tuple[str, str]]:
        """The latest output of one device: pairs of topic and payload."""
        return [(item["topic"], item["payload"]) for item in self.on(device).output]

    async def wait(
        self,
        judge: Callable[[Object | None], bool],
        wanted: str,
        within: float,
        unmet: Callable[[Object | None], Author | None] = lambda object: None,
    ) -> None:
        """As for every resource, but a status of an older spec does not count. Raises RigError instead if a board of
        its devices went off by itself."""

        def is_met(object: Object | None) -> bool:
            if object is not None:
                application = Application(object)
                if application.status.observed_generation < application.generation:
                    return False
            return judge(object)

        try:
            await super().wait(is_met, wanted, within, unmet)
        except ProductFailure:
            for device in self.devices():
                self._boards.check_alive(device)
            raise

    def _missing(self) -> Absence | None:
        return missing_from_application(self._record, self.name, self.devices())

    def devices(self) -> list[str]:
        object = self._informer.get(self.name)
        if object is None:
            return []
        application = Application(object)
        targets, entries = application.spec.target_devices, application.status.device_statuses
        names = [*targets.device_names, *entries]
        if targets.all_devices:
            names += [board.device for board in self._boards]
        running = {name for name, entry in entries.items() if entry.state == "running"}
        return sorted(dict.fromkeys(names), key=running.__contains__)

    async def until_on(self, device: str, *, within: float = 10.0, **conditions: Any) -> DeviceEntry:
        """Wait until its entry for one device meets the conditions: ``until_on("pump-1", state="running")``."""
        wanted = Conditions(DeviceEntry, conditions)

        def judge(object: Object | None) -> bool:
            entries = Application(object).status.device_statuses if object is not None else {}
            if object is None and (reason := dead_end(APPLICATION, self.name, None, None, self._record)):
                raise Unreachable(reason)
            return device in entries and wanted.fits(entries[device])

        def unmet(object: Object | None) -> Author | None:
            entries = Application(object).status.device_statuses if object is not None else {}
            found = wanted.unmet(entries[device] if device in entries else DeviceEntry({}))
            if not found:
                return None
            author = self._author(found, ("deviceStatuses", device))
            return replace(author, is_last_word="state" not in [field for field, _ in found])

        await self.wait(judge, f"{wanted} on {device}", within, unmet)
        return self.on(device)

    async def stop(self) -> None:
        """Request that its devices stop it. The resource stays."""
        await self._change({"stopped": True})

    async def start(self) -> None:
        """Request that it runs again after :meth:`stop`."""
        await self._change({"stopped": False})

    async def redeploy(self, module: bytes | None = None, **config: Any) -> None:
        """Change the module or the limits (fields of ``spec.config``, spelled as in the resource)."""
        spec: dict[str, Any] = {}
        if module is not None:
            spec["wasmBytes"] = wasm_bytes(module)
        if config:
            spec["config"] = config
        await self._change(spec)

    async def delete(self) -> None:
        """Delete the resource. It is gone once its devices have stopped it (see :meth:`until_gone`)."""
        await self._api.delete(APPLICATION, self.name)

    async def _change(self, spec: dict[str, Any]) -> None:
        await self.wrote(await self._api.patch(APPLICATION, self.name, {"spec": spec}))


def targets(to: Any, boards: Boards) -> dict[str, Any]:
    """Return the targets of an Application as arguments of its manifest: boards or devices, ``"all"``, or labels."""
    if to == "all":
        return {"all_devices": True}
    if isinstance(to, Mapping):
        return {"match_labels": to}
    several = to if isinstance(to, Sequence) and not isinstance(to, str) else [to]
    if not several:
        raise UsageError("names no device", where="deploy(to=[])", do="name a board, a device, labels or 'all'")
    names = [each.name if isinstance(each, DeviceHandle) else boards.device_of(each) for each in several]
    return {"device_names": names}
