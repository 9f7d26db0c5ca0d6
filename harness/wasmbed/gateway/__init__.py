"""The gateway: sessions with devices on one side, the Kubernetes API on the other.

:class:`Gateway` with its :class:`GatewaySettings` is all that others need.
"""

from harness.wasmbed.gateway.gateway import Gateway
from harness.wasmbed.gateway.settings import GatewaySettings

__all__ = ["Gateway", "GatewaySettings"]
