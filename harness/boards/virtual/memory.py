"""The linear memory of applications on virtual boards, allocated here instead of by wasmtime.

There are two reasons. A fault is a ``MEMORY_LIMIT`` if the host refused a ``memory.grow`` before the trap, and
wasmtime's store limits do not report that they refused one. And wasmtime reserves 4 GiB of address space for each
memory, which is too much for a fleet in one process. The cost is the use of ``wasmtime_config_host_memory_creator_set``
of wasmtime's C API, which wasmtime-py binds but does not wrap.
"""

from __future__ import annotations

import ctypes
import itertools
import mmap
from typing import Any

import wasmtime
from wasmtime import _bindings as c_api

from harness.wasmbed.runtime.interface import PAGE_SIZE

__all__ = ["LinearMemory", "MemoryCreator"]

_ADDRESSABLE = 1 << 32
"""The address space of 32-bit pointers, bytes. It is every memory's announced capacity, so that each growth is
requested here."""
_Finalizer = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class LinearMemory:
    """One application's memory; ``limit`` and ``size`` in bytes."""

    __slots__ = ("_mapping", "address", "limit", "refused", "size")

    def __init__(self, size: int, limit: int) -> None:
        self.size = size
        self.limit = limit
        self.refused = False
        """Whether a growth was refused since this was set to False."""
        self._mapping = mmap.mmap(-1, max(limit, PAGE_SIZE))
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self._mapping))

    def grow(self, size: int) -> bool:
        """Grow to ``size`` bytes; False: that is above the limit."""
        if size > self.limit:
            self.refused = True
            return False
        self.size = size
        return True

    def read(self, pointer: int, length: int) -> bytes | None:
        """Copy a range out of the memory (both numbers as unsigned 32-bit); None if it leaves the memory."""
        pointer, length = pointer & 0xFFFF_FFFF, length & 0xFFFF_FFFF
        if pointer + length > self.size:
            return None
        return self._mapping[pointer : pointer + length]

    def write(self, pointer: int, data: bytes) -> bool:
        """Copy ``data`` into the memory; False if the range leaves the memory."""
        pointer &= 0xFFFF_FFFF
        if pointer + len(data) > self.size:
            return False
        self._mapping[pointer : pointer + len(data)] = data
        return True


class MemoryCreator:
    """Makes the memories of one engine's instances, for one instantiation at a time."""

    def __init__(self, config: wasmtime.Config) -> None:
        self._limit = 0
        self._latest: LinearMemory | None = None
        self._live: dict[int, LinearMemory] = {}
        self._handles = itertools.count(1)
        # The engine holds no Python reference to the callbacks, so this object keeps them alive.
        self._callbacks = (
            c_api.wasmtime_new_memory_callback_t(self._create),
            c_api.wasmtime_memory_get_callback_t(self._describe),
            c_api.wasmtime_memory_grow_callback_t(self._grow),
            _Finalizer(self._forget),
            _Finalizer(_ignore),
        )
        self._creator = c_api.wasmtime_memory_creator(None, self._callbacks[0], self._callbacks[4])
        config.memory_reservation = 0
        config.memory_guard_size = 0
        config.memory_reservation_for_growth = 0
        config.memory_may_move = False
        config.memory_init_cow = False
        c_api.wasmtime_config_host_memory_creator_set(config.ptr(), ctypes.byref(self._creator))

    def expect(self, limit: int) -> None:
        """Set the limit of the next instance's memory, bytes."""
        self._limit, self._latest = limit, None

    def take(self) -> LinearMemory | None:
        """Return the memory made since :meth:`expect`; None if the module has no memory, or starts with more than the
        limit."""
        memory, self._latest = self._latest, None
        return memory

    def _create(self, _: Any, _type: Any, minimum: int, _maximum: int, _reserve: int, _guard: int, result: Any) -> int:
        if minimum > self._limit:
            return _failure(f"{minimum} bytes of memory are above the limit of {self._limit}")
        handle = next(self._handles)
        self._latest = self._live[handle] = LinearMemory(minimum, self._limit)
        described = result[0]
        described.env = handle
        described.get_memory, described.grow_memory, described.finalizer = self._callbacks[1:4]
        return 0

    def _describe(self, handle: int, size: Any, capacity: Any) -> int:
        memory = self._live[handle]
        size[0], capacity[0] = memory.size, _ADDRESSABLE
        return memory.address

    def _grow(self, handle: int, size: int) -> int:
        memory = self._live[handle]
        return 0 if memory.grow(size) else _failure(f"the limit is {memory.limit} bytes")

    def _forget(self, handle: int) -> None:
        self._live.pop(handle, None)


def _failure(message: str) -> int:
    """Return the address of a new ``wasmtime_error_t``, which then belongs to wasmtime."""
    return ctypes.cast(wasmtime.WasmtimeError(message)._consume(), ctypes.c_void_p).value or 0


def _ignore(_: object) -> None:
    pass
