"""The gateway's own objects in the cluster: its Gateway, with its beats, and the Secret with its API's token."""

from __future__ import annotations

from base64 import b64decode, b64encode
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from harness.core.clock import Clock
from harness.core.identifiers import Randomness
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.gateway.status_writer import StatusWriter
from harness.wasmbed.resources.api import Conflict, NotFound, Object, ResourceApi
from harness.wasmbed.resources.kinds import GATEWAY, SECRET
from harness.wasmbed.resources.names import PURPOSE_GATEWAY_API, PURPOSE_LABEL, TOKEN_KEY, gateway_api_secret
from harness.wasmbed.resources.phases import GatewayPhase
from harness.wasmbed.resources.timestamps import format_timestamp

__all__ = ["Registration"]


class Registration:
    """Registers the gateway and writes its beats."""

    def __init__(
        self,
        settings: GatewaySettings,
        api: ResourceApi,
        clock: Clock,
        randomness: Randomness,
        writer: StatusWriter,
    ) -> None:
        self._settings, self._api, self._clock, self._randomness = settings, api, clock, randomness
        self._writer = writer

    async def ensure_token(self) -> str:
        """Return the bearer token of the HTTP API; the first gateway of this name creates it."""
        name = gateway_api_secret(self._settings.name)
        try:
            return _token(await self._api.get(SECRET, name))
        except NotFound:
            token = b64encode(self._randomness.token(32).encode()).decode()
            labels = {PURPOSE_LABEL: PURPOSE_GATEWAY_API}
            body = {
                "apiVersion": SECRET.api_version,
                "kind": SECRET.kind,
                "metadata": {"name": name, "labels": labels},
                "type": "Opaque",
                "data": {TOKEN_KEY: token},
            }
            try:
                return _token(await self._api.create(SECRET, body))
            except Conflict:
                return _token(await self._api.get(SECRET, name))

    async def register(self, endpoint: str, api_endpoint: str) -> None:
        """Create the Gateway object, or update it, and write Online."""
        spec = {"endpoint": endpoint, "capacity": self._settings.sessions}
        body = {
            "apiVersion": GATEWAY.api_version,
            "kind": GATEWAY.kind,
            "metadata": {"name": self._settings.name},
            "spec": spec,
        }
        try:
            await self._api.create(GATEWAY, body)
        except Conflict:
            await self._api.patch(GATEWAY, self._settings.name, {"spec": spec})
        status = {**self._online(0), "version": _version(), "apiEndpoint": api_endpoint}
        await self._writer.write(GATEWAY, self._settings.name, status)

    def alive(self, connected: int) -> None:
        """Write a beat with the number of connected devices."""
        self._writer.put(GATEWAY, self._settings.name, self._online(connected))

    def offline(self) -> None:
        """Write Offline: the gateway shuts down."""
        status = {"phase": GatewayPhase.OFFLINE.value, "connectedDevices": 0}
        self._writer.put(GATEWAY, self._settings.name, {**status, "lastSeen": format_timestamp(self._clock.now())})

    def _online(self, connected: int) -> dict[str, Any]:
        return {
            "phase": GatewayPhase.ONLINE.value,
            "error": None,
            "connectedDevices": connected,
            "lastSeen": format_timestamp(self._clock.now()),
            "lastSeenIntervalMilliseconds": max(1, round(1000 * self._settings.last_seen_interval)),
        }


@cache
def _version() -> str:
    try:
        return version("wasmbed-harness")
    except PackageNotFoundError:
        return "unknown"


def _token(secret: Object) -> str:
    return b64decode(secret["data"][TOKEN_KEY]).decode()
