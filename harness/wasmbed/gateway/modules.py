"""The modules to deploy: each is held once and validated once, however many devices it goes to."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable
from weakref import WeakValueDictionary

from harness.wasmbed.protocol.messages import Limits
from harness.wasmbed.resources.deployments import DeploymentRequest
from harness.wasmbed.runtime.validation import InvalidModule, ModuleInfo, validate

__all__ = ["Module", "ModuleLibrary", "TooManyModules"]

Result = ModuleInfo | InvalidModule
Key = tuple[bytes, int, str]

_SMALL = 16 << 10
"""Bytes; larger modules are validated in a worker thread."""
_RESULTS = 256
"""The number of validation results that are kept."""


class TooManyModules(Exception):
    """The gateway already holds as many different modules as it may."""


class Module:
    """A module, shared by all deployments of it."""

    __slots__ = ("__weakref__", "data", "sha256")

    def __init__(self, data: bytes, sha256: bytes) -> None:
        self.data, self.sha256 = data, sha256


class ModuleLibrary:
    """At most ``capacity`` different modules at once, and the latest results of validation."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._held: WeakValueDictionary[bytes, Module] = WeakValueDictionary()
        self._results: OrderedDict[Key, Result] = OrderedDict()
        self._pending: dict[Key, asyncio.Future[Result]] = {}

    def hold(self, request: DeploymentRequest) -> Module:
        """Return the request's module, which counts until the caller drops it. Raises :class:`TooManyModules`."""
        digest = request.sha256
        module = self._held.get(digest)
        if module is None:
            if len(self._held) >= self._capacity:
                raise TooManyModules(f"{self._capacity} modules are waiting to be sent")
            module = self._held[digest] = Module(request.module, digest)
        return module

    async def validate(self, module: Module, limits: Limits, entry: str) -> ModuleInfo:
        """Validate ``module`` for these limits. Raises :class:`InvalidModule`."""
        key = (module.sha256, limits.memory, entry)
        result = self._results.get(key)
        if result is None:
            result = await self._validate(key, module, limits)
        else:
            self._results.move_to_end(key)
        if isinstance(result, InvalidModule):
            raise InvalidModule(result.reason)
        return result

    def _validate(self, key: Key, module: Module, limits: Limits) -> Awaitable[Result]:
        if key not in self._pending:
            validating = asyncio.ensure_future(_validate(module.data, limits, key[2]))
            validating.add_done_callback(lambda done: self._remember(key, done))
            self._pending[key] = validating
        return asyncio.shield(self._pending[key])

    def _remember(self, key: Key, validated: asyncio.Future[Result]) -> None:
        del self._pending[key]
        if validated.cancelled() or validated.exception() is not None:
            return
        self._results[key] = validated.result()
        while len(self._results) > _RESULTS:
            self._results.popitem(last=False)


async def _validate(module: bytes, limits: Limits, entry: str) -> Result:
    try:
        if len(module) <= _SMALL:
            return validate(module, limits, entry)
        return await asyncio.to_thread(validate, module, limits, entry)
    except InvalidModule as invalid:
        return invalid
