"""One module in a virtual board's runtime: validates, instantiates and calls it, and reports failed calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

import wasmtime

from harness.boards.virtual.host import HostInterface
from harness.boards.virtual.reception import DeploymentCode
from harness.boards.virtual.runtime import Worker
from harness.boards.virtual.start import with_start_exported
from harness.core.clock import Clock
from harness.wasmbed.protocol.messages import Limits
from harness.wasmbed.runtime.interface import INITIALIZE_EXPORT, TICK_EXPORT, FaultCode
from harness.wasmbed.runtime.limits import DEPLOYMENT_FUEL, MAXIMUM_TABLE, MAXIMUM_TABLES
from harness.wasmbed.runtime.validation import InvalidModule

__all__ = ["Fault", "Guest", "NotLoadable"]

T = TypeVar("T")

_BACKTRACE = 16
"""Frames that a backtrace has at most, innermost first."""
_LARGEST_FUEL = (1 << 63) - 1
"""wasmtime counts in signed 64 bits."""


class NotLoadable(Exception):
    """The module cannot be loaded on this board: a :class:`DeploymentCode`, and the reason as text."""

    def __init__(self, code: DeploymentCode, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Fault(Exception):
    """A call into a module failed.

    ``use`` has ``memory_bytes`` and ``wall_time_ms`` of that call, and ``fuel_used`` if wasmtime knows it: it does not
    after a trap, except for a lack of fuel.
    """

    def __init__(self, code: FaultCode, message: str, backtrace: tuple[str, ...], use: Mapping[str, int]) -> None:
        super().__init__(message)
        self.code, self.message, self.backtrace, self.use = code, message, backtrace, use


class Guest:
    """A loaded module. One call at a time; call :meth:`close` at the end.

    ``board_memory`` is the most memory that the board gives one application, in bytes, even if ``limits`` allow more.
    """

    def __init__(self, worker: Worker, host: HostInterface, limits: Limits, clock: Clock, board_memory: int) -> None:
        self.host = host
        self._worker, self._clock, self._board_memory = worker, clock, board_memory
        self._allowed = limits
        self._limits = replace(limits, memory=min(limits.memory, board_memory))
        self._store = wasmtime.Store(worker.engine)
        # LinearMemory has the limit of memory, because a store does not report that it refused a growth.
        self._store.set_limits(instances=1, memories=1, tables=MAXIMUM_TABLES, table_elements=MAXIMUM_TABLE)
        self._exports: dict[str, wasmtime.Func] = {}
        self._moved = 0
        """Offset of the code from its place in the module that was sent, bytes."""
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
        """Validate, compile and instantiate the module with that SHA-256, then call its start function and
        ``_initialize``.

        Raises :class:`NotLoadable`, or :class:`Fault` if one of the two functions fails.
        """
        try:
            info = await self._worker.validate(module, self._allowed, entry)
        except InvalidModule as error:
            raise NotLoadable(DeploymentCode.INVALID_MODULE, error.reason) from error
        if info.memory_minimum > self._board_memory:
            reason = f"needs {info.memory_minimum} bytes of memory, this board gives a module {self._board_memory}"
            raise NotLoadable(DeploymentCode.NOT_ENOUGH_MEMORY, reason)
        # No module can contain its own hash, so none exports this name already.
        start = f"start {digest.hex()}"
        runnable = with_start_exported(module, start) if info.has_start else module
        self._moved = len(runnable) - len(module)
        compiled = await self._worker.compile(runnable, digest)
        first = {start: "start function"} if info.has_start else {}
        if info.initializes:
            first[INITIALIZE_EXPORT] = INITIALIZE_EXPORT
        await self._begin(compiled, (entry, TICK_EXPORT), first)

    async def call(self, name: str) -> int | None:
        """Call an exported function without parameters; returns its result, None without one. Raises :class:`Fault`."""
        function = self._exports[name]

        def job() -> int | None:
            result: int | None = function(self._store)
            return result

        return await self._call(job, self._limits.fuel)

    def close(self) -> None:
        """Free the instance and its memory."""
        self._exports.clear()
        self._store.close()

    async def _begin(self, compiled: wasmtime.Module, wanted: tuple[str, ...], first: Mapping[str, str]) -> None:
        """Instantiate, keep the ``wanted`` exports, and call the ``first`` ones. ``first`` maps an export's name to its
        description in errors."""
        fuel = min(self._limits.fuel, DEPLOYMENT_FUEL)
        current = "instantiation"

        def job() -> None:
            nonlocal current
            self._store.set_fuel(_LARGEST_FUEL)  # wasmtime charges for copying the segments; no other board does
            exports = self._instantiate(compiled)
            self._exports = {name: exports[name] for name in wanted if name in exports}
            self._store.set_fuel(fuel)
            for name, description in first.items():
                current = description
                exports[name](self._store)

        try:
            await self._call(job, fuel)
        except Fault as fault:
            raise Fault(fault.code, f"{current}: {fault.message}", fault.backtrace, fault.use) from fault

    def _instantiate(self, compiled: wasmtime.Module) -> Mapping[str, wasmtime.Func]:
        """Instantiate, on the worker's thread; returns the exported functions."""
        memories = self._worker.memories
        memories.expect(self._limits.memory)
        try:
            instance = self._worker.linker.instantiate(self._store, compiled)
        except wasmtime.WasmtimeError as error:
            raise NotLoadable(DeploymentCode.INVALID_MODULE, _last_line(error)) from error
        finally:
            self.host.memory = memories.take() or self.host.memory
        exports = instance.exports(self._store).items()
        return {name: export for name, export in exports if isinstance(export, wasmtime.Func)}

    async def _call(self, job: Callable[[], T], fuel: int) -> T:
        self.host.memory.refused = False
        began, fuel = self._clock.now(), min(fuel, _LARGEST_FUEL)
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
            code, message = self._classify(trap, fuel)
            raise Fault(code, message, self._backtrace(trap), self.metrics) from trap
        return result

    def _classify(self, trap: wasmtime.Trap, fuel: int) -> tuple[FaultCode, str]:
        limits = self._limits
        if self._worker.is_over_time(trap):
            return FaultCode.TIME_LIMIT, f"ran longer than {limits.wall_time} ms"
        if trap.trap_code is wasmtime.TrapCode.OUT_OF_FUEL:
            return FaultCode.OUT_OF_FUEL, f"used up its {fuel} units of fuel"
        if self.host.memory.refused:
            return FaultCode.MEMORY_LIMIT, f"wanted more than {limits.memory} bytes of memory, then: {_last_line(trap)}"
        return FaultCode.TRAP, _last_line(trap)

    def _backtrace(self, trap: wasmtime.Trap) -> tuple[str, ...]:
        return tuple(self._place(frame) for frame in trap.frames[:_BACKTRACE])

    def _place(self, frame: wasmtime.Frame) -> str:
        name = frame.func_name or f"function {frame.func_index}"
        known = frame.module_offset < 1 << 32
        return f"{name} at {frame.module_offset - self._moved:#x}" if known else name


def _last_line(error: Exception) -> str:
    """Return wasmtime's innermost cause, without the chain of contexts."""
    return str(error).strip().rpartition("\n")[2].strip().removeprefix("wasm trap: ")
