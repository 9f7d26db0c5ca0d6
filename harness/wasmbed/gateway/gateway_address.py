"""The gateway's address for devices, which is known once it listens."""

from __future__ import annotations

from harness.core.network import Endpoint
from harness.wasmbed.gateway.settings import GatewaySettings

__all__ = ["GatewayAddress"]


class GatewayAddress:
    """Set by the listener; read by everything that sends the address to others."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._endpoint: Endpoint | None = None

    @property
    def is_known(self) -> bool:
        """Whether the gateway listens for devices."""
        return self._endpoint is not None

    @property
    def endpoint(self) -> Endpoint:
        """Host and port of the listener. Raises :class:`RuntimeError` before the start."""
        if self._endpoint is None:
            raise RuntimeError("the gateway is not started")
        return self._endpoint

    @property
    def advertised(self) -> str:
        """The ``host:port`` that is sent to devices and written to the Gateway's spec."""
        return self._settings.advertise or "{}:{}".format(*self.endpoint)

    def set(self, endpoint: Endpoint) -> None:
        """Note where the gateway listens."""
        self._endpoint = endpoint
