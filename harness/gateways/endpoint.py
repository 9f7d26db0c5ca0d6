"""The kind ``endpoint``: a gateway that runs already, and that the harness neither stops nor changes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from harness.core.errors import RigError, UsageError, reason, suggestion
from harness.core.network import Endpoint
from harness.gateways.gateway import FEATURES, Choice, Gateway, GatewaySetup
from harness.wasmbed.gateway.settings_file import parse_endpoint

__all__ = ["EndpointGateway"]

_KEYS = ("devices", "http", "device_ca", "device_ca_key", "features")
_OURS = frozenset(
    {"gateway-stop", "gateway-kill", "gateway-reload", "several-gateways", "gateway-api-faults", "gateway-pause"}
)
"""The features that a gateway that runs already cannot have."""


class EndpointGateway(Gateway):
    """``devices`` is where it listens, ``http`` where its HTTP API is; both ``"host:port"``. ``device_ca`` and
    ``device_ca_key`` are files with the authority that it trusts: the stack's boards get certificates of that.
    Without them boards have to bring an identity that it trusts. The record then has the ciphertext of their links, and
    the messages that virtual boards and mock boards have seen."""

    kind: ClassVar[str] = "endpoint"
    described: ClassVar[bool] = True

    def __init__(self, setup: GatewaySetup, choice: Choice) -> None:
        super().__init__(setup, choice)
        _check(choice)
        self._devices = _endpoint(choice, "devices")
        self._http = _endpoint(choice, "http") if "http" in choice.table else None

    @classmethod
    def features_of(cls, choice: Choice) -> frozenset[str]:
        _check(choice)
        return frozenset(choice.table.get("features", ()))

    @classmethod
    def device_authority(cls, choice: Choice) -> tuple[Path, Path] | None:
        _check(choice)
        if "device_ca" not in choice.table:
            return None
        return choice.folder / choice.table["device_ca"], choice.folder / choice.table["device_ca_key"]

    @classmethod
    def tunnelled(cls, choice: Choice) -> bool:
        return "device_ca" not in choice.table

    @property
    def endpoint(self) -> Endpoint:
        return self._devices

    @property
    def http_endpoint(self) -> Endpoint | None:
        return self._http

    async def start(self) -> None:
        """Check that something listens there."""
        try:
            probe = await self.setup.network.connect(_Probe, self._devices)
        except OSError as error:
            raise RigError(
                f"does not accept connections at {self._devices[0]}:{self._devices[1]}: {reason(error)}",
                where=f"gateway {self.setup.settings.name}",
                do=f"start it, or correct devices ({self.choice.at('devices')})",
            ) from error
        probe.close()

    async def stop(self) -> None:
        """Leave it as it is."""

    async def kill(self) -> None:
        """Leave it as it is."""


class _Probe(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def close(self) -> None:
        """End the connection."""
        self._transport.close()


def _check(choice: Choice) -> None:
    """Raise UsageError for an invalid table."""
    table: Mapping[str, Any] = choice.table
    for key in table:
        if key not in _KEYS:
            do = f"{suggestion(key, _KEYS)}the keys are kind, {', '.join(_KEYS)}"
            raise UsageError(f"unknown key {key!r}", where=choice.at(key), do=do)
    if "devices" not in table:
        do = 'write kind = "endpoint" and devices = "host:port" into a table [gateways.NAME] of harness.toml'
        raise UsageError("does not say where the gateway listens", where=choice.where, do=do)
    files = [table[key] for key in ("device_ca", "device_ca_key") if key in table]
    if len(files) == 1 or not all(isinstance(file, str) for file in files):
        do = "name the certificate and the key of one authority, both DER"
        raise UsageError("device_ca and device_ca_key must be two paths", where=choice.at("device_ca"), do=do)
    features = table.get("features", [])
    if not isinstance(features, list) or not set(features) <= FEATURES.keys() - _OURS:
        known = ", ".join(sorted(FEATURES.keys() - _OURS))
        raise UsageError("features must be a list of names", where=choice.at("features"), do=f"there are: {known}")


def _endpoint(choice: Choice, key: str) -> Endpoint:
    try:
        return parse_endpoint(str(choice.table[key]))
    except ValueError as error:
        raise UsageError(f"{key} {error}", where=choice.at(key), do="correct it there") from error
