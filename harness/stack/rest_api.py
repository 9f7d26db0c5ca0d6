"""The REST API of a stack's platform, with callers of the three roles."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from harness.core.errors import reason
from harness.core.history import Tap
from harness.wasmbed.api.accounts import token_of
from harness.wasmbed.api.fleet import GatewayFleet
from harness.wasmbed.api.problems import Problem
from harness.wasmbed.api.server import ApiServer
from harness.wasmbed.api.settings import ApiSettings
from harness.wasmbed.resources.api import Object, ResourceApi

if TYPE_CHECKING:
    from harness.stack.stack import Stack

__all__ = ["RestApi", "RestApiRefusal"]

WITHIN = 60.0
"""Seconds for an answer."""
_RBAC = "rbac.authorization.k8s.io"


class RestApiRefusal(Exception):
    """The API answered with a problem (RFC 9457)."""

    def __init__(self, status: int, problem: Object) -> None:
        super().__init__(f"{status}: {problem.get('detail')}")
        self.status, self.problem = status, problem


class RestApi:
    """Serves from :meth:`start` to :meth:`stop`; each change that a caller asks for is in the history.

    Callers have the role ``admin`` unless they say ``operator`` or ``viewer``. Answers are decoded JSON, or bytes.
    """

    def __init__(self, stack: Stack, own: ResourceApi, tap: Tap) -> None:
        """``own`` is the server's client of the cluster."""
        self._api, self._own, self._clock, self._network = stack.api, own, stack.clock, stack.network
        self._randomness, self._tap, self._fleet = stack.randomness.fork("rest-api"), tap, StackFleet(stack)
        self._server: ApiServer | None = None
        self._session: aiohttp.ClientSession | None = None
        self._tokens: dict[str, str] = {}
        self.url = ""
        """``http://HOST:PORT``."""

    async def start(self) -> None:
        """Start to serve, again after :meth:`stop` at another port; returns once it has read the cluster."""
        if self._server is not None:
            return
        randomness = self._randomness.fork("server")
        self._server = ApiServer(
            ApiSettings(), self._own, self._clock, randomness, self._network, self._tap, fleet=self._fleet
        )
        self.url = "http://{}:{}".format(*await self._server.start())
        timeout = aiohttp.ClientTimeout(total=None)  # the stack's clock counts
        self._session = aiohttp.ClientSession(connector=self._network.connector(), timeout=timeout)

    async def stop(self) -> None:
        """Stop serving. The platform goes on without it."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        server, self._server = self._server, None
        if server is not None:
            await server.stop()

    async def get(self, path: str, *, role: str = "admin", **headers: str) -> Any:
        """Read. ``headers`` are written with ``_`` for ``-``. Raises :class:`RestApiRefusal`, as all methods."""
        return await self.request("GET", path, None, role, headers)

    async def post(self, path: str, body: Any = None, *, role: str = "admin", **headers: str) -> Any:
        """Create, or carry out an action."""
        return await self.request("POST", path, {} if body is None else body, role, headers)

    async def put(self, path: str, body: Any, *, role: str = "admin", **headers: str) -> Any:
        """Replace."""
        return await self.request("PUT", path, body, role, headers)

    async def patch(self, path: str, body: Any, *, role: str = "admin", **headers: str) -> Any:
        """Change fields."""
        return await self.request("PATCH", path, body, role, headers)

    async def delete(self, path: str, *, role: str = "admin", **headers: str) -> Any:
        """Delete."""
        return await self.request("DELETE", path, None, role, headers)

    async def request(self, method: str, path: str, body: Any, role: str, headers: dict[str, str]) -> Any:
        """Send a request, and return the answer's content. Raises :class:`OSError` while it does not serve."""
        if self._session is None:
            raise ConnectionRefusedError("the REST API is stopped")
        sent = {"Authorization": f"Bearer {await self.token(role)}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            async with (
                self._clock.deadline(WITHIN),
                self._session.request(method, self.url + path, json=body, headers=sent) as answer,
            ):
                content = await answer.read()
        except aiohttp.ClientError as error:
            raise ConnectionError(f"{method} {path}: {reason(error)}") from error
        decoded: Any = orjson.loads(content) if "json" in answer.content_type and content else content
        if answer.status >= 400:
            raise RestApiRefusal(answer.status, decoded)
        return decoded

    @asynccontextmanager
    async def following(
        self, path: str = "/api/v1/events", *, role: str = "admin", **headers: str
    ) -> AsyncIterator[AsyncIterator[Object]]:
        """Follow the data of server-sent events: by default the changes from now on, each with change, kind and
        object."""
        if self._session is None:
            raise ConnectionRefusedError("the REST API is stopped")
        sent = {"Authorization": f"Bearer {await self.token(role)}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._session.get(self.url + path, headers=sent) as answer:
            if answer.status >= 400:
                raise RestApiRefusal(answer.status, orjson.loads(await answer.read()))
            yield _changes(answer)

    async def token(self, role: str) -> str:
        """Return the token of a ServiceAccount with a role, which is made when it is first asked for."""
        if role not in self._tokens:
            self._tokens[role] = await token_of(role, self._api, self._api.namespace)
        return self._tokens[role]


async def _changes(answer: aiohttp.ClientResponse) -> AsyncIterator[Object]:
    async for line in answer.content:
        if line.startswith(b"data: "):
            yield orjson.loads(line[len(b"data: ") :])


class StackFleet(GatewayFleet):
    """The stack's own gateways."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    async def add(self, count: int) -> list[str]:
        if "several-gateways" not in self._stack.gateway.features:
            raise Problem(409, "only one gateway of this kind can run")
        first = len(self._stack.gateways) + 1
        names = [f"gateway-{number}" for number in range(first, first + count)]
        for name in names:
            await self._stack.add_gateway(name)
        return names

    async def remove(self, name: str) -> None:
        for gateway in self._stack.gateways:
            if gateway.name == name and gateway.running:
                await gateway.stop()
