"""The gateway: sessions with devices on one side, the Kubernetes API on the other.

Other rooms use :class:`Gateway` and :class:`GatewaySettings` only.
"""

from harness.wasmbed.gateway.gateway import Gateway
from harness.wasmbed.gateway.settings import GatewaySettings

__all__ = ["Gateway", "GatewaySettings"]
