"""A gateway with real TLS and CBOR, scripted devices, and an API server in memory."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import aiohttp
import pytest
import wasmtime
from cryptography import x509

from harness.core.clock import Clock, SystemClock
from harness.core.identifiers import Randomness
from harness.core.network import SystemNetwork
from harness.wasmbed.gateway import Gateway, GatewaySettings
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.certificates import CertificateManager
from harness.wasmbed.pki.identity import Identity, create_signing_request
from harness.wasmbed.pki.keys import generate_key
from harness.wasmbed.pki.server_authorities import ServerAuthorities
from harness.wasmbed.pki.tls import client_context
from harness.wasmbed.protocol.errors import LinkClosed
from harness.wasmbed.protocol.link import Link, Side
from harness.wasmbed.protocol.messages import (
    ChunkAcknowledgment,
    Deploy,
    DeploymentResult,
    DeviceInfoRequest,
    EnrollmentAcknowledgment,
    EnrollmentRequest,
    EnrollmentResponse,
    Envelope,
    Error,
    Heartbeat,
    HeartbeatAcknowledgment,
    Message,
    ModuleChunk,
)
from harness.wasmbed.resources.api import (
    ApiError,
    Conflict,
    Object,
    ResourceApi,
)
from harness.wasmbed.resources.deployments import DeploymentRequest
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import APPLICATION, CONFIG_MAP, DEVICE, GATEWAY, SECRET
from harness.wasmbed.resources.names import CRL_CONFIG_MAP, CRL_KEY, PURPOSE_LABEL, PURPOSE_PAIRING, pairing_secret
from harness.wasmbed.resources.views import Application, Device
from harness.wasmbed.resources.views import Gateway as GatewayView
from tests.gateway.memory_api import MemoryApi

M = TypeVar("M", bound=Message)
Event = tuple[str, str, str, Mapping[str, Any], str]

MODULE = bytes(wasmtime.wat2wasm('(module (memory (export "memory") 1) (func (export "run")))'))


class Confirmer:
    """Confirms enrollments as the device controller does, unless it is ``absent``."""

    def __init__(self, api: ResourceApi, clock: Clock) -> None:
        self.api = api
        self.refuses: str | None = None
        self.absent = False
        self._informer = Informer(api, DEVICE, clock, Randomness())
        self._informer.add_handler(self._changed)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        await self._informer.start()

    async def stop(self) -> None:
        await self._informer.stop()
        await asyncio.gather(*self._tasks)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and Device(new).status.phase == "Enrolling" and not self.absent:
            self._tasks.add(asyncio.create_task(self._confirm(Device(new))))

    async def _confirm(self, device: Device) -> None:
        status = {"phase": "Enrolled"} if self.refuses is None else {"phase": "Failed", "error": self.refuses}
        patch = {"metadata": {"resourceVersion": device.resource_version}, "status": status}
        try:
            await self.api.patch_status(DEVICE, device.name, patch)
        except ApiError:
            return


class ScriptedDevice:
    """The device's end of a link, which sends what a test asks for."""

    def __init__(self, world: World, link: Link, identity: Identity | None) -> None:
        self.world, self.link, self.identity = world, link, identity
        self.id = ""
        self.queries: list[int] = []

    async def receive(self) -> Envelope:
        """Return the next message; device information requests are kept in :attr:`queries` instead."""
        async with asyncio.timeout(120):
            while isinstance((envelope := await self.link.receive()).message, DeviceInfoRequest):
                self.queries.append(envelope.message_id)
            return envelope

    async def expect(self, kind: type[M]) -> M:
        """Return the next message, which must be of type ``kind``."""
        envelope = await self.receive()
        assert isinstance(envelope.message, kind), envelope
        return envelope.message

    async def ask(self, message: Message, kind: type[M]) -> M:
        """Send a request and return the reply, which must carry its id."""
        message_id = self.link.send(message)
        envelope = await self.receive()
        assert isinstance(envelope.message, kind), envelope
        assert envelope.message_id == message_id
        return envelope.message

    async def refused(self, message: Message) -> Error:
        """Send a request that is answered with an error."""
        return await self.ask(message, Error)

    async def closed(self) -> str:
        """Wait until the gateway has closed the link; returns the reason at this end."""
        with pytest.raises(LinkClosed) as closed:
            await self.receive()
        return closed.value.reason

    def request(self, **changes: Any) -> EnrollmentRequest:
        """Return a valid enrollment request with the given changes."""
        fields: dict[str, Any] = {
            "device_type": "virtual",
            "mcu_type": "scripted",
            "architecture": "none",
            "capabilities": ["wasm", "tls", "cbor"],
            "public_key": self.identity.public_key_der if self.identity else b"",
            "firmware_version": "1.0",
            "nonce": self.world.randomness.bytes(16),
        }
        return EnrollmentRequest(**{**fields, **changes})

    def heartbeat(self, **changes: Any) -> Heartbeat:
        fields: dict[str, Any] = {
            "device_id": self.id,
            "device_time": 1000,
            "status": "running",
            "metrics": {"uptime_ms": 1000},
            "runtime_status": "ready",
            "applications": {},
        }
        return Heartbeat(**{**fields, **changes})

    async def enroll(self, **changes: Any) -> EnrollmentResponse:
        response = await self.ask(self.request(**changes), EnrollmentResponse)
        self.id = response.device_id
        self.link.send(EnrollmentAcknowledgment(self.id))
        return response

    async def beat(self, **changes: Any) -> HeartbeatAcknowledgment:
        return await self.ask(self.heartbeat(**changes), HeartbeatAcknowledgment)

    async def connect(self, **changes: Any) -> None:
        """Enroll, and send a heartbeat."""
        await self.enroll(**changes)
        await self.beat()

    async def take_module(self) -> tuple[Deploy, int, bytes]:
        """Receive a deployment up to the last chunk; returns it, its message id, and the module."""
        return await self._take_chunks(await self.receive())

    async def _take_chunks(self, envelope: Envelope) -> tuple[Deploy, int, bytes]:
        deploy = envelope.message
        assert isinstance(deploy, Deploy), envelope
        module = b""
        while len(module) < deploy.size:
            chunk = await self.receive()
            assert isinstance(chunk.message, ModuleChunk)
            assert chunk.message.index * deploy.chunk_size == len(module)
            module += chunk.message.data
            self.link.send(ChunkAcknowledgment(deploy.application_id, chunk.message.index), chunk.message_id)
        return deploy, envelope.message_id, module

    async def take_module_after_leftovers(self) -> tuple[Deploy, int, bytes]:
        """Ignore chunks of an earlier transfer, then do the same."""
        while not isinstance((envelope := await self.receive()).message, Deploy):
            assert isinstance(envelope.message, ModuleChunk)
        return await self._take_chunks(envelope)

    async def beat_between_chunks(self, **changes: Any) -> None:
        """Send a heartbeat while a transfer is under way."""
        self.link.send(self.heartbeat(**changes))
        while not isinstance((await self.receive()).message, HeartbeatAcknowledgment):
            pass

    async def accept_deployment(self) -> tuple[Deploy, bytes]:
        """Receive a deployment and report success; returns the deployment and the module."""
        deploy, message_id, module = await self.take_module()
        self.link.send(DeploymentResult(deploy.application_id, True, metrics={"load_ms": 1}), message_id)
        return deploy, module


class World:
    """Authorities, an API, a gateway, and the devices of a test."""

    def __init__(self, clock: Clock, api: Any = None, **settings: Any) -> None:
        self.clock, self.network, self.randomness = clock, SystemNetwork(), Randomness()
        self.servers = ServerAuthorities("servers", clock)
        self.devices = Authority.create("devices", clock, algorithm="p256")
        self.api = api or MemoryApi()
        self.controller = Confirmer(self.api, clock)
        self.events: list[Event] = []
        self.recorded = asyncio.Event()
        self.poison: str | None = None
        """The device whose next heartbeat breaks the recorder."""
        quick = {"listen": ("127.0.0.1", 0), "http": ("127.0.0.1", 0), "retry_after": 1.5}
        self.settings = GatewaySettings(**{**quick, **settings})
        self.identities = self.servers.issue("gateway")
        self.gateway = self.make_gateway()
        self.stack = AsyncExitStack()

    def make_gateway(self, settings: GatewaySettings | None = None, authority: Authority | None = None) -> Gateway:
        return Gateway(
            settings or self.settings,
            self.identities,
            CertificateManager(self.devices.certificate, self.clock),
            self.api,
            self.clock,
            self.network,
            self.randomness,
            tap=self._record,
            authority=authority or self.devices,
        )

    def _record(self, *event: Any) -> None:
        if self.poison == event[4] and event[2] == "Heartbeat":
            raise RuntimeError("the recorder broke")
        self.events.append(event)  # type: ignore[arg-type]
        self.recorded.set()
        self.recorded = asyncio.Event()

    # Devices.

    def make_identity(self, name: str, authority: Authority | None = None, **overrides: Any) -> Identity:
        key = generate_key("p256")
        return Identity(key, (authority or self.devices).issue_device(name, key.public_key(), **overrides))

    async def device(self, name: str = "dev-1", identity: Identity | None = None) -> ScriptedDevice:
        """Return a device with a certificate, after its handshake."""
        return await self.dial(identity or self.make_identity(name))

    async def dial(self, identity: Identity | None, gateway: Gateway | None = None) -> ScriptedDevice:
        tls = client_context(self.servers.certificates, identity, self.clock)
        endpoint = (gateway or self.gateway).endpoint
        link = await self.network.connect(
            lambda: Link(Side.DEVICE, opened=lambda link: None), endpoint, tls=tls, server_name="localhost"
        )
        self.stack.callback(link.abort)
        return ScriptedDevice(self, link, identity)

    async def connected(self, name: str = "dev-1", **changes: Any) -> ScriptedDevice:
        """Return a device whose recorded phase is Connected."""
        device = await self.device(name)
        await device.connect(**changes)
        await self.phase(name, "Connected")
        return device

    def signing_request(self, name: str) -> tuple[Any, bytes]:
        key = generate_key("p256")
        return key, create_signing_request(key, name)

    async def give_token(self, name: str, token: str = "sesame", **metadata: Any) -> None:
        labels = {"labels": {PURPOSE_LABEL: PURPOSE_PAIRING}}
        secret = {
            "metadata": {"name": pairing_secret(name), **labels, **metadata},
            "data": {"token": b64encode(token.encode()).decode()},
        }
        await self.api.create(SECRET, secret)

    async def revoke(self, *identities: Identity) -> None:
        for identity in identities:
            self.devices.revoke(x509.load_der_x509_certificate(identity.certificate).serial_number)
        await self.publish_crl(b64encode(self.devices.crl()).decode())

    async def publish_crl(self, content: str) -> None:
        body = {"metadata": {"name": CRL_CONFIG_MAP}, "binaryData": {CRL_KEY: content}}
        try:
            await self.api.create(CONFIG_MAP, body)
        except Conflict:
            await self.api.patch(CONFIG_MAP, CRL_CONFIG_MAP, body)

    # The record.

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until a change at the API makes ``condition`` true."""
        async with asyncio.timeout(120):
            while not condition():
                await self.api.changed.wait()

    async def until_recorded(self, name: str, count: int = 1) -> list[Event]:
        """Wait until the tap has seen ``count`` events of this name; returns them."""
        async with asyncio.timeout(120):
            while len(self.named(name)) < count:
                await self.recorded.wait()
        return self.named(name)

    def named(self, name: str) -> list[Event]:
        return [event for event in self.events if event[2] == name]

    def find_device(self, name: str = "dev-1") -> Device | None:
        found = self.api.objects.get((DEVICE.plural, name))
        return None if found is None else Device(found)

    async def phase(self, name: str, phase: str) -> Device:
        """Wait until the device's recorded phase is ``phase``."""
        await self.until(lambda: (device := self.find_device(name)) and device.status.phase == phase)
        device = self.find_device(name)
        assert device is not None
        return device

    def phases(self, name: str = "dev-1") -> list[str]:
        """Return every recorded phase of the device, in order."""
        found: list[str] = []
        for resource, event in self.api.log:
            if resource == DEVICE and event.object["metadata"]["name"] == name:
                phase = Device(event.object).status.phase
                if found[-1:] != [phase]:
                    found.append(phase)
        return found

    def gateway_object(self, name: str = "gateway-1") -> GatewayView:
        return GatewayView(self.api.objects[GATEWAY.plural, name])

    async def make_application(self, name: str = "app-1") -> None:
        await self.api.create(APPLICATION, {"metadata": {"name": name}, "spec": {}})

    def entry(self, device: str = "dev-1", application: str = "app-1") -> Mapping[str, Any]:
        """Return the application's entry for that device."""
        found = Application(self.api.objects[APPLICATION.plural, application])
        row = found.status.device_statuses.get(device)
        return {} if row is None else row.raw

    async def state(self, state: str, device: str = "dev-1", application: str = "app-1") -> Mapping[str, Any]:
        """Wait until that entry has the state."""
        await self.until(lambda: self.entry(device, application).get("state") == state)
        return self.entry(device, application)

    # The HTTP API.

    async def http(self, method: str, path: str, *, token: str | None = None, **more: Any) -> tuple[int, Any]:
        """Send a request; returns status and body, parsed if it is JSON."""
        if token is None:
            token = await self.token()
        host, port = self.gateway.http_endpoint
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session,
            session.request(method, f"http://{host}:{port}{path}", headers=headers, **more) as answer,
        ):
            return answer.status, await (answer.json() if answer.content_type == "application/json" else answer.text())

    async def token(self) -> str:
        secret = await self.api.get(SECRET, "gateway-gateway-1-api")
        return b64decode(secret["data"]["token"]).decode()

    async def deploy(
        self, device: str = "dev-1", application: str = "app-1", module: bytes = MODULE, **changes: Any
    ) -> tuple[int, Any]:
        request = DeploymentRequest(module, memory=1 << 20, fuel=1000, wall_time=100, generation=1)
        body = {**request.to_json(), **changes}
        return await self.http("PUT", f"/api/v1/applications/{application}/devices/{device}", json=body)

    async def stop(self, device: str = "dev-1", application: str = "app-1") -> tuple[int, Any]:
        return await self.http("DELETE", f"/api/v1/applications/{application}/devices/{device}")


@asynccontextmanager
async def running_world(
    make_clock: Callable[[], Clock] = SystemClock, *, starts: bool = True, **settings: Any
) -> AsyncIterator[World]:
    """A world with a gateway of these settings, which is started if ``starts``, and always stopped at the end."""
    world = World(make_clock(), **settings)
    await world.controller.start()
    try:
        if starts:
            await world.gateway.start()
        yield world
    finally:
        await world.stack.aclose()
        await world.gateway.kill()
        await world.controller.stop()
