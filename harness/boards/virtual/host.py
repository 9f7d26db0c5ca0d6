"""The host interface on a virtual board: the functions that a module imports.

They run on a worker's thread, so they do not touch the board: log lines and publications of a call are kept until the
call has returned, and then the board takes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import wasmtime

from harness.boards.virtual.memory import LinearMemory
from harness.boards.virtual.peripherals import Peripherals
from harness.wasmbed.protocol.messages import Publication
from harness.wasmbed.runtime.interface import (
    FUNCTIONS,
    HOST_MODULE,
    MAXIMUM_LOG_LINE,
    MAXIMUM_PAYLOAD,
    MAXIMUM_TOPIC,
    LogLevel,
    ValueType,
)
from harness.wasmbed.runtime.limits import MAXIMUM_SENSORS

__all__ = ["MAXIMUM_LOG_LINES", "MAXIMUM_PUBLICATIONS", "HostInterface", "define_functions"]

MAXIMUM_PUBLICATIONS = 64
"""Publications of one application that wait to be sent. Further ones are refused."""
MAXIMUM_LOG_LINES = 256
"""Log lines of one call. Further lines are only counted."""

_LEVELS = {int(level): level for level in LogLevel}
_TYPES = {ValueType.I32: wasmtime.ValType.i32, ValueType.I64: wasmtime.ValType.i64}


class HostInterface:
    """The host functions of one application. ``memory`` is set before a function is called."""

    def __init__(
        self,
        uptime_ms: Callable[[], int],
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        peripherals: Peripherals | None = None,
    ) -> None:
        self.memory = LinearMemory(0, 0)
        self.lines: list[tuple[LogLevel, str]] = []
        self.dropped_lines = 0
        self.publications: list[Publication] = []
        self.violation: str | None = None
        """An invalid memory access of the module, which has to trap; after it, all functions do nothing."""
        self._uptime_ms = uptime_ms
        self._arguments = tuple(arguments)
        self._environment = dict(environment or {})
        self._readings: dict[int, int] = {}
        self._peripherals = peripherals or Peripherals()

    def log(self, level: int, pointer: int, length: int) -> None:
        data = self._read("log", pointer, length)
        if data is not None:
            self._say(_LEVELS.get(level, LogLevel.DEBUG), data[:MAXIMUM_LOG_LINE].decode("utf-8", "replace"))

    def clock_ms(self) -> int:
        return self._uptime_ms()

    def publish(self, topic_pointer: int, topic_length: int, payload_pointer: int, payload_length: int) -> int:
        topic = self._read("publish", topic_pointer, topic_length)
        payload = self._read("publish", payload_pointer, payload_length)
        if topic is None or payload is None:
            return -1
        if not 0 < len(topic) <= MAXIMUM_TOPIC or len(payload) > MAXIMUM_PAYLOAD:
            return -1
        if len(self.publications) >= MAXIMUM_PUBLICATIONS:
            return -1
        try:
            self.publications.append(Publication(topic.decode("utf-8"), payload))
        except UnicodeDecodeError:
            return -1
        return 0

    def sensor_read(self, channel: int) -> int:
        reading = self._readings.get(channel, 0)
        if channel in self._readings or len(self._readings) < MAXIMUM_SENSORS:
            self._readings[channel] = reading + 1
        return (self._peripherals.read(channel, reading) + (1 << 31)) % (1 << 32) - (1 << 31)

    def gpio_write(self, pin: int, level: int) -> None:
        if self.violation is None:
            self._peripherals.write(pin, high=bool(level))
            self._say(LogLevel.DEBUG, f"gpio {pin} {'high' if level else 'low'}")

    def argument(self, index: int, pointer: int, capacity: int) -> int:
        present = 0 <= index < len(self._arguments)
        return self._hand_over("argument", self._arguments[index] if present else None, pointer, capacity)

    def environment(self, name_pointer: int, name_length: int, pointer: int, capacity: int) -> int:
        name = self._read("environment", name_pointer, name_length)
        if name is None:
            return -1
        value = self._environment.get(name.decode("utf-8", "replace"))
        return self._hand_over("environment", value, pointer, capacity)

    def _say(self, level: LogLevel, text: str) -> None:
        if len(self.lines) < MAXIMUM_LOG_LINES:
            self.lines.append((level, text))
        else:
            self.dropped_lines += 1

    def _read(self, function: str, pointer: int, length: int) -> bytes | None:
        if self.violation is not None:
            return None
        data = self.memory.read(pointer, length)
        if data is None:
            self._violate(function, pointer, length)
        return data

    def _hand_over(self, function: str, value: str | None, pointer: int, capacity: int) -> int:
        if value is None or self.violation is not None:
            return -1
        data = value.encode()
        if not self.memory.write(pointer, data[: capacity & 0xFFFF_FFFF]):
            self._violate(function, pointer, min(len(data), capacity & 0xFFFF_FFFF))
            return -1
        return len(data)

    def _violate(self, function: str, pointer: int, length: int) -> None:
        self.violation = (
            f"{HOST_MODULE}.{function}: {length & 0xFFFF_FFFF} bytes at {pointer & 0xFFFF_FFFF:#x} "
            f"leave the memory of {self.memory.size} bytes"
        )


def define_functions(linker: wasmtime.Linker, current: Callable[[], tuple[HostInterface, wasmtime.Store]]) -> None:
    """Define the host interface in ``linker``. ``current`` returns host and store of the module that runs on this
    thread.

    A function never raises: wasmtime-py passes exceptions in a variable that all threads share, so one board's
    exception could end another board's call. Instead, a module that has to trap loses its fuel, which it notices at its
    next backward branch or call.
    """
    for function in FUNCTIONS.values():
        linker.define_func(
            HOST_MODULE,
            function.name,
            wasmtime.FuncType(
                [_TYPES[value]() for value in function.parameter_types],
                [_TYPES[value]() for value in function.result_types],
            ),
            _guarded(function.name, current),
        )


def _guarded(name: str, current: Callable[[], tuple[HostInterface, wasmtime.Store]]) -> Callable[..., int | None]:
    def call(*parameters: int) -> int | None:
        host, store = current()
        result: int | None = getattr(host, name)(*parameters)
        if host.violation is not None:
            store.set_fuel(0)
        return result

    return call
