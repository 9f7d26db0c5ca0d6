"""The smoke test of a platform that runs: a board enrolls, and an application runs on it and stops.

It asks the Kubernetes API alone, so that it is the same for programs on this machine and in a cluster, and leaves
nothing behind.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import wasmtime

from harness.core.clock import Clock
from harness.core.errors import ProductFailure, RigError
from harness.core.identifiers import Randomness
from harness.wasmbed.resources import manifests
from harness.wasmbed.resources.api import NotFound, Object, Resource, ResourceApi
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE

__all__ = ["smoke_test"]

BOARD = "virtual"
MODULE = '(module (memory (export "memory") 1) (func (export "run")))'


async def smoke_test(
    api: ResourceApi, clock: Clock, randomness: Randomness, within: float, tell: Callable[[str], object]
) -> None:
    """Try the platform of ``api``, each step for at most ``within`` seconds. Raises ProductFailure at a step that
    fails, with what to do."""
    name = f"smoke-{randomness.bytes(4).hex()}"
    devices, applications = (Informer(api, kind, clock, randomness) for kind in (DEVICE, APPLICATION))
    steps = _Steps(clock, within, tell)
    async with (
        _started(devices, clock, within),
        _started(applications, clock, within),
        _removed(api, steps, name, applications, devices),
    ):
        await api.create(DEVICE, manifests.device_with_board(name, BOARD))
        await steps.reach(devices, name, "Connected", _board_hint)
        module = wasmtime.wat2wasm(MODULE)
        await api.create(APPLICATION, manifests.application(name, module=bytes(module), device_names=[name]))
        await steps.reach(applications, name, "Running", lambda _: "see wasmbed platform logs controllers")
        await api.patch(APPLICATION, name, {"spec": {"stopped": True}})
        await steps.reach(applications, name, "Stopped", lambda _: "see wasmbed platform logs controllers")
    tell("nothing is left of it")


class _Steps:
    """Waits for one phase after the other, and says how long each took."""

    def __init__(self, clock: Clock, within: float, tell: Callable[[str], object]) -> None:
        self._clock, self._within, self._tell = clock, within, tell

    async def reach(self, informer: Informer, name: str, phase: str, hint: Callable[[Object], str]) -> None:
        begun, kind = self._clock.now(), informer.resource.kind
        try:
            await informer.wait_for(name, lambda object: _phase(object) == phase, self._within)
        except TimeoutError:
            object = informer.get(name) or {}
            what = f"{kind} {name} is {_phase(object) or 'not there'} and not {phase} after {self._within:g} s"
            raise ProductFailure(what, where="platform test", do=hint(object)) from None
        self._tell(f"{kind.lower():<12} {name} {phase} after {self._clock.now() - begun:.1f} s")

    async def is_gone(self, informer: Informer, name: str) -> None:
        try:
            await informer.wait_for(name, lambda object: object is None, self._within)
        except TimeoutError:
            what = f"{informer.resource.kind} {name} is still there {self._within:g} s after it was deleted"
            do = f"see what holds it: kubectl get {informer.resource.plural} {name} -o yaml"
            raise ProductFailure(what, where="platform test", do=do) from None


def _phase(object: Object | None) -> str | None:
    phase: str | None = ((object or {}).get("status") or {}).get("phase")
    return phase


def _board_hint(device: Object) -> str:
    board = (device.get("status") or {}).get("board")
    if board is None:
        return "no emulator manager has taken its board: see whether wasmbed emulators runs"
    return f"its board is {board.get('phase')}: see wasmbed platform logs emulators gateway-1"


@asynccontextmanager
async def _started(informer: Informer, clock: Clock, within: float) -> AsyncIterator[None]:
    try:
        try:
            async with clock.deadline(within):
                await informer.start()
        except TimeoutError:
            what = f"the API server has not listed {informer.resource.plural} within {within:g} s"
            raise RigError(what, where="platform test", do="see wasmbed platform status") from None
        yield
    finally:
        await informer.stop()


@asynccontextmanager
async def _removed(api: ResourceApi, steps: _Steps, name: str, *informers: Informer) -> AsyncIterator[None]:
    """Delete the objects of that name at the end, in this order."""
    try:
        yield
    finally:
        for informer in informers:
            await _delete(api, informer.resource, name)
    for informer in informers:
        await steps.is_gone(informer, name)


async def _delete(api: ResourceApi, resource: Resource, name: str) -> None:
    try:
        await api.delete(resource, name)
    except NotFound:
        return
