"""The application controller's port to gateways, and its HTTP adapter."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from base64 import b64decode
from io import BytesIO
from urllib.parse import quote

import aiohttp

from harness.core.clock import Clock
from harness.core.errors import reason
from harness.core.network import Network
from harness.wasmbed.resources.api import NotFound, ResourceApi
from harness.wasmbed.resources.kinds import SECRET
from harness.wasmbed.resources.names import TOKEN_KEY, gateway_api_secret
from harness.wasmbed.resources.views import Gateway

__all__ = ["GatewayClient", "GatewayRefused", "HttpGatewayClient"]


class GatewayRefused(Exception):
    """The gateway refused the request with the HTTP status ``status``."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)

    @property
    def final(self) -> bool:
        """Whether the request itself is invalid, so that repeating it cannot succeed."""
        return 400 <= self.status < 500 and self.status not in (401, 403, 404, 408, 409, 425, 429)


class GatewayClient(ABC):
    """Asks one of many gateways to deploy to or stop on a device.

    A return means that the gateway accepted; the outcome appears in the Application's ``status.deviceStatuses``. Raises
    :class:`GatewayRefused`, or :class:`OSError` (which includes :class:`TimeoutError`) when there was no answer.
    """

    @abstractmethod
    async def deploy(self, gateway: Gateway, application: str, device: str, body: bytes) -> None:
        """Deploy. ``body`` is a :class:`~harness.wasmbed.resources.deployments.DeploymentRequest` in JSON."""

    @abstractmethod
    async def stop(self, gateway: Gateway, application: str, device: str) -> None:
        """Stop the application on the device."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connections."""


class HttpGatewayClient(GatewayClient):
    """The gateways' HTTP API, with each one's bearer token from its Secret ``gateway-<name>-api``."""

    def __init__(self, api: ResourceApi, clock: Clock, network: Network, *, answer_within: float = 10.0) -> None:
        self._api, self._clock, self._network, self._answer_within = api, clock, network, answer_within
        self._session: aiohttp.ClientSession | None = None
        self._tokens: dict[str, str] = {}

    async def deploy(self, gateway: Gateway, application: str, device: str, body: bytes) -> None:
        await self._call("PUT", gateway, application, device, body)

    async def stop(self, gateway: Gateway, application: str, device: str) -> None:
        await self._call("DELETE", gateway, application, device, None)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _call(self, method: str, gateway: Gateway, application: str, device: str, body: bytes | None) -> None:
        path = f"/api/v1/applications/{quote(application, safe='')}/devices/{quote(device, safe='')}"
        url = f"{gateway.status.api_endpoint}{path}"
        async with self._clock.deadline(self._answer_within):
            known = gateway.name in self._tokens
            try:
                await self._send(method, url, await self._token(gateway.name), body)
            except GatewayRefused as error:
                if error.status != 401:
                    raise
                self._tokens.pop(gateway.name, None)  # the Secret may have a new token
                if not known:
                    raise
                await self._send(method, url, await self._token(gateway.name), body)

    async def _token(self, gateway: str) -> str:
        if gateway not in self._tokens:
            try:
                secret = await self._api.get(SECRET, gateway_api_secret(gateway))
            except NotFound as error:
                raise GatewayRefused(
                    401, f"Secret {gateway_api_secret(gateway)} with its token does not exist"
                ) from error
            self._tokens[gateway] = b64decode((secret.get("data") or {}).get(TOKEN_KEY, "")).decode()
        return self._tokens[gateway]

    async def _send(self, method: str, url: str, token: str, body: bytes | None) -> None:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=self._network.connector(), timeout=aiohttp.ClientTimeout(total=None)
            )
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            data = None if body is None else BytesIO(body)  # aiohttp sends a file in pieces
            async with self._session.request(method, url, data=data, headers=headers) as answer:
                text = await answer.text(errors="replace")
        except aiohttp.ClientError as error:
            raise ConnectionError(f"{url}: {reason(error)}") from error
        if answer.status >= 300:
            raise GatewayRefused(answer.status, _reason(text) or answer.reason or str(answer.status))


def _reason(text: str) -> str:
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return text.strip()[:500]
