"""Controller managers on an embedded cluster, with a clock that tests move and scripted gateways."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, TypeVar

from harness.clusters.embedded import EmbeddedCluster
from harness.core.clock import Clock, ManualClock
from harness.core.identifiers import Randomness
from harness.wasmbed.controllers import ControllerManager, ControllerSettings
from harness.wasmbed.controllers.gateway_client import GatewayClient
from harness.wasmbed.resources import manifests
from harness.wasmbed.resources.api import Conflict, NotFound, Object, Resource, ResourceApi, ResourceList, WatchEvent
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY
from harness.wasmbed.resources.phases import route
from harness.wasmbed.resources.statuses import disconnected_status
from harness.wasmbed.resources.timestamps import format_timestamp
from harness.wasmbed.resources.views import Application, Device, Gateway

T = TypeVar("T")

MODULE = b"\0asm\1\0\0\0"
VIEWS = {DEVICE: Device, APPLICATION: Application, GATEWAY: Gateway}


class Gateways(GatewayClient):
    """All gateways at once: notes the requests, and answers for the devices.

    ``answers[device]`` is what a deployment leads to: states one after the other, or an exception that the request
    raises. A list is used up from the front, its last element for good.
    """

    def __init__(self, api: ResourceApi, clock: ManualClock) -> None:
        self.api, self.clock = api, clock
        self.calls: list[tuple[str, str]] = []
        self.answers: dict[str, Any] = {}
        self.stop_answers: dict[str, Any] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def deploy(self, gateway: Gateway, application: str, device: str, body: bytes) -> None:
        self.calls.append(("deploy", device))
        answer = self._answer(self.answers, device, ["receiving", "deployed", "running"])
        generation = json.loads(body)["generation"]
        self._spawn(self._report(application, device, answer, generation=generation))

    async def stop(self, gateway: Gateway, application: str, device: str) -> None:
        self.calls.append(("stop", device))
        self._spawn(self._report(application, device, self._answer(self.stop_answers, device, ["stopped"])))

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()

    def count(self, verb: str) -> Counter[str]:
        return Counter(device for called, device in self.calls if called == verb)

    def _answer(self, answers: dict[str, Any], device: str, default: list[str]) -> Any:
        answer = answers.get(device, default)
        if isinstance(answer, list) and answer and not isinstance(answer[0], str | dict):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _report(self, application: str, device: str, states: Iterable[Any], **more: Any) -> None:
        for state in states:
            entry = {"error": None, "code": None, **more, **(state if isinstance(state, dict) else {"state": state})}
            entry["updated"] = format_timestamp(self.clock.now())
            try:
                await self.api.patch_status(APPLICATION, application, {"status": {"deviceStatuses": {device: entry}}})
            except NotFound:
                return


class Broken(ResourceApi):
    """An API client with faults: ``faults`` maps a method's name to exceptions that it raises first."""

    def __init__(self, api: ResourceApi) -> None:
        self.api, self.namespace, self.closed = api, api.namespace, False
        self.faults: dict[str, list[Exception]] = {}

    def _trip(self, method: str) -> None:
        pending = self.faults.get(method)
        if pending:
            raise pending.pop(0)

    async def get(self, resource: Resource, name: str) -> Object:
        self._trip("get")
        return await self.api.get(resource, name)

    async def list(self, resource: Resource, **selectors: Any) -> ResourceList:
        self._trip("list")
        return await self.api.list(resource, **selectors)

    async def create(self, resource: Resource, body: Object) -> Object:
        self._trip("create")
        return await self.api.create(resource, body)

    async def replace(self, resource: Resource, name: str, body: Object) -> Object:
        self._trip("replace")
        return await self.api.replace(resource, name, body)

    async def patch(self, resource: Resource, name: str, patch: Object) -> Object:
        self._trip("patch")
        return await self.api.patch(resource, name, patch)

    async def patch_status(self, resource: Resource, name: str, patch: Object) -> Object:
        self._trip("patch_status")
        return await self.api.patch_status(resource, name, patch)

    async def delete(self, resource: Resource, name: str, **preconditions: Any) -> None:
        self._trip("delete")
        await self.api.delete(resource, name, **preconditions)

    def watch(self, resource: Resource, **options: Any) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent]]:
        self._trip("watch")
        return self.api.watch(resource, **options)

    async def close(self) -> None:
        self.closed = True
        await self.api.close()


class World:
    """One cluster, one Gateway, and the managers of a test."""

    STEP = 0.05

    def __init__(self) -> None:
        self.clock, self.randomness = ManualClock(), Randomness(1)
        self.requests: list[tuple[str, str, Any, str]] = []
        self.cluster = EmbeddedCluster(self.clock, self.randomness, "wasmbed", self._tap)
        self.managers: list[ControllerManager] = []
        self.alive: set[str] = set()
        self.beat = self.clock.now()
        self.settings = ControllerSettings()

    def _tap(self, source: str, target: str, name: str, data: Any, correlation: str) -> None:
        if target == "Kubernetes":
            self.requests.append((source, name, data, correlation))

    async def start(self) -> None:
        await self.cluster.start()
        self.api = self.cluster.client("User")
        self.gateways = Gateways(self.cluster.client("Gateway"), self.clock)
        await self.gateway("gateway-1")

    async def stop(self) -> None:
        for manager in self.managers:
            await manager.stop()
        await self.gateways.close()
        await self.cluster.stop()

    def client(self, name: str) -> Broken:
        return Broken(self.cluster.client(name))

    async def manager(
        self, *, clients: Callable[[str], ResourceApi] | None = None, clock: Clock | None = None, **options: Any
    ) -> ControllerManager:
        """Start a manager; the first one leads at once."""
        options.setdefault("gateway_client", self.gateways)
        options.setdefault("settings", self.settings)
        manager = ControllerManager(clients or self.client, clock or self.clock, self.randomness, **options)
        self.managers.append(manager)
        await manager.start()
        return manager

    async def until(self, condition: Callable[[], Awaitable[T]], within: float = 30.0) -> T:
        """Advance the clock until ``condition`` (awaited) holds; returns its value."""
        end = self.clock.now() + within
        while not (found := await condition()):
            assert self.clock.now() < end, f"condition not met after {within} s: {self.gateways.calls}"
            await self._tick()
        return found

    async def _tick(self, step: float = STEP) -> None:
        await self.clock.advance(step)
        if self.clock.now() >= self.beat:
            self.beat = self.clock.now() + 10
            for name in self.alive:
                seen = format_timestamp(self.clock.now())
                await self.api.patch_status(GATEWAY, name, {"status": {"lastSeen": seen}})

    async def settle(self, seconds: float = 1.0) -> None:
        """Advance the clock by ``seconds``, in larger steps for long times."""
        step = max(self.STEP, seconds / 200)
        for _ in range(round(seconds / step)):
            await self._tick(step)

    async def get(self, resource: Resource, name: str) -> Any:
        return VIEWS[resource](await self.api.get(resource, name))

    async def reaches(self, name: str, phase: str, resource: Resource = APPLICATION, within: float = 30.0) -> Any:
        """Advance the clock until the resource is in that phase; returns its view."""
        seen: Any = None

        async def there() -> Any:
            nonlocal seen
            seen = await self.get(resource, name)
            return seen if seen.status.phase == phase else None

        try:
            return await self.until(there, within)
        except AssertionError as error:
            raise AssertionError(f"{name} is not {phase}: {seen.status}; {self.gateways.calls}") from error

    async def gone(self, name: str, resource: Resource = APPLICATION, within: float = 30.0) -> None:
        """Advance the clock until the resource is deleted."""

        async def gone() -> bool:
            try:
                await self.api.get(resource, name)
            except NotFound:
                return True
            return False

        await self.until(gone, within)

    async def gateway(self, name: str, **status: Any) -> None:
        """Create a gateway that is Online and writes beats while it is in ``alive``."""
        self.alive.add(name)
        with suppress(Conflict):
            await self.api.create(GATEWAY, manifests.gateway(name, endpoint="127.0.0.1:8081", capacity=10))
        seen = format_timestamp(self.clock.now())
        status = {"phase": "Online", "apiEndpoint": "http://127.0.0.1:1", "lastSeen": seen, **status}
        await self.api.patch_status(GATEWAY, name, {"status": status})

    async def device(
        self,
        name: str,
        phase: str = "Connected",
        *,
        labels: dict[str, str] | None = None,
        gateway: str = "gateway-1",
        **spec: Any,
    ) -> None:
        """Create a device that its gateway has moved to ``phase``."""
        options = {"capabilities": ["wasm", "tls", "cbor"], **spec}
        await self.api.create(
            DEVICE, manifests.device(name, public_key=b"\x30\x00", device_type="mcu", labels=labels, **options)
        )
        await self.move(name, phase, gateway=gateway)

    async def move(self, name: str, phase: str, *, gateway: str = "gateway-1", running: Iterable[str] = ()) -> None:
        """Write the phases up to ``phase`` as the gateway does; the controller writes Enrolled.

        ``running``: the applications in the device's first heartbeat.
        """
        present = (await self.get(DEVICE, name)).status.phase
        steps = route(DEVICE, present, phase)
        if phase == "Connected" and present in ("Pending", "Enrolling"):
            steps = [*route(DEVICE, present, "Enrolled"), phase]
        for step in steps:
            status: Object = {"phase": step, "gateway": gateway}
            if step == "Enrolled":
                await self.reaches(name, "Enrolled", DEVICE)
                continue
            if step == "Connected":
                await self.clock.advance(0.001)
                status.update(connectedSince=format_timestamp(self.clock.now()), health="healthy", error=None)
                status["applications"] = [{"name": application, "state": "running"} for application in running]
            if step == "Disconnected":
                status.update(disconnected_status())
            await self.api.patch_status(DEVICE, name, {"status": status})

    async def reboot(self, name: str) -> None:
        await self.move(name, "Disconnected")
        await self.move(name, "Enrolling")
        await self.move(name, "Connected")

    async def application(self, name: str = "blink", module: bytes | None = MODULE, **options: Any) -> None:
        if not options.keys() & {"device_names", "match_labels", "match_expressions", "all_devices"}:
            options["device_names"] = ["edge-1"]
        if "reference" in options:
            module = None
        await self.api.create(APPLICATION, manifests.application(name, module=module, **options))

    async def change(self, name: str = "blink", **spec: Any) -> None:
        await self.api.patch(APPLICATION, name, {"spec": spec})

    def phases(self, name: str = "blink") -> list[str]:
        """Return the phases that were written for an application, in order."""
        return [
            data["status"]["phase"]
            for _, request, data, correlation in self.requests
            if request == "PATCH Application" and correlation == name and "phase" in (data.get("status") or {})
        ]
