"""The devices of the cluster as an application sees them: its targets, those in reach, and those that have it."""

from __future__ import annotations

from harness.wasmbed.controllers.device_state import is_present, reported_state
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.phases import DevicePhase, GatewayPhase
from harness.wasmbed.resources.views import Application, Device, Gateway

__all__ = ["DeviceIndex"]

NOT_YET = frozenset({DevicePhase.PENDING, DevicePhase.ENROLLING, DevicePhase.FAILED})
"""The phases of devices that a selector does not match yet. A device named in the spec is a target in any phase."""


class DeviceIndex:
    """Answers questions from the informers of devices and gateways."""

    def __init__(self, devices: Informer, gateways: Informer) -> None:
        self.devices, self.gateways = devices, gateways

    def device(self, name: str) -> Device | None:
        """Return the Device of that name."""
        raw = self.devices.get(name)
        return Device(raw) if raw is not None else None

    def gateway(self, device: Device) -> Gateway | None:
        """Return the gateway that holds the device's link, if it is Online."""
        raw = self.gateways.get(device.status.gateway or "")
        gateway = Gateway(raw) if raw is not None else None
        usable = gateway and gateway.status.phase == GatewayPhase.ONLINE and gateway.status.api_endpoint
        return gateway if usable else None

    def why_away(self, device: Device) -> str:
        """Return why the device is out of reach; empty if it is not."""
        if device.status.phase != DevicePhase.CONNECTED:
            return "the device is not connected"
        return "" if self.gateway(device) else f"gateway {device.status.gateway} is not online"

    def targets(self, application: Application) -> list[str]:
        """Return the application's target devices; a name in the spec counts even if no such device exists."""
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
        """Return the devices within reach that have the application, targets or not, also one that failed there."""
        return [
            name
            for name, entry in application.status.device_statuses.items()
            if (device := self.device(name))
            and is_present(device, entry, reported_state(device, application.name))
            and not self.why_away(device)
        ]
