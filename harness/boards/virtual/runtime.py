"""Executes the modules of virtual boards on a few threads, each with its own wasmtime engine.

A module runs on a thread so that an endless loop does not block the event loop. Each thread has its own engine because
an engine's epoch ends a call: with one call at a time per engine, the epoch is incremented only to end that call, and
no periodic timer is needed. An instance stays on the thread that made it.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import wasmtime

from harness.boards.virtual.host import HostInterface, define_functions
from harness.boards.virtual.memory import MemoryCreator
from harness.core.clock import Clock
from harness.core.errors import RigError
from harness.wasmbed.protocol.messages import Limits
from harness.wasmbed.runtime.engine import configuration
from harness.wasmbed.runtime.validation import ModuleInfo, validate

__all__ = ["Runtime", "Worker"]

T = TypeVar("T")

_CACHED_MODULES = 64
"""Compiled modules that a worker keeps."""


class Worker:
    """One thread and its engine. Its methods are called on the event loop."""

    def __init__(self, name: str) -> None:
        config = configuration()
        self.memories = MemoryCreator(config)
        self.engine = wasmtime.Engine(config)
        self.linker = wasmtime.Linker(self.engine)
        self._running: tuple[HostInterface, wasmtime.Store] | None = None
        define_functions(self.linker, self._current)
        self._modules: OrderedDict[bytes, wasmtime.Module] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._turn = asyncio.Lock()

    @property
    def busy(self) -> bool:
        """Whether a job runs on the thread."""
        return self._turn.locked()

    async def validate(self, module: bytes, limits: Limits, entry: str) -> ModuleInfo:
        """Validate ``module`` with the gateway's rules. Raises :class:`InvalidModule`."""
        async with self._turn:
            return await self._finish(lambda: validate(module, limits, entry))

    async def compile(self, module: bytes, digest: bytes) -> wasmtime.Module:
        """Compile ``module``, or find it in the cache by its SHA-256. Raises :class:`wasmtime.WasmtimeError`."""
        compiled = self._modules.get(digest)
        if compiled is None:
            async with self._turn:
                compiled = await self._finish(lambda: wasmtime.Module(self.engine, module))
            self._modules[digest] = compiled
            if len(self._modules) > _CACHED_MODULES:
                self._modules.popitem(last=False)
        else:
            self._modules.move_to_end(digest)
        return compiled

    async def call(
        self,
        job: Callable[[], T],
        host: HostInterface,
        store: wasmtime.Store,
        *,
        fuel: int,
        seconds: float,
        clock: Clock,
    ) -> T:
        """Run ``job`` on the thread when that is free, with ``fuel`` and at most ``seconds`` of time.

        If cancelled, it ends the call and waits until the thread is free again.
        """
        async with self._turn:
            self._running = (host, store)
            store.set_fuel(fuel)
            store.set_epoch_deadline(1)
            timer = clock.call_later(seconds, self.engine.increment_epoch)
            try:
                return await self._finish(job)
            finally:
                timer.cancel()
                self._running = None

    def is_over_time(self, trap: wasmtime.Trap) -> bool:
        """Whether a call ended with ``trap`` because its time was over."""
        return trap.trap_code is wasmtime.TrapCode.INTERRUPT

    async def close(self) -> None:
        """End the job that still runs, and the thread."""
        self.engine.increment_epoch()
        async with self._turn:
            self._thread.shutdown(wait=True)
            self._modules.clear()

    async def _finish(self, job: Callable[[], T]) -> T:
        future = asyncio.get_running_loop().run_in_executor(self._thread, job)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            while not future.done():
                self.engine.increment_epoch()
                await _quietly(future)
            if not future.cancelled():
                future.exception()
            raise

    def _current(self) -> tuple[HostInterface, wasmtime.Store]:
        if self._running is None:
            raise RigError("a module called the host while none was running", where="virtual board")
        return self._running


async def _quietly(future: asyncio.Future[T]) -> None:
    try:
        await asyncio.wait([future])
    except asyncio.CancelledError:
        return


class Runtime:
    """The workers that the boards of one tier share. Each is made when it is first needed."""

    def __init__(self, threads: int = 4, make_worker: Callable[[str], Worker] = Worker) -> None:
        self._make_worker = make_worker
        self._names = itertools.count(1)
        self._threads = threads
        self._workers: list[Worker] = []
        self._turns = itertools.count()

    def worker(self) -> Worker:
        """Return the worker for the next application, in rotation."""
        if len(self._workers) < self._threads:
            self._workers.append(self._make_worker(f"wasm-{next(self._names)}"))
        return self._workers[next(self._turns) % len(self._workers)]

    async def close(self) -> None:
        """End the threads. The runtime can be used again afterwards."""
        workers, self._workers = self._workers, []
        for worker in workers:
            await worker.close()
