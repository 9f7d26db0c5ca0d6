"""Modules are held once and judged once, however many devices they go to."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable
from weakref import WeakValueDictionary

from harness.wasmbed.protocol.messages import Limits
from harness.wasmbed.resources.deployments import DeploymentRequest
from harness.wasmbed.runtime.validation import InvalidModule, ModuleInfo, validate

__all__ = ["Module", "ModuleLibrary", "TooManyModules"]

Verdict = ModuleInfo | InvalidModule
Key = tuple[bytes, int, str]

_SMALL = 16 << 10
"""Bytes; what is no larger is judged on the spot, the rest in a worker thread."""
_VERDICTS = 256


class TooManyModules(Exception):
    """So many different modules wait to be sent already."""


class Module:
    """A module that somebody holds, shared by all who do."""

    __slots__ = ("__weakref__", "data", "sha256")

    def __init__(self, data: bytes, sha256: bytes) -> None:
        self.data, self.sha256 = data, sha256


class ModuleLibrary:
    """At most ``capacity`` different modules at once, and the last verdicts on more."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._held: WeakValueDictionary[bytes, Module] = WeakValueDictionary()
        self._verdicts: OrderedDict[Key, Verdict] = OrderedDict()
        self._pending: dict[Key, asyncio.Future[Verdict]] = {}

    def hold(self, request: DeploymentRequest) -> Module:
        """The request's module, as long as the answer is kept. Raises :class:`TooManyModules`."""
        digest = request.sha256
        module = self._held.get(digest)
        if module is None:
            if len(self._held) >= self._capacity:
                raise TooManyModules(f"{self._capacity} modules are waiting to be sent")
            module = self._held[digest] = Module(request.module, digest)
        return module

    async def validate(self, module: Module, limits: Limits, entry: str) -> ModuleInfo:
        """Judge ``module`` for these limits. Raises :class:`InvalidModule`."""
        key = (module.sha256, limits.memory, entry)
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = await self._judge(key, module, limits)
        else:
            self._verdicts.move_to_end(key)
        if isinstance(verdict, InvalidModule):
            raise InvalidModule(verdict.reason)
        return verdict

    def _judge(self, key: Key, module: Module, limits: Limits) -> Awaitable[Verdict]:
        if key not in self._pending:
            judging = asyncio.ensure_future(_judge(module.data, limits, key[2]))
            judging.add_done_callback(lambda done: self._remember(key, done))
            self._pending[key] = judging
        return asyncio.shield(self._pending[key])

    def _remember(self, key: Key, judged: asyncio.Future[Verdict]) -> None:
        del self._pending[key]
        if judged.cancelled() or judged.exception() is not None:
            return
        self._verdicts[key] = judged.result()
        while len(self._verdicts) > _VERDICTS:
            self._verdicts.popitem(last=False)


async def _judge(module: bytes, limits: Limits, entry: str) -> Verdict:
    try:
        if len(module) <= _SMALL:
            return validate(module, limits, entry)
        return await asyncio.to_thread(validate, module, limits, entry)
    except InvalidModule as invalid:
        return invalid
