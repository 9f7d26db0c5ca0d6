"""The devices of the cluster as an application sees them: who is meant, who can be reached, who holds a module."""

from __future__ import annotations

from harness.wasmbed.controllers.device_state import has_module
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.phases import DevicePhase, GatewayPhase
from harness.wasmbed.resources.views import Application, Device, Gateway

__all__ = ["DeviceIndex"]

NOT_YET = frozenset({DevicePhase.PENDING, DevicePhase.ENROLLING, DevicePhase.FAILED})
"""A selector finds devices that have enrolled; a name means the device whatever its phase."""


class DeviceIndex:
    """Questions to the informers of devices and gateways."""

    def __init__(self, devices: Informer, gateways: Informer) -> None:
        self.devices, self.gateways = devices, gateways

    def device(self, name: str) -> Device | None:
        raw = self.devices.get(name)
        return Device(raw) if raw is not None else None

    def gateway(self, device: Device) -> Gateway | None:
        """The gateway that has the device's link, if it can be asked."""
        raw = self.gateways.get(device.status.gateway or "")
        gateway = Gateway(raw) if raw is not None else None
        usable = gateway and gateway.status.phase == GatewayPhase.ONLINE and gateway.status.api_endpoint
        return gateway if usable else None

    def why_away(self, device: Device) -> str:
        """Why the device cannot be reached; empty if it can."""
        if device.status.phase != DevicePhase.CONNECTED:
            return "the device is not connected"
        return "" if self.gateway(device) else f"gateway {device.status.gateway} is not online"

    def targets(self, application: Application) -> list[str]:
        """The devices that the application is for; one named in the spec is there even if it does not exist."""
        wanted = application.spec.target_devices
        if wanted.device_names:
            return list(dict.fromkeys(wanted.device_names))
        found = (Device(raw) for raw in self.devices.objects.values())
        return [
            device.name
            for device in found
            if device.status.phase not in NOT_YET and not device.deleting and wanted.matches(device)
        ]

    def holders(self, application: Application) -> list[str]:
        """The devices within reach that have a module of the application, whether they are still meant or not."""
        return [
            name
            for name, entry in application.status.device_statuses.items()
            if (device := self.device(name)) and has_module(device, entry) and not self.why_away(device)
        ]
