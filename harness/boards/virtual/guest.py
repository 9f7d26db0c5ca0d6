"""One application in a virtual board's runtime: instantiated, called, and what is reported when a call ends early."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import wasmtime

from harness.boards.virtual.host import Host
from harness.boards.virtual.runtime import Worker
from harness.core.clock import Clock
from harness.wasmbed.protocol.messages import Limits
from harness.wasmbed.runtime.interface import MEMORY_EXPORT, TICK_EXPORT, FaultCode

__all__ = ["Fault", "Guest", "NotLoadable"]

T = TypeVar("T")

MAGIC = b"\0asm"
_BACKTRACE = 16
"""Frames that are reported, innermost first."""
_LARGEST_FUEL = (1 << 63) - 1
"""wasmtime counts in signed 64 bits."""


class NotLoadable(Exception):
    """The module cannot be instantiated on this board; ``reason`` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Fault(Exception):
    """A call into a module ended early.

    ``use``: ``memory_bytes`` and ``wall_time_ms`` of that call, and ``fuel_used`` where wasmtime can tell: not after
    a trap other than the lack of fuel.
    """

    def __init__(self, code: FaultCode, message: str, backtrace: tuple[str, ...], use: Mapping[str, int]) -> None:
        super().__init__(message)
        self.code, self.message, self.backtrace, self.use = code, message, backtrace, use


class Guest:
    """A loaded application. One call at a time; :meth:`close` when it is no longer wanted."""

    def __init__(self, worker: Worker, host: Host, limits: Limits, clock: Clock) -> None:
        self.host = host
        self._worker, self._limits, self._clock = worker, limits, clock
        self._store = wasmtime.Store(worker.engine)
        self._exports: dict[str, wasmtime.Func] = {}
        self.metrics: Mapping[str, int] = {}
        """Resource use of the latest call."""

    @property
    def memory_bytes(self) -> int:
        """Size of its linear memory now."""
        return self.host.memory.size

    @property
    def has_tick(self) -> bool:
        return TICK_EXPORT in self._exports

    async def load(self, module: bytes, digest: bytes, entry: str) -> None:
        """Compile and instantiate. Raises :class:`NotLoadable`, or :class:`Fault` of the module's start function."""
        if not module.startswith(MAGIC):  # wasmtime would take the text format too; no other board does
            raise NotLoadable(f"not a WebAssembly binary: it begins with {module[:4].hex()}")
        try:
            compiled = await self._worker.compile(module, digest)
        except wasmtime.WasmtimeError as error:
            raise NotLoadable(f"not a module this runtime can load: {_last_line(error)}") from error
        await self._call(lambda: self._instantiate(compiled, entry))

    async def call(self, name: str) -> int | None:
        """Call an exported function without parameters; its result if it has one. Raises :class:`Fault`."""
        function = self._exports[name]

        def job() -> int | None:
            result: int | None = function(self._store)
            return result

        return await self._call(job)

    def close(self) -> None:
        """Free the instance and its memory."""
        self._exports.clear()
        self._store.close()

    def _instantiate(self, compiled: wasmtime.Module, entry: str) -> None:
        """On the worker's thread."""
        memories = self._worker.memories
        memories.expect(self._limits.memory)
        try:
            instance = self._worker.linker.instantiate(self._store, compiled)
        except wasmtime.WasmtimeError as error:
            raise NotLoadable(_last_line(error)) from error
        finally:
            self.host.memory = memories.take() or self.host.memory
        exports = instance.exports(self._store)
        if not isinstance(exports.get(MEMORY_EXPORT), wasmtime.Memory):
            raise NotLoadable(f"does not export its linear memory as {MEMORY_EXPORT!r}")
        for name in (entry, TICK_EXPORT):
            function = exports.get(name)
            if isinstance(function, wasmtime.Func) and self._callable(function):
                self._exports[name] = function
            elif function is not None or name == entry:
                raise NotLoadable(f"does not export {name!r} as a function without parameters")

    def _callable(self, function: wasmtime.Func) -> bool:
        kind = function.type(self._store)
        return not kind.params and [str(result) for result in kind.results] in ([], ["i32"])

    async def _call(self, job: Callable[[], T]) -> T:
        self.host.memory.refused = False
        began, fuel = self._clock.now(), min(self._limits.fuel, _LARGEST_FUEL)
        trap: wasmtime.Trap | None = None
        try:
            result = await self._worker.call(
                job, self.host, self._store, fuel=fuel, seconds=self._limits.wall_time / 1000, clock=self._clock
            )
        except wasmtime.Trap as error:
            trap = error
        use = {"memory_bytes": self.memory_bytes, "wall_time_ms": round(1000 * (self._clock.now() - began))}
        if self.host.violation is None and (trap is None or trap.trap_code is wasmtime.TrapCode.OUT_OF_FUEL):
            use["fuel_used"] = fuel - self._store.get_fuel()
        self.metrics = use
        if self.host.violation is not None:
            backtrace = (self.host.violation.partition(":")[0],)
            raise Fault(FaultCode.TRAP, self.host.violation, backtrace, self.metrics)
        if trap is not None:
            code, message = self._judge(trap)
            raise Fault(code, message, _backtrace(trap), self.metrics) from trap
        return result

    def _judge(self, trap: wasmtime.Trap) -> tuple[FaultCode, str]:
        limits = self._limits
        if trap.trap_code is wasmtime.TrapCode.OUT_OF_FUEL:
            return FaultCode.OUT_OF_FUEL, f"used up its {limits.fuel} units of fuel"
        if trap.trap_code is wasmtime.TrapCode.INTERRUPT:
            return FaultCode.TIME_LIMIT, f"ran longer than {limits.wall_time} ms"
        if self.host.memory.refused:
            return FaultCode.MEMORY_LIMIT, f"wanted more than {limits.memory} bytes of memory, then: {_last_line(trap)}"
        return FaultCode.TRAP, _last_line(trap)


def _last_line(error: Exception) -> str:
    """wasmtime's innermost cause, without the path that led there."""
    return str(error).strip().rpartition("\n")[2].strip().removeprefix("wasm trap: ")


def _backtrace(trap: wasmtime.Trap) -> tuple[str, ...]:
    return tuple(_place(frame) for frame in trap.frames[:_BACKTRACE])


def _place(frame: wasmtime.Frame) -> str:
    name = frame.func_name or f"function {frame.func_index}"
    known = frame.module_offset < 1 << 32
    return f"{name} at {frame.module_offset:#x}" if known else name
