"""Controller managers on an embedded cluster, with a clock that tests move and scripted gateways."""

import asyncio
import json
from collections import Counter
from contextlib import suppress

from harness.clusters.embedded import EmbeddedCluster
from harness.core.clock import ManualClock
from harness.core.identifiers import Randomness
from harness.wasmbed.controllers import ControllerManager, ControllerSettings
from harness.wasmbed.controllers.gateway_client import GatewayClient
from harness.wasmbed.resources import manifests
from harness.wasmbed.resources.api import Conflict, NotFound, ResourceApi
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY
from harness.wasmbed.resources.phases import route
from harness.wasmbed.resources.timestamps import format_timestamp
from harness.wasmbed.resources.views import Application, Device, Gateway

MODULE = b"\0asm\1\0\0\0"
VIEWS = {DEVICE: Device, APPLICATION: Application, GATEWAY: Gateway}


class Gateways(GatewayClient):
    """All gateways at once: notes what is asked, and lets devices answer.

    ``answers[device]`` is what a deployment leads to: states one after the other, or an exception that the request
    raises. A list is used up from the front, its last element for good.
    """

    def __init__(self, api, clock):
        self.api, self.clock = api, clock
        self.calls = []
        self.answers = {}
        self.stop_answers = {}
        self.tasks = set()

    async def deploy(self, gateway, application, device, body):
        self.calls.append(("deploy", device))
        answer = self._answer(self.answers, device, ["receiving", "deployed", "running"])
        generation = json.loads(body)["generation"]
        self._spawn(self._report(application, device, answer, generation=generation))

    async def stop(self, gateway, application, device):
        self.calls.append(("stop", device))
        self._spawn(self._report(application, device, self._answer(self.stop_answers, device, ["stopped"])))

    async def close(self):
        for task in self.tasks:
            task.cancel()

    def count(self, verb):
        return Counter(device for called, device in self.calls if called == verb)

    def _answer(self, answers, device, default):
        answer = answers.get(device, default)
        if isinstance(answer, list) and answer and not isinstance(answer[0], str | dict):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _spawn(self, coroutine):
        task = asyncio.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _report(self, application, device, states, **more):
        for state in states:
            entry = {"error": None, "code": None, **more, **(state if isinstance(state, dict) else {"state": state})}
            entry["updated"] = format_timestamp(self.clock.now())
            try:
                await self.api.patch_status(APPLICATION, application, {"status": {"deviceStatuses": {device: entry}}})
            except NotFound:
                return


class Broken(ResourceApi):
    """Another API client, with errors in its way: ``faults`` maps a method's name to exceptions it raises first."""

    def __init__(self, api):
        self.api, self.namespace, self.faults, self.closed = api, api.namespace, {}, False

    def _trip(self, method):
        pending = self.faults.get(method)
        if pending:
            raise pending.pop(0)

    async def get(self, resource, name):
        self._trip("get")
        return await self.api.get(resource, name)

    async def list(self, resource, **selectors):
        self._trip("list")
        return await self.api.list(resource, **selectors)

    async def create(self, resource, body):
        self._trip("create")
        return await self.api.create(resource, body)

    async def replace(self, resource, name, body):
        self._trip("replace")
        return await self.api.replace(resource, name, body)

    async def patch(self, resource, name, patch):
        self._trip("patch")
        return await self.api.patch(resource, name, patch)

    async def patch_status(self, resource, name, patch):
        self._trip("patch_status")
        return await self.api.patch_status(resource, name, patch)

    async def delete(self, resource, name, **preconditions):
        self._trip("delete")
        await self.api.delete(resource, name, **preconditions)

    def watch(self, resource, **options):
        self._trip("watch")
        return self.api.watch(resource, **options)

    async def close(self):
        self.closed = True
        await self.api.close()


class World:
    """One cluster, one gateway resource, and managers as the test wants them."""

    STEP = 0.05

    def __init__(self) -> None:
        self.clock, self.randomness = ManualClock(), Randomness(1)
        self.requests = []
        self.cluster = EmbeddedCluster(self.clock, self.randomness, "wasmbed", self._tap)
        self.managers = []
        self.alive, self.beat = set(), self.clock.now()
        self.settings = ControllerSettings()

    def _tap(self, source, target, name, data, correlation):
        if target == "Kubernetes":
            self.requests.append((source, name, data, correlation))

    async def start(self):
        await self.cluster.start()
        self.api = self.cluster.client("User")
        self.gateways = Gateways(self.cluster.client("Gateway"), self.clock)
        await self.gateway("gateway-1")

    async def stop(self):
        for manager in self.managers:
            await manager.stop()
        await self.gateways.close()
        await self.cluster.stop()

    def client(self, name):
        return Broken(self.cluster.client(name))

    async def manager(self, *, clients=None, **options):
        """Start a manager; the first one leads at once."""
        options.setdefault("gateway_client", self.gateways)
        options.setdefault("settings", self.settings)
        manager = ControllerManager(clients or self.client, self.clock, self.randomness, **options)
        self.managers.append(manager)
        await manager.start()
        return manager

    async def until(self, condition, within=30.0):
        """Move time until ``condition`` (awaited) holds; returns what it gave."""
        end = self.clock.now() + within
        while not (found := await condition()):
            assert self.clock.now() < end, f"not so after {within} s: {self.gateways.calls}"
            await self._tick()
        return found

    async def _tick(self, step=STEP):
        await self.clock.advance(step)
        if self.clock.now() >= self.beat:
            self.beat = self.clock.now() + 10
            for name in self.alive:
                seen = format_timestamp(self.clock.now())
                await self.api.patch_status(GATEWAY, name, {"status": {"lastSeen": seen}})

    async def settle(self, seconds=1.0):
        """Let ``seconds`` pass, in larger steps where they are many."""
        step = max(self.STEP, seconds / 200)
        for _ in range(round(seconds / step)):
            await self._tick(step)

    async def get(self, resource, name):
        return VIEWS[resource](await self.api.get(resource, name))

    async def reaches(self, name, phase, resource=APPLICATION, within=30.0):
        """Move time until the resource is in that phase; returns its view."""
        seen = None

        async def there():
            nonlocal seen
            seen = await self.get(resource, name)
            return seen if seen.status.phase == phase else None

        try:
            return await self.until(there, within)
        except AssertionError as error:
            raise AssertionError(f"{name} is not {phase}: {seen.status}; {self.gateways.calls}") from error

    async def gone(self, name, resource=APPLICATION, within=30.0):
        """Move time until there is no such resource."""

        async def gone():
            try:
                await self.api.get(resource, name)
            except NotFound:
                return True

        await self.until(gone, within)

    async def gateway(self, name, **status):
        """A gateway that registered, is Online and goes on saying so while it is in ``alive``."""
        self.alive.add(name)
        with suppress(Conflict):
            await self.api.create(GATEWAY, manifests.gateway(name, endpoint="127.0.0.1:8081", capacity=10))
        seen = format_timestamp(self.clock.now())
        status = {"phase": "Online", "apiEndpoint": "http://127.0.0.1:1", "lastSeen": seen, **status}
        await self.api.patch_status(GATEWAY, name, {"status": status})

    async def device(self, name, phase="Connected", *, labels=None, gateway="gateway-1", **spec):
        """A device that the gateway brought as far as ``phase``."""
        options = {"capabilities": ["wasm", "tls", "cbor"], **spec}
        await self.api.create(
            DEVICE, manifests.device(name, public_key=b"\x30\x00", device_type="mcu", labels=labels, **options)
        )
        await self.move(name, phase, gateway=gateway)

    async def move(self, name, phase, *, gateway="gateway-1", running=()):
        """Write as the gateway does when the device gets there; Enrolled is the controller's to write. ``running``: the
        applications that its first heartbeat names."""
        present = (await self.get(DEVICE, name)).status.phase
        steps = route(DEVICE, present, phase)
        if phase == "Connected" and present in ("Pending", "Enrolling"):
            steps = [*route(DEVICE, present, "Enrolled"), phase]
        for step in steps:
            status = {"phase": step, "gateway": gateway}
            if step == "Enrolled":
                await self.reaches(name, "Enrolled", DEVICE)
                continue
            if step == "Connected":
                await self.clock.advance(0.001)
                status.update(connectedSince=format_timestamp(self.clock.now()), health="healthy", error=None)
                status["applications"] = [{"name": application, "state": "running"} for application in running]
            if step == "Disconnected":
                status.update(connectedSince=None, lastHeartbeat=None, deviceStatus="Stopped", error="Connection lost")
            await self.api.patch_status(DEVICE, name, {"status": status})

    async def reboot(self, name):
        await self.move(name, "Disconnected")
        await self.move(name, "Enrolling")
        await self.move(name, "Connected")

    async def application(self, name="blink", module=MODULE, **options):
        if not options.keys() & {"device_names", "match_labels", "all_devices"}:
            options["device_names"] = ["edge-1"]
        if "reference" in options:
            module = None
        await self.api.create(APPLICATION, manifests.application(name, module=module, **options))

    async def change(self, name="blink", **spec):
        await self.api.patch(APPLICATION, name, {"spec": spec})

    def phases(self, name="blink"):
        """The phases that were written for an application, in order."""
        return [
            data["status"]["phase"]
            for _, request, data, correlation in self.requests
            if request == "PATCH Application" and correlation == name and "phase" in (data.get("status") or {})
        ]
