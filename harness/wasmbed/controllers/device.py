"""The device controller: judges enrollments and changed specs, disconnects devices of Offline gateways, and calls those
Unreachable that stay away."""

from __future__ import annotations

from base64 import b64decode
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from harness.core.clock import Clock
from harness.core.identifiers import Randomness
from harness.wasmbed.controllers.controller import Controller
from harness.wasmbed.resources.api import Object, ResourceApi
from harness.wasmbed.resources.conditions import with_condition
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import DEVICE
from harness.wasmbed.resources.phases import LINKED_PHASES, DevicePhase, GatewayPhase, check
from harness.wasmbed.resources.statuses import disconnected_status
from harness.wasmbed.resources.timestamps import format_timestamp
from harness.wasmbed.resources.views import Device, Gateway

__all__ = ["DeviceController"]


class DeviceController(Controller):
    """Enrolling -> Enrolled or Failed; linked devices of an Offline gateway -> Disconnected, and -> Unreachable after
    ``unreachable_after`` seconds in which nobody has seen them. A changed spec of a connected device is judged by the
    condition Enrolled, and stays connected.

    It reconciles a device only when one of these moves may be due, so heartbeats cost it nothing. Its writes are
    conditional on the resourceVersion that it judged, because the gateway moves the same phase.
    """

    name: ClassVar[str] = "DeviceController"

    def __init__(
        self,
        api: ResourceApi,
        devices: Informer,
        gateways: Informer,
        clock: Clock,
        randomness: Randomness,
        *,
        resync: float,
        unreachable_after: float,
    ) -> None:
        super().__init__(clock, randomness, resync=resync)
        self._api, self._devices, self._gateways = api, devices, gateways
        self._unreachable_after = unreachable_after
        self._linked: defaultdict[str, set[str]] = defaultdict(set)
        self._since: dict[str, float] = {}
        """By device that is Disconnected, when this controller saw that first."""

    def watch(self) -> Iterable[Callable[[], None]]:
        self._linked.clear()
        self._since.clear()
        for raw in self._devices.objects.values():
            self._index(None, raw)
        return [self._devices.add_handler(self._device_changed), self._gateways.add_handler(self._gateway_changed)]

    def keys(self) -> Iterable[str]:
        return [name for name, raw in self._devices.objects.items() if self._has_work(Device(raw))]

    async def reconcile(self, key: str) -> float | None:
        raw = self._devices.get(key)
        if raw is None:
            return None
        device = Device(raw)
        if self._gateway_is_offline(device):
            await self._disconnect(device)
        elif device.status.phase == DevicePhase.ENROLLING:
            await self._enroll(device)
        elif _is_changed(device):
            await self._observe(device)
        elif (since := self._since.get(key)) is not None:
            if (left := since + self._unreachable_after - self.clock.now()) > 0:
                return left
            await self._give_up(device)
        return None

    async def _give_up(self, device: Device) -> None:
        message = f"no gateway has seen it for {self._unreachable_after / 60:g} min"
        conditions = with_condition(
            device.status.conditions, "Connected", False, "Unreachable", message, now=self.clock.now()
        )
        await self._write(device, phase=DevicePhase.UNREACHABLE, conditions=conditions)

    async def _disconnect(self, device: Device) -> None:
        message = f"gateway {device.status.gateway} is offline"
        await self._write(
            device,
            **disconnected_status(),
            conditions=with_condition(
                device.status.conditions, "Connected", False, "GatewayOffline", message, now=self.clock.now()
            ),
        )

    async def _observe(self, device: Device) -> None:
        """Judge the spec of a connected device that was changed. Its session goes on: it proved its key."""
        await self._write(device, phase=device.status.phase, conditions=self._judged(device, _spec_error(device)))

    def _judged(self, device: Device, reason: str | None) -> list[dict[str, Any]]:
        """The device's conditions with the judgement on its present spec."""
        return with_condition(
            device.status.conditions,
            "Enrolled",
            reason is None,
            "SpecAccepted" if reason is None else "SpecRefused",
            reason or "",
            now=self.clock.now(),
            generation=device.generation,
        )

    async def _enroll(self, device: Device) -> None:
        now, reason = self.clock.now(), _spec_error(device)
        conditions = self._judged(device, reason)
        if reason is not None:
            await self._write(device, phase=DevicePhase.FAILED, error=reason, health="unhealthy", conditions=conditions)
            return
        await self._write(
            device,
            phase=DevicePhase.ENROLLED,
            enrolledAt=format_timestamp(now),
            enrollments=device.status.enrollments + 1,
            error=None,
            conditions=conditions,
        )

    async def _write(self, device: Device, *, phase: str, **status: object) -> None:
        present = device.status.phase
        patch: Object = {
            "metadata": {"resourceVersion": device.resource_version},
            "status": {
                "phase": phase if phase == present else check(DEVICE, present, phase),
                "observedGeneration": device.generation,
                **status,
            },
        }
        self._devices.remember(await self._api.patch_status(DEVICE, device.name, patch))

    def _has_work(self, device: Device) -> bool:
        phase = device.status.phase
        return (
            phase in (DevicePhase.ENROLLING, DevicePhase.DISCONNECTED)
            or self._gateway_is_offline(device)
            or _is_changed(device)
        )

    def _gateway_is_offline(self, device: Device) -> bool:
        status = device.status
        if status.phase not in LINKED_PHASES or status.gateway is None:
            return False
        raw = self._gateways.get(status.gateway)
        return raw is not None and Gateway(raw).status.phase == GatewayPhase.OFFLINE

    def _device_changed(self, old: Object | None, new: Object | None) -> None:
        self._index(old, new)
        if new is not None and self._has_work(Device(new)):
            self.queue.add(new["metadata"]["name"])

    def _gateway_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and Gateway(new).status.phase == GatewayPhase.OFFLINE:
            for name in self._linked.get(new["metadata"]["name"], ()):
                self.queue.add(name)

    def _index(self, old: Object | None, new: Object | None) -> None:
        name = (new if new is not None else old or {})["metadata"]["name"]
        if new is not None and Device(new).status.phase == DevicePhase.DISCONNECTED:
            self._since.setdefault(name, self.clock.now())
        else:
            self._since.pop(name, None)
        before, after = _link(old), _link(new)
        if before != after:
            for (gateway, name), put in ((before, set.discard), (after, set.add)):
                if gateway:
                    put(self._linked[gateway], name)


def _is_changed(device: Device) -> bool:
    """Whether the spec of a connected device was changed since it was judged."""
    status = device.status
    return status.phase == DevicePhase.CONNECTED and status.observed_generation < device.generation


def _link(raw: Object | None) -> tuple[str, str]:
    """Return the gateway and the name of a device; the gateway is empty where there is no link."""
    if raw is None:
        return "", ""
    device = Device(raw)
    status = device.status
    return (status.gateway or "" if status.phase in LINKED_PHASES else ""), device.name


def _spec_error(device: Device) -> str | None:
    try:
        key = b64decode(device.spec.public_key or "", validate=True)
    except ValueError as error:
        return f"spec.publicKey: not base64 ({error})"
    # A SubjectPublicKeyInfo is a DER SEQUENCE (RFC 5280, section 4.1).
    return None if key.startswith(b"\x30") else "spec.publicKey: not a SubjectPublicKeyInfo in DER"
