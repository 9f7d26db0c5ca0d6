"""A planted defect: each enrollment is recorded as a device's first one. As a plugin of pytest, and for the test."""

from typing import Any

from harness.wasmbed.controllers.device import DeviceController

RULE, PARTY = "enrollments are counted", "device controller"
_write = DeviceController._write


async def write(self: DeviceController, *arguments: Any, **status: Any) -> None:
    """Write a status in which the device has enrolled once."""
    if "enrollments" in status:
        status["enrollments"] = 1
    await _write(self, *arguments, **status)


def pytest_configure() -> None:
    DeviceController._write = write  # type: ignore[method-assign]
