"""The pins and sensors of a virtual board. Applications use them on their workers' threads."""

from __future__ import annotations

from harness.wasmbed.runtime.interface import sensor_value

__all__ = ["Peripherals"]

_PINS = 32


class Peripherals:
    """``sensors`` are the values from outside by channel, in thousandths; they outlive a restart."""

    def __init__(self) -> None:
        self.sensors: dict[int, int] = {}
        self._pins = 0

    @property
    def pins(self) -> frozenset[int]:
        """The output pins that are high."""
        pins = self._pins
        return frozenset(pin for pin in range(_PINS) if pins >> pin & 1)

    def boot(self) -> None:
        """Let all pins be low."""
        self._pins = 0

    def write(self, pin: int, *, high: bool) -> None:
        """Set an output pin; there are no others than 0 to 31."""
        if 0 <= pin < _PINS:
            self._pins = self._pins | 1 << pin if high else self._pins & ~(1 << pin)

    def read(self, channel: int, reading: int) -> int:
        """The ``reading``-th (from 0) reading of a channel."""
        value = self.sensors.get(channel)
        return sensor_value(channel, reading) if value is None else value
