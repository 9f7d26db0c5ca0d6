"""An API server on an embedded cluster, and callers with the three roles."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from harness.clusters.embedded import EmbeddedCluster
from harness.clusters.embedded.messages import Request
from harness.core.clock import ManualClock
from harness.core.identifiers import Randomness
from harness.core.network import SystemNetwork
from harness.wasmbed.api.roles import ROLES
from harness.wasmbed.api.server import ApiServer
from harness.wasmbed.api.settings import ApiSettings
from harness.wasmbed.resources import manifests
from harness.wasmbed.resources.api import Object, ResourceApi
from harness.wasmbed.resources.kinds import DEVICE, GATEWAY, SERVICE_ACCOUNT

MODULE = b"\0asm\1\0\0\0"
START = 1_700_000_000.0


class World:
    """``tokens`` are by role, and ``nobody`` has none. ``audit`` has the answers of the audit log, ``asked`` what was
    asked, and ``told`` the other messages of the API."""

    def __init__(self, settings: ApiSettings) -> None:
        self.clock = ManualClock(START)
        self.cluster = EmbeddedCluster(self.clock, Randomness(2))
        self.settings = settings
        self.api: ResourceApi
        self.server: ApiServer
        self.session: aiohttp.ClientSession
        self.url = ""
        self.tokens: dict[str, str] = {}
        self.audit: list[tuple[str, Mapping[str, Any]]] = []
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.told: list[tuple[str, Mapping[str, Any]]] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[World]:
        """The world, until the block ends."""
        await self.cluster.start()
        self.api = self.cluster.client("User")
        for name in (*ROLES, "nobody"):
            self.tokens[name] = await self._account(name)
        own = self.cluster.client("ApiServer")
        randomness = Randomness(1)
        self.server = ApiServer(self.settings, own, self.clock, randomness, SystemNetwork(), self._note)
        host, port = await self.server.start()
        self.url = f"http://{host}:{port}"
        try:
            async with aiohttp.ClientSession(self.url) as self.session:
                yield self
        finally:
            await self.server.stop()
            await self.cluster.stop()

    @asynccontextmanager
    async def beside(self, other: World) -> AsyncIterator[World]:
        """Another server on the cluster of ``other``, with its callers, until the block ends."""
        self.cluster, self.tokens, self.clock = other.cluster, other.tokens, other.clock
        own = self.cluster.client("ApiServer")
        self.server = ApiServer(self.settings, own, self.clock, Randomness(3), SystemNetwork(), self._note)
        host, port = await self.server.start()
        try:
            async with aiohttp.ClientSession(f"http://{host}:{port}") as self.session:
                yield self
        finally:
            await self.server.stop()

    async def ask(
        self, method: str, path: str, body: Any = None, *, role: str = "admin", status: int = 200, **headers: str
    ) -> Any:
        """Return the answer's body, which is a problem for a status from 400 on."""
        sent = {"Authorization": f"Bearer {self.tokens[role]}"} if role in self.tokens else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, path, json=body, headers=sent) as answer:
            text = await answer.read()
            assert answer.status == status, (answer.status, text)
            content = orjson.loads(text) if "json" in answer.content_type else text
            if status >= 400:
                assert answer.content_type == "application/problem+json"
                assert content["status"] == status
            return content

    async def register(self, name: str, **status: Any) -> Object:
        """Make a Device, as a gateway does."""
        wanted = manifests.device(name, public_key=b"key-of-" + name.encode(), device_type="mcu")
        made = await self.api.create(DEVICE, wanted)
        if status:
            made = await self.api.patch_status(DEVICE, name, {"status": status})
        await self.settle()
        return made

    async def add_gateway(self, name: str) -> None:
        """Make a Gateway, as it registers itself."""
        await self.api.create(GATEWAY, manifests.gateway(name, endpoint="127.0.0.1:1"))
        await self.settle()

    async def take_away(self, role: str) -> None:
        """Delete the RoleBinding of a caller."""
        binding = ROLES[role].objects("wasmbed", role)[1]["metadata"]["name"]
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/wasmbed/rolebindings/{binding}"
        assert (await self.cluster.server.handle(Request("DELETE", path, {}, {}, b"", "User", True))).status == 200

    async def settle(self) -> None:
        """Wait until the server has seen all changes."""
        await self.server.copies.catch_up(5)

    async def _account(self, name: str) -> str:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
        await self.api.create(SERVICE_ACCOUNT, account)
        if name in ROLES:
            for each in ROLES[name].objects("wasmbed", name):
                await self._send("POST", each)
        path = f"/api/v1/namespaces/wasmbed/serviceaccounts/{name}/token"
        request = Request("POST", path, {}, {"content-type": "application/json"}, {"spec": {}}, "User", True)
        answer = (await self.cluster.server.handle(request)).content.value()
        return str(answer["status"]["token"])

    async def _send(self, method: str, body: Object) -> None:
        group, version = body["apiVersion"].split("/")
        plural = body["kind"].lower() + "s"
        path = f"/apis/{group}/{version}/namespaces/wasmbed/{plural}"
        request = Request(method, path, {}, {"content-type": "application/json"}, body, "User", True)
        assert (await self.cluster.server.handle(request)).status == 201

    def _note(self, source: str, target: str, name: str, data: Mapping[str, Any], about: str) -> None:
        is_answer = source == "ApiServer" and "code" in data
        (self.asked if source == "User" else self.audit if is_answer else self.told).append((name, data))
