"""The host interface as a table: the functions that a module may import and the exports that it must have.

The validator, virtual boards, and the documentation use this one table, so they cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

__all__ = [
    "DEFAULT_ENTRY",
    "FUNCTIONS",
    "HOST_MODULE",
    "INITIALIZE_EXPORT",
    "MAXIMUM_LOG_LINE",
    "MAXIMUM_PAYLOAD",
    "MAXIMUM_TOPIC",
    "MEMORY_EXPORT",
    "PAGE_SIZE",
    "TICK_EXPORT",
    "FaultCode",
    "HostFunction",
    "LogLevel",
    "ValueType",
    "sensor_value",
]

HOST_MODULE = "wasmbed"
"""The module name of every import."""
MEMORY_EXPORT = "memory"
"""The linear memory that pointers point into."""
DEFAULT_ENTRY = "run"
"""The function called once after deployment unless the application names another."""
INITIALIZE_EXPORT = "_initialize"
"""Optional: called once within the deployment, after the start function. The name is that of WASI's reactor modules."""
TICK_EXPORT = "tick"
"""Optional: first called when the entry has returned, then again after as many milliseconds as it returned."""
PAGE_SIZE = 65_536
"""Bytes in a page of linear memory (WebAssembly Core Specification, 4.2.8)."""

MAXIMUM_TOPIC = 128
"""Bytes; a longer, empty or non-UTF-8 topic is refused with -1."""
MAXIMUM_PAYLOAD = 1024
"""Bytes; a longer payload is refused with -1."""
MAXIMUM_LOG_LINE = 256
"""Bytes; a longer line is truncated."""


class ValueType(StrEnum):
    """The two value types of the interface, with WebAssembly's names."""

    I32 = "i32"
    I64 = "i64"


class LogLevel(IntEnum):
    """First parameter of ``log``; other numbers count as ``DEBUG``."""

    ERROR = 0
    WARNING = 1
    INFO = 2
    DEBUG = 3


class FaultCode(StrEnum):
    """The reasons why a call into a module failed: the codes of ``RuntimeFault``."""

    TRAP = "TRAP"
    OUT_OF_FUEL = "OUT_OF_FUEL"
    TIME_LIMIT = "TIME_LIMIT"
    MEMORY_LIMIT = "MEMORY_LIMIT"
    """A trap after the host refused a ``memory.grow``."""


@dataclass(frozen=True, slots=True)
class HostFunction:
    """One import: the names of its parameters (all ``i32``), the type of its result if any, and a summary."""

    name: str
    parameters: tuple[str, ...]
    result: ValueType | None
    summary: str

    @property
    def parameter_types(self) -> tuple[ValueType, ...]:
        return (ValueType.I32,) * len(self.parameters)

    @property
    def result_types(self) -> tuple[ValueType, ...]:
        return () if self.result is None else (self.result,)

    def __str__(self) -> str:
        result = f" -> {self.result}" if self.result else ""
        return f"{self.name}({', '.join(self.parameters)}){result}"


FUNCTIONS: dict[str, HostFunction] = {
    function.name: function
    for function in (
        HostFunction("log", ("level", "pointer", "length"), None, "Write a line of UTF-8 text to the console."),
        HostFunction("clock_ms", (), ValueType.I64, "The device's time: milliseconds since it booted."),
        HostFunction(
            "publish",
            ("topic_pointer", "topic_length", "payload_pointer", "payload_length"),
            ValueType.I32,
            "Publish a payload under a topic. 0: taken; -1: refused.",
        ),
        HostFunction("sensor_read", ("channel",), ValueType.I32, "Read a sensor channel, in thousandths of its unit."),
        HostFunction("gpio_write", ("pin", "level"), None, "Set an output pin: 0 low, anything else high."),
        HostFunction(
            "argument",
            ("index", "pointer", "capacity"),
            ValueType.I32,
            "Copy the index-th argument, at most capacity bytes of it. Its whole length, or -1: absent.",
        ),
        HostFunction(
            "environment",
            ("name_pointer", "name_length", "pointer", "capacity"),
            ValueType.I32,
            "Copy an environment variable's value, at most capacity bytes of it. Its whole length, or -1: absent.",
        ),
    )
}
"""Every function of the host interface by name. A pointer range outside the memory traps."""


def sensor_value(channel: int, reading: int) -> int:
    """Return the result of ``sensor_read`` on boards without sensors, for the ``reading``-th reading (from 0)."""
    return 20_000 + 100 * channel + (reading * 37) % 1000 - 500
